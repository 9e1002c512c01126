/** Every command of the table against arguments that nobody expects: an answer or a `QmpError`, never anything else. */
import { array, assert, asyncProperty, constant, constantFrom, dictionary, jsonValue, oneof, string } from "fast-check";
import { expect, test } from "vitest";
import { runHmpLine } from "#control/monitor/hmp/hmp-dispatch.ts";
import { JsonReader } from "#control/monitor/json/json-reader.ts";
import type { JsonObject, JsonValue } from "#control/monitor/json/json-value.ts";
import { writeJson, type Writable } from "#control/monitor/json/json-writer.ts";
import { MODULES } from "#control/monitor/modules.ts";
import { Monitor } from "#control/monitor/monitor.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import { bareConfig, bareHost } from "#control/monitor/testing/bare-host.ts";
import { readArguments } from "#control/monitor/validate.ts";

const monitor = new Monitor(MODULES, bareConfig(), undefined, bareHost());
const COMMANDS = [...monitor.commands.values()];
const WORDS = COMMANDS.flatMap(({ takes }) => Object.keys(takes.members));
const VALUES = [
  "/machine",
  "/objects",
  "rng-builtin",
  "iothread",
  "x",
  "vm",
  "vcpu",
  "full",
  "rv64",
  "vm_state*",
  "off",
];

/** A value as a client's bytes make it. */
function parsed(value: unknown): JsonValue {
  let result: JsonValue = null;
  const reader = new JsonReader({ value: (read) => (result = read), error: () => {} });
  reader.feed(new TextEncoder().encode(`${JSON.stringify(value)} `));
  return result;
}

async function call(name: string, given: JsonObject): Promise<void> {
  const command = monitor.commands.get(name);
  if (!command) throw new Error(`no command ${name}`);
  try {
    const reply = await command.run(monitor, readArguments(command.takes, given), { cpuIndex: 0 });
    writeJson((reply ?? {}) as Writable);
  } catch (error) {
    if (!(error instanceof QmpError)) throw error;
  }
}

test("QMP commands", async () => {
  const value = oneof(jsonValue({ maxDepth: 2 }), constantFrom(...VALUES), constant(1), constant({ name: "rv64" }));
  const argument = dictionary(oneof(constantFrom(...WORDS), string()), value, { maxKeys: 4 });
  await assert(
    asyncProperty(constantFrom(...COMMANDS.map(({ name }) => name)), argument, async (name, args) => {
      await call(name, parsed(args) as JsonObject);
    }),
    { numRuns: 2000 },
  );
});

test("HMP lines", async () => {
  const names = [...monitor.hmpCommands, ...monitor.infoCommands].flatMap((row) => row.names);
  const word = oneof(constantFrom(...names, ...VALUES, "info", "-a", "/4xw", "$pc", "0x10", '"', "(", "1+"), string());
  await assert(
    asyncProperty(array(word, { maxLength: 5 }), async (words) => {
      expect(typeof (await runHmpLine(monitor, words.join(" "), { cpuIndex: 0 }))).toBe("string");
    }),
    { numRuns: 2000 },
  );
});
