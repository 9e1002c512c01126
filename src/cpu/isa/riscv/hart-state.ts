/**
 * What of a hart migrates, declared once over the words of its vCPU block: QEMU's section "cpu", version 12 (QEMU 11.1)
 * as it is saved and loaded, version 5 (QEMU 7.2) as it is loaded.
 *
 *   stream -> fields -> words of the block -> `settleHart` once all sections are there -> the vCPU's thread refreshes
 *
 * Thread: machine, while no vCPU runs.
 * Not migrated: fflags are not in QEMU's section; they travel in four bytes that QEMU 11.1 does not look at.
 */
import type { ByteReader, ByteWriter } from "#core/bytes.ts";
import { type Field, StateError, vmstate, type VmState } from "#core/vmstate.ts";
import { computed, constant, structs, unusedArray, unusedBytes, wordAt, wordsAt } from "#core/vmstate-fields.ts";
import { Irq, MENVCFG, MSTATUS } from "#cpu/isa/riscv/constants.ts";
import { VCPU } from "#cpu/vcpu/layout.ts";

export const HART_VERSION = 12;
const HART_VERSION_7_2 = 5;

/** What the section needs beside the block. */
export type HartPorts = {
  /** Machine time. */
  readonly nowNs: () => number;
  /** Where the hart starts after a reset. */
  readonly resetVector: bigint;
  /** The hardware updates A and D bits when menvcfg says so; QEMU 7.2's always does. */
  readonly svadu: boolean;
};

type Fields = Readonly<Record<string, Field<unknown>>>;

const NS_PER_TICK = 100n;
const NEVER = (1n << 64n) - 1n;
/** QEMU's number for version 1.12 of the privileged architecture, the first that has menvcfg. */
const PRIV_VERSION = 2n;
const MISA_LETTERS = (1n << 26n) - 1n;
const PMP_ENTRIES = 16;
const SUPERVISOR_IRQS = BigInt(Irq.SupervisorSoftware | Irq.SupervisorTimer | Irq.SupervisorExternal);
const ALL_IRQS = SUPERVISOR_IRQS | BigInt(Irq.MachineSoftware | Irq.MachineTimer | Irq.MachineExternal);
const MEDELEG = 0xb3ffn;

const word = (at: number): Field<unknown> => wordAt(at);
/** A word of which only `mask` can be set. */
const masked = (at: number, mask: bigint, bits: 32 | 64 = 64): Field<unknown> =>
  computed(
    bits,
    (view) => view.getBigUint64(at, true),
    (view, value) => view.setBigUint64(at, value & mask, true),
  );

const pending = (view: DataView): bigint =>
  view.getBigUint64(VCPU.mipSoft, true) | BigInt(view.getUint32(VCPU.irqLines, true));

/** Kept whole in mipSoft until `settleHart` knows the lines. */
const mip = computed(64, pending, (view, value) => view.setBigUint64(VCPU.mipSoft, value & ALL_IRQS, true));

const misa = computed(
  32,
  (view) => view.getBigUint64(VCPU.misa, true) & MISA_LETTERS,
  (view, value) => {
    const own = view.getBigUint64(VCPU.misa, true) & MISA_LETTERS;
    if (value === own) return;
    throw new StateError(
      `the source's CPU has the extensions ${letters(value)}, this machine's ${letters(own)}; give both the same -cpu`,
    );
  },
);
function letters(value: bigint): string {
  return (
    Array.from("abcdefghijklmnopqrstuvwxyz")
      .filter((_, bit) => (value >> BigInt(bit)) & 1n)
      .join("") || "(none)"
  );
}

const privilege = (bits: 8 | 64): Field<unknown> =>
  computed(
    bits,
    (view) => BigInt(view.getUint32(VCPU.privilege, true)),
    (view, value) => {
      if (value !== 0n && value !== 1n && value !== 3n) throw new StateError(`a hart cannot run in mode ${value}`);
      view.setUint32(VCPU.privilege, Number(value), true);
    },
  );
const mstatus = computed(
  64,
  (view) => view.getBigUint64(VCPU.mstatus, true),
  (view, value) => {
    const fixed = view.getBigUint64(VCPU.mstatus, true) & (MSTATUS.UXL | MSTATUS.SXL);
    // MPP 2 is no mode.
    const kept = (value & MSTATUS.MPP) === 2n << 11n ? MSTATUS_KEPT & ~MSTATUS.MPP : MSTATUS_KEPT;
    view.setBigUint64(VCPU.mstatus, (value & kept) | fixed, true);
  },
);
const MSTATUS_KEPT =
  MSTATUS.SIE |
  MSTATUS.MIE |
  MSTATUS.SPIE |
  MSTATUS.MPIE |
  MSTATUS.SPP |
  MSTATUS.MPP |
  MSTATUS.FS |
  MSTATUS.MPRV |
  MSTATUS.SUM |
  MSTATUS.MXR |
  MSTATUS.TVM |
  MSTATUS.TW |
  MSTATUS.TSR;

