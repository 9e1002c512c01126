/** The command line: options, the two key=value grammars, JSON. */
import * as fc from "fast-check";
import { parseCommandLine } from "#app/cli/command-line.ts";
import { DEVICES } from "#app/cli/device-table.ts";
import { parseJsonObject } from "#app/cli/json-text.ts";
import { parseNested, parseStructured, splitPairs, type Value, wantsHelp } from "#app/cli/key-values.ts";
import { OptionError } from "#app/cli/option-error.ts";
import { SECTIONS } from "#app/cli/options.ts";
import { damagedText } from "./mutation.ts";
import { must, target } from "./target.ts";

const OPTIONS = SECTIONS.flatMap((section) => section.rows.flatMap((row) => row.names));

/** Pieces that options are made of, so that random text gets past the first check. */
// biome-ignore format: a table
const WORDS = [
  "virt", "none", "rv64", "file", "raw", "null", "stdio", "mon:stdio", "pty", "unix:/x", "tcp::1", "socket", "secret",
  "driver", "id", "drive", "node-name", "filename", "if", "format", "size", "cpus", "sockets", "cores", "threads",
  "maxcpus", "maxmem", "slots", "zba", "path", "server", "nowait", "chardev", "bus", "rng", "nr", "qom-type", "read-only",
  "base", "clock", "accel", "kvm:tcg", "pflash", "virtio", "smp.cpus", "file.driver", "cache.no-flush", "a.0", "__proto__",
  "constructor", "toString", "memory-backend", "memory-backend-ram", "rng-random", "max_ports", "chardev:a", "virtio-mmio",
  "force-legacy", "s.0", "virtio-mmio-bus.7", "iothread", "trace:*", "in_asm", "2020-01-01", "help",
  ...DEVICES.map((row) => row.driver),
];
// biome-ignore format: a table
const VALUES = [
  "on", "off", "0", "1", "2", "8", "512", "-1", "1G", "1.5G", "1e9", "0x10", "a", "", "9".repeat(40), "1Z", "é\n\0",
];
/** Command lines that are right. */
const EXAMPLES = [
  "-M virt,aclint=on -smp 2,maxcpus=4 -m 512M -nographic -bios none -kernel k -initrd i -append x",
  "-M virt -drive if=none,file=d,format=raw,id=d0 -device virtio-blk-device,drive=d0,serial=s -drive if=virtio,file=e",
  "-M virt -blockdev driver=raw,node-name=d,file.driver=file,file.filename=x -device virtio-blk-device,drive=d",
  `-M virt -blockdev {"driver":"raw","node-name":"d","file":{"driver":"file","filename":"x"},"read-only":true}`,
  `-M virt -device {"driver":"virtio-rng-device","max-bytes":1024,"period":1000}`,
  "-M virt -object rng-random,id=r,filename=/dev/urandom -device virtio-rng-device,rng=r",
  "-M virt -chardev socket,id=c,path=/tmp/x,server=on,wait=off -serial chardev:c -display none",
  "-M virt -device virtio-serial-device,id=s -chardev file,id=c,path=x -device virtconsole,chardev=c,bus=s.0,nr=1",
  "-cpu rv64,zba=off,v=false -accel wasm -rtc base=2020-01-01T00:00:00,clock=vm -global virtio-mmio.force-legacy=false",
  "-object memory-backend-ram,id=m,size=64M -machine virt,memory-backend=m -name a,process=b -uuid 0123456789abcdef",
];

const word = fc.oneof(fc.constantFrom(...WORDS, ...VALUES), fc.string({ maxLength: 6 }));
const pairs = fc
  .array(fc.tuple(word, fc.constantFrom("=", "", ",,", "."), word), { maxLength: 6 })
  .map((parts) => parts.map((part) => part.join("")).join(","));
