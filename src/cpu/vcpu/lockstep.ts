/**
 * Lockstep: every compiled region is run, taken back, and run again by the interpreter; the first difference ends it.
 *
 *   keep registers -> region, keeping a copy of every page before it can write to it -> keep the result, take all back
 *   -> interpreter up to a state with the region's pc -> compare registers and pages, or go on to the next time it is there
 *
 * A region that reaches a device is taken back and left to the interpreter, since devices cannot be asked twice. Time is
 * read once and given to both. One vCPU only; what devices write to memory by themselves meanwhile is not told apart.
 *
 * Thread: the vCPU's own.
 */
import type { CodePages } from "#cpu/engine/code-pages.ts";
import { ExitReason, PAGE_BYTES, REGIONS, Request, VCPU, VCPU_FILL_LISTS } from "#cpu/vcpu/layout.ts";

/** What the driver needs of its vCPU. */
export type LockstepHart = {
  readonly view: DataView;
  readonly words: Int32Array;
  /** Address of the vCPU block. */
  readonly cpu: number;
  readonly pages: CodePages;
  readonly table: WebAssembly.Table;
  readonly interpret: (cpu: number, ip: number, page: number, base: bigint) => bigint;
  readonly fetchPage: (cpu: number, va: bigint) => number;
  readonly flushTlbs: (cpu: number) => void;
  /** Registers have been put back: what is derived from them must follow. */
  readonly restored: () => void;
};

/** The two engines disagree. */
export class LockstepError extends Error {
  readonly code = "lockstep";
}

/** Thrown through a region that reaches a device. */
class DeviceReached extends Error {}

type State = { readonly pc: bigint; readonly registers: Uint8Array; readonly pages: ReadonlyMap<number, Uint8Array> };

type Stop = { readonly next: bigint; readonly lost: boolean };

/** Words of the block that other threads write, or that say nothing about the guest's state. */
const LEFT_OUT: readonly (readonly [from: number, to: number])[] = [
  [VCPU.xSink, VCPU.f],
  [VCPU.pc, VCPU.trapCause],
  [VCPU.exitReason, VCPU.tlbData],
  [VCPU.mmioAddress, VCPU.mstatus],
  [VCPU.largeFirst, VCPU_FILL_LISTS],
];
/** Times that the interpreter may come past the region's last pc. */
const MAX_VISITS = 10_000;
const MAX_LISTED = 16;

export class Lockstep {
  /** Regions compared, and those that were left to the interpreter. */
  compared = 0;
  skipped = 0;
  readonly #hart: LockstepHart;
  readonly #bytes: Uint8Array;
  /** Pages as they were before the run in hand could write to them, by host address. */
  #before = new Map<number, Uint8Array>();
  #inRegion = false;
  #recording = false;
  #times: number[] = [];
  #nextTime = 0;

  constructor(hart: LockstepHart) {
    this.#hart = hart;
    this.#bytes = new Uint8Array(hart.view.buffer);
  }

