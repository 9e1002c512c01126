/**
 * The same QMP session with this emulator and with QEMU: equal errors, and replies of compatible shape. Skipped where
 * there is no QEMU.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startCommand, testFolder, writeFirmware } from "./firmware.ts";
import { type Message, QmpClient } from "./qmp-client.ts";

const QEMU = "qemu-system-riscv64";
const hasQemu = spawnSync(QEMU, ["--version"]).status === 0;
if (!hasQemu) console.log(`skipped: ${QEMU} is not installed`);

/** Bad input, and commands whose whole reply must be the same. */
const SAME: readonly string[] = [
  '{"execute":"query-status"}',
  "{}",
  "[]",
  "12 ",
  "'abc'",
  "true ",
  "foo ",
  '{"execute":}',
  '{"execute" "stop"}',
  '{"execute":"stop",}',
  "{,}",
  "{1:2}",
  '{"a":1,"a":2}',
  "]",
  "}",
  "@\n",
  '{"execute":"st\\qop"}',
  '{"execute":"\\ud800"}',
  '{"execute":"nope","id":"x"}',
  '{"execute":"nope","id":{"a":[1,2.5,null,true,"é"]}}',
  '{"execute":3}',
  '{"exec":"stop"}',
  '{"execute":"stop","foo":1}',
  '{"execute":"stop","exec-oob":"stop"}',
  '{"exec-oob":"query-status"}',
  '{"execute":"stop","arguments":3}',
  '{"execute":"stop","arguments":{"x":1}}',
  '{"execute":"qmp_capabilities"}',
  '{"execute":"balloon"}',
  '{"execute":"balloon","arguments":{"value":"x"}}',
  '{"execute":"balloon","arguments":{"value":1.5}}',
  '{"execute":"balloon","arguments":{"value":99999999999999999999}}',
  '{"execute":"balloon","arguments":{"value":1048576}}',
  '{"execute":"query-balloon"}',
  '{"execute":"human-monitor-command","arguments":{"command-line":"info status","cpu-index":7}}',
  '{"execute":"qom-list","arguments":{"path":"/nope"}}',
  '{"execute":"qom-get","arguments":{"path":"/machine","property":"nope"}}',
  '{"execute":"qom-get","arguments":{"path":"/machine","property":"type"}}',
  '{"execute":"qom-get","arguments":{"path":"/machine","property":"soc0"}}',
  '{"execute":"qom-set","arguments":{"path":"/machine","property":"type","value":1}}',
  '{"execute":"device-list-properties","arguments":{"typename":"nope"}}',
  '{"execute":"device-list-properties","arguments":{"typename":"virt-machine"}}',
  '{"execute":"object-add","arguments":{"qom-type":"nope","id":"x"}}',
  '{"execute":"object-add","arguments":{"qom-type":"rng-builtin","id":"9"}}',
  '{"execute":"object-add","arguments":{"qom-type":"rng-builtin","id":"x"}}',
  '{"execute":"object-add","arguments":{"qom-type":"rng-builtin","id":"x"}}',
  '{"execute":"object-add","arguments":{"qom-type":"rng-builtin","id":"y","foo":1}}',
  '{"execute":"object-del","arguments":{"id":"x"}}',
  '{"execute":"object-del","arguments":{"id":"x"}}',
  '{"execute":"memsave","arguments":{"val":2147483648,"size":16,"filename":"/nonexistent/x"}}',
  '{"execute":"memsave","arguments":{"val":4096,"size":16,"filename":"/nonexistent/x","cpu-index":9}}',
  '{"execute":"getfd","arguments":{"fdname":"x"}}',
  '{"execute":"closefd","arguments":{"fdname":"x"}}',
  '{"execute":"add-fd"}',
  '{"execute":"remove-fd","arguments":{"fdset-id":1}}',
  '{"execute":"query-fdsets"}',
  '{"execute":"query-stats"}',
  '{"execute":"query-stats","arguments":{"target":"foo"}}',
  '{"execute":"query-stats","arguments":{"target":"vm"}}',
  '{"execute":"query-stats-schemas"}',
  '{"execute":"set-action","arguments":{"reboot":"foo"}}',
  '{"execute":"set-action","arguments":{"panic":"none"}}',
  '{"execute":"trace-event-get-state","arguments":{"name":"foo"}}',
  '{"execute":"trace-event-get-state","arguments":{"name":"vm_state_notif*"}}',
  '{"execute":"query-command-line-options","arguments":{"option":"foo"}}',
  '{"execute":"inject-nmi"}',
  '{"execute":"system_wakeup"}',
  '{"execute":"query-kvm"}',
  '{"execute":"query-target"}',
  '{"execute":"query-name"}',
  '{"execute":"query-uuid"}',
  '{"execute":"query-memory-size-summary"}',
  '{"execute":"query-current-machine"}',
  '{"execute":"query-block"}',
  '{"execute":"query-jobs"}',
  '{"execute":"query-yank"}',
  '{"execute":"system_powerdown"}',
  ...[
    "",
    "nothing",
    "info nothing",
    "info status",
    "info mem",
    "info name",
    "info uuid",
    "info kvm",
    "info balloon",
    "info memory_size_summary",
    "stop now",
    "xp /4xw 0x1000",
    "xp /20xb 0x1000",
    "xp /3dg 0x1000",
    "xp /3oh 0x1000",
    "xp /3uh 0x1000",
    "xp /4c 0x80000000",
    "xp /4xw 0x50000",
    "x /2xg 0x80000000",
    "x /z 0",
    "p 1+2*3",
    "p/d -(2+3)",
    "p /x 10/0",
    "p (1",
    "p /c 65",
    "p /o 8",
    "p /u -1",
    "p 'a'",
    "p 1 2",
    "cpu 5",
    "gva2gpa 0x1000",
    "sum 0x80000000 16",
    "trace-event foo maybe",
    "info registers 5",
  ].map((line) => JSON.stringify({ execute: "human-monitor-command", arguments: { "command-line": line } })),
];

