/**
 * Traps, their returns, and the system instructions, as routines.
 * A routine that an instruction enters has parameters (pc, nextPc, ...) and returns the next pc.
 *
 * Spec: RISC-V Privileged Architecture 1.13, 3.1.6 to 3.1.17, 3.3, 10.1.1 to 10.2.1.
 */
import { type Routine, routine } from "#cpu/engine/routine.ts";
import { Access, NO_HOST } from "#cpu/engine/softmmu.ts";
import type { Builder } from "#cpu/ir/builder.ts";
import { type Expr, I32, I64 } from "#cpu/ir/ir.ts";
import {
  Cause,
  FS_BIT,
  IRQ_PRIORITY,
  MPP_BIT,
  MSTATUS,
  Privilege,
  SATP_ASID_BIT,
  SPP_BIT,
} from "#cpu/isa/riscv/constants.ts";
import { recordTrap } from "#cpu/isa/riscv/mmu.ts";
import {
  ExitReason,
  INVALID_TAG,
  JUMP_GENERATION_STEP,
  MmuMode,
  VCPU,
  VCPU_FETCH_TLBS,
  VCPU_FETCH_TLB_BYTES,
  VCPU_TLB_BYTES,
  VCPU_TLBS,
} from "#cpu/vcpu/layout.ts";

const has = (b: Builder, word: Expr, mask: bigint): Expr => b.ne(b.and(word, b.i64(mask)), b.i64(0));

/** Recomputes what depends on privilege and mstatus: TLBs in use, floating-point readiness. */
const updateMode = routine("updateMode", [], undefined, (b) => {
  b.set(VCPU.stackPage, b.i64(INVALID_TAG));
  const mstatus = b.let(b.get(I64, VCPU.mstatus));
  const privilege = b.let(b.get(I32, VCPU.privilege));
  b.set(VCPU.fpReady, b.eq(b.and(b.wrap(b.shrU(mstatus, b.i64(FS_BIT))), b.i32(3)), b.i32(3)));
  const effective = b.variable(privilege);
  const borrowed = b.and(b.eq(privilege, b.i32(Privilege.Machine)), has(b, mstatus, MSTATUS.MPRV));
  b.if(borrowed, () => b.assign(effective, b.and(b.wrap(b.shrU(mstatus, b.i64(MPP_BIT))), b.i32(3))));
  const mode = b.variable(effective);
  b.if(b.eq(effective, b.i32(Privilege.Supervisor)), () =>
    b.if(has(b, mstatus, MSTATUS.SUM), () => b.assign(mode, b.i32(MmuMode.SupervisorSum))),
  );
  const generation = b.and(b.get(I64, VCPU.jumpGeneration), b.i64(-JUMP_GENERATION_STEP));
  b.set(VCPU.jumpGeneration, b.or(generation, b.extU(privilege)));
  b.set(VCPU.mmuModeData, mode);
  b.set(VCPU.tlbData, b.add(b.add(b.cpu(), b.i32(VCPU_TLBS)), b.mul(mode, b.i32(VCPU_TLB_BYTES))));
  b.set(VCPU.tlbFetch, b.add(b.add(b.cpu(), b.i32(VCPU_FETCH_TLBS)), b.mul(privilege, b.i32(VCPU_FETCH_TLB_BYTES))));
});

