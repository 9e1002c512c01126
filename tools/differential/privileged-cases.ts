/**
 * Random privileged cases: accesses to every CSR number, system and reserved instructions, address translation with
 * random page table entries, memory protection, interrupts.
 */
import { MENVCFG, MSTATUS, PTE, Privilege } from "#cpu/isa/riscv/constants.ts";
import { csrRows } from "#cpu/isa/riscv/csr.ts";
import type { RiscvDecoder } from "#cpu/isa/riscv/decoder.ts";
import { resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import { type Random, randomFloat, randomInteger } from "#cpu/isa/riscv/random.ts";
import { RISCV_ROWS, riscvIsa } from "#cpu/isa/riscv/riscv.ts";
import { type CaseCsr, DATA, type PrivilegedCase, TABLE, VA } from "./privileged-image.ts";
import { word } from "./sequence.ts";
import { encode } from "#cpu/isa/riscv/encoder.ts";

/** What both sides have: no Zfa, Zawrs, Zicbom, Zicboz, which QEMU 7.2 lacks. */
export const PRIVILEGED_EXTENSIONS = resolveExtensions({
  zfh: true,
  zfa: false,
  zawrs: false,
  zicbom: false,
  zicboz: false,
  zicbop: false,
});

const KNOWN_CSRS: readonly number[] = csrRows(PRIVILEGED_EXTENSIONS).map((row) => row.number);
const MODES = [Privilege.User, Privilege.Supervisor, Privilege.Machine] as const;
type Mode = (typeof MODES)[number];
const MPP_BIT = 11n;
const FS_DIRTY = MSTATUS.FS;
const FS_CLEAN = 2n << 13n;
/** UXL and SXL: QEMU 7.2 takes any other value of UXL and stops on it. */
const XLEN_64 = (2n << 32n) | (2n << 34n);
const XLEN = MSTATUS.UXL | MSTATUS.SXL;

/** Exceptions that may be delegated here: all but the environment call that ends a case in the supervisor handler. */
const DELEGABLE = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 15].reduce((all, cause) => all | (1n << BigInt(cause)), 0n);

/** R, W and X of a PMP entry; W without R is reserved. */
const PMP_PERMISSIONS: readonly number[] = [0, 1, 3, 4, 5, 7];
const CSR = {
  sstatus: 0x100,
  mstatus: 0x300,
  pmpcfg0: 0x3a0,
  pmpcfg2: 0x3a2,
  mtvec: 0x305,
  stvec: 0x105,
  satp: 0x180,
  stimecmp: 0x14d,
  vstimecmp: 0x24d,
} as const;
const A0 = 10;
const A1 = 11;
const A2 = 12;
const A3 = 13;
const A4 = 14;
const S11 = 27;

export class PrivilegedGenerator {
  readonly #random: Random;
  readonly #decoder: RiscvDecoder;

  constructor(random: Random) {
    this.#random = random;
    this.#decoder = riscvIsa(PRIVILEGED_EXTENSIONS).decoder;
  }

