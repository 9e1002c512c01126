/** What a person asks while the guest is looked into: registers, memory, translation, devices, the translator. */
import { type Caller, hmpCommand, type MonitorModule, qmpCommand } from "#control/monitor/command.ts";
import { requireMachine } from "#control/monitor/commands/memory.ts";
import type { MonitorContext, Part } from "#control/monitor/context.ts";
import { hex16, type LastFormat, readFormat, showItems, showNumber } from "#control/monitor/hmp/examine.ts";
import type { HmpArguments } from "#control/monitor/hmp/hmp-arguments.ts";
import { describeMemoryMap } from "#control/monitor/inspect/memory-map.ts";
import { activeTable, listMappings, satpTable, translate } from "#control/monitor/inspect/page-tables.ts";
import { memoryAt, physicalChunks } from "#control/monitor/inspect/physical-memory.ts";
import { describeBuses } from "#control/monitor/inspect/buses.ts";
import { describeRegisters, interruptsPending, vcpuView } from "#control/monitor/inspect/registers.ts";
import { describeTlb } from "#control/monitor/inspect/tlb.ts";
import { describeTranslator } from "#control/monitor/inspect/translator.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import { object, str } from "#control/monitor/schema.ts";
import { disassemble } from "#cpu/isa/riscv/disassembler.ts";
import { Irq } from "#cpu/isa/riscv/constants.ts";
import { riscvIsa } from "#cpu/isa/riscv/riscv.ts";
import { VCPU } from "#cpu/vcpu/layout.ts";
import type { Machine } from "#machine/machine.ts";
import { cpuExtensions } from "#machine/virt/virt-layout.ts";

const MAX_MAPPINGS = 20_000;
const TEXT = object("HumanReadableText", { "human-readable-text": str });
const FORMATTED = [
  { name: "format", kind: "format" },
  { name: "addr", kind: "integer" },
] as const;

const LAST_FORMAT: Part<LastFormat> = { name: "format", make: () => ({ format: "x", sizeBytes: 4 }) };

/** Reads guest memory at an address; undefined where there is none. At most as much as lies together. */
type Reader = (machine: Machine, vcpu: number, address: bigint, lengthBytes: number) => Uint8Array | undefined;

const readPhysical: Reader = (machine, _vcpu, address, lengthBytes) =>
  memoryAt(machine, BigInt.asUintN(64, address), lengthBytes);
const readVirtual: Reader = (machine, vcpu, address, lengthBytes) => {
  const physical = translate(machine, vcpu, address);
  const inPage = 4096 - Number(BigInt.asUintN(12, address));
  return physical === undefined ? undefined : memoryAt(machine, physical, Math.min(lengthBytes, inPage));
};

async function examine(context: MonitorContext, args: HmpArguments, caller: Caller, read: Reader): Promise<string> {
  const machine = requireMachine(context);
  const item = readFormat(args.text("format"), context.part(LAST_FORMAT));
  const address = args.integer("addr") ?? 0n;
  const instruction = item.format === "i";
  // An instruction has 4 bytes at most.
  const wanted = item.count * (instruction ? 4 : item.sizeBytes);
  const bytes = await machine.whileStopped(() => collect(machine, caller.cpuIndex, address, wanted, read));
  if (instruction) return showInstructions(context, address, bytes, item.count);
  const whole = bytes.subarray(0, bytes.length - (bytes.length % item.sizeBytes));
  const end = whole.length < wanted ? `${hex16(address + BigInt(whole.length))}: Cannot access memory\n` : "";
  return showItems(address, whole, item) + end;
}

function collect(machine: Machine, vcpu: number, address: bigint, wanted: number, read: Reader): Uint8Array {
  const bytes = new Uint8Array(wanted);
  let done = 0;
  while (done < wanted) {
    const part = read(machine, vcpu, address + BigInt(done), wanted - done);
    if (!part) break;
    bytes.set(part, done);
    done += part.length;
  }
  return bytes.subarray(0, done);
}

