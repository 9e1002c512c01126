import * as fc from "fast-check";
import { test } from "vitest";
import { parseCommandLine } from "./command-line.ts";
import { DEVICES } from "./device-table.ts";
import { OptionError } from "./option-error.ts";
import { SECTIONS } from "./options.ts";

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
const VALUES = [
  "on",
  "off",
  "0",
  "1",
  "2",
  "8",
  "512",
  "-1",
  "1G",
  "1.5G",
  "1e9",
  "0x10",
  "a",
  "",
  "9".repeat(40),
  "1Z",
  "é\n\0",
];

const word = fc.oneof(fc.constantFrom(...WORDS, ...VALUES), fc.string({ maxLength: 6 }));
const pairs = fc
  .array(fc.tuple(word, fc.constantFrom("=", "", ",,", "."), word), { maxLength: 6 })
  .map((parts) => parts.map((part) => part.join("")).join(","));
const json = fc.dictionary(fc.constantFrom(...WORDS), fc.oneof(word, fc.jsonValue({ maxDepth: 3 })), { maxKeys: 6 });
const argument = fc.oneof(
  pairs,
  word,
  json.map((object) => JSON.stringify(object)),
  fc.tuple(json, fc.nat(60)).map(([object, length]) => JSON.stringify(object).slice(0, length)),
);
const option = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constantFrom(...OPTIONS), argument).map(([name, text]) => [`-${name}`, text]) },
  { weight: 1, arbitrary: fc.array(fc.string({ maxLength: 8 }), { maxLength: 2 }) },
);
const argv = fc.array(option, { maxLength: 6 }).map((options) => options.flat());

test("any arguments give a command line or an OptionError of one line", () => {
  fc.assert(
    fc.property(argv, (args) => {
      try {
        parseCommandLine(args);
      } catch (error) {
        if (!(error instanceof OptionError)) throw error;
        if (error.message === "" || /[\n\r\0]/.test(error.message)) throw new Error("not one line", { cause: error });
      }
    }),
    { numRuns: 20_000 },
  );
});