const satp = computed(
  64,
  (view) => view.getBigUint64(VCPU.satp, true),
  (view, value) => {
    const mode = value >> 60n;
    if (mode !== 0n && (mode < 8n || mode > 10n))
      throw new StateError(`satp has mode ${mode}, which this hart has not`);
    view.setBigUint64(VCPU.satp, value, true);
  },
);
const hartId = computed(
  64,
  (view) => view.getBigUint64(VCPU.mhartid, true),
  (view, value) => {
    const own = view.getBigUint64(VCPU.mhartid, true);
    if (value !== own) throw new StateError(`the section of hart ${own} says that it is hart ${value}`);
  },
);
const virtualization = (bits: 8 | 64, type?: string): Field<unknown> =>
  computed(
    bits,
    () => 0n,
    (_, value) => {
      if (value !== 0n) throw new StateError("the source's hart runs a guest of its own, which this hart cannot");
    },
    type,
  );

/** cycle and instret go on from what they showed; the other counters count nothing. */
function counter(index: number, ports: HartPorts): Field<unknown> {
  const at = index === 0 ? VCPU.mcycleOffset : index === 2 ? VCPU.minstretOffset : undefined;
  if (at === undefined) return constant(64, 0n);
  return computed(
    64,
    (view) => view.getBigInt64(at, true) + BigInt(Math.floor(ports.nowNs())),
    (view, value) => view.setBigInt64(at, BigInt.asIntN(64, value - BigInt(Math.floor(ports.nowNs()))), true),
  );
}

const general = (frmBits: 8 | 64): Fields => ({
  "env.gpr": generalRegisters,
  "env.fpr": wordsAt(VCPU.f, 32),
  "env.miprio": unusedArray(64, 1),
  "env.siprio": unusedArray(64, 1),
  "env.pc": masked(VCPU.pc, ~1n),
  "env.load_res": word(VCPU.reservedAddress),
  "env.load_val": word(VCPU.reservedValue),
  "env.frm": computed(
    frmBits,
    (view) => BigInt(view.getUint32(VCPU.frm, true)),
    (view, value) => view.setUint32(VCPU.frm, Number(value & 7n), true),
  ),
  "env.badaddr": constant(64, 0n),
  "env.guest_phys_fault_addr": constant(64, 0n),
});

/** x0 stays 0, whatever the stream says. */
const generalRegisters: Field<unknown> = (() => {
  const all = wordsAt(VCPU.x, 32);
  return {
    ...all,
    bind(memory: ArrayBufferLike, offset: number) {
      const bound = all.bind(memory, offset);
      const view = new DataView(memory, offset);
      const load = (from: ByteReader): void => {
        bound.load(from);
        view.setBigUint64(VCPU.x, 0n, true);
      };
      const save = (out: ByteWriter): void => bound.save(out);
      return { ...bound, load, save };
    },
  };
})();

const TRAPS: Fields = {
  "env.stval": word(VCPU.stval),
  "env.medeleg": masked(VCPU.medeleg, MEDELEG),
  "env.stvec": word(VCPU.stvec),
  "env.sepc": word(VCPU.sepc),
  "env.scause": word(VCPU.scause),
  "env.mtvec": word(VCPU.mtvec),
  "env.mepc": word(VCPU.mepc),
  "env.mcause": word(VCPU.mcause),
  "env.mtval": word(VCPU.mtval),
};