/** Commands whose members must be QEMU's, with the same types; values are of each emulator. */
const SAME_SHAPE: readonly string[] = [
  "query-version",
  "query-cpus-fast",
  "query-memdev",
  "query-machines",
  "query-chardev",
  "query-chardev-backends",
  "query-commands",
  "query-iothreads",
  "qom-list-types",
  "query-command-line-options",
  "query-migrate-capabilities",
  "query-migrate-parameters",
];

/** Where the commands are those of a later QEMU than 7.2. */
const NEWER: readonly string[] = [
  ...["migrate", "migrate-incoming"].flatMap((name) => [
    `${name}: whether uri may be absent`,
    `${name}: QEMU has no channels`,
  ]),
  ...[
    "avail-switchover-bandwidth cpr-exec-command direct-io mode multifd-qatzip-level vcpu-dirty-limit".split(" "),
    "x-rdma-chunk-size x-vcpu-dirty-limit-period zero-page-detection".split(" "),
  ]
    .flat()
    .map((name) => `migrate-set-parameters: QEMU has no ${name}`),
];
/** Parameters of dirty bitmaps, which migrations here do not know, and of encryption, which may be empty or null. */
const NOT_HERE = /^migrate-set-parameters: (ours has no block-bitmap-mapping|the type of tls-)/;

