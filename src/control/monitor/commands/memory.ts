/** Guest memory: sizes, dumps, the balloon. */
import { hmpCommand, type MonitorModule, qmpCommand, qmpEvent } from "#control/monitor/command.ts";
import type { MonitorContext } from "#control/monitor/context.ts";
import { translate } from "#control/monitor/inspect/page-tables.ts";
import { memoryAt, physicalChunks } from "#control/monitor/inspect/physical-memory.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import { array, bool, enumeration, int, int64, object, optional, str } from "#control/monitor/schema.ts";
import type { Machine } from "#machine/machine.ts";
import { MemoryMissingError } from "#machine/memory-missing-error.ts";

const RAM_ID = "riscv_virt_board.ram";
const MIB = 1 << 20;
const PAGE_BYTES = 4096n;

export function requireMachine({ machine }: MonitorContext): Machine {
  if (!machine) throw new QmpError("there is no machine");
  return machine;
}

function balloonOf(context: MonitorContext): NonNullable<Machine["balloon"]> {
  const balloon = context.machine?.balloon;
  if (!balloon) throw new QmpError("No balloon device has been activated", "DeviceNotActive");
  return balloon;
}

function setBalloon(context: MonitorContext, bytes: number): void {
  const balloon = balloonOf(context);
  if (bytes <= 0) throw new QmpError("Parameter 'value' expects a size");
  balloon.setTargetBytes(bytes);
}

async function save(context: MonitorContext, filename: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    await context.host.writeFile(filename, chunks);
  } catch (cause) {
    if (cause instanceof QmpError || cause instanceof MemoryMissingError) throw cause;
    throw new QmpError(`Could not open '${filename}': ${(cause as Error).message}`, "GenericError", { cause });
  }
}

async function savePhysical(context: MonitorContext, from: bigint, size: bigint, filename: string): Promise<void> {
  const machine = requireMachine(context);
  if (size < 0n) throw new QmpError("Parameter 'size' expects a size");
  await save(context, filename, physicalChunks(machine, BigInt.asUintN(64, from), size));
}

async function saveVirtual(
  context: MonitorContext,
  cpuIndex: number,
  from: bigint,
  size: bigint,
  filename: string,
): Promise<void> {
  const machine = requireMachine(context);
  if (!(cpuIndex >= 0 && cpuIndex < context.cpuCount)) {
    throw new QmpError("Parameter 'cpu-index' expects a CPU number");
  }
  await save(context, filename, virtualChunks(machine, cpuIndex, from, size));
}

async function* virtualChunks(machine: Machine, vcpu: number, from: bigint, size: bigint): AsyncGenerator<Uint8Array> {
  for (let at = from; at < from + size; ) {
    const left = from + size - at;
    const inPage = PAGE_BYTES - BigInt.asUintN(12, at);
    const start = at;
    const bytes = await machine.whenPresent(() => {
      const physical = translate(machine, vcpu, start);
      if (physical === undefined) return undefined;
      return memoryAt(machine, physical, Number(left < inPage ? left : inPage))?.slice();
    });
    if (!bytes) {
      const shown = BigInt.asUintN(64, at).toString(16).padStart(16, "0");
      throw new QmpError(`Invalid addr 0x${shown}/size ${size} specified`);
    }
    yield bytes;
    at += BigInt(bytes.length);
  }
}

export const MEMORY: MonitorModule = {
  title: "Memory",
  start(context) {
    context.machine?.on((event) => {
      if (event.kind === "balloon") context.emit("BALLOON_CHANGE", { actual: event.guestBytes });
    });
  },
  commands: [
    qmpCommand({
      name: "query-memory-size-summary",
      help: "The size of the guest's memory.",
      returns: object("MemoryInfo", { "base-memory": int, "plugged-memory": optional(int) }),
      run: ({ config }) => ({ "base-memory": config.memoryBytes }),
    }),
    qmpCommand({
      name: "query-memdev",
      help: "The objects behind the guest's memory.",
      returns: array(
        object("Memdev", {
          id: optional(str),
          size: int,
          merge: bool,
          dump: bool,
          prealloc: bool,
          share: bool,
          reserve: optional(bool),
          "host-nodes": array(int),
          policy: enumeration("HostMemPolicy", ["default", "preferred", "bind", "interleave"]),
        }),
      ),
      run: ({ config, machine }) =>
        machine
          ? [
              {
                share: false,
                reserve: false,
                prealloc: false,
                "host-nodes": [],
                size: config.memoryBytes,
                merge: false,
                dump: true,
                policy: "default" as const,
                id: config.objects?.find(({ type }) => type.startsWith("memory-backend"))?.id ?? RAM_ID,
              },
            ]
          : [],
    }),
    qmpCommand({
      name: "pmemsave",
      help: "Writes a range of physical memory to a file; what is no memory is written as zeros.",
      args: { val: int64, size: int64, filename: str },
      run: (context, { val, size, filename }) => savePhysical(context, val, size, filename),
    }),
    qmpCommand({
      name: "memsave",
      help: "Writes a range of a vCPU's virtual memory to a file.",
      args: { val: int64, size: int64, filename: str, "cpu-index": optional(int) },
      run: (context, args) => saveVirtual(context, args["cpu-index"] ?? 0, args.val, args.size, args.filename),
    }),
    qmpCommand({
      name: "balloon",
      help: "Asks the guest to keep so many bytes of its memory.",
      args: { value: int },
      run: (context, { value }) => setBalloon(context, value),
    }),
    qmpCommand({
      name: "query-balloon",
      help: "The bytes of memory that the guest has now.",
      returns: object("BalloonInfo", { actual: int }),
      run: (context) => ({ actual: balloonOf(context).guestBytes }),
    }),
    qmpCommand({
      name: "query-memory-devices",
      help: "Pluggable memory: none.",
      returns: array(object("MemoryDeviceInfo", {})),
      run: () => [],
    }),
  ],
  events: [qmpEvent("BALLOON_CHANGE", "The guest has changed the size of the balloon.", { actual: int })],
  hmp: [
    hmpCommand({
      name: "pmemsave",
      parameters: [
        { name: "addr", kind: "integer" },
        { name: "size", kind: "integer" },
        { name: "file", kind: "word" },
      ],
      help: "writes physical memory to a file",
      run: (context, args) =>
        savePhysical(context, args.integer("addr") ?? 0n, args.integer("size") ?? 0n, args.text("file") ?? ""),
    }),
    hmpCommand({
      name: "memsave",
      parameters: [
        { name: "addr", kind: "integer" },
        { name: "size", kind: "integer" },
        { name: "file", kind: "word" },
      ],
      help: "writes virtual memory to a file",
      run: (context, args, { cpuIndex }) =>
        saveVirtual(context, cpuIndex, args.integer("addr") ?? 0n, args.integer("size") ?? 0n, args.text("file") ?? ""),
    }),
    hmpCommand({
      name: "balloon",
      parameters: [{ name: "target", kind: "integer" }],
      help: "asks the guest to keep so many MiB of its memory",
      run: (context, args) => setBalloon(context, Number(args.integer("target")) * MIB),
    }),
  ],
  info: [
    hmpCommand({
      name: "balloon",
      help: "the memory that the guest has now, in MiB",
      run: (context) => `balloon: actual=${Math.floor(balloonOf(context).guestBytes / MIB)}\n`,
    }),
    hmpCommand({
      name: "memory_size_summary",
      help: "the size of the guest's memory in bytes",
      run: ({ config }) => `base memory: ${config.memoryBytes}\n`,
    }),
  ],
};