const object = fc.dictionary(fc.constantFrom(...WORDS), fc.oneof(word, fc.jsonValue({ maxDepth: 3 })), { maxKeys: 6 });
const json = object.map((value) => JSON.stringify(value));
const argument = fc.oneof(pairs, word, json, damagedText(json));
const option = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constantFrom(...OPTIONS), argument).map(([name, text]) => [`-${name}`, text]) },
  { weight: 1, arbitrary: fc.array(fc.string({ maxLength: 8 }), { maxLength: 2 }) },
);
const made = fc.array(option, { maxLength: 6 }).map((options) => options.flat());
/** Examples with a few words changed, dropped or doubled. */
const changed = fc
  .tuple(
    fc.constantFrom(...EXAMPLES),
    fc.array(fc.tuple(fc.nat(20), fc.constantFrom("change", "drop", "double"), damagedText(word)), { maxLength: 3 }),
    fc.nat(1000),
  )
  .chain(([example, edits]) => {
    const args = example.split(" ");
    for (const [where, kind] of edits) {
      const at = where % Math.max(args.length, 1);
      if (kind === "drop") args.splice(at, 1);
      if (kind === "double") args.splice(at, 0, args[at] ?? "");
    }
    return fc.tuple(
      ...args.map((text) => fc.oneof({ weight: 6, arbitrary: fc.constant(text) }, damagedText(fc.constant(text)))),
    );
  })
  .map((args) => [...args]);

const options = target({
  name: "options",
  input: fc.oneof(made, changed),
  errors: [OptionError],
  shortRuns: 10_000,
  run: (args) => void parseCommandLine(args),
});

const keyValues = target({
  name: "keyval",
  input: fc.oneof(damagedText(pairs), damagedText(json), fc.string()),
  errors: [OptionError],
  shortRuns: 3000,
  run(text) {
    for (const { key, value } of splitPairs(text, "implied"))
      must(`${key}${value}`.length <= text.length + 8, "no text is made up");
    wantsHelp(text);
    parseStructured(text, "implied");
    parseNested(text);
  },
});

/** A parsed object as `JSON.parse` gives it, with keys in a form that has no prototype to meet. */
function plain(value: Value): unknown {
  if (value instanceof Map) return [...value].map(([key, child]) => [key, plain(child as Value)]);
  return Array.isArray(value) ? { list: value.map(plain) } : value;
}
function plainOfJson(value: unknown): unknown {
  if (Array.isArray(value)) return { list: value.map(plainOfJson) };
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value).map(([key, child]) => [key, plainOfJson(child)]);
}

const jsonObject = target({
  name: "json",
  input: fc.oneof(
    damagedText(json),
    damagedText(fc.json()),
    fc.string().map((text) => `{${text}}`),
    deepJson(),
  ),
  errors: [OptionError],
  shortRuns: 3000,
  run(text) {
    const expected = parsedOrUndefined(text);
    const value = parseJsonObject(text);
    // Integer keys come first in an object of JavaScript: compared in order of their names.
    const sorted = (tree: unknown): string =>
      JSON.stringify(tree, (_, one: unknown) => (isEntries(one) ? one.toSorted(byName) : one));
    must(expected !== undefined, "what JSON.parse refuses is refused");
    must(sorted(plain(value)) === sorted(plainOfJson(expected)), "it says what JSON.parse says");
  },
});

type Entries = [string, unknown][];
const isEntries = (value: unknown): value is Entries =>
  Array.isArray(value) && value.every((one) => Array.isArray(one) && one.length === 2 && typeof one[0] === "string");
const byName = ([a]: Entries[number], [b]: Entries[number]): number => (a < b ? -1 : 1);

function parsedOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Nested so deep, or with strings so long, that a reader that calls itself would run out of stack. */
function deepJson(): fc.Arbitrary<string> {
  const depth = fc.integer({ min: 60, max: 50_000 });
  return fc.oneof(
    depth.map((n) => '{"a":'.repeat(n)),
    depth.map((n) => `{"a":${"[".repeat(n)}${"]".repeat(n)}}`),
    depth.map((n) => `{"a":"${"\\n".repeat(n)}"}`),
    depth.map((n) => `{"${"\\u0041".repeat(n)}`),
  );
}

export const OPTION_TARGETS = [options, keyValues, jsonObject];