describe.skipIf(!hasQemu)("beside QEMU", () => {
  const folder = testFolder();
  const machine = ["-M", "virt", "-S", "-m", "16", "-smp", "2", "-display", "none", "-nodefaults", "-bios"];
  let qemu: ChildProcess;
  let [theirs, ours]: (QmpClient | undefined)[] = [];

  beforeAll(async () => {
    const args = [...machine, writeFirmware(folder), "-object", "iothread,id=io1"];
    const qmp = (name: string): string[] => ["-qmp", `unix:${name},server=on,wait=off`];
    qemu = spawn(QEMU, [...args, ...qmp(join(folder, "a"))], { stdio: "ignore", cwd: folder });
    startCommand([...args, ...qmp(join(folder, "b"))]);
    theirs = await QmpClient.connect(join(folder, "a"));
    ours = await QmpClient.connect(join(folder, "b"));
    expect(await ours.execute("query-status")).toEqual(await theirs.execute("query-status"));
    const negotiation = '{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}}';
    expect(await ours.ask(negotiation)).toEqual(await theirs.ask(negotiation));
  });
  afterAll(() => qemu.kill("SIGKILL"));

  const both = async (request: string): Promise<readonly [Message | undefined, Message | undefined]> => [
    await ours?.ask(request),
    await theirs?.ask(request),
  ];

  test.each(SAME.map((request) => [request]))("%s", async (request) => {
    const [got, expected] = await both(request);
    expect(expected).toBeDefined();
    expect(got).toEqual(expected);
  });

  test.each(SAME_SHAPE.map((name) => [name]))("%s has QEMU's members", async (name) => {
    const [got, expected] = await both(JSON.stringify({ execute: name }));
    const known = shapes(expected?.["return"]);
    for (const [path, type] of shapes(got?.["return"])) {
      if (known.has(path)) expect(`${path}: ${type}`).toBe(`${path}: ${known.get(path)}`);
      else expect([...known.keys()], `${name}: ${path}`).toContain(path.replace(/\.[^.]*$/, ""));
    }
    for (const [path, type] of known) {
      if (!OPTIONAL.has(path)) expect(`${path}: ${shapes(got?.["return"]).get(path)}`).toBe(`${path}: ${type}`);
    }
  });

  test("the commands that both have take and give what QEMU's schema says", async () => {
    const [got, expected] = await both('{"execute":"query-qmp-schema"}');
    const [mine, its] = [new Introspection(got), new Introspection(expected)];
    const problems: string[] = [];
    for (const [name, entry] of mine.entries) {
      const other = its.entries.get(name);
      if (!other || other["meta-type"] !== entry["meta-type"] || !/command|event/.test(String(entry["meta-type"])))
        continue;
      compareArguments(name, mine, its, problems);
      if (entry["allow-oob"] !== other["allow-oob"]) problems.push(`${name}: oob`);
    }
    expect(problems.filter((problem) => !NEWER.includes(problem) && !NOT_HERE.test(problem))).toEqual([]);
  });

  test("quit: the event says why", async () => {
    const [got, expected] = await both('{"execute":"quit"}');
    expect(got).toEqual(expected);
    expect(await ours?.event("SHUTDOWN")).toEqual(await theirs?.event("SHUTDOWN"));
  });
});

/** Members that QEMU's reply has and ours need not have. */
const OPTIONAL = new Set(["[].alias", "[].abstract", "[].reserve", "[].parameters[].default"]);

/** The type of every member, by its path. */
function shapes(value: unknown, path = "", found = new Map<string, string>()): Map<string, string> {
  if (Array.isArray(value)) {
    found.set(path, "array");
    for (const item of value) shapes(item, `${path}[]`, found);
  } else if (typeof value === "object" && value !== null) {
    found.set(path, "object");
    for (const [key, item] of Object.entries(value)) shapes(item, `${path}.${key}`, found);
  } else found.set(path, typeof value);
  return found;
}

type Entry = {
  readonly [key: string]: unknown;
  readonly members?: readonly { name: string; type: string; default?: null }[];
};

class Introspection {
  readonly entries: ReadonlyMap<string, Entry>;

  constructor(reply: Message | undefined) {
    const list = (reply?.["return"] ?? []) as (Entry & { name: string })[];
    this.entries = new Map(list.map((entry) => [entry.name, entry]));
  }

  argument(command: string): Entry {
    return this.entries.get(String(this.entries.get(command)?.["arg-type"])) ?? {};
  }
  /** What a type is, without its name. */
  kind(type: string): string {
    const entry = this.entries.get(type);
    return String(entry?.["json-type"] ?? entry?.["meta-type"]);
  }
}

/** Each argument that ours has is QEMU's, of the same type; each that QEMU requires is there. */
function compareArguments(name: string, mine: Introspection, its: Introspection, problems: string[]): void {
  const [own, others] = [mine.argument(name).members ?? [], its.argument(name).members ?? []];
  for (const member of own) {
    const other = others.find((candidate) => candidate.name === member.name);
    if (!other) problems.push(`${name}: QEMU has no ${member.name}`);
    else if (mine.kind(member.type) !== its.kind(other.type)) problems.push(`${name}: the type of ${member.name}`);
    else if ("default" in member !== "default" in other) problems.push(`${name}: whether ${member.name} may be absent`);
  }
  for (const other of others) {
    if (!own.some((member) => member.name === other.name)) problems.push(`${name}: ours has no ${other.name}`);
  }
}

