/**
 * CSRs as rows: number, name, how it reads, how it is written. The privilege and read-only bits are in the number.
 *
 * Spec: RISC-V Privileged Architecture 1.13, chapter 2 and the sections named; unprivileged 20.2 (fcsr), 7 (counters).
 */
import { type Routine, routine } from "#cpu/engine/routine.ts";
import type { Builder } from "#cpu/ir/builder.ts";
import { type Expr, F64, I32, I64 } from "#cpu/ir/ir.ts";
import { Irq, MENVCFG, MSTATUS, Privilege } from "#cpu/isa/riscv/constants.ts";
import type { Extensions } from "#cpu/isa/riscv/extensions.ts";
import { VCPU } from "#cpu/vcpu/layout.ts";

export type CsrRow = {
  readonly number: number;
  readonly name: string;
  readonly read: (b: Builder) => Expr;
  /** Absent: writes are ignored (a number in the read-only space refuses them before). */
  readonly write?: (b: Builder, value: Expr) => void;
  /** What csrrs and csrrc combine with, where it is not what is read. */
  readonly modify?: (b: Builder) => Expr;
  /** i32, 1 when the access is illegal beyond the privilege in the number. */
  readonly refused?: (b: Builder) => Expr;
};

const word = (number: number, name: string, offset: number, mask?: bigint): CsrRow => ({
  number,
  name,
  read: (b) => b.get(I64, offset),
  write: (b, value) => b.set(offset, mask === undefined ? value : b.and(value, b.i64(mask))),
});
const constant = (number: number, name: string, value: bigint): CsrRow => ({ number, name, read: (b) => b.i64(value) });

/** Merges the bits of `mask` from `value` into the word at `offset`. */
function merge(b: Builder, offset: number, mask: bigint, value: Expr): void {
  b.set(offset, b.or(b.and(b.get(I64, offset), b.i64(~mask)), b.and(value, b.i64(mask))));
}

const SSTATUS_READ =
  MSTATUS.SIE | MSTATUS.SPIE | MSTATUS.SPP | MSTATUS.FS | MSTATUS.SUM | MSTATUS.MXR | MSTATUS.UXL | MSTATUS.SD;
const SSTATUS_WRITE = MSTATUS.SIE | MSTATUS.SPIE | MSTATUS.SPP | MSTATUS.FS | MSTATUS.SUM | MSTATUS.MXR;
const MSTATUS_WRITE =
  SSTATUS_WRITE | MSTATUS.MIE | MSTATUS.MPIE | MSTATUS.MPP | MSTATUS.MPRV | MSTATUS.TVM | MSTATUS.TW | MSTATUS.TSR;

/** mstatus with SD, which is 1 when FS is dirty. */
function statusRead(b: Builder, mask: bigint): Expr {
  const mstatus = b.let(b.get(I64, VCPU.mstatus));
  const dirty = b.eq(b.and(mstatus, b.i64(MSTATUS.FS)), b.i64(MSTATUS.FS));
  return b.and(b.or(mstatus, b.shl(b.extU(dirty), b.i64(63))), b.i64(mask));
}

const writeStatus = routine("writeStatus", [I64, I64], undefined, (b, value, mask) => {
  const old = b.let(b.get(I64, VCPU.mstatus));
  const next = b.variable(b.or(b.and(old, b.xor(mask, b.i64(-1))), b.and(value, mask)));
  // MPP is WARL: 2 is no mode here.
  b.if(b.eq(b.and(next, b.i64(MSTATUS.MPP)), b.i64(2n << 11n)), () =>
    b.assign(next, b.or(b.and(next, b.i64(~MSTATUS.MPP)), b.and(old, b.i64(MSTATUS.MPP)))),
  );
  b.set(VCPU.mstatus, next);
  b.if(b.ne(b.and(b.xor(old, next), b.i64(MSTATUS.MXR)), b.i64(0)), () => b.effect("flushTlbs", [b.cpu()]));
  b.effect("updateMode", [b.cpu()]);
});

