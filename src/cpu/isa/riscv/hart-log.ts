/**
 * What the log says of a hart (`-d int`, `in_asm`, `op`, `exec`, `cpu`, `mmu`, `out_asm`, `cpu_reset`).
 *
 *   generated code -> observe(event) -> details from the vCPU's block -> lines
 *
 * Lines are laid out as QEMU's, which tools read. Thread: the vCPU's own.
 */
import type { Log } from "#core/log.ts";
import { Observed } from "#cpu/engine/runtime-options.ts";
import { PERMISSION } from "#cpu/engine/softmmu.ts";
import { Builder } from "#cpu/ir/builder.ts";
import { printIr } from "#cpu/ir/print.ts";
import { observedEvents } from "#cpu/isa/riscv/observed-events.ts";
import { disassemble, floatRegisterName, registerName } from "#cpu/isa/riscv/disassembler.ts";
import type { RiscvIsa } from "#cpu/isa/riscv/riscv.ts";
import { VCPU } from "#cpu/vcpu/layout.ts";
import type { VcpuObserver } from "#cpu/vcpu/vcpu.ts";

// biome-ignore format: by cause number
const EXCEPTION_NAMES: readonly string[] = [
  "misaligned_fetch", "fault_fetch", "illegal_instruction", "breakpoint", "misaligned_load", "fault_load",
  "misaligned_store", "fault_store", "user_ecall", "supervisor_ecall", "hypervisor_ecall", "machine_ecall",
  "exec_page_fault", "load_page_fault", "reserved", "store_page_fault",
];
const INTERRUPT_NAMES: Readonly<Record<number, string>> = {
  1: "s_software",
  3: "m_software",
  5: "s_timer",
  7: "m_timer",
  9: "s_external",
  11: "m_external",
};
const CSR_FIELDS = [
  ..."mhartid mstatus mip mie mideleg medeleg mtvec stvec mepc sepc mcause scause mtval stval".split(" "),
  ..."mscratch sscratch satp".split(" "),
] as (keyof typeof VCPU | "mip")[];
const REGISTERS_A_LINE = 4;
const CODE_BYTES_A_LINE = 16;

const hex = (value: bigint | number, digits = 16): string =>
  (typeof value === "bigint" ? BigInt.asUintN(64, value) : value >>> 0).toString(16).padStart(digits, "0");

export type HartLogOptions = {
  readonly log: Log;
  readonly isa: RiscvIsa;
  readonly memory: ArrayBufferLike;
  /** Address of the vCPU's block. */
  readonly block: number;
  readonly hart: number;
};

/** The observer that a log needs; undefined when it wants nothing of a vCPU. */
export function hartObserver(options: HartLogOptions): HartLog | undefined {
  const { log } = options;
  const isWanted =
    log.trace.riscv_trap !== undefined ||
    (["int", "in_asm", "op", "exec", "cpu", "mmu", "out_asm"] as const).some((item) => log.writer(item));
  return isWanted ? new HartLog(options) : undefined;
}

class HartLog implements VcpuObserver {
  readonly observed: number;
  readonly decoded?: (pc: bigint, words: readonly number[]) => void;
  readonly compiled?: (code: Uint8Array) => void;
  readonly #options: HartLogOptions;
  readonly #view: DataView;
  /** Instructions whose intermediate code has been shown. */
  readonly #shown = new Set<number>();
  /** Where code was just decoded, and the last entry shown: the dispatcher enters again what was not decoded yet. */
  #decodedAt = -1n;
  #enteredAt = -1n;

