import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseNested, parseStructured, splitPairs, type Value, wantsHelp } from "./key-values.ts";
import { OptionError } from "./option-error.ts";

/** Maps as objects, for comparing. */
function plain(value: Value): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item as Value)]));
  if (Array.isArray(value)) return value.map((item) => plain(item as Value));
  return value;
}

test.each<[string, string | undefined, [string, string][]]>([
  ["", "driver", []],
  ["foo", "driver", [["driver", "foo"]]],
  ["foo,", "driver", [["driver", "foo"]]],
  ["foo,a=1,b", "driver", [["driver", "foo"], ["a", "1"], ["b", "on"]]], // biome-ignore format: a table
  ["a=1", "driver", [["a", "1"]]],
  ["server,nowait", undefined, [["server", "on"], ["wait", "off"]]], // biome-ignore format: a table
  ["file=a,,b,if=none", undefined, [["file", "a,b"], ["if", "none"]]], // biome-ignore format: a table
  ["file=a,,", undefined, [["file", "a,"]]],
  ["a,,b", "file", [["file", "a,b"]]],
  ["k==v=w", undefined, [["k", "=v=w"]]],
])("the flat grammar: %j with implied %j", (text, implied, expected) => {
  expect(splitPairs(text, implied).map(({ key, value }) => [key, value])).toEqual(expected);
});

test.each<[string, string | undefined, unknown]>([
  ["virt,usb=off", "type", { type: "virt", usb: "off" }],
  [
    "driver=raw,file.driver=file,file.filename=a,,b",
    undefined,
    { driver: "raw", file: { driver: "file", filename: "a,b" } },
  ],
  ["a.0=x,a.1=y", undefined, { a: ["x", "y"] }],
  ["a.1.b=y,a.0.b=x", undefined, { a: [{ b: "x" }, { b: "y" }] }],
  ["a=1,a=2", undefined, { a: "2" }],
  ['{"a":[1,true,null,"x"],"b":{"c":-1.5}}', "type", { a: [1, true, null, "x"], b: { c: -1.5 } }],
])("the nested grammar: %j with implied %j", (text, implied, expected) => {
  expect(plain(parseStructured(text, implied).map)).toEqual(expected);
});

test.each([
  ["virt,usb", "Expected '=' after parameter 'usb'"],
  [",usb=off", "Invalid parameter ''"],
  ["virt,1-x=1", "Invalid parameter '1-x'"],
  ["virt,a..b=1", "Invalid parameter 'a..b'"],
  ["virt,a=1,a.b=1", "Parameters 'a.*' used inconsistently"],
  ["virt,a.b=1,a=1", "Parameters 'a.*' used inconsistently"],
  ["virt,a.0=1,a.b=1", "Parameters 'a.*' used inconsistently"],
  ["virt,a.1=1", "Parameter 'a.0' missing"],
  [`virt,${"a.".repeat(5000)}b=1`, "Invalid parameter"],
  ['{"a":1,"a":2}', "JSON parse error, duplicate key 'a'"],
  ['{"a":1}x', "Expecting at most one JSON value"],
  ['{"a":', "JSON parse error, premature end"],
  ['{"a" 1}', "JSON parse error, missing ':' after a key"],
  ["{a:1}", "JSON parse error, key is not a string"],
  ['{"a":1', "JSON parse error, missing '}'"],
  ['{"a":[1', "JSON parse error, missing ']'"],
  ['{"a":01}', "JSON parse error, missing '}'"],
  ['{"a":"\\q"}', "JSON parse error, bad escape or control character in a string"],
  ['{"a":"b', "JSON parse error, unterminated string"],
  [`{"a":${"[".repeat(100_000)}`, "JSON parse error, nesting too deep"],
])("refuses %.40s", (text, sentence) => {
  expect(() => parseStructured(text, "type")).toThrow(sentence);
  expect(() => parseStructured(text, "type")).toThrow(OptionError);
});

test("keys of objects are data, not the prototype's", () => {
  const { map } = parseStructured('{"__proto__":1,"constructor":2}');
  expect([...map.keys()]).toEqual(["__proto__", "constructor"]);
});

test("JSON's objects come out as JSON.parse makes them", () => {
  // -0 is left out: the text of it has no sign.
  const objects = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 }));
  fc.assert(
    fc.property(objects, (object) => {
      const text = JSON.stringify(object);
      expect(JSON.stringify(plain(parseStructured(text).map))).toBe(JSON.stringify(JSON.parse(text)));
    }),
    { numRuns: 300 },
  );
});

test("a value with its commas doubled comes back", () => {
  fc.assert(
    fc.property(fc.string(), fc.string({ minLength: 1 }), (first, second) => {
      const text = `a=${first.replaceAll(",", ",,")},b=${second.replaceAll(",", ",,")}`;
      expect(splitPairs(text).map(({ value }) => value)).toEqual([first, second]);
      expect(plain(parseNested(text))).toEqual({ a: first, b: second });
    }),
  );
});

test("help is a word of its own", () => {
  expect(["help", "?", "virt,help", "a=1,?"].map(wantsHelp)).toEqual([true, true, true, true]);
  expect(["helper", "name=help", ""].map(wantsHelp)).toEqual([false, false, false]);
});
