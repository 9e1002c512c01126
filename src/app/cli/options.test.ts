import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseCommandLine } from "./command-line.ts";
import { findOption, helpText, SECTIONS } from "./options.ts";
import { ABSENT_ROWS } from "./rows-absent.ts";
import { VERSION } from "./version.ts";

const ROWS = [...SECTIONS.flatMap((section) => section.rows), ...ABSENT_ROWS];

test("every name belongs to one row", () => {
  const names = ROWS.flatMap((row) => row.names);
  expect(names.length).toBe(new Set(names).size);
  for (const row of ROWS) for (const name of row.names) expect(findOption(name)).toBe(row);
});

test("the help text has every option of every section, in lines that fit", () => {
  const lines = helpText().split("\n");
  for (const { title, rows } of SECTIONS) {
    expect(lines).toContain(`${title}:`);
    for (const row of rows) {
      for (const name of row.names)
        expect(lines.some((line) => new RegExp(`(?:^|, )-${name}\\b`).test(line))).toBe(true);
      expect(row.help.length).toBeGreaterThan(0);
    }
  }
  expect(lines.filter((line) => line.length > 100)).toEqual([]);
  expect(helpText()).not.toContain("-netdev");
});

test("the version is the package's", () => {
  const manifest = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  expect(VERSION).toBe(manifest.version);
  expect(parseCommandLine(["-version"])).toEqual({
    kind: "print",
    text: `Tinamou emulator version ${VERSION}\n`,
    exitCode: 0,
  });
});

test.each<[string[], 0 | 1, string]>([
  [["-h"], 0, "usage: tinamou-system-riscv64 "],
  [["--help"], 0, "usage: tinamou-system-riscv64 "],
  [["-M", "help"], 0, "Supported machines are:\nnone "],
  [["-M", "virt,help"], 0, "virt-machine options:\n  accel=<str> "],
  [["-cpu", "help"], 0, "max\nrv64\n"],
  [["-accel", "help"], 0, "Accelerators supported:\nwasm "],
  [["-smp", "help"], 0, "smp-opts options:\n  clusters=<num>\n"],
  [["-device", "help"], 0, 'Storage devices:\nname "virtio-blk-device", bus virtio-bus'],
  [["-device", "?"], 0, "Storage devices:"],
  [["-device", "virtio-rng-device,help"], 0, "virtio-rng-device options:\n  max-bytes=<uint64> "],
  [["-object", "help"], 0, "List of user creatable objects:\n  iothread\n"],
  [["-object", "rng-random,help"], 0, "rng-random options:\n  filename=<str> "],
  [["-object", "rng-builtin,help"], 0, "There are no options for rng-builtin.\n"],
  [["-chardev", "help"], 0, "Available chardev backend types:\n  file\n"],
  [["-drive", "help"], 0, "drive options:\n  file=<str> "],
  [["-drive", "file=x,format=help"], 0, "Supported formats: raw\n"],
  [["-boot", "help"], 0, "boot-opts options:\n  menu=<bool>\n"],
  [["-L", "fw", "-L", "help"], 0, "fw\n/usual\n"],
  [["-display", "help"], 0, "Available display backend types:\nnone\n"],
  [["-d", "help"], 1, "Log items (comma separated):\nout_asm "],
  [["-trace", "help"], 0, "one_event\nother_event\n"],
  [["-d", "trace:help"], 0, "one_event\nother_event\n"],
])("%j prints", (argv, exitCode, start) => {
  const result = parseCommandLine(argv, { traceEvents: ["one_event", "other_event"], dataDirectories: ["/usual"] });
  expect(result).toMatchObject({ kind: "print", exitCode });
  const text = result.kind === "print" ? result.text : "";
  expect(text.slice(0, start.length)).toBe(start);
  expect(text.endsWith("\n")).toBe(true);
});

test("wrong names are said before -version prints, wrong values are not, as in QEMU", () => {
  expect(() => parseCommandLine(["-version", "-foo"])).toThrow("-foo: invalid option");
  expect(parseCommandLine(["-version", "-cpu", "foo"]).kind).toBe("print");
});