describe.skipIf(!hasQemu)("disks beside QEMU's", () => {
  const folder = testFolder();
  const firmware = writeFirmware(folder);
  const bytes = Buffer.alloc(3 << 20);
  bytes.write("something in one block");
  const qemus: ChildProcess[] = [];
  afterEach(() => {
    for (const qemu of qemus) qemu.kill("SIGKILL");
  });

  test.each([
    ["a drive", "-drive if=none,id=d0,format=raw,file=DISK -device virtio-blk-device,drive=d0,id=dev0"],
    [
      "errors that are reported",
      "-drive if=none,id=d,werror=report,format=raw,file=DISK -device virtio-blk-device,drive=d",
    ],
    [
      "a format's node above a file's",
      "-blockdev driver=file,filename=DISK,node-name=below -blockdev raw,node-name=above,file=below " +
        "-device virtio-blk-device,drive=above,rerror=stop,write-cache=off",
    ],
    [
      "a format's node with a file inside, read-only",
      "-blockdev raw,node-name=above,read-only=on,file.driver=file,file.filename=DISK " +
        "-device virtio-blk-device,drive=above",
    ],
    [
      "a file's node alone",
      "-blockdev driver=file,filename=DISK,node-name=one -device virtio-blk-device,drive=one,id=dev0",
    ],
  ])("%s", async (name, options) => {
    const disk = join(folder, `disk${qemus.length}.raw`);
    writeFileSync(disk, bytes.subarray(0, 5000));
    truncateSync(disk, bytes.length);
    const args = options.replace("DISK", disk).split(" ");
    const machine = ["-M", "virt", "-S", "-m", "16", "-display", "none", "-nodefaults", "-bios", firmware, ...args];
    const [theirPath, ourPath] = ["theirs", "ours"].map((side) => join(folder, `${side}${qemus.length}`)) as [
      string,
      string,
    ];
    const qmp = (path: string): string[] => ["-qmp", `unix:${path},server=on,wait=off`];
    qemus.push(spawn(QEMU, [...machine, ...qmp(theirPath)], { stdio: "ignore", cwd: folder }));
    startCommand([...machine, ...qmp(ourPath)]);
    const sides = await Promise.all([QmpClient.connect(theirPath), QmpClient.connect(ourPath)]);
    for (const side of sides) await side.result("qmp_capabilities");
    const results = async (command: string, more?: Message): Promise<unknown[]> =>
      Promise.all(sides.map(async (side) => comparable(await side.result(command, more))));
    for (const [command, more] of [
      ["query-block", undefined],
      ["query-named-block-nodes", undefined],
      ["query-blockstats", undefined],
      ["query-blockstats", { "query-nodes": true }],
    ] as const) {
      const [theirs, ours] = await results(command, more);
      expect([name, command, ours]).toEqual([name, command, theirs]);
    }
    for (const line of ["info block -v", "info block -n"]) {
      const [theirs, ours] = await results("human-monitor-command", { "command-line": line });
      expect([line, ours]).toEqual([line, theirs]);
    }
  });

  /** Without the names that are made up, the order, and the empty drives of QEMU's boards. */
  function comparable(result: unknown): unknown {
    if (typeof result === "string") {
      const blocks = result.replaceAll("\r", "").split(/\n+(?=\S+(?: \(\S+\))?: (?:\/|\[))/);
      return blocks
        .map((block) => block.replaceAll(/#block\d+/g, "#block").trim())
        .filter((block) => block !== "" && !block.includes("[not inserted]"))
        .toSorted();
    }
    const list = (result as readonly Message[]).filter(
      (one) => !("device" in one) || "inserted" in one || "node-name" in one,
    );
    const texts = list.map((one) => JSON.stringify(sorted(one)).replaceAll(/#block\d+/g, "#block"));
    return texts.toSorted().map((text) => JSON.parse(text) as unknown);
  }
  function sorted(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(sorted);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, one]) => [key, sorted(one)]),
    );
  }
});
