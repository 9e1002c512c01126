import { array, assert, constantFrom, json, property, uint8Array } from "fast-check";
import { expect, test } from "vitest";
import { JsonReader } from "#control/monitor/json/json-reader.ts";
import type { JsonValue } from "#control/monitor/json/json-value.ts";
import { writeJson } from "#control/monitor/json/json-writer.ts";

/** Values as text and errors, in the order in which they come. */
function read(...chunks: readonly (string | Uint8Array)[]): string[] {
  const seen: string[] = [];
  const reader = new JsonReader({
    value: (value) => seen.push(writeJson(value)),
    error: (what) => seen.push(`! ${what}`),
  });
  for (const chunk of chunks) reader.feed(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
  return seen;
}

// biome-ignore format: a table
test.each<[string, readonly string[]]>([
  ['{"a":1}\n', ['{"a": 1}']],
  [" { } [ ] ", ["{}", "[]"]],
  ['{"a":{"b":[1,-2,3.5,true,false,null,"x"]}}', ['{"a": {"b": [1, -2, 3.5, true, false, null, "x"]}}']],
  ["{'a':'it\\'s'}", ['{"a": "it\'s"}']],
  ['{"a":18446744073709551615,"b":-9223372036854775808}', ['{"a": 18446744073709551615, "b": -9223372036854775808}']],
  ['"é\\u00e9\\ud83d\\ude00" ', ['"\\u00E9\\u00E9\\uD83D\\uDE00"']],
  ['{"__proto__":1}', ['{"__proto__": 1}']],
  ["1 2 ", ["1", "2"]],
  ['{"a":1}{"b":2}', ['{"a": 1}', '{"b": 2}']],
  ["foo ", ["! JSON parse error, invalid keyword 'foo'"]],
  ['{"a":}', ["! JSON parse error, expecting value"]],
  ['{"a" 1}', ["! JSON parse error, missing : in object pair"]],
  ['{"a":1,}', ["! JSON parse error, expecting value"]],
  ['{"a":1 "b":2}', ["! JSON parse error, expected separator in dict"]],
  ["[1 2]", ["! JSON parse error, expected separator in list"]],
  ["[1,]", ["! JSON parse error, expecting value"]],
  ["{1:2}", ["! JSON parse error, key is not a string in object"]],
  ['{"a":1,"a":2}', ["! JSON parse error, duplicate key"]],
  ["]", ["! JSON parse error, expecting value"]],
  ["[}", ["! JSON parse error, expecting value"]],
  ["@ {}", ["! JSON parse error, stray '@'", "{}"]],
  ["01 ", ["! JSON parse error, stray '01'"]],
  ['"\\q" ', ["! JSON parse error, invalid escape sequence in string"]],
  ['"\\ud800" ', ["! JSON parse error, \\ud800 is not a valid Unicode character"]],
  ['"a\nb ', ["! JSON parse error, stray '\"a'"]],
])("%s", (text, expected) => {
  expect(read(text).slice(0, expected.length)).toEqual(expected);
});

test("a value may come in any parts", () => {
  const bytes = new TextEncoder().encode('{"execute":"é","arguments":{"a":[1,2.5,"\\u00e9"]}} [] ');
  for (let cut = 0; cut <= bytes.length; cut++) {
    expect(read(bytes.subarray(0, cut), bytes.subarray(cut))).toEqual(read(bytes));
  }
});

test("invalid UTF-8 is an error, and what follows is read", () => {
  expect(read(Uint8Array.of(0x22, 0xff, 0x22, 0x20), "{}")).toEqual([
    "! JSON parse error, invalid UTF-8 sequence in string",
    "{}",
  ]);
});

test("what grows without an end is an error once, and a later line is read", () => {
  expect(read('"', "x".repeat(2 << 20), '"\n{}')[0]).toBe("! JSON token size limit exceeded");
  expect(read("[".repeat(1100))[0]).toBe("! JSON nesting depth limit exceeded");
  expect(read("[", "1,".repeat(150_000), "\n").filter((line) => line.includes("count"))).toHaveLength(1);
});

test("deep nesting within the limit is read without recursion", () => {
  expect(read(`${"[".repeat(1000)}${"]".repeat(1000)}`)[0]).toBe(`${"[".repeat(1000)}${"]".repeat(1000)}`);
});

const CHARACTERS = Array.from("{}[]:,\"'\\ a1-.e\ntrue");

test("bytes that mean nothing never throw", () => {
  assert(
    property(array(uint8Array({ maxLength: 60 }), { maxLength: 5 }), (chunks) => {
      read(...chunks);
    }),
  );
  assert(
    property(array(constantFrom(...CHARACTERS), { maxLength: 60 }), (characters) => {
      read(characters.join(""));
    }),
  );
});

test("what JSON.parse reads is read the same", () => {
  assert(
    property(json(), (text) => {
      const seen: JsonValue[] = [];
      const reader = new JsonReader({
        value: (value) => seen.push(value),
        error: (what) => {
          // The one thing that JSON.parse takes and this does not.
          expect(what).toMatch(/Unicode|duplicate/);
        },
      });
      reader.feed(new TextEncoder().encode(`${text}\n`));
      for (const value of seen) expect(JSON.parse(writeJson(value))).toEqual(JSON.parse(text));
    }),
  );
});
