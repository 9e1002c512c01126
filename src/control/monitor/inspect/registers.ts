/** Registers of a vCPU from its block in shared memory. They are of one moment only while the vCPU does not run. */
import { floatRegisterName, registerName } from "#cpu/isa/riscv/disassembler.ts";
import { describeHart } from "#cpu/isa/riscv/hart-log.ts";
import { VCPU } from "#cpu/vcpu/layout.ts";
import type { Machine } from "#machine/machine.ts";
import { vcpuBlock } from "#machine/interrupt-lines.ts";

/** A vCPU's block. */
export function vcpuView(machine: Machine, vcpu: number): DataView {
  return new DataView(machine.memory.buffer, vcpuBlock(machine.layout, vcpu));
}

export function interruptsPending(view: DataView): bigint {
  return BigInt(view.getUint32(VCPU.irqLines, true)) | view.getBigUint64(VCPU.mipSoft, true);
}

const CSRS = [
  ..."mhartid mstatus misa medeleg mideleg mie mtvec mcounteren menvcfg mscratch mepc mcause mtval".split(" "),
  ..."stvec scounteren senvcfg sscratch sepc scause stval satp stimecmp".split(" "),
] as (keyof typeof VCPU)[];

/** The register `name` (`pc`, `x1`, `ra`, `f0`, `fa0`, `satp`); undefined when there is none. */
export function readRegister(machine: Machine, vcpu: number, name: string): bigint | undefined {
  const view = vcpuView(machine, vcpu);
  if (name === "pc") return view.getBigInt64(VCPU.pc, true);
  if (name === "mip") return interruptsPending(view);
  for (let index = 0; index < 32; index++) {
    if (name === `x${index}` || name === registerName(index)) return view.getBigInt64(VCPU.x + 8 * index, true);
    if (name === `f${index}` || name === floatRegisterName(index)) return view.getBigInt64(VCPU.f + 8 * index, true);
  }
  const csr = CSRS.find((candidate) => candidate === name);
  return csr && view.getBigInt64(VCPU[csr], true);
}

/** All registers in lines, laid out as QEMU's. */
export function describeRegisters(machine: Machine, vcpu: number): string {
  const block = vcpuBlock(machine.layout, vcpu);
  const withFloats = { writer: () => () => {}, trace: {} };
  return `\nCPU#${vcpu}\n${describeHart({ log: withFloats, memory: machine.memory.buffer, block })}`;
}
