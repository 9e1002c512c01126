/** QMP sessions over a character device in memory, without a machine. */
import { expect, test } from "vitest";
import type { CharBackend, CharFrontend } from "#core/host.ts";
import { type MonitorModule, qmpCommand, qmpEvent } from "#control/monitor/command.ts";
import { MODULES } from "#control/monitor/modules.ts";
import { Monitor } from "#control/monitor/monitor.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import { QmpSession } from "#control/monitor/qmp-session.ts";
import { array, enumeration, int, object, optional, str, union } from "#control/monitor/schema.ts";
import { bareConfig, bareHost } from "#control/monitor/testing/bare-host.ts";

class Client implements CharBackend {
  readonly name = "test";
  sent = "";
  unsentBytes = 0;
  hasHungUp = false;
  whyNoDescriptors: string | undefined;
  #frontend: CharFrontend | undefined;
  #pending: number[] = [];

  attach(frontend: CharFrontend): void {
    this.#frontend = frontend;
  }
  write(bytes: Uint8Array): void {
    this.sent += new TextDecoder().decode(bytes);
  }
  poke(): void {
    for (;;) {
      const room = this.#frontend?.canReceive() ?? 0;
      if (room === 0 || this.#pending.length === 0) return;
      this.#frontend?.receive(Uint8Array.from(this.#pending.splice(0, room)));
    }
  }
  hangUp(): void {
    this.hasHungUp = true;
  }
  close(): void {}

  event(event: "opened" | "closed"): void {
    this.#frontend?.event(event);
  }
  /** Descriptors before the bytes that are sent next; says in `closed` which have been closed. */
  pass(...fds: readonly number[]): void {
    this.#frontend?.passed?.(fds.map((fd) => ({ fd, close: () => void this.closed.push(fd) })));
  }
  readonly closed: number[] = [];
  send(text: string): void {
    for (const byte of new TextEncoder().encode(text)) this.#pending.push(byte);
    this.poke();
  }
  /** What has come since the last call, one message a line. */
  async lines(): Promise<string[]> {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const lines = this.sent.split("\r\n").filter((line) => line !== "");
    this.sent = "";
    return lines;
  }
}

let release: (() => void) | undefined;
const TEST: MonitorModule = {
  title: "Test",
  commands: [
    qmpCommand({
      name: "test-wait",
      help: "",
      run: () => new Promise<void>((resolve) => (release = resolve)),
    }),
    qmpCommand({ name: "test-oob", help: "", oob: true, run: () => {} }),
    qmpCommand({
      name: "test-bug",
      help: "",
      run() {
        throw new TypeError("broken");
      },
    }),
    qmpCommand({
      name: "test-arguments",
      help: "",
      args: union("U", { kind: enumeration("K", ["a", "b"]), list: optional(array(object("O", { n: int }))) }, "kind", {
        a: { x: str },
        b: {},
      }),
      returns: str,
      run(_context, args) {
        if (args.kind === "b" && args.list?.length === 0) throw new QmpError("no", "DeviceNotActive");
        return JSON.stringify(args);
      },
    }),
  ],
  events: [qmpEvent("TEST", "", { n: int })],
};

function setUp(pretty = false): { monitor: Monitor; client: Client; bugs: unknown[] } {
  const monitor = new Monitor([...MODULES, TEST], bareConfig(), undefined, bareHost());
  const client = new Client();
  const bugs: unknown[] = [];
  new QmpSession(monitor, client, { pretty, bug: (error) => bugs.push(error) }).attach();
  return { monitor, client, bugs };
}

async function negotiated(): Promise<ReturnType<typeof setUp>> {
  const all = setUp();
  all.client.event("opened");
  all.client.send('{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}}');
  await all.client.lines();
  return all;
}

test("greeting, negotiation, a command, its id", async () => {
  const { client } = setUp();
  client.event("opened");
  expect(await client.lines()).toEqual([
    '{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": "test"}, "capabilities": ["oob"]}}',
  ]);
  client.send(
    '{"execute":"query-status","id":1}{"execute":"qmp_capabilities"}{"execute":"query-status","id":{"a":[2]}}',
  );
  expect(await client.lines()).toEqual([
    `{"id": 1, "error": {"class": "CommandNotFound", "desc": "Expecting capabilities negotiation with 'qmp_capabilities'"}}`,
    '{"return": {}}',
    '{"return": {"status": "prelaunch", "singlestep": false, "running": false}, "id": {"a": [2]}}',
  ]);
});

// biome-ignore format: a table
test.each<[string, string, string]>([
  ["[]", "GenericError", "QMP input must be a JSON object"],
  ["{}", "GenericError", "QMP input lacks member 'execute'"],
  ['{"execute":1}', "GenericError", "QMP input member 'execute' must be a string"],
  ['{"execute":"stop","x":1}', "GenericError", "QMP input member 'x' is unexpected"],
  ['{"execute":"stop","arguments":[]}', "GenericError", "QMP input member 'arguments' must be an object"],
  ['{"execute":"stop","exec-oob":"stop"}', "GenericError", "QMP input member 'execute' clashes with 'exec-oob'"],
  ['{"exec-oob":"stop"}', "GenericError", "The command stop does not support OOB"],
  ['{"execute":"nothing"}', "CommandNotFound", "The command nothing has not been found"],
  ['{"execute":"constructor"}', "CommandNotFound", "The command constructor has not been found"],
  ['{"execute":"qmp_capabilities"}', "CommandNotFound", "Capabilities negotiation is already complete, command ignored"],
  ['{"execute":"stop","arguments":{"a":1}}', "GenericError", "Parameter 'a' is unexpected"],
  ['{"execute":"stop","arguments":{"__proto__":1}}', "GenericError", "Parameter '__proto__' is unexpected"],
  ['{"execute":"test-arguments"}', "GenericError", "Parameter 'kind' is missing"],
  ['{"execute":"test-arguments","arguments":{"kind":"c"}}', "GenericError", "Parameter 'kind' does not accept value 'c'"],
  ['{"execute":"test-arguments","arguments":{"kind":1}}', "GenericError", "Invalid parameter type for 'kind', expected: string"],
  ['{"execute":"test-arguments","arguments":{"kind":"a"}}', "GenericError", "Parameter 'x' is missing"],
  ['{"execute":"test-arguments","arguments":{"kind":"b","x":"y"}}', "GenericError", "Parameter 'x' is unexpected"],
  ['{"execute":"test-arguments","arguments":{"kind":"b","list":1}}', "GenericError", "Invalid parameter type for 'list', expected: array"],
  ['{"execute":"test-arguments","arguments":{"kind":"b","list":[{"n":1.5}]}}', "GenericError", "Invalid parameter type for 'list[0].n', expected: integer"],
  ['{"execute":"test-arguments","arguments":{"kind":"b","list":[{"n":99999999999999999999}]}}', "GenericError", "Invalid parameter type for 'list[0].n', expected: integer"],
  ['{"execute":"test-arguments","arguments":{"kind":"b","list":[]}}', "DeviceNotActive", "no"],
  ["{,}", "GenericError", "JSON parse error, expecting value"],
])("%s: %s", async (request, code, desc) => {
  const { client, bugs } = await negotiated();
  client.send(request);
  expect((await client.lines()).map((line): unknown => JSON.parse(line))).toEqual([{ error: { class: code, desc } }]);
  client.send('{"execute":"query-kvm"}');
  expect(await client.lines()).toHaveLength(1);
  expect(bugs).toEqual([]);
});

test("a command that fails by our fault is an error for the client and said elsewhere", async () => {
  const { client, bugs } = await negotiated();
  client.send('{"execute":"test-bug"}');
  expect(await client.lines()).toEqual(['{"error": {"class": "GenericError", "desc": "broken"}}']);
  expect(bugs).toHaveLength(1);
});

test("events come after the negotiation only, with their time", async () => {
  const { client, monitor } = setUp();
  client.event("opened");
  monitor.emit("TEST", { n: 1 });
  client.send('{"execute":"qmp_capabilities"}');
  await client.lines();
  monitor.emit("TEST", { n: 2 });
  expect(await client.lines()).toEqual([
    '{"timestamp": {"seconds": 1, "microseconds": 500000}, "event": "TEST", "data": {"n": 2}}',
  ]);
});

test("commands wait for each other; one out of band does not", async () => {
  const { client } = await negotiated();
  client.send('{"execute":"test-wait","id":1}{"execute":"query-kvm","id":2}{"exec-oob":"test-oob","id":3}');
  expect(await client.lines()).toEqual(['{"return": {}, "id": 3}']);
  release?.();
  expect(await client.lines()).toEqual([
    '{"return": {}, "id": 1}',
    '{"return": {"enabled": false, "present": false}, "id": 2}',
  ]);
});

test("a client that floods is not read until it was answered", async () => {
  const { client } = await negotiated();
  client.send('{"execute":"test-wait"}');
  client.send('{"execute":"query-kvm"}'.repeat(10_000));
  expect(await client.lines()).toEqual([]);
  release?.();
  await expect.poll(() => client.sent.split("\r\n").length).toBe(10_002);
});

test("the reply to one who has left does not go to the next client, who starts from the greeting", async () => {
  const { client } = await negotiated();
  client.send('{"execute":"test-wait"} {"execute":"half');
  client.event("closed");
  client.event("opened");
  release?.();
  const lines = await client.lines();
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain("QMP");
  client.send('{"execute":"query-status"}');
  expect((await client.lines())[0]).toContain("CommandNotFound");
});

test("one who does not read is dropped", async () => {
  const { client, monitor } = await negotiated();
  client.unsentBytes = 8 << 20;
  monitor.emit("TEST", { n: 1 });
  expect(await client.lines()).toEqual([]);
  expect(client.hasHungUp).toBe(true);
});

test("pretty replies stand on several lines", async () => {
  const { client } = setUp(true);
  client.event("opened");
  client.sent = "";
  client.send('{"execute":"qmp_capabilities"}{"execute":"query-kvm"}');
  await expect
    .poll(() => client.sent)
    .toBe(
      '{\n    "return": {}\n}\r\n{\n    "return": {\n        "enabled": false,\n        "present": false\n    }\n}\r\n',
    );
});

test("every type that the schema names is in it, once", async () => {
  const { client } = await negotiated();
  client.send('{"execute":"query-qmp-schema"}');
  const [line = ""] = await client.lines();
  const entries = (JSON.parse(line) as { return: Record<string, unknown>[] }).return;
  const names = entries.map(({ name }) => name as string);
  expect(new Set(names).size).toBe(names.length);
  const used = entries.flatMap((entry) => [
    ...(["arg-type", "ret-type", "element-type"] as const).map((key) => entry[key]),
    ...((entry["members"] as { type?: string }[] | undefined) ?? []).map(({ type }) => type),
    ...((entry["variants"] as { type: string }[] | undefined) ?? []).map(({ type }) => type),
  ]);
  expect(used.filter((name) => name !== undefined && !names.includes(name as string))).toEqual([]);
});

const getfd = (fdname: string): string => JSON.stringify({ execute: "getfd", arguments: { fdname } });
const failed = (desc: string): string => `{"error": {"class": "GenericError", "desc": "${desc}"}}`;
const NONE_CAME = failed("No file descriptor supplied via SCM_RIGHTS");

test("getfd, closefd: names, and whose descriptor is whose", async () => {
  const { client, bugs } = await negotiated();
  client.send(getfd("a"));
  expect(await client.lines()).toEqual([NONE_CAME]);
  client.pass(10);
  client.send(getfd("a"));
  client.pass(11, 12);
  client.send(getfd("b"));
  expect(client.closed).toEqual([12]);
  client.pass(13);
  client.send(getfd("a"));
  client.pass(14);
  client.send(getfd("1a"));
  expect(await client.lines()).toEqual([
    '{"return": {}}',
    '{"return": {}}',
    '{"return": {}}',
    failed("Parameter 'fdname' expects a name not starting with a digit"),
  ]);
  expect(client.closed).toEqual([12, 10, 14]);
  client.send('{"execute":"closefd","arguments":{"fdname":"b"}}{"execute":"closefd","arguments":{"fdname":"b"}}');
  expect(await client.lines()).toEqual(['{"return": {}}', failed("File descriptor named 'b' not found")]);
  expect(client.closed).toEqual([12, 10, 14, 11]);
  expect(bugs).toEqual([]);
});

test("descriptors wait with the command that they came with, and are closed with what nobody takes", async () => {
  const { client } = await negotiated();
  client.send('{"execute":"test-wait"}');
  client.pass(20);
  client.send(getfd("a"));
  client.pass(21);
  client.send(getfd("b"));
  client.pass(22);
  client.send('{"execute":"getfd"}');
  // Not for this command: as in QEMU it waits for one that wants it, until others come.
  client.pass(23);
  client.send('{"execute":"query-kvm"}');
  client.pass(24);
  client.send('{"half');
  expect(client.closed).toEqual([23]);
  release?.();
  expect(await client.lines()).toHaveLength(5);
  expect(client.closed).toEqual([23, 22]);
  client.event("closed");
  expect(client.closed).toEqual([23, 22, 24]);
  // Names stay for the next client of this monitor.
  client.event("opened");
  client.send('{"execute":"qmp_capabilities"}{"execute":"closefd","arguments":{"fdname":"b"}}');
  await client.lines();
  expect(client.closed).toEqual([23, 22, 24, 21]);
});

test("a client that leaves before its commands are run leaves no descriptor", async () => {
  const { client } = await negotiated();
  client.send('{"execute":"test-wait"}');
  client.pass(30);
  client.send(getfd("a"));
  client.event("closed");
  expect(client.closed).toEqual([30]);
  release?.();
});

test("nobody keeps more than a few", async () => {
  const { client } = await negotiated();
  for (let fd = 100; fd < 300; fd++) {
    client.pass(fd);
    client.send(getfd(`n${fd}`));
    client.pass(fd + 200);
    client.send('{"execute":"add-fd"}');
    await client.lines();
  }
  expect(client.closed).toHaveLength(2 * (200 - 64));
  client.pass(500);
  client.send(getfd("n500"));
  expect(await client.lines()).toEqual([failed("too many descriptors are kept; closefd closes one")]);
  client.pass(501);
  client.send('{"execute":"add-fd"}');
  expect(await client.lines()).toEqual([failed("too many descriptors are kept; remove-fd closes some")]);
});

test("add-fd, query-fdsets, remove-fd", async () => {
  const { client } = await negotiated();
  const ask = async (request: string): Promise<string | undefined> => {
    client.send(request);
    return (await client.lines())[0];
  };
  expect(await ask('{"execute":"add-fd"}')).toBe(NONE_CAME);
  client.pass(40);
  expect(await ask('{"execute":"add-fd","arguments":{"fdset-id":1,"opaque":"disk"}}')).toBe(
    '{"return": {"fdset-id": 1, "fd": 40}}',
  );
  client.pass(41);
  expect(await ask('{"execute":"add-fd"}')).toBe('{"return": {"fdset-id": 0, "fd": 41}}');
  client.pass(42);
  expect(await ask('{"execute":"add-fd","arguments":{"fdset-id":1}}')).toBe('{"return": {"fdset-id": 1, "fd": 42}}');
  client.pass(43);
  expect(await ask('{"execute":"add-fd","arguments":{"fdset-id":-1}}')).toBe(
    failed("Parameter 'fdset-id' expects a non-negative value"),
  );
  expect(await ask('{"execute":"query-fdsets"}')).toBe(
    '{"return": [{"fdset-id": 1, "fds": [{"fd": 40, "opaque": "disk"}, {"fd": 42}]}, {"fdset-id": 0, "fds": [{"fd": 41}]}]}',
  );
  const remove = (args: string): Promise<string | undefined> => ask(`{"execute":"remove-fd","arguments":${args}}`);
  expect(await remove('{"fdset-id":1,"fd":41}')).toBe(failed("File descriptor named 'fdset-id:1, fd:41' not found"));
  expect(await remove('{"fdset-id":1,"fd":42}')).toBe('{"return": {}}');
  expect(await remove('{"fdset-id":1}')).toBe('{"return": {}}');
  expect(await remove('{"fdset-id":1}')).toBe(failed("File descriptor named 'fdset-id:1' not found"));
  expect(client.closed).toEqual([43, 42, 40]);
});

test("where none can come, the error says why", async () => {
  const { client } = await negotiated();
  client.whyNoDescriptors = "install it";
  client.send(getfd("a"));
  expect(await client.lines()).toEqual([failed("No file descriptor supplied via SCM_RIGHTS; install it")]);
});