const writeSatp = routine("writeSatp", [I64], undefined, (b, value) => {
  const mode = b.let(b.wrap(b.shrU(value, b.i64(60))));
  const supported = b.or(b.eqz(mode), b.ltU(b.sub(mode, b.i32(8)), b.i32(3)));
  b.if(b.eqz(supported), () => b.return());
  const old = b.let(b.get(I64, VCPU.satp));
  b.if(b.eq(value, old), () => b.return());
  b.set(VCPU.satp, value);
  b.if(
    b.eq(mode, b.wrap(b.shrU(old, b.i64(60)))),
    () => b.effect("flushContext", [b.cpu()]),
    () => b.effect("flushTranslations", [b.cpu()]),
  );
});

function fpState(
  number: number,
  name: string,
  read: (b: Builder) => Expr,
  write: (b: Builder, v: Expr) => void,
): CsrRow {
  return {
    number,
    name,
    read: (b) => b.extU(read(b)),
    write: (b, value) => {
      write(b, b.let(b.wrap(value)));
      b.set(VCPU.mstatus, b.or(b.get(I64, VCPU.mstatus), b.i64(MSTATUS.FS)));
      b.set(VCPU.fpReady, b.i32(1));
      b.effect("fpUpdate", [b.cpu()]);
    },
    refused: (b) => b.eqz(b.and(b.get(I64, VCPU.mstatus), b.i64(MSTATUS.FS))),
  };
}

/** A counter that user and supervisor mode see only when the enables above them allow it (3.1.11, 10.1.5). */
function counterRefused(bit: number): (b: Builder) => Expr {
  return (b) => {
    const enabled = (offset: number): Expr => b.and(b.wrap(b.shrU(b.get(I64, offset), b.i64(bit))), b.i32(1));
    const privilege = b.let(b.get(I32, VCPU.privilege));
    const machine = b.eq(privilege, b.i32(Privilege.Machine));
    const supervisor = b.and(b.ne(privilege, b.i32(Privilege.User)), enabled(VCPU.mcounteren));
    const user = b.and(enabled(VCPU.mcounteren), enabled(VCPU.scounteren));
    return b.eqz(b.or(machine, b.or(supervisor, user)));
  };
}

const machinePending = (b: Builder): Expr =>
  b.or(b.extU(b.atomicLoad(4, b.cpu(), VCPU.irqLines)), b.get(I64, VCPU.mipSoft));

/** What software has set, and SSIP however it was set: the base of read-modify-write accesses (3.1.9). */
const softPending = (b: Builder): Expr =>
  b.or(b.and(b.extU(b.atomicLoad(4, b.cpu(), VCPU.irqLines)), b.i64(Irq.SupervisorSoftware)), b.get(I64, VCPU.mipSoft));

/** Writes the bits of `mask`; clearing SSIP also clears what the SSWI device has set. */
function writePending(b: Builder, value: Expr, mask: Expr): void {
  const kept = b.and(b.get(I64, VCPU.mipSoft), b.xor(mask, b.i64(-1)));
  b.set(VCPU.mipSoft, b.or(kept, b.and(value, mask)));
  const cleared = b.and(b.xor(b.and(value, mask), mask), b.i64(Irq.SupervisorSoftware));
  b.if(b.ne(cleared, b.i64(0)), () =>
    b.drop(b.rmw("and", 4, b.add(b.cpu(), b.i32(VCPU.irqLines)), b.i32(~Irq.SupervisorSoftware))),
  );
}

/** Nanoseconds of machine time, as the cycle counters count; they tick at 1 GHz. */
const cycles = (b: Builder, offset: number): Expr =>
  b.add(b.convert("i64FromF64S", b.call("machineNs", F64, [])), b.get(I64, offset));
const counterWrite =
  (offset: number) =>
  (b: Builder, value: Expr): void =>
    b.set(offset, b.sub(value, b.convert("i64FromF64S", b.call("machineNs", F64, []))));

/** Environment calls that may be delegated (table 3.6); machine ecalls and reserved causes may not. */
const MEDELEG_WRITE = 0xb3ffn;
const SUPERVISOR_IRQS = BigInt(Irq.SupervisorSoftware | Irq.SupervisorTimer | Irq.SupervisorExternal);
const ALL_IRQS = SUPERVISOR_IRQS | BigInt(Irq.MachineSoftware | Irq.MachineTimer | Irq.MachineExternal);
const SSIP = BigInt(Irq.SupervisorSoftware);
const STIP = BigInt(Irq.SupervisorTimer);
const SEIP = BigInt(Irq.SupervisorExternal);

