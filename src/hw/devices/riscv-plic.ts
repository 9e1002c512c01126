/**
 * SiFive's platform-level interrupt controller as the virt board configures it: 95 sources, two contexts a hart (M, S),
 * seven priority levels.
 *
 *     line -> gateway (one request at a time) -> pending -> enabled and above the threshold -> context's output
 *                 ^ complete                        | claim
 *
 * Spec: RISC-V Platform-Level Interrupt Controller 1.0.0 ("riscv-plic"); migration: QEMU section "riscv_sifive_plic" v1.
 * Thread: any, over one state in shared memory, with the device's lock held by the caller (for `source(n).set` too).
 * Not modelled: nothing of the specification; a completion is taken from every context, also from one that does not
 * enable the source (as QEMU does; riscv-plic 9 says that it is ignored).
 */
import { NO_TRACE, type Trace } from "#core/trace.ts";
import { u32Array, vmstate } from "#core/vmstate.ts";
import { bindState } from "#hw/bus/bound-state.ts";
import type { BoundState, Device, IrqLine, MigrationSection, MmioRegion, StatePlace } from "#hw/bus/types.ts";

/** Source numbers are 1 to 95; 0 means "no interrupt" (riscv-plic 1.4). */
export const PLIC_SOURCES = 96;
const WORDS = PLIC_SOURCES / 32;
/** Priorities and thresholds are 0 to 7; other bits read 0 (WARL). */
const PRIORITY_MASK = 7;

// riscv-plic 3, memory map.
const PENDING_BASE = 0x1000;
const ENABLE_BASE = 0x2000;
const ENABLE_STRIDE = 0x80;
const CONTEXT_BASE = 0x200000;
const CONTEXT_STRIDE = 0x1000;
const CONTEXT_THRESHOLD = 0;
const CONTEXT_CLAIM = 4;
/** Room for the contexts of 512 harts, as QEMU's board and device tree have it. */
export const PLIC_REGION_BYTES = CONTEXT_BASE + 1024 * CONTEXT_STRIDE;

export type PlicPorts = {
  /** One for each context: hart 0 M, hart 0 S, hart 1 M, and so on. */
  readonly outputs: readonly IrqLine[];
  readonly trace?: Trace;
};

/** QEMU's section for a number of contexts; the names are QEMU's. */
export function plicState(contexts: number) {
  return vmstate("riscv_sifive_plic", 1, {
    source_priority: u32Array(PLIC_SOURCES),
    target_priority: u32Array(contexts),
    pending: u32Array(WORDS),
    claimed: u32Array(WORDS),
    enable: u32Array(contexts * WORDS),
  });
}

/** The levels of the inputs. Not migrated: every device drives its line again when its own state is loaded. */
const LINE_STATE = vmstate("riscv_sifive_plic/lines", 1, { level: u32Array(WORDS) });

/** Bytes of shared memory that a PLIC with that many contexts takes. */
export function plicStateBytes(contexts: number): number {
  return plicState(contexts).sizeBytes + LINE_STATE.sizeBytes;
}

export class RiscvPlic implements Device {
  readonly typeName = "riscv.sifive.plic";
  readonly regions: readonly MmioRegion[];
  readonly migration: readonly MigrationSection[];
  readonly #outputs: readonly IrqLine[];
  readonly #trace: Trace;
  readonly #bound: BoundState<ReturnType<typeof plicState>["fields"]>;
  readonly #lines: BoundState<typeof LINE_STATE.fields>;
  // Live views over shared memory.
  readonly #priority: Uint32Array;
  readonly #threshold: Uint32Array;
  readonly #pending: Uint32Array;
  readonly #claimed: Uint32Array;
  readonly #enable: Uint32Array;
  readonly #level: Uint32Array;

