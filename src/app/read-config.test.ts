import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { configArguments, expandArguments } from "./read-config.ts";
import { parseCommandLine } from "./cli/command-line.ts";

const folder = mkdtempSync(join(tmpdir(), "tinamou-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

const CONFIG = `
# a machine
[machine]
  type = "virt"
  aclint = "on"
[smp-opts]
  cpus = "2"
[memory]
  size = "256"
[chardev "c0"]
  backend = "file"
  path = "a,b"
[global]
  driver = "virtio-rng-device"
  property = "period"
  value = "5"
[device "rng"]
  driver = "virtio-rng-device"
[rtc]
  base = "2006-06-17"
[boot-opts]
  menu = "on"
`;

test("each group is an option, in order", () => {
  expect(configArguments(CONFIG, "f").slice(0, 8)).toEqual([
    "-machine",
    "type=virt,aclint=on",
    "-smp",
    "cpus=2",
    "-m",
    "size=256",
    "-chardev",
    "id=c0,backend=file,path=a,,b",
  ]);
});

test("a file stands for its options among others, also twice; its name is no option's argument", () => {
  const path = join(folder, "config");
  writeFileSync(path, CONFIG);
  const argv = expandArguments([
    "-display",
    "none",
    "-kernel",
    "k",
    "-append",
    "-readconfig",
    "--readconfig",
    path,
    "-S",
  ]);
  const command = parseCommandLine([...argv, "-serial", "chardev:c0"]);
  expect(command).toMatchObject({
    kind: "run",
    machine: {
      machine: "virt",
      machineOptions: { aclint: true },
      smp: { cpus: 2 },
      memoryBytes: 256 << 20,
      boot: { append: "-readconfig" },
      chardevs: [{ kind: "file", id: "c0", path: "a,b" }],
      devices: [{ driver: "virtio-rng-device", id: "rng", properties: { period: 5 } }],
      rtc: { base: Date.UTC(2006, 5, 17) / 1000 },
      startStopped: true,
    },
  });
});

test.each([
  ['[foo "x"]', "f:1: There is no option group 'foo'"],
  ['# x\n\na = "b"', "f:3: no group defined"],
  ["[machine]\ntype = virt", 'f:2: expected NAME = "VALUE"'],
  ["[machine", 'f:1: expected NAME = "VALUE"'],
])("%j is refused", (text, message) => {
  expect(() => configArguments(text, "f")).toThrow(message);
});

test("a file that is not there, and no file", () => {
  expect(() => expandArguments(["-readconfig", "/nonexistent"])).toThrow(
    /^-readconfig \/nonexistent: Could not open '\/nonexistent': ENOENT/,
  );
  expect(() => expandArguments(["-readconfig"])).toThrow("-readconfig: requires an argument");
});