  /** Some of each kind; `count` in all, beside a look at every CSR number. */
  batch(count: number): PrivilegedCase[] {
    const kinds = [
      () => this.#system(),
      () => this.#anyWord(),
      () => this.#translated(),
      () => this.#translated(),
      () => this.#protected(),
      () => this.#interrupt(),
      () => this.#csr(this.#random.pick(KNOWN_CSRS), this.#random.pick(MODES)),
    ];
    return Array.from({ length: count }, (_, i) => (kinds[i % kinds.length] as () => PrivilegedCase)());
  }
  /** Every CSR number, in a mode each. */
  everyCsr(): PrivilegedCase[] {
    return Array.from({ length: 4096 }, (_, number) => this.#csr(number, this.#random.pick(MODES)));
  }

  #mstatus(mode: Mode): bigint {
    const bits = this.#random.u64();
    const free =
      MSTATUS.SIE | MSTATUS.SPIE | MSTATUS.MPIE | MSTATUS.SPP | MSTATUS.SUM | MSTATUS.MXR | MSTATUS.TVM | MSTATUS.TSR;
    // FS is off now and then; waiting is refused below machine mode, or it would never end.
    const fs = this.#random.pick([0n, FS_DIRTY, FS_DIRTY, FS_CLEAN]);
    return (bits & free) | MSTATUS.TW | XLEN_64 | fs | (BigInt(mode) << MPP_BIT);
  }
  #state(mode: Mode): Partial<Record<CaseCsr, bigint>> {
    const random = this.#random;
    return {
      mstatus: this.#mstatus(mode),
      medeleg: random.u64() & DELEGABLE,
      mcounteren: BigInt(random.u32()),
      scounteren: BigInt(random.u32()),
      menvcfg: (random.u64() & (MENVCFG.PBMTE | MENVCFG.FIOM)) | MENVCFG.ADUE | (random.oneIn(2) ? MENVCFG.STCE : 0n),
      senvcfg: random.u64() & MENVCFG.FIOM,
      sscratch: random.u64(),
      mscratch: random.u64(),
      fcsr: BigInt((random.oneIn(4) ? random.below(8) : random.below(5)) << 5) | BigInt(random.below(32)),
    };
  }
  #registers(...pairs: readonly (readonly [number, bigint])[]): ReadonlyMap<number, bigint> {
    const x = new Map<number, bigint>();
    for (let i = 1; i < 32; i++) x.set(i, randomInteger(this.#random));
    for (const [register, value] of pairs) x.set(register, value);
    return x;
  }

  #csr(number: number, mode: Mode): PrivilegedCase {
    const random = this.#random;
    const name = random.pick(["csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci", "csrr"]);
    const isStatus = number === CSR.sstatus || number === CSR.mstatus;
    const readOnly =
      number === CSR.stimecmp ||
      number === CSR.vstimecmp ||
      (isStatus && name === "csrrwi") ||
      (name === "csrr" && random.oneIn(2));
    // A locked PMP entry would stay locked for all cases after this one.
    const locks = number >= CSR.pmpcfg0 && number <= CSR.pmpcfg2;
    // QEMU takes a set or clear of no bits for a read.
    let value = randomInteger(random) || 1n;
    if (locks) value &= 0x1f1f_1f1f_1f1f_1f1fn;
    if (isStatus) value = (value & ~XLEN) | (name === "csrrw" || name === "csrr" ? XLEN_64 : 0n);
    const access = readOnly
      ? word("csrr", { rd: A0, csr: number })
      : name.endsWith("i")
        ? word(name, { rd: A0, csr: number, uimm: random.below(32) })
        : word(name === "csrr" ? "csrrw" : name, { rd: A0, csr: number, rs1: A1 });
    const code = [access, word("csrr", { rd: A2, csr: number })];
    if (number === CSR.mtvec) code.push(word("csrrw", { csr: CSR.mtvec, rs1: S11 }));
    const state = this.#state(mode);
    // What is written here decides where a delegated trap goes.
    if (number === CSR.satp || number === CSR.stvec) state.medeleg = 0n;
    return {
      text: `${readOnly ? "csrr" : name} 0x${number.toString(16)} in mode ${mode}`,
      csr: number,
      code,
      x: this.#registers([A1, value]),
      csrs: state,
      entries: {},
    };
  }

  #system(): PrivilegedCase {
    const random = this.#random;
    const mode = random.pick(MODES);
    const name = random.pick(["ecall", "ebreak", "c.ebreak", "mret", "sret", "wfi", "sfence.vma", "sinval.vma"]);
    // QEMU 7.2 lets user mode do the Svinval fences.
    const other = random.pick(
      mode === Privilege.User ? ["fence.i", "fence"] : ["sfence.w.inval", "sfence.inval.ir", "fence.i", "fence"],
    );
    const state = this.#state(mode);
    if (mode === Privilege.Machine && name === "wfi") return this.#system();
    const returns = name === "mret" || name === "sret";
    const isMachine = mode === Privilege.Machine;
    // Where and to which mode a return goes is set up in the case, as far as its mode can.
    const setUp =
      returns && mode !== Privilege.User
        ? [
            word("auipc", { rd: A3 }),
            word("addi", { rd: A3, rs1: A3, imm: 20 }),
            word("csrrw", { csr: name === "mret" && isMachine ? 0x341 : 0x141, rs1: A3 }),
            word("csrrw", { csr: isMachine ? 0x300 : 0x100, rs1: A4 }),
          ]
        : [];
    const instruction =
      name === "c.ebreak"
        ? 0x9002
        : name.endsWith(".vma")
          ? word(name, { rs1: random.below(32), rs2: random.below(32) })
          : word(name, {});
    // Between ebreak and c.ebreak, `other` is seen to run or to be refused.
    const code = random.oneIn(4) ? [word(other, {}), instruction] : [instruction];
    const setUpThenReturn = [...setUp, instruction];
    return {
      text: `${name} in mode ${mode}`,
      code: returns ? setUpThenReturn : code,
      x: this.#registers([A4, this.#mstatus(random.pick(MODES)) | (random.oneIn(4) ? MSTATUS.MPRV : 0n)]),
      csrs: state,
      entries: {},
    };
  }

  /** Any word but one that jumps, touches memory or a CSR. */
  #anyWord(): PrivilegedCase {
    const random = this.#random;
    for (;;) {
      let bits: number;
      const kind = random.below(4);
      if (kind < 2) bits = (random.below(0x1_0000) & ~3) | random.below(3);
      else if (kind === 2) bits = random.u32() | 3;
      else {
        const row = random.pick(RISCV_ROWS);
        const uniform = encode(row, {
          rd: random.below(32),
          rs1: random.below(32),
          rs2: random.below(32),
          rm: random.below(8),
        });
        bits = (random.oneIn(2) ? uniform ^ (1 << random.between(7, 31)) : uniform) >>> 0;
      }
      const decoded = this.#decoder.decode(bits);
      const row = this.#decoder.rows[decoded.row];
      const illegal = decoded.row === this.#decoder.illegalRow;
      const ends = row && /^(B|J|CSR|NONE|S)$/.test(row.format);
      const opcode = bits & 0x7f;
      // What we refuse may be a jump or an access elsewhere; those opcodes have no word to refuse but by funct3.
      if (!illegal && (!row || ends || row.operands.includes("(rs1)") || row.name.endsWith(".vma"))) continue;
      if (!illegal && (decoded.rd === 4 || decoded.rd === S11)) continue;
      if (illegal && opcode === 0x73) continue;
      const mode = random.pick(MODES);
      return {
        text: `word 0x${bits.toString(16)} (${illegal ? "illegal" : row?.name}) in mode ${mode}`,
        code: [bits],
        x: this.#registers(),
        csrs: this.#state(mode),
        entries: {},
      };
    }
  }

  /** A leaf entry with a few bits wrong. Not what QEMU 7.2 is known to see differently, see `EXPLAINED`. */
  #pte(user: boolean, inRam: boolean, memoryTypes: boolean): bigint {
    const random = this.#random;
    const page =
      !inRam && random.oneIn(6)
        ? BigInt(random.pick([0x90000, 0xfffffffffff]))
        : BigInt((DATA.start >>> 12) + random.below(DATA.pages));
    let bits = BigInt(PTE.V | PTE.R | PTE.W | PTE.X | PTE.A | PTE.D) | (user ? BigInt(PTE.U) : 0n);
    while (random.oneIn(2)) bits ^= 1n << BigInt(random.below(10));
    if (memoryTypes && random.oneIn(4)) bits |= 1n << BigInt(random.between(61, 62));
    if (random.oneIn(12)) bits |= PTE.N | BigInt(PTE.A | PTE.D);
    return (page << 10n) | bits;
  }
  #superpage(user: boolean, memoryTypes: boolean): bigint {
    const random = this.#random;
    const low = random.oneIn(6) ? BigInt(random.below(1 << 18)) : 0n;
    return ((0x80000n | low) << 10n) | (this.#pte(user, true, memoryTypes) & ~(((1n << 44n) - 1n) << 10n));
  }
  #pointer(to: number): bigint {
    const random = this.#random;
    let bits = BigInt(PTE.V);
    if (random.oneIn(8)) bits ^= 1n << BigInt(random.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 63]));
    return (BigInt(to >>> 12) << 10n) | bits;
  }

  /** An access through `address` in A3: code, and what it is. */
  #access(
    address: bigint,
    fetch: "none" | "inside" | "any",
    inRam: boolean,
  ): { code: number[]; text: string; address: bigint } {
    const random = this.#random;
    if (fetch !== "none" && random.oneIn(4)) {
      // To the ecall in a page or the one across its end.
      const target = (address & ~0xfffn) | (fetch === "any" && random.oneIn(3) ? 0xffen : 0x400n);
      return { code: [word("jalr", { rd: 1, rs1: A3 })], text: "fetch", address: target };
    }
    // QEMU does an atomic access to what is no RAM as a load and a store.
    const row = random.pick(inRam ? ACCESS_ROWS : PLAIN_ACCESS_ROWS);
    const aligned = row.extension !== "a" || random.oneIn(6) ? address : address & ~7n;
    const access = encode(row, { rd: A0, rs1: A3, rs2: A1 });
    // A failing sc makes no access in QEMU; so it has its reservation.
    const code = row.name.startsWith("sc")
      ? [word(row.name.replace("sc", "lr"), { rd: A2, rs1: A3 }), access]
      : [access];
    return { code, text: row.name, address: aligned };
  }
  #offset(): bigint {
    const random = this.#random;
    return BigInt(random.oneIn(2) ? 0x1000 - random.below(9) : random.pick([0, 0, 8, 0x400, 0xff8]));
  }

  #translated(): PrivilegedCase {
    const random = this.#random;
    const mode = random.pick(MODES);
    const isMachine = mode === Privilege.Machine;
    const user = isMachine ? random.oneIn(2) : mode === Privilege.User;
    const scheme = random.pick([8, 9, 10]);
    const root = scheme === 8 ? TABLE.root39 : scheme === 9 ? TABLE.root48 : TABLE.root57;
    const inData = BigInt(DATA.start & 0xf_ffff);
    const state = this.#state(mode);
    const memoryTypes = ((state.menvcfg ?? 0n) & MENVCFG.PBMTE) !== 0n;
    const inRam = random.oneIn(2);
    let base: bigint;
    switch (random.below(6)) {
      case 0:
        base = BigInt(VA.mega) + inData + BigInt(0x1000 * random.below(3)) + 0x10_0000n;
        break;
      case 1:
        base = BigInt(VA.giga) + inData + BigInt(0x1000 * random.below(3)) + 0x10_0000n;
        break;
      default:
        base = BigInt(VA.pages);
    }
    // QEMU 7.2 aborts when the second page of an instruction is no RAM.
    const fetch = isMachine ? "none" : inRam && base === BigInt(VA.pages) ? "any" : "inside";
    const access = this.#access(base + this.#offset(), fetch, inRam);
    let address = access.address;
    if (random.oneIn(12))
      address = BigInt.asUintN(64, address | (random.pick([1n, -1n]) << BigInt(random.between(37, 63))));
    const floats = FS_DIRTY;
    const mprv = isMachine ? MSTATUS.MPRV : 0n;
    // mret clears MPRV on the way below machine mode, and MPP is its own to set: the case sets it again.
    const borrowed = isMachine ? [word("csrrw", { csr: 0x300, rs1: A4 })] : [];
    const satp = (BigInt(scheme) << 60n) | (BigInt(random.below(16)) << 44n) | BigInt(root >>> 12);
    const as = user ? Privilege.User : Privilege.Supervisor;
    return {
      text: `${access.text} of ${address.toString(16)} in mode ${mode}${isMachine ? ` as ${as}` : ""}, scheme ${scheme}`,
      code: [...borrowed, ...access.code],
      x: this.#registers(
        [A3, address],
        [A1, randomFloat(random)],
        [A4, (this.#mstatus(as) & ~MSTATUS.FS) | floats | mprv],
      ),
      csrs: { ...state, mstatus: ((state.mstatus ?? 0n) & ~MSTATUS.FS) | floats, satp },
      entries: {
        page0: this.#pte(user, inRam, memoryTypes),
        page1: this.#pte(user, inRam, memoryTypes),
        mega: this.#superpage(user, memoryTypes),
        giga: this.#superpage(user, memoryTypes),
        toLast: this.#pointer(TABLE.last),
        toMiddle: this.#pointer(TABLE.middle),
      },
      atUserAlias: mode === Privilege.User,
    };
  }

  #protected(): PrivilegedCase {
    const random = this.#random;
    const mode = random.pick([Privilege.User, Privilege.Supervisor]);
    const state = this.#state(mode);
    // Entries of every kind over the data pages, unlocked.
    const entry = (): bigint => {
      const at = BigInt(DATA.start) + BigInt(0x1000 * random.below(3)) + this.#offset();
      const dwords = at >> 2n;
      return random.oneIn(2) ? dwords : (dwords & ~0xfn) | BigInt((1 << random.below(12)) - 1);
    };
    let config = 0n;
    for (let i = 0; i < 4; i++)
      config |= BigInt(random.pick(PMP_PERMISSIONS) | (random.below(4) << 3)) << BigInt(8 * i);
    // Within a page: an access across its end is checked in pieces, and which is left open (3.7.1.3).
    const offset = this.#offset();
    const within = (offset & 0xfffn) > 0xff8n ? 0xff8n : offset;
    const access = this.#access(BigInt(DATA.start + 0x1000 * random.below(3)) + within, "inside", true);
    return {
      text: `${access.text} of ${access.address.toString(16)} in mode ${mode}, protected`,
      code: access.code,
      x: this.#registers([A3, access.address], [A1, randomFloat(random)]),
      csrs: {
        ...state,
        mstatus: (state.mstatus ?? 0n) | FS_DIRTY,
        medeleg: 0n,
        pmpcfg0: config,
        pmpaddr0: entry(),
        pmpaddr1: entry(),
        pmpaddr2: entry(),
        pmpaddr3: entry(),
      },
      entries: {},
    };
  }

  #interrupt(): PrivilegedCase {
    const random = this.#random;
    const mode = random.pick(MODES);
    const state = this.#state(mode);
    // QEMU 7.2 takes the lowest number of several; so at most one is enabled and pending at a time.
    const pending = random.u64() & 0x222n;
    const enabled = (random.u64() & 0xaaan & ~pending) | (pending & (1n << random.pick([1n, 5n, 9n])));
    return {
      text: `interrupts in mode ${mode}`,
      code: [word("addi", { rd: A0, rs1: A0, imm: 1 })],
      x: this.#registers(),
      csrs: {
        ...state,
        menvcfg: MENVCFG.ADUE,
        mideleg: random.u64() & 0x222n,
        mie: enabled,
        mip: pending,
      },
      entries: {},
    };
  }
}

const ACCESS_ROWS = RISCV_ROWS.filter(
  (row) =>
    (row.extension === "a" || row.operands.endsWith("imm(rs1)")) &&
    row.name !== "jalr" &&
    PRIVILEGED_EXTENSIONS[row.extension],
);
const PLAIN_ACCESS_ROWS = ACCESS_ROWS.filter((row) => row.extension !== "a");