  /** `place` has room for `plicStateBytes(ports.outputs.length)`. */
  constructor(place: StatePlace, ports: PlicPorts) {
    this.#outputs = ports.outputs;
    this.#trace = ports.trace ?? NO_TRACE;
    const schema = plicState(ports.outputs.length);
    this.#bound = bindState(schema, place, () => this.#afterLoad());
    this.#lines = bindState(LINE_STATE, { memory: place.memory, offset: place.offset + schema.sizeBytes });
    const state = this.#bound.state;
    this.#priority = state.source_priority;
    this.#threshold = state.target_priority;
    this.#pending = state.pending;
    this.#claimed = state.claimed;
    this.#enable = state.enable;
    this.#level = this.#lines.state.level;
    const section = this.#bound.section;
    this.migration = [{ ...section, save: () => this.#save(section) }];
    this.regions = [
      {
        sizeBytes: PLIC_REGION_BYTES,
        accessSizes: [4],
        read: (offset) => this.#read(offset) >>> 0,
        write: (offset, _size, value) => this.#write(offset, value >>> 0),
      },
    ];
  }

  reset(): void {
    this.#bound.reset();
    this.#lines.reset();
    this.#updateOutputs();
  }

  /** The input of source `number` (1 to 95). */
  source(number: number): IrqLine {
    if (!(number > 0 && number < PLIC_SOURCES)) throw new RangeError(`the PLIC has no source ${number}`);
    const [word, bit] = [number >> 5, 1 << (number & 31)];
    return {
      set: (level) => {
        const wasHigh = (at(this.#level, word) & bit) !== 0;
        if (level !== wasHigh) this.#trace.riscv_plic_request?.(number, level);
        this.#setLevel(word, bit, level);
      },
    };
  }

  #setLevel(word: number, bit: number, level: boolean): void {
    const levels = at(this.#level, word);
    if (!level) {
      // riscv-plic 1.2: a request that the gateway has forwarded is not taken back.
      this.#level[word] = levels & ~bit;
      return;
    }
    this.#level[word] = levels | bit;
    if ((at(this.#claimed, word) | at(this.#pending, word)) & bit) return;
    this.#pending[word] = at(this.#pending, word) | bit;
    this.#updateOutputs();
  }

  #read(offset: number): number {
    if (offset < PENDING_BASE) return this.#priority[offset >> 2] ?? 0;
    if (offset < ENABLE_BASE) return this.#pending[(offset - PENDING_BASE) >> 2] ?? 0;
    if (offset < CONTEXT_BASE) {
      const index = this.#enableIndex(offset);
      return index === undefined ? 0 : at(this.#enable, index);
    }
    const context = Math.floor((offset - CONTEXT_BASE) / CONTEXT_STRIDE);
    if (context >= this.#outputs.length) return 0;
    const register = offset % CONTEXT_STRIDE;
    if (register === CONTEXT_THRESHOLD) return at(this.#threshold, context);
    return register === CONTEXT_CLAIM ? this.#claim(context) : 0;
  }

  #write(offset: number, value: number): void {
    if (offset < PENDING_BASE) {
      const source = offset >> 2;
      if (source > 0 && source < PLIC_SOURCES) this.#priority[source] = value & PRIORITY_MASK;
    } else if (offset < ENABLE_BASE) {
      return; // riscv-plic 5: pending bits are cleared by a claim, not by a write.
    } else if (offset < CONTEXT_BASE) {
      const index = this.#enableIndex(offset);
      // riscv-plic 6: source 0 does not exist; its bit is always 0.
      if (index !== undefined) this.#enable[index] = index % WORDS === 0 ? value & ~1 : value;
    } else {
      const context = Math.floor((offset - CONTEXT_BASE) / CONTEXT_STRIDE);
      if (context >= this.#outputs.length) return;
      const register = offset % CONTEXT_STRIDE;
      if (register === CONTEXT_THRESHOLD) this.#threshold[context] = value & PRIORITY_MASK;
      else if (register === CONTEXT_CLAIM) {
        this.#trace.riscv_plic_complete?.(context, value);
        this.#complete(value);
      }
    }
    this.#updateOutputs();
  }

  #enableIndex(offset: number): number | undefined {
    const context = Math.floor((offset - ENABLE_BASE) / ENABLE_STRIDE);
    const word = (offset % ENABLE_STRIDE) >> 2;
    return context < this.#outputs.length && word < WORDS ? context * WORDS + word : undefined;
  }

  /** riscv-plic 8: gives the best request and clears its pending bit; the threshold does not matter here. */
  #claim(context: number): number {
    const source = this.#best(context);
    this.#trace.riscv_plic_claim?.(context, source);
    if (source === 0) return 0;
    const [word, bit] = [source >> 5, 1 << (source & 31)];
    this.#pending[word] = at(this.#pending, word) & ~bit;
    this.#claimed[word] = at(this.#claimed, word) | bit;
    this.#updateOutputs();
    return source;
  }

  /** riscv-plic 1.2 and 9: the gateway may forward again, and does so if the level is still high. */
  #complete(source: number): void {
    if (source === 0 || source >= PLIC_SOURCES) return;
    const [word, bit] = [source >> 5, 1 << (source & 31)];
    if (!(at(this.#claimed, word) & bit)) return;
    this.#claimed[word] = at(this.#claimed, word) & ~bit;
    if (at(this.#level, word) & bit) this.#pending[word] = at(this.#pending, word) | bit;
  }

  /** The enabled pending source of the highest priority, the lowest number among equals (riscv-plic 4); or 0. */
  #best(context: number): number {
    let best = 0;
    let bestPriority = 0; // Priority 0 means "never interrupt".
    for (let word = 0; word < WORDS; word++) {
      let ready = at(this.#pending, word) & ~at(this.#claimed, word) & at(this.#enable, context * WORDS + word);
      while (ready !== 0) {
        const bitNumber = 31 - Math.clz32(ready & -ready);
        ready &= ready - 1;
        const source = word * 32 + bitNumber;
        const priority = at(this.#priority, source);
        if (priority > bestPriority) {
          best = source;
          bestPriority = priority;
        }
      }
    }
    return best;
  }

  /** riscv-plic 7: a context is notified of priorities above its threshold only. */
  #updateOutputs(): void {
    for (let context = 0; context < this.#outputs.length; context++) {
      const source = this.#best(context);
      const priority = source === 0 ? 0 : at(this.#priority, source);
      this.#outputs[context]?.set(priority > at(this.#threshold, context));
    }
  }

  /**
   * QEMU keeps no levels: a line that is high while its source is claimed counts as pending there, or its interrupt
   * would be lost on the other side.
   */
  #save(section: MigrationSection): Uint8Array {
    const pending = this.#pending.slice();
    for (let i = 0; i < WORDS; i++) this.#pending[i] = at(pending, i) | (at(this.#level, i) & at(this.#claimed, i));
    const body = section.save();
    this.#pending.set(pending);
    return body;
  }

  #afterLoad(): void {
    for (let i = 0; i < PLIC_SOURCES; i++) this.#priority[i] = i === 0 ? 0 : at(this.#priority, i) & PRIORITY_MASK;
    for (let i = 0; i < this.#threshold.length; i++) this.#threshold[i] = at(this.#threshold, i) & PRIORITY_MASK;
    this.#pending[0] = at(this.#pending, 0) & ~1;
    this.#claimed[0] = at(this.#claimed, 0) & ~1;
    this.#updateOutputs();
  }
}

/** An element that exists. */
function at(words: Uint32Array, index: number): number {
  return words[index] as number;
}