function version12(ports: HartPorts): Fields {
  return {
    ...general(8),
    "env.priv_ver": constant(32, PRIV_VERSION),
    "env.vext_ver": constant(32, 0n),
    "env.misa_mxl": constant(32, 2n),
    "env.misa_ext": misa,
    unused: computed(
      32,
      (view) => BigInt(view.getUint32(VCPU.fflags, true)),
      (view, value) => view.setUint32(VCPU.fflags, Number(value & 31n), true),
      "unused_buffer",
    ),
    "env.misa_ext_mask": maskOfMisa,
    "env.priv": privilege(8),
    "env.virt_enabled": virtualization(8, "bool"),
    "env.resetvec": constant(64, ports.resetVector),
    "env.mhartid": hartId,
    "env.mstatus": mstatus,
    "env.mip": mip,
    "env.miclaim": constant(64, 0n),
    "env.mie": masked(VCPU.mie, ALL_IRQS),
    "env.mvien": constant(64, 0n),
    "env.mvip": constant(64, 0n),
    "env.sie": constant(64, 0n),
    "env.mideleg": masked(VCPU.mideleg, SUPERVISOR_IRQS),
    "env.satp": satp,
    ...TRAPS,
    "env.miselect": constant(16, 0n),
    "env.siselect": constant(16, 0n),
    "env.scounteren": wordAt(VCPU.scounteren, 32),
    "env.mcounteren": wordAt(VCPU.mcounteren, 32),
    "env.scountinhibit": constant(32, 0n),
    "env.mcountinhibit": wordAt(VCPU.mcountinhibit, 32),
    "env.pmu_ctrs": structs("cpu/pmu", 3, 32, (index) => ({
      mhpmcounter_val: counter(index, ports),
      mhpmcounter_prev: constant(64, 0n),
    })),
    "env.mhpmevent_val": unusedArray(32, 8),
    "env.sscratch": word(VCPU.sscratch),
    "env.mscratch": word(VCPU.mscratch),
    "env.stimecmp": word(VCPU.stimecmp),
  };
}

const maskOfMisa = computed(
  32,
  (view) => view.getBigUint64(VCPU.misa, true) & MISA_LETTERS,
  () => {},
);

function version5(ports: HartPorts): Fields {
  return {
    ...general(64),
    "env.priv_ver": constant(64, PRIV_VERSION),
    "env.vext_ver": constant(64, 0n),
    "env.misa_mxl": constant(32, 2n),
    "env.misa_ext": misa,
    "env.misa_mxl_max": constant(32, 2n),
    "env.misa_ext_mask": maskOfMisa,
    "env.features": constant(32, 0n),
    "env.priv": privilege(64),
    "env.virt": virtualization(64),
    "env.resetvec": constant(64, ports.resetVector),
    "env.mhartid": hartId,
    "env.mstatus": mstatus,
    "env.mip": mip,
    "env.miclaim": constant(64, 0n),
    "env.mie": masked(VCPU.mie, ALL_IRQS),
    "env.mideleg": masked(VCPU.mideleg, SUPERVISOR_IRQS),
    "env.satp": satp,
    ...TRAPS,
    "env.miselect": constant(64, 0n),
    "env.siselect": constant(64, 0n),
    "env.scounteren": masked(VCPU.scounteren, 0xffff_ffffn),
    "env.mcounteren": masked(VCPU.mcounteren, 0xffff_ffffn),
    "env.mcountinhibit": masked(VCPU.mcountinhibit, 0xffff_fffdn),
    "env.pmu_ctrs": structs("cpu/pmu", 1, 32, (index) => ({
      mhpmcounter_val: counter(index, ports),
      mhpmcounterh_val: constant(64, 0n),
      mhpmcounter_prev: constant(64, 0n),
      mhpmcounterh_prev: constant(64, 0n),
      started: constant(8, 0n, "bool"),
    })),
    "env.mhpmevent_val": unusedArray(32, 8),
    "env.mhpmeventh_val": unusedArray(32, 8),
    "env.sscratch": word(VCPU.sscratch),
    "env.mscratch": word(VCPU.mscratch),
    "env.mfromhost": constant(64, 0n),
    "env.mtohost": constant(64, 0n),
    "env.stimecmp": word(VCPU.stimecmp),
  };
}

/** Entries beyond ours must be off. */
const pmp = (entries: number, version: number): Field<unknown> =>
  structs("cpu/pmp/entry", version, entries, (index) =>
    index < PMP_ENTRIES
      ? { addr_reg: masked(VCPU.pmpaddr + 8 * index, (1n << 54n) - 1n), cfg_reg: pmpConfig(index) }
      : { addr_reg: constant(64, 0n), cfg_reg: pmpAbsent(index) },
  );
const pmpConfig = (index: number): Field<unknown> =>
  computed(
    8,
    (view) => BigInt(view.getUint8(VCPU.pmpcfg + index)),
    (view, value) => view.setUint8(VCPU.pmpcfg + index, Number(value & 0x9fn)),
  );
const pmpAbsent = (index: number): Field<unknown> =>
  computed(
    8,
    () => 0n,
    (_, value) => {
      if (value !== 0n) throw new StateError(`PMP entry ${index} is in use; this hart has ${PMP_ENTRIES}`);
    },
  );

