/** HMP's lines without a machine: arguments, expressions, formats, completion, help. */
import { expect, test } from "vitest";
import { completeLine } from "#control/monitor/hmp/completion.ts";
import { readFormat, showItems, type LastFormat } from "#control/monitor/hmp/examine.ts";
import { readExpression } from "#control/monitor/hmp/expression.ts";
import { describeParameters, readHmpArguments } from "#control/monitor/hmp/hmp-arguments.ts";
import { runHmpLine } from "#control/monitor/hmp/hmp-dispatch.ts";
import { MODULES } from "#control/monitor/modules.ts";
import { Monitor } from "#control/monitor/monitor.ts";
import { bareConfig, bareHost } from "#control/monitor/testing/bare-host.ts";

const monitor = (): Monitor => new Monitor(MODULES, bareConfig(), undefined, bareHost());
const say = (line: string): Promise<string> => runHmpLine(monitor(), line, { cpuIndex: 0 });

// biome-ignore format: a table
test.each<[string, string]>([
  ["", ""],
  ["   ", ""],
  ["nothing at all", "unknown command: 'nothing'\n"],
  ["info nothing", "unknown command: 'info nothing'\n"],
  ["info status", "VM status: paused (prelaunch)\n"],
  ["info version", "7.2.0test\n"],
  ["info kvm", "kvm support: not compiled\n"],
  ["stop now", 'stop|s: extraneous characters at the end of line\nTry "help stop" for more information\n'],
  ["help stop", "stop|s  -- stops the vCPUs\n"],
  ["help info status", "info status  -- whether the machine runs\n"],
  ["help nothing", "unknown command: 'nothing'\n"],
  ["p 1+2*3", "0x7\n"],
  ["p/d -(2+3)", "-5\n"],
  ["print /u -1", "18446744073709551615\n"],
  ["p /o 8", "010\n"],
  ["p /c 65", "'A'\n"],
  ["p 5 % 3 + (1|2) ^ 7 & 3", "0x2\n"],
  ["p 0x10 + 010 + 'a'", "0x79\n"],
  ["p 10/0", 'division by zero\nTry "help p" for more information\n'],
  ["p (1", '\')\' expected\nTry "help p" for more information\n'],
  ["p", 'unexpected end of expression\nTry "help p" for more information\n'],
  ["p foo", 'invalid char \'f\' in expression\nTry "help p" for more information\n'],
  ["p $pc", 'unknown register\nTry "help p" for more information\n'],
  ["p 99999999999999999999999", 'number too large\nTry "help p" for more information\n'],
  ["x /z 0", "Error: there is no machine\n"],
  ["info registers", "Error: there is no machine\n"],
  ["cpu 0", "invalid CPU index\n"],
  ["trace-event vm_state_notify maybe", 'Expected \'on\' or \'off\'\nTry "help trace-event" for more information\n'],
  ["trace-event vm_state_notify off", ""],
  ["trace-event vm_state_notify on", "Error: what is logged is chosen when the machine starts: use -d and -trace\n"],
  ["qom-list /nope", "Error: Device '/nope' not found\n"],
  ["qom-get /machine type", '"none-machine"\n'],
])("%s", async (line, text) => {
  expect(await say(line)).toBe(text);
});

test("an expression that is nested too deeply is an error, not the end of the stack", () => {
  expect(() => readExpression("(".repeat(100_000), 0, () => undefined)).toThrow("too deep");
  expect(() => readExpression("-".repeat(100_000), 0, () => undefined)).toThrow("too deep");
});

test("64 bits wrap around, and a register is looked up by its name", () => {
  expect(readExpression("0xffffffffffffffff + 2", 0, () => undefined).value).toBe(1n);
  expect(readExpression("$sp - 8 rest", 0, (name) => (name === "sp" ? 0x100n : undefined))).toEqual({
    value: 0xf8n,
    end: 8,
  });
});

test("words may stand in quotes; switches and the rest of the line", () => {
  const parameters = [
    { name: "all", kind: "switch", letter: "a" },
    { name: "file", kind: "word" },
    { name: "rest", kind: "rest", isOptional: true },
  ] as const;
  const args = readHmpArguments("c", parameters, '-a "a \\"b\\"\\n" and more', 0, () => undefined);
  expect([args.isOn("all"), args.text("file"), args.text("rest")]).toEqual([true, 'a "b"\n', "and more"]);
  expect(describeParameters(parameters)).toBe("[-a] file [rest]");
  expect(() => readHmpArguments("c", parameters, '"a', 0, () => undefined)).toThrow("unterminated string");
  expect(() => readHmpArguments("c", parameters, "", 0, () => undefined)).toThrow("c: string expected");
});

const BYTES = Uint8Array.from({ length: 24 }, (_, index) => index * 11);

// biome-ignore format: a table
test.each<[string, string]>([
  ["2xw", "0000000000001000: 0x21160b00 0x4d42372c\n"],
  ["9xb", "0000000000001000: 0x00 0x0b 0x16 0x21 0x2c 0x37 0x42 0x4d\n0000000000001008: 0x58\n"],
  ["1xg", "0000000000001000: 0x4d42372c21160b00\n"],
  ["2dh", "0000000000001000:  2816  8470\n"],
  ["2oh", "0000000000001000:  05400 020426\n"],
  ["3uh", "0000000000001000:  2816  8470 14124\n"],
  ["4cb", "0000000000001000: '\\x00' '\\x0b' '\\x16' '!'\n"],
])("x /%s", (text, expected) => {
  const item = readFormat(text, { format: "x", sizeBytes: 4 });
  expect(showItems(0x1000n, BYTES.subarray(0, item.count * item.sizeBytes), item)).toBe(expected);
});

test("a format that says nothing means the last one; i is not remembered", () => {
  const last: LastFormat = { format: "x", sizeBytes: 4 };
  readFormat("dg", last);
  readFormat("3i", last);
  expect(readFormat(undefined, last)).toEqual({ count: 1, format: "d", sizeBytes: 8 });
  expect(() => readFormat("z", last)).toThrow("invalid char in format: 'z'");
  expect(() => readFormat("99999999x", last)).toThrow("at most");
});

test("completion of commands, topics and events", () => {
  const complete = (line: string): readonly string[] => completeLine(monitor(), line).words;
  expect(complete("system_")).toEqual(["system_powerdown ", "system_reset "]);
  expect(complete("info qo")).toEqual(["qom-tree "]);
  expect(complete("trace-event vm_")).toEqual(["vm_state_notify "]);
  expect(complete("stop x")).toEqual([]);
});