  /** The page of a physical address can be written from now on. */
  touched(pa: number): void {
    const host = this.#recording ? this.#hostOf(pa) : 0;
    if (host === 0) return;
    const page = host - (host % PAGE_BYTES);
    if (!this.#before.has(page)) this.#before.set(page, this.#bytes.slice(page, page + PAGE_BYTES));
  }

  /** A device is about to be asked. */
  device(): void {
    if (this.#inRegion) throw new DeviceReached();
  }

  /** Gives the interpreter the times that the region has read. */
  time(read: () => number): number {
    if (!this.#recording) return read();
    if (this.#inRegion) {
      const now = read();
      this.#times.push(now);
      return now;
    }
    return this.#times[this.#nextTime++] ?? read();
  }

  /**
   * Runs the region at the vCPU's pc with both engines. Returns the next pc as a region does. Throws
   * {@link LockstepError} when they differ.
   */
  run(pc: bigint): bigint {
    const registers = this.#registers();
    const lines = this.#lines();
    this.#times = [];
    this.#nextTime = 0;
    const next = this.#region(pc);
    if (next === undefined) {
      this.#takeBack(registers);
      this.skipped++;
      return this.#interpret(pc);
    }
    const result = this.#state(next);
    this.#takeBack(registers);
    this.#recording = true;
    try {
      this.#before = new Map();
      return this.#follow(pc, next, result, lines);
    } finally {
      this.#recording = false;
    }
  }

  /** Runs the region; undefined when it has reached a device. */
  #region(pc: bigint): bigint | undefined {
    const { cpu, pages, table, fetchPage, flushTlbs } = this.#hart;
    const page = fetchPage(cpu, pc) >>> 0;
    const region = table.get(pages.slotAt(page, Number(pc & 0xfffn))) as (c: number, base: bigint, d: number) => bigint;
    // Every page is touched anew.
    flushTlbs(cpu);
    this.#before = new Map();
    this.#recording = true;
    this.#inRegion = true;
    try {
      return BigInt.asUintN(64, region(cpu, pc & ~0xfffn, 0));
    } catch (error) {
      if (error instanceof DeviceReached) return undefined;
      throw error;
    } finally {
      this.#inRegion = false;
      this.#recording = false;
    }
  }

  /** Interprets from `pc` until the state is the region's. */
  #follow(pc: bigint, next: bigint, result: State, lines: number): bigint {
    const target = next & ~1n;
    const trapped = isPending(result.registers);
    let at = pc;
    for (let visits = 0; visits < MAX_VISITS; visits++) {
      const { next: reached, lost } = this.#interpretTo(at, trapped ? undefined : target, visits > 0);
      at = reached & ~1n;
      const pending = this.#hart.words[(this.#hart.cpu + VCPU.trapPending) >>> 2] !== 0;
      if (at !== target && !pending && !lost) continue;
      const differences = this.#differences(at, result);
      if (differences.length === 0) {
        this.compared++;
        this.#setWord(VCPU.exitReason, word(result.registers, VCPU.exitReason));
        return next;
      }
      if (!pending && !lost) continue;
      // An interrupt line has changed meanwhile: one of them may have taken it.
      if (lines !== this.#lines()) return at | 1n;
      const list = differences.join(", ");
      throw new LockstepError(
        `the region at ${hex(pc)} went to ${hex(target)}, the interpreter to ${hex(at)}: ${list}`,
      );
    }
    throw new LockstepError(
      `the interpreter never has the state of the region at ${hex(pc)} when it is at ${hex(target)}`,
    );
  }

  /**
   * Runs the interpreter from `pc` to where it stops, at `target` at the latest. `lost`: it has come to code that was
   * never decoded, where the region has not been.
   */
  #interpretTo(pc: bigint, target: bigint | undefined, beyond: boolean): Stop {
    if (!beyond || pc !== target) return this.#stopping(target === undefined ? [] : [target], pc);
    // One instruction further: everything that it may go to stops.
    const { words, cpu } = this.#hart;
    const request = (cpu + VCPU.request) >>> 2;
    const asked = Atomics.or(words, request, Request.Tick);
    const stop = this.#stopping(this.#successors(pc), pc);
    if ((asked & Request.Tick) === 0) Atomics.and(words, request, ~Request.Tick);
    return stop;
  }

  /** Where the instruction at `pc` may go to within its page. */
  #successors(pc: bigint): bigint[] {
    const { cpu, pages, fetchPage } = this.#hart;
    const page = fetchPage(cpu, pc) >>> 0;
    if (page === 0) return [];
    return pages.successors(page, Number(pc & 0xfffn)).map((offset) => (pc & ~0xfffn) + BigInt(offset));
  }