  constructor(options: HartLogOptions) {
    this.#options = options;
    this.#view = new DataView(options.memory);
    const { log } = options;
    this.observed = observedEvents(log);
    const [inAsm, op, outAsm] = [log.writer("in_asm"), log.writer("op"), log.writer("out_asm")];
    if (inAsm || op || this.observed & Observed.Enter) {
      this.decoded = (pc, words) => {
        this.#decodedAt = pc;
        inAsm?.(this.#listing(pc, words));
        if (op) for (const word of words) op(this.#intermediateCode(word));
      };
    }
    let modules = 0;
    if (outAsm) this.compiled = (code) => outAsm(codeDump(options.hart, ++modules, code));
  }

  observe(event: number): void {
    switch (event) {
      case Observed.Trap:
        this.#trap();
        break;
      case Observed.Enter:
        this.#enter();
        break;
      default:
        this.#translated(event);
    }
  }

  #field(name: keyof typeof VCPU): bigint {
    return this.#view.getBigUint64(this.#options.block + VCPU[name], true);
  }

  #trap(): void {
    const { log, hart } = this.#options;
    const [cause, epc, tval] = [this.#field("trapCause"), this.#field("pc"), this.#field("trapValue")];
    const isInterrupt = cause >> 63n !== 0n;
    const number = Number(cause & 0x3fn);
    const name = (isInterrupt ? INTERRUPT_NAMES : EXCEPTION_NAMES)[number] ?? "reserved";
    log.writer("int")?.(
      `riscv_cpu_do_interrupt: hart:${hart}, async:${isInterrupt ? 1 : 0}, cause:${hex(number)}, ` +
        `epc:0x${hex(epc)}, tval:0x${hex(tval)}, desc=${name}\n`,
    );
    log.trace.riscv_trap?.(hart, isInterrupt, number, epc, tval, name);
  }

  #enter(): void {
    const { log, hart } = this.#options;
    const pc = this.#field("pc");
    const isAgain = pc === this.#decodedAt && pc === this.#enteredAt;
    this.#decodedAt = -1n;
    this.#enteredAt = pc;
    if (isAgain) return;
    const privilege = this.#view.getInt32(this.#options.block + VCPU.privilege, true);
    log.writer("exec")?.(`Trace ${hart}: 0x${hex(pc)} [privilege ${privilege}]\n`);
    log.writer("cpu")?.(describeHart(this.#options));
  }

  #translated(event: number): void {
    const { log, hart } = this.#options;
    const permissions = Number(this.#field("helperB"));
    const may = (bit: number, letter: string): string => (permissions & bit ? letter : "-");
    const rights = event === Observed.Fetch ? "--x" : `${may(PERMISSION.read, "r")}${may(PERMISSION.write, "w")}-`;
    log.writer("mmu")?.(
      `riscv_cpu_tlb_fill: hart:${hart}, address=${hex(this.#field("helperC"))}, ` +
        `physical=${hex(this.#field("helperA"))}, prot=${rights}\n`,
    );
  }

  #listing(pc: bigint, words: readonly number[]): string {
    const { isa, hart, block } = this.#options;
    const privilege = this.#view.getInt32(block + VCPU.privilege, true);
    let lines = `----------------\nIN: hart ${hart}, privilege ${privilege}\n`;
    let address = pc;
    for (const word of words) {
      const lengthBytes = isa.lengthOf(word);
      const text = disassemble(isa.decoder, word, address).replace(" ", "\t");
      lines += `0x${hex(address)}:  ${hex(word, 2 * lengthBytes).padEnd(8)}  ${tabbed(text)}\n`;
      address += BigInt(lengthBytes);
    }
    return `${lines}\n`;
  }

  #intermediateCode(word: number): string {
    if (this.#shown.has(word)) return "";
    this.#shown.add(word);
    const { isa } = this.#options;
    const decoded = isa.decode(word);
    const b = new Builder();
    isa.rows[decoded.row]?.meaning(b, decoded);
    const body = printIr(b.statements).replace(/^/gm, " ").trimEnd();
    return `OP: ${hex(word, 2 * decoded.lengthBytes)} ${disassemble(isa.decoder, word, 0n)}\n${body}\n\n`;
  }
}

const MNEMONIC_COLUMNS = 16;
/** The mnemonic in a column of its own. */
function tabbed(text: string): string {
  const [mnemonic = "", operands] = text.split("\t");
  return operands === undefined ? mnemonic : `${mnemonic.padEnd(MNEMONIC_COLUMNS)}${operands}`;
}

function codeDump(hart: number, module: number, code: Uint8Array): string {
  let lines = `OUT: hart ${hart}, module ${module} [size=${code.length}]\n`;
  for (let at = 0; at < code.length; at += CODE_BYTES_A_LINE) {
    const bytes = [...code.subarray(at, at + CODE_BYTES_A_LINE)].map((byte) => hex(byte, 2)).join(" ");
    lines += `  ${hex(at, 6)}:  ${bytes}\n`;
  }
  return `${lines}\n`;
}

/** The registers as lines; floating-point ones when `-d fpu` asks for them. */
export function describeHart({ log, memory, block }: Pick<HartLogOptions, "log" | "memory" | "block">): string {
  const view = new DataView(memory, block);
  const at = (offset: number): string => hex(view.getBigUint64(offset, true));
  const line = (name: string, value: string): string => ` ${name.padEnd(8)} ${value}\n`;
  let lines = line("pc", at(VCPU.pc));
  for (const name of CSR_FIELDS) {
    const value = name === "mip" ? hex(interruptsPending(view)) : at(VCPU[name]);
    lines += line(name, value);
  }
  lines += registers(
    (i) => `x${i}/${registerName(i)}`,
    (i) => at(VCPU.x + 8 * i),
  );
  if (log.writer("fpu"))
    lines += registers(
      (i) => `f${i}/${floatRegisterName(i)}`,
      (i) => at(VCPU.f + 8 * i),
    );
  return lines;
}

function interruptsPending(view: DataView): bigint {
  return BigInt(view.getUint32(VCPU.irqLines, true)) | view.getBigUint64(VCPU.mipSoft, true);
}

function registers(name: (index: number) => string, value: (index: number) => string): string {
  let lines = "";
  for (let index = 0; index < 32; index++) {
    lines += ` ${name(index).padEnd(8)} ${value(index)}${(index + 1) % REGISTERS_A_LINE === 0 ? "\n" : ""}`;
  }
  return lines;
}