const trapVector = (number: number, name: string, offset: number): CsrRow => ({
  number,
  name,
  read: (b) => b.get(I64, offset),
  // Modes above vectored are reserved: the write is ignored.
  write: (b, value) => b.if(b.eqz(b.and(b.wrap(value), b.i32(2))), () => b.set(offset, value)),
});

/** Goes to TypeScript: rarely touched and long-winded. */
const helper = (number: number, name: string): CsrRow => ({
  number,
  name,
  read: (b) => {
    b.effect("csrHelperRead", [b.cpu(), b.i32(number)]);
    return b.get(I64, VCPU.helperResult);
  },
  write: (b, value) => {
    b.set(VCPU.helperA, value);
    b.effect("csrHelperWrite", [b.cpu(), b.i32(number)]);
  },
});

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** The CSRs of a hart with these extensions. */
export function csrRows(has: Extensions): readonly CsrRow[] {
  const rows: CsrRow[] = [
    // 10.1: supervisor
    {
      number: 0x100,
      name: "sstatus",
      read: (b) => statusRead(b, SSTATUS_READ),
      write: (b, value) => b.effect("writeStatus", [b.cpu(), value, b.i64(SSTATUS_WRITE)]),
    },
    {
      number: 0x104,
      name: "sie",
      read: (b) => b.and(b.get(I64, VCPU.mie), b.get(I64, VCPU.mideleg)),
      write: (b, value) => {
        const mask = b.let(b.get(I64, VCPU.mideleg));
        const kept = b.and(b.get(I64, VCPU.mie), b.xor(mask, b.i64(-1)));
        b.set(VCPU.mie, b.or(kept, b.and(b.and(value, mask), b.i64(SUPERVISOR_IRQS))));
      },
    },
    trapVector(0x105, "stvec", VCPU.stvec),
    word(0x106, "scounteren", VCPU.scounteren, 0xffffffffn),
    word(0x10a, "senvcfg", VCPU.senvcfg, MENVCFG.FIOM | MENVCFG.CBIE | MENVCFG.CBCFE | MENVCFG.CBZE),
    word(0x140, "sscratch", VCPU.sscratch),
    word(0x141, "sepc", VCPU.sepc, has.c ? -2n : -4n),
    word(0x142, "scause", VCPU.scause),
    word(0x143, "stval", VCPU.stval),
    {
      number: 0x144,
      name: "sip",
      read: (b) => b.and(machinePending(b), b.get(I64, VCPU.mideleg)),
      modify: (b) => b.and(softPending(b), b.get(I64, VCPU.mideleg)),
      // Only SSIP is writable here, and only while delegated.
      write: (b, value) => writePending(b, value, b.let(b.and(b.get(I64, VCPU.mideleg), b.i64(SSIP)))),
    },
    {
      number: 0x180,
      name: "satp",
      read: (b) => b.get(I64, VCPU.satp),
      write: (b, value) => b.effect("writeSatp", [b.cpu(), value]),
      refused: (b) => {
        const supervisor = b.eq(b.get(I32, VCPU.privilege), b.i32(Privilege.Supervisor));
        return b.and(supervisor, b.ne(b.and(b.get(I64, VCPU.mstatus), b.i64(MSTATUS.TVM)), b.i64(0)));
      },
    },
    // 3.1: machine
    constant(0xf11, "mvendorid", 0n),
    constant(0xf12, "marchid", 0n),
    constant(0xf13, "mimpid", 0n),
    { number: 0xf14, name: "mhartid", read: (b) => b.get(I64, VCPU.mhartid) },
    constant(0xf15, "mconfigptr", 0n),
    {
      number: 0x300,
      name: "mstatus",
      read: (b) => statusRead(b, -1n),
      write: (b, value) => b.effect("writeStatus", [b.cpu(), value, b.i64(MSTATUS_WRITE)]),
    },
    { number: 0x301, name: "misa", read: (b) => b.get(I64, VCPU.misa) },
    word(0x302, "medeleg", VCPU.medeleg, MEDELEG_WRITE),
    word(0x303, "mideleg", VCPU.mideleg, SUPERVISOR_IRQS),
    word(0x304, "mie", VCPU.mie, ALL_IRQS),
    trapVector(0x305, "mtvec", VCPU.mtvec),
    word(0x306, "mcounteren", VCPU.mcounteren, 0xffffffffn),
    {
      number: 0x30a,
      name: "menvcfg",
      read: (b) => b.get(I64, VCPU.menvcfg),
      write: (b, value) => {
        const mask =
          MENVCFG.FIOM |
          MENVCFG.CBIE |
          MENVCFG.CBCFE |
          MENVCFG.CBZE |
          (has.svadu ? MENVCFG.ADUE : 0n) |
          (has.svpbmt ? MENVCFG.PBMTE : 0n) |
          (has.sstc ? MENVCFG.STCE : 0n);
        merge(b, VCPU.menvcfg, mask, value);
        b.effect("flushTlbs", [b.cpu()]);
        if (has.sstc) b.effect("stimecmpChanged", [b.cpu()]);
      },
    },
    word(0x320, "mcountinhibit", VCPU.mcountinhibit, 0xfffffffdn),
    word(0x340, "mscratch", VCPU.mscratch),
    word(0x341, "mepc", VCPU.mepc, has.c ? -2n : -4n),
    word(0x342, "mcause", VCPU.mcause),
    word(0x343, "mtval", VCPU.mtval),
    {
      number: 0x344,
      name: "mip",
      read: machinePending,
      modify: softPending,
      write: (b, value) => {
        // With Sstc on, STIP shows the comparison and is not writable (Sstc, 1.1).
        const timer = has.sstc
          ? b.select(b.ltS(b.get(I64, VCPU.menvcfg), b.i64(0)), b.i64(SSIP | SEIP), b.i64(SSIP | SEIP | STIP))
          : b.i64(SSIP | SEIP | STIP);
        writePending(b, value, b.let(timer));
      },
    },
    // 3.1.10: counters
    {
      number: 0xb00,
      name: "mcycle",
      read: (b) => cycles(b, VCPU.mcycleOffset),
      write: counterWrite(VCPU.mcycleOffset),
    },
    {
      number: 0xb02,
      name: "minstret",
      read: (b) => cycles(b, VCPU.minstretOffset),
      write: counterWrite(VCPU.minstretOffset),
    },
    ...(has.zicntr
      ? [
          {
            number: 0xc00,
            name: "cycle",
            read: (b: Builder) => cycles(b, VCPU.mcycleOffset),
            refused: counterRefused(0),
          },
          {
            number: 0xc01,
            name: "time",
            read: (b: Builder) => b.convert("i64FromF64S", b.call("timeTicks", F64, [])),
            refused: counterRefused(1),
          },
          {
            number: 0xc02,
            name: "instret",
            read: (b: Builder) => cycles(b, VCPU.minstretOffset),
            refused: counterRefused(2),
          },
        ]
      : []),
    // No event is counted: the counters and selectors read 0 (WARL).
    ...(has.zihpm
      ? range(29).flatMap((i) => [
          constant(0xb03 + i, `mhpmcounter${i + 3}`, 0n),
          constant(0x323 + i, `mhpmevent${i + 3}`, 0n),
          { ...constant(0xc03 + i, `hpmcounter${i + 3}`, 0n), refused: counterRefused(i + 3) },
        ])
      : []),
    // 3.7: physical memory protection
    helper(0x3a0, "pmpcfg0"),
    helper(0x3a2, "pmpcfg2"),
    ...range(16).map((i) => helper(0x3b0 + i, `pmpaddr${i}`)),
    // Debug triggers: none (Sdtrig, 5.7: tselect reads back what it cannot select).
    constant(0x7a0, "tselect", 0n),
    constant(0x7a1, "tdata1", 0n),
    constant(0x7a2, "tdata2", 0n),
    constant(0x7a3, "tdata3", 0n),
  ];
  if (has.f) {
    rows.push(
      fpState(
        0x001,
        "fflags",
        (b) => b.get(I32, VCPU.fflags),
        (b, value) => b.set(VCPU.fflags, b.and(value, b.i32(31))),
      ),
      fpState(
        0x002,
        "frm",
        (b) => b.get(I32, VCPU.frm),
        (b, value) => b.set(VCPU.frm, b.and(value, b.i32(7))),
      ),
      fpState(
        0x003,
        "fcsr",
        (b) => b.or(b.get(I32, VCPU.fflags), b.shl(b.get(I32, VCPU.frm), b.i32(5))),
        (b, value) => {
          b.set(VCPU.fflags, b.and(value, b.i32(31)));
          b.set(VCPU.frm, b.and(b.shrU(value, b.i32(5)), b.i32(7)));
        },
      ),
    );
  }
  if (has.sstc) {
    rows.push({
      number: 0x14d,
      name: "stimecmp",
      read: (b) => b.get(I64, VCPU.stimecmp),
      write: (b, value) => {
        b.set(VCPU.stimecmp, value);
        b.effect("stimecmpChanged", [b.cpu()]);
      },
      refused: (b) => {
        const enabled = b.and(
          b.ltS(b.get(I64, VCPU.menvcfg), b.i64(0)),
          b.wrap(b.and(b.shrU(b.get(I64, VCPU.mcounteren), b.i64(1)), b.i64(1))),
        );
        return b.eqz(b.or(b.eq(b.get(I32, VCPU.privilege), b.i32(Privilege.Machine)), enabled));
      },
    });
  }
  return rows;
}

