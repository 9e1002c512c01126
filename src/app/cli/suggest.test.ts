import { expect, test } from "vitest";
import { parseCommandLine } from "./command-line.ts";
import { closest } from "./suggest.ts";

test.each([
  ["kernal", "kernel"],
  ["kernle", "kernel"],
  ["kernl", "kernel"],
  ["kkernel", "kernel"],
  ["smpp", "smp"],
  ["ssmpp", undefined],
  ["foo", undefined],
  ["kern", undefined],
  ["", undefined],
])("%s -> %s", (name, expected) => {
  expect(closest(name, ["m", "smp", "kernel", "initrd"])).toBe(expected);
});

test.each([
  ["-kernal x", "-kernal: invalid option; did you mean -kernel?"],
  ["--nographics", "--nographics: invalid option; did you mean -nographic?"],
  ["-deamonize", "-deamonize: invalid option; did you mean -daemonize?"],
  ["-foo", "-foo: invalid option"],
  [
    "-device virtio-rng-devcie",
    "'virtio-rng-devcie' is not a valid device model name; did you mean virtio-rng-device?",
  ],
  ["-device virtio-rng-device,perod=5", "Property 'virtio-rng-device.perod' not found; did you mean period?"],
  ["-M virt,acilnt=on", "Property 'virt-machine.acilnt' not found; did you mean aclint?"],
  ["-M vrit", "unsupported machine type; use -machine help to list supported machines; did you mean virt?"],
  ["-cpu rv46", "unable to find CPU model 'rv46'; did you mean rv64?"],
  ["-d in-asm", "unknown log item 'in-asm'; '-d help' lists them; did you mean in_asm?"],
  ["-accel wams", "invalid accelerator wams; did you mean wasm?"],
  ["-chardev sokcet,id=a", "'sokcet' is not a valid char driver name; did you mean socket?"],
])("%s", (line, message) => {
  expect(() => parseCommandLine(line.split(" "))).toThrow(message);
});