/** Takes the recorded trap at the pc in the vCPU block; returns the handler's pc. */
const takeTrap = routine("takeTrap", [], I64, (b) => {
  const cause = b.let(b.get(I64, VCPU.trapCause));
  const value = b.let(b.get(I64, VCPU.trapValue));
  const pc = b.let(b.get(I64, VCPU.pc));
  const isInterrupt = b.let(b.ltS(cause, b.i64(0)));
  const bit = b.let(b.and(cause, b.i64(63)));
  const privilege = b.let(b.get(I32, VCPU.privilege));
  const mstatus = b.let(b.get(I64, VCPU.mstatus));
  b.set(VCPU.trapPending, b.i32(0));
  b.set(VCPU.reservedAddress, b.i64(-1));
  const delegation = b.select(isInterrupt, b.get(I64, VCPU.mideleg), b.get(I64, VCPU.medeleg));
  const delegated = b.wrap(b.and(b.shrU(delegation, bit), b.i64(1)));
  const vector = b.variable(b.i64(0));
  b.if(
    b.and(delegated, b.ne(privilege, b.i32(Privilege.Machine))),
    () => {
      b.set(VCPU.scause, cause);
      b.set(VCPU.sepc, pc);
      b.set(VCPU.stval, value);
      // SPIE := SIE, SIE := 0, SPP := privilege.
      const cleared = b.and(mstatus, b.i64(~(MSTATUS.SIE | MSTATUS.SPIE | MSTATUS.SPP)));
      const spie = b.shl(b.and(mstatus, b.i64(MSTATUS.SIE)), b.i64(4));
      const spp = b.shl(b.extU(privilege), b.i64(SPP_BIT));
      b.set(VCPU.mstatus, b.or(cleared, b.or(spie, spp)));
      b.set(VCPU.privilege, b.i32(Privilege.Supervisor));
      b.assign(vector, b.get(I64, VCPU.stvec));
    },
    () => {
      b.set(VCPU.mcause, cause);
      b.set(VCPU.mepc, pc);
      b.set(VCPU.mtval, value);
      const cleared = b.and(mstatus, b.i64(~(MSTATUS.MIE | MSTATUS.MPIE | MSTATUS.MPP)));
      const mpie = b.shl(b.and(mstatus, b.i64(MSTATUS.MIE)), b.i64(4));
      const mpp = b.shl(b.extU(privilege), b.i64(MPP_BIT));
      b.set(VCPU.mstatus, b.or(cleared, b.or(mpie, mpp)));
      b.set(VCPU.privilege, b.i32(Privilege.Machine));
      b.assign(vector, b.get(I64, VCPU.mtvec));
    },
  );
  b.effect("updateMode", [b.cpu()]);
  const vectored = b.and(isInterrupt, b.and(b.wrap(vector), b.i32(1)));
  const offset = b.select(vectored, b.shl(bit, b.i64(2)), b.i64(0));
  b.return(b.add(b.and(vector, b.i64(-4)), offset));
});

/** Records the most urgent interrupt that may be taken now, if any. */
const interruptCheck = routine("interruptCheck", [], undefined, (b) => {
  const lines = b.extU(b.atomicLoad(4, b.cpu(), VCPU.irqLines));
  const pending = b.let(b.and(b.or(lines, b.get(I64, VCPU.mipSoft)), b.get(I64, VCPU.mie)));
  b.if(b.eqz(pending), () => b.return());
  const privilege = b.let(b.get(I32, VCPU.privilege));
  const mstatus = b.let(b.get(I64, VCPU.mstatus));
  const mideleg = b.let(b.get(I64, VCPU.mideleg));
  const take = b.variable(b.i64(0));
  const machineEnabled = b.or(b.ltU(privilege, b.i32(Privilege.Machine)), has(b, mstatus, MSTATUS.MIE));
  b.if(machineEnabled, () => b.assign(take, b.and(pending, b.xor(mideleg, b.i64(-1)))));
  const supervisorEnabled = b.or(
    b.ltU(privilege, b.i32(Privilege.Supervisor)),
    b.and(b.eq(privilege, b.i32(Privilege.Supervisor)), has(b, mstatus, MSTATUS.SIE)),
  );
  b.if(b.and(b.eqz(take), supervisorEnabled), () => b.assign(take, b.and(pending, mideleg)));
  for (const irq of IRQ_PRIORITY) {
    b.if(has(b, take, 1n << BigInt(irq)), () => {
      recordTrap(b, b.i64((1n << 63n) | BigInt(irq)), b.i64(0));
      b.return();
    });
  }
});

/** Ends a routine that may have unmasked an interrupt: the interrupt is taken before the next instruction. */
const resumeAt = routine("resumeAt", [I64], I64, (b, nextPc) => {
  b.effect("interruptCheck", [b.cpu()]);
  b.if(b.get(I32, VCPU.trapPending), () => {
    b.set(VCPU.pc, nextPc);
    b.return(b.call("takeTrap", I64, [b.cpu()]));
  });
  b.return(nextPc);
});