/** What a csr instruction does; the `op` argument of routine `csrAccess`. */
export const CsrOp = { Read: 0, Write: 1, Set: 2, Clear: 3 } as const;

/**
 * The routines behind the csr instructions. `csrAccess(pc, nextPc, index, op, source, rdOffset)` performs one and
 * returns the next pc; `index` counts the rows from 1, 0 is no CSR.
 */
export function csrRoutines(rows: readonly CsrRow[]): readonly Routine[] {
  const refuse = (b: Builder, condition: Expr): void => b.if(condition, () => b.return(b.i32(1)));
  const csrRefused = routine("csrRefused", [I32, I32], I32, (b, index, op) => {
    b.switch(
      b.sub(index, b.i32(1)),
      rows.map((row) => () => {
        const lowest = (row.number >> 8) & 3;
        if (lowest > 0) refuse(b, b.ltU(b.get(I32, VCPU.privilege), b.i32(lowest)));
        if (row.number >> 10 === 3) refuse(b, b.ne(op, b.i32(CsrOp.Read)));
        if (row.refused) refuse(b, row.refused(b));
        b.return(b.i32(0));
      }),
      () => b.return(b.i32(1)),
    );
  });
  const reader = (name: string, pick: (row: CsrRow) => (b: Builder) => Expr): Routine =>
    routine(name, [I32], I64, (b, index) =>
      b.switch(
        b.sub(index, b.i32(1)),
        rows.map((row) => () => b.return(pick(row)(b))),
        () => b.return(b.i64(0)),
      ),
    );
  const satpIndex = rows.findIndex((row) => row.name === "satp") + 1;
  const csrWrite = routine("csrWrite", [I32, I64], undefined, (b, index, value) =>
    b.switch(
      b.sub(index, b.i32(1)),
      rows.map((row) => () => row.write?.(b, value)),
    ),
  );
  const csrAccess = routine(
    "csrAccess",
    [I64, I64, I32, I32, I64, I32],
    I64,
    (b, pc, nextPc, index, op, source, rd) => {
      b.if(b.call("csrRefused", I32, [b.cpu(), index, op]), () =>
        b.return(b.call("illegal", I64, [b.cpu(), pc, nextPc])),
      );
      const old = b.let(b.call("csrRead", I64, [b.cpu(), index]));
      b.if(op, () => {
        const value = b.variable(source);
        b.if(b.ne(op, b.i32(CsrOp.Write)), () => {
          const base = b.let(b.call("csrModify", I64, [b.cpu(), index]));
          b.assign(
            value,
            b.select(b.eq(op, b.i32(CsrOp.Set)), b.or(base, source), b.and(base, b.xor(source, b.i64(-1)))),
          );
        });
        b.effect("csrWrite", [b.cpu(), index, value]);
      });
      b.store(b.add(b.cpu(), rd), 0, old);
      // The code that follows a change of address space is looked up anew.
      const leaves = b.extU(b.eq(index, b.i32(satpIndex)));
      b.return(b.or(b.call("resumeAt", I64, [b.cpu(), nextPc]), leaves));
    },
  );
  return [
    writeStatus,
    writeSatp,
    csrRefused,
    reader("csrRead", (row) => row.read),
    reader("csrModify", (row) => row.modify ?? row.read),
    csrWrite,
    csrAccess,
  ];
}