function showInstructions({ config }: MonitorContext, address: bigint, bytes: Uint8Array, count: number): string {
  const isa = riscvIsa(cpuExtensions(config.cpu));
  let lines = "";
  let at = 0;
  for (let shown = 0; shown < count; shown++) {
    const pc = address + BigInt(at);
    const word =
      (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
    const lengthBytes = isa.lengthOf(word);
    if (at + lengthBytes > bytes.length) return `${lines}0x${hex16(pc)}: Cannot access memory\n`;
    const code = (lengthBytes === 2 ? word & 0xffff : word >>> 0).toString(16).padStart(2 * lengthBytes, "0");
    lines += `0x${hex16(pc)}:  ${code.padEnd(8)}          ${disassemble(isa.decoder, word, pc)}\n`;
    at += lengthBytes;
  }
  return lines;
}

const INTERRUPTS: readonly (readonly [mask: number, name: string])[] = [
  [Irq.SupervisorSoftware, "supervisor software"],
  [Irq.MachineSoftware, "machine software"],
  [Irq.SupervisorTimer, "supervisor timer"],
  [Irq.MachineTimer, "machine timer"],
  [Irq.SupervisorExternal, "supervisor external"],
  [Irq.MachineExternal, "machine external"],
];

function describeInterrupts(context: MonitorContext): string {
  const machine = requireMachine(context);
  return Array.from({ length: context.cpuCount }, (_, vcpu) => {
    const view = vcpuView(machine, vcpu);
    const names = (bits: bigint): string =>
      INTERRUPTS.filter(([mask]) => bits & BigInt(mask))
        .map(([, name]) => name)
        .join(", ") || "none";
    const enabled = view.getBigUint64(VCPU.mie, true);
    return `CPU#${vcpu}\n  pending: ${names(interruptsPending(view))}\n  enabled: ${names(enabled)}\n`;
  }).join("");
}

function describeMappings(machine: Machine, vcpu: number): string {
  const table = satpTable(machine, vcpu);
  if (!table) return "No translation or protection\n";
  const head = "vaddr            paddr            size             attr\n";
  const rule = "---------------- ---------------- ---------------- -------\n";
  const mappings = listMappings(machine, table, MAX_MAPPINGS);
  const lines = mappings.map(
    ({ virtual, physical, lengthBytes, attributes }) =>
      `${hex16(virtual)} ${hex16(physical)} ${hex16(lengthBytes)} ${attributes}\n`,
  );
  return head + rule + lines.join("") + (mappings.length === MAX_MAPPINGS ? "...\n" : "");
}

export const INSPECT: MonitorModule = {
  title: "Looking into the guest",
  commands: [
    qmpCommand({
      name: "x-query-jit",
      help: "Statistics of the region translator, as `info jit` shows them.",
      returns: TEXT,
      run: (context) => ({ "human-readable-text": describeTranslator(requireMachine(context)) }),
    }),
    qmpCommand({
      name: "x-query-irq",
      help: "Pending interrupts, as `info irq` shows them.",
      returns: TEXT,
      run: (context) => ({ "human-readable-text": describeInterrupts(context) }),
    }),
    qmpCommand({
      name: "x-query-ramblock",
      help: "The blocks of guest memory.",
      returns: TEXT,
      run: (context) => ({ "human-readable-text": describeRamBlocks(requireMachine(context)) }),
    }),
  ],
  hmp: [
    hmpCommand({
      name: "x",
      parameters: FORMATTED,
      help: "shows memory at a virtual address; /fmt is a count, one of x d u o c i, one of b h w g",
      run: (context, args, caller) => examine(context, args, caller, readVirtual),
    }),
    hmpCommand({
      name: "xp",
      parameters: FORMATTED,
      help: "shows memory at a physical address",
      run: (context, args, caller) => examine(context, args, caller, readPhysical),
    }),
    hmpCommand({
      name: "print|p",
      parameters: [
        { name: "format", kind: "format" },
        { name: "expr", kind: "integer" },
      ],
      help: "shows the value of an expression; $name is a register",
      run(context, args) {
        const { format } = readFormat(args.text("format"), context.part(LAST_FORMAT));
        return `${showNumber(args.integer("expr") ?? 0n, format)}\n`;
      },
    }),
    hmpCommand({
      name: "gva2gpa",
      parameters: [{ name: "addr", kind: "integer" }],
      help: "shows the physical address of a virtual one",
      async run(context, args, { cpuIndex }) {
        const machine = requireMachine(context);
        const physical = await machine.whenPresent(() => translate(machine, cpuIndex, args.integer("addr") ?? 0n));
        return physical === undefined ? "Unmapped\n" : `gpa: 0x${physical.toString(16)}\n`;
      },
    }),
    hmpCommand({
      name: "sum",
      parameters: [
        { name: "addr", kind: "integer" },
        { name: "size", kind: "integer" },
      ],
      help: "shows the BSD checksum of a range of physical memory",
      async run(context, args) {
        const size = args.integer("size") ?? 0n;
        if (size < 0n || size > 1n << 32n) throw new QmpError("size is too large");
        let sum = 0;
        for await (const chunk of physicalChunks(
          requireMachine(context),
          BigInt.asUintN(64, args.integer("addr") ?? 0n),
          size,
        )) {
          for (const byte of chunk) sum = (((sum >> 1) | (sum << 15)) + byte) & 0xffff;
        }
        return `${String(sum).padStart(5, "0")}\n`;
      },
    }),
  ],
  info: [
    hmpCommand({
      name: "registers",
      parameters: [
        { name: "all", kind: "switch", letter: "a" },
        { name: "vcpu", kind: "integer", isOptional: true },
      ],
      help: "the registers of a vCPU (-a: of all); a running machine is stopped for the moment",
      async run(context, args, { cpuIndex }) {
        const machine = requireMachine(context);
        const wanted = Number(args.integer("vcpu") ?? cpuIndex);
        if (!(wanted >= 0 && wanted < context.cpuCount)) return `CPU#${wanted} not available\n`;
        const vcpus = args.isOn("all") ? Array.from({ length: context.cpuCount }, (_, vcpu) => vcpu) : [wanted];
        return machine.whileStopped(() => vcpus.map((vcpu) => describeRegisters(machine, vcpu)).join(""));
      },
    }),
    hmpCommand({
      name: "mem",
      help: "what the page tables of the vCPU map",
      run(context, _args, { cpuIndex }) {
        const machine = requireMachine(context);
        return machine.whileStopped(() => describeMappings(machine, cpuIndex));
      },
    }),
    hmpCommand({
      name: "tlb",
      help: "the translations that the vCPU has at hand",
      run(context, _args, { cpuIndex }) {
        const machine = requireMachine(context);
        return machine.whileStopped(() => {
          const mode = activeTable(machine, cpuIndex) ? "virtual" : "physical";
          return `addresses are ${mode}\n${describeTlb(machine, cpuIndex)}`;
        });
      },
    }),
    hmpCommand({
      name: "mtree",
      parameters: [{ name: "flat", kind: "switch", letter: "f" }],
      help: "the memory map of the board",
      run: (context) => describeMemoryMap(requireMachine(context)),
    }),
    hmpCommand({ name: "qtree", help: "the buses and their devices", run: (context) => describeBuses(context.config) }),
    hmpCommand({
      name: "ramblock",
      help: "the blocks of guest memory",
      run: (context) => describeRamBlocks(requireMachine(context)),
    }),
    hmpCommand({
      name: "jit",
      help: "statistics of the region translator",
      run: (context) => describeTranslator(requireMachine(context)),
    }),
    hmpCommand({ name: "irq", help: "pending and enabled interrupts of the vCPUs", run: describeInterrupts }),
  ],
};

function describeRamBlocks({ layout }: Machine): string {
  const head = `${"Block Name".padStart(24)}    PSize                Used\n`;
  return (
    head +
    layout.blocks
      .map(({ name, sizeBytes }) => `${name.padStart(24)}    4 KiB  0x${hex16(BigInt(sizeBytes))}\n`)
      .join("")
  );
}