/** Takes trap `cause` with `value` at `pc`. */
const trapAt = routine("trapAt", [I64, I64, I64], I64, (b, pc, cause, value) => {
  b.set(VCPU.pc, pc);
  recordTrap(b, cause, value);
  b.return(b.call("takeTrap", I64, [b.cpu()]));
});

/** Records an illegal-instruction trap with the instruction at `pc` as its value. */
const recordIllegal = routine("recordIllegal", [I64], undefined, (b, pc) => {
  const bits = b.variable(b.i64(0));
  const mode = b.let(b.get(I32, VCPU.privilege));
  const half = (address: Expr, shift: number): void => {
    const host = b.let(b.call("translate", I32, [b.cpu(), address, b.i32(Access.Execute), mode]));
    b.if(b.gtU(host, b.i32(NO_HOST.device)), () =>
      b.assign(bits, b.or(bits, b.shl(b.load(I64, host, 0, 2), b.i64(shift)))),
    );
  };
  half(pc, 0);
  b.if(b.eq(b.and(b.wrap(bits), b.i32(3)), b.i32(3)), () => half(b.let(b.add(pc, b.i64(2))), 16));
  recordTrap(b, b.i64(Cause.Illegal), bits);
});

const illegal = routine("illegal", [I64, I64], I64, (b, pc) => {
  b.set(VCPU.pc, pc);
  b.effect("recordIllegal", [b.cpu(), pc]);
  b.return(b.call("takeTrap", I64, [b.cpu()]));
});

/** Makes floating point ready: FS := dirty; records an illegal instruction at `pc` when FS is off. */
const fpEnable = routine("fpEnable", [I64], undefined, (b, pc) => {
  const mstatus = b.let(b.get(I64, VCPU.mstatus));
  b.if(b.eqz(b.and(mstatus, b.i64(MSTATUS.FS))), () => {
    b.effect("recordIllegal", [b.cpu(), pc]);
    b.return();
  });
  b.set(VCPU.mstatus, b.or(mstatus, b.i64(MSTATUS.FS)));
  b.set(VCPU.fpReady, b.i32(1));
});

const ecall = routine("ecall", [I64, I64], I64, (b, pc) => {
  const cause = b.add(b.i64(Cause.EcallFromUser), b.extU(b.get(I32, VCPU.privilege)));
  b.return(b.call("trapAt", I64, [b.cpu(), pc, cause, b.i64(0)]));
});

const ebreak = routine("ebreak", [I64, I64], I64, (b, pc) =>
  b.return(b.call("trapAt", I64, [b.cpu(), pc, b.i64(Cause.Breakpoint), pc])),
);

/** Takes an illegal instruction when `condition` holds. */
function refuse(b: Builder, condition: Expr, pc: Expr, nextPc: Expr): void {
  b.if(condition, () => b.return(b.call("illegal", I64, [b.cpu(), pc, nextPc])));
}

/** Refused below supervisor, and in supervisor mode when the mstatus bit is set. */
function refuseTrapped(b: Builder, bit: bigint, pc: Expr, nextPc: Expr): void {
  const privilege = b.let(b.get(I32, VCPU.privilege));
  refuse(b, b.eqz(privilege), pc, nextPc);
  const trapped = b.and(b.eq(privilege, b.i32(Privilege.Supervisor)), has(b, b.get(I64, VCPU.mstatus), bit));
  refuse(b, trapped, pc, nextPc);
}