  /** Interprets from `pc` while the records at these addresses stop the interpreter. */
  #stopping(addresses: readonly bigint[], pc: bigint): Stop {
    const { view, cpu, fetchPage, words } = this.#hart;
    const patched: { record: number; handler: number }[] = [];
    for (const address of addresses) {
      const page = fetchPage(cpu, address) >>> 0;
      if (page === 0) {
        // Not mapped as things are now: it can only be reached by a trap, which stops by itself.
        this.#setWord(VCPU.trapPending, 0);
        continue;
      }
      const record = page + Number(address & 0xffen) * 8;
      patched.push({ record, handler: view.getUint16(record, true) });
      view.setUint16(record, 0, true);
    }
    const next = this.#interpret(pc);
    for (const { record, handler } of patched.reverse()) view.setUint16(record, handler, true);
    const undecoded = words[(cpu + VCPU.exitReason) >>> 2] === ExitReason.Decode;
    if (undecoded) this.#setWord(VCPU.exitReason, ExitReason.None);
    return { next, lost: undecoded && !addresses.includes(next & ~1n) };
  }

  #interpret(pc: bigint): bigint {
    const { cpu, interpret, fetchPage } = this.#hart;
    const page = fetchPage(cpu, pc) >>> 0;
    if (page === 0) return pc | 1n;
    const base = (pc & ~0xfffn) - BigInt(page >>> 3);
    return BigInt.asUintN(64, interpret(cpu, page + Number(pc & 0xffen) * 8, page, base));
  }

  #registers(): Uint8Array {
    return this.#bytes.slice(this.#hart.cpu, this.#hart.cpu + VCPU_FILL_LISTS);
  }
  #lines(): number {
    return Atomics.load(this.#hart.words, (this.#hart.cpu + VCPU.irqLines) >>> 2);
  }
  #setWord(offset: number, value: number): void {
    this.#hart.words[(this.#hart.cpu + offset) >>> 2] = value;
  }

  #state(pc: bigint): State {
    const pages = new Map([...this.#before.keys()].map((page) => [page, this.#bytes.slice(page, page + PAGE_BYTES)]));
    return { pc, registers: this.#registers(), pages };
  }

  /** Registers and memory as they were before the region. */
  #takeBack(registers: Uint8Array): void {
    const { cpu } = this.#hart;
    for (const [page, bytes] of this.#before) {
      const now = this.#bytes.subarray(page, page + PAGE_BYTES);
      // Only what has changed, so that others' writes to the same page stay.
      bytes.forEach((byte, i) => {
        if (now[i] !== byte) now[i] = byte;
      });
    }
    let from = 0;
    for (const [left, to] of NOT_PUT_BACK) {
      this.#bytes.set(registers.subarray(from, left), cpu + from);
      from = to;
    }
    this.#hart.restored();
    this.#hart.flushTlbs(cpu);
  }

  /** What differs between the machine now and the region's result, as text. */
  #differences(at: bigint, result: State): string[] {
    const found: string[] = [];
    if (at !== (result.pc & ~1n)) found.push("pc");
    const registers = this.#registers();
    const mineWords = new Uint32Array(registers.buffer);
    const theirWords = new Uint32Array(result.registers.buffer);
    for (let offset = 0; offset < VCPU_FILL_LISTS; offset += 4) {
      if (found.length >= MAX_LISTED) return found;
      if (offset >= VCPU.trapCause && offset < VCPU.trapPending && !isPending(registers)) continue;
      const [mine, theirs] = [mineWords[offset >> 2] as number, theirWords[offset >> 2] as number];
      if (mine === theirs || LEFT_OUT.some(([from, to]) => offset >= from && offset < to)) continue;
      found.push(`${nameOf(offset)} ${theirs.toString(16)} for ${mine.toString(16)}`);
    }
    for (const page of new Set([...result.pages.keys(), ...this.#before.keys()])) {
      const theirs = (result.pages.get(page) ?? this.#before.get(page)) as Uint8Array;
      const mine = this.#bytes.subarray(page, page + PAGE_BYTES);
      const differs = mine.findIndex((byte, i) => byte !== theirs[i]);
      if (differs >= 0) found.push(`memory at host address 0x${(page + differs).toString(16)}`);
    }
    return found;
  }

  /** Host address of RAM at `pa`, 0 for none. */
  #hostOf(pa: number): number {
    const { view } = this.#hart;
    for (let i = 0, entry = REGIONS.entries; i < view.getInt32(REGIONS.count, true); i++, entry += REGIONS.entryBytes) {
      const offset = pa - Number(view.getBigUint64(entry + REGIONS.first, true));
      if (offset >= 0 && offset < Number(view.getBigUint64(entry + REGIONS.size, true))) {
        return view.getUint32(entry + REGIONS.host, true) + offset;
      }
    }
    return 0;
  }
}

/** What other threads write and what belongs to the TLBs, in order: it is not put back. */
const NOT_PUT_BACK: readonly (readonly [from: number, to: number])[] = [
  [VCPU.request, VCPU.tlbData],
  [VCPU.mmioAddress, VCPU.helperA],
  [VCPU.largeFirst, VCPU_FILL_LISTS],
];

const isPending = (registers: Uint8Array): boolean => registers[VCPU.trapPending] !== 0;
const hex = (value: bigint): string => `0x${value.toString(16)}`;
const word = (bytes: Uint8Array, offset: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);

/** The field of the vCPU block at an offset. */
function nameOf(offset: number): string {
  const fields = Object.entries(VCPU).filter(([, at]) => at <= offset);
  const [name, at] = fields.reduce((best, one) => (one[1] >= best[1] ? one : best));
  return `${name}+${offset - at}`;
}