const ENVIRONMENT: Fields = {
  "env.menvcfg": masked(
    VCPU.menvcfg,
    MENVCFG.FIOM | MENVCFG.CBIE | MENVCFG.CBCFE | MENVCFG.CBZE | MENVCFG.ADUE | MENVCFG.PBMTE | MENVCFG.STCE,
  ),
  "env.senvcfg": masked(VCPU.senvcfg, MENVCFG.FIOM | MENVCFG.CBIE | MENVCFG.CBCFE | MENVCFG.CBZE),
  "env.henvcfg": constant(64, 0n),
};
/** QEMU's own timer for stimecmp, as a time on its virtual clock. Ours follows from stimecmp. */
const stimer = computed(
  64,
  (view) => {
    const compare = view.getBigUint64(VCPU.stimecmp, true);
    const isOn = view.getBigInt64(VCPU.menvcfg, true) < 0n;
    return isOn && compare < NEVER / (2n * NS_PER_TICK) ? compare * NS_PER_TICK : NEVER;
  },
  () => {},
  "timer",
);

export type HartState = { readonly current: VmState<Fields>; readonly of7_2: VmState<Fields> };

/** The two versions of the section. A state is bound to the start of a vCPU block. */
export function hartState(ports: HartPorts): HartState {
  const always = (): boolean => true;
  const never = (): boolean => false;
  const skipped = (name: string, version: number, bytes: number): [Fields, ReturnType<typeof subsection>] => {
    const fields = { [`${name} (not looked at)`]: unusedBytes(bytes) };
    return [fields, subsection(name, version, fields, never)];
  };
  const [debug4, debug4Part] = skipped("cpu/debug", 4, 2 + 1 + 6 * 8);
  const [debug2, debug2Part] = skipped("cpu/debug", 2, 7 * 8);
  const pmp64 = { "env.pmp_state.pmp": pmp(64, 2) };
  const pmp16 = { "env.pmp_state.pmp": pmp(16, 1) };
  const timers = { "env.stimer": stimer, "env.vstimer": constant(64, NEVER, "timer") };
  return {
    current: vmstate<Fields>(
      "cpu",
      HART_VERSION,
      { ...version12(ports), ...pmp64, ...ENVIRONMENT, ...debug4, ...timers },
      {
        subsections: [
          subsection("cpu/pmp", 2, pmp64, always),
          subsection("cpu/envcfg", 2, ENVIRONMENT, always),
          debug4Part,
          subsection("cpu/timer", 1, timers, always),
        ],
      },
    ),
    of7_2: vmstate<Fields>(
      "cpu",
      HART_VERSION_7_2,
      { ...version5(ports), ...pmp16, ...ENVIRONMENT, ...debug2 },
      {
        subsections: [
          subsection("cpu/pmp", 1, pmp16, always),
          subsection("cpu/envcfg", 1, ENVIRONMENT, always),
          debug2Part,
        ],
      },
    ),
  };
}

function subsection(name: string, version: number, fields: Fields, needed: () => boolean) {
  return { name, version, fields: Object.keys(fields), needed };
}

/** Reads the section of either version from the front of what is left. Throws `StateError`, `TruncatedError`. */
export function loadHart(
  { current, of7_2 }: HartState,
  ports: HartPorts,
  place: { readonly memory: ArrayBufferLike; readonly offset: number },
  from: ByteReader,
  version: number,
): void {
  if (version !== HART_VERSION_7_2) return current.load(place.memory, place.offset, from, version);
  of7_2.load(place.memory, place.offset, from, version);
  if (!ports.svadu) return;
  const view = new DataView(place.memory, place.offset);
  view.setBigUint64(VCPU.menvcfg, view.getBigUint64(VCPU.menvcfg, true) | MENVCFG.ADUE, true);
}

/**
 * Divides the loaded mip into the lines that the board drives, which are there by now, and what software has set.
 * MSIP is a line whose device keeps no state of its own; the timer thread and the vCPU see to STIP with Sstc.
 */
export function settleHart(memory: ArrayBufferLike, offset: number): void {
  const view = new DataView(memory, offset);
  const words = new Int32Array(memory);
  const index = (offset + VCPU.irqLines) >>> 2;
  const loaded = Number(view.getBigUint64(VCPU.mipSoft, true));
  Atomics.and(words, index, ~(Irq.MachineSoftware | Irq.SupervisorSoftware | Irq.SupervisorTimer));
  Atomics.or(words, index, loaded & Irq.MachineSoftware);
  const isTimerOurs = view.getBigInt64(VCPU.menvcfg, true) < 0n;
  const mask = Irq.SupervisorSoftware | Irq.SupervisorExternal | (isTimerOurs ? 0 : Irq.SupervisorTimer);
  view.setBigUint64(VCPU.mipSoft, BigInt(loaded & mask & ~Atomics.load(words, index)), true);
}