const mret = routine("mret", [I64, I64], I64, (b, pc, nextPc) => {
  refuse(b, b.ne(b.get(I32, VCPU.privilege), b.i32(Privilege.Machine)), pc, nextPc);
  const mstatus = b.let(b.get(I64, VCPU.mstatus));
  const to = b.let(b.and(b.wrap(b.shrU(mstatus, b.i64(MPP_BIT))), b.i32(3)));
  const cleared = b.and(mstatus, b.i64(~(MSTATUS.MIE | MSTATUS.MPP)));
  const mie = b.shrU(b.and(mstatus, b.i64(MSTATUS.MPIE)), b.i64(4));
  const next = b.let(b.or(b.or(cleared, mie), b.i64(MSTATUS.MPIE)));
  const keepsMprv = b.eq(to, b.i32(Privilege.Machine));
  b.set(VCPU.mstatus, b.select(keepsMprv, next, b.and(next, b.i64(~MSTATUS.MPRV))));
  b.set(VCPU.privilege, to);
  b.effect("updateMode", [b.cpu()]);
  b.return(b.call("resumeAt", I64, [b.cpu(), b.get(I64, VCPU.mepc)]));
});

const sret = routine("sret", [I64, I64], I64, (b, pc, nextPc) => {
  refuseTrapped(b, MSTATUS.TSR, pc, nextPc);
  const mstatus = b.let(b.get(I64, VCPU.mstatus));
  const to = b.let(b.and(b.wrap(b.shrU(mstatus, b.i64(SPP_BIT))), b.i32(1)));
  const cleared = b.and(mstatus, b.i64(~(MSTATUS.SIE | MSTATUS.SPP | MSTATUS.MPRV)));
  const sie = b.shrU(b.and(mstatus, b.i64(MSTATUS.SPIE)), b.i64(4));
  b.set(VCPU.mstatus, b.or(b.or(cleared, sie), b.i64(MSTATUS.SPIE)));
  b.set(VCPU.privilege, to);
  b.effect("updateMode", [b.cpu()]);
  b.return(b.call("resumeAt", I64, [b.cpu(), b.get(I64, VCPU.sepc)]));
});

const wfi = routine("wfi", [I64, I64], I64, (b, pc, nextPc) => {
  refuseTrapped(b, MSTATUS.TW, pc, nextPc);
  const lines = b.extU(b.atomicLoad(4, b.cpu(), VCPU.irqLines));
  const pending = b.and(b.or(lines, b.get(I64, VCPU.mipSoft)), b.get(I64, VCPU.mie));
  b.if(b.eqz(pending), () => b.set(VCPU.exitReason, b.i32(ExitReason.Wfi)));
  b.return(b.or(nextPc, b.i64(1)));
});

/** Address or ASID 0 is taken as "all", whatever register it came from. */
const sfenceVma = routine("sfenceVma", [I64, I64, I64, I64], I64, (b, pc, nextPc, va, asid) => {
  refuseTrapped(b, MSTATUS.TVM, pc, nextPc);
  b.if(b.ne(va, b.i64(0)), () => {
    b.effect("flushAddress", [b.cpu(), va]);
    b.return(nextPc);
  });
  b.if(b.eqz(asid), () => {
    b.effect("flushTranslations", [b.cpu()]);
    b.return(nextPc);
  });
  // The TLBs hold no other address space than the current one.
  const current = b.and(b.shrU(b.get(I64, VCPU.satp), b.i64(SATP_ASID_BIT)), b.i64(0xffff));
  b.if(b.eq(b.and(asid, b.i64(0xffff)), current), () => b.effect("flushContext", [b.cpu()]));
  b.return(nextPc);
});

/** Svinval's fences between invalidations: nothing is left to order here (section 12.2). */
const sfenceInval = routine("sfenceInval", [I64, I64], I64, (b, pc, nextPc) => {
  refuse(b, b.eqz(b.get(I32, VCPU.privilege)), pc, nextPc);
  b.return(nextPc);
});

const fenceI = routine("fenceI", [I64, I64], I64, (b, _pc, nextPc) => {
  b.effect("discardCode", [b.cpu()]);
  b.return(nextPc);
});

export const TRAP_ROUTINES: readonly Routine[] = [
  updateMode,
  takeTrap,
  interruptCheck,
  resumeAt,
  trapAt,
  recordIllegal,
  illegal,
  fpEnable,
  ecall,
  ebreak,
  mret,
  sret,
  wfi,
  sfenceVma,
  sfenceInval,
  fenceI,
];
