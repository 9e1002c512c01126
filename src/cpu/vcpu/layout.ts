/**
 * Where everything lies in the one shared WebAssembly memory.
 *
 *   control words | device states | vCPU blocks (registers, TLBs, code pages) | page maps | guest RAM blocks
 *
 * The layout is a pure function of the machine's size, so every thread computes the same one.
 * All offsets are in bytes from the start of the memory; all integers are little-endian.
 */

/** Guest pages are 4 KiB. */
export const PAGE_BYTES = 4096;

/** Number of data TLB tables: one for each way an access is checked, see `MmuMode`. */
export const MMU_MODES = 4;
/** Index of the data TLB in use: user; supervisor; supervisor that may touch user pages (SUM); machine. */
export const MmuMode = { User: 0, Supervisor: 1, SupervisorSum: 2, Machine: 3 } as const;

/** A data TLB entry: i64 read tag, i64 write tag, i32 addend (host minus virtual address), padding. */
export const TLB = { entries: 4096, entryBytes: 32, readTag: 0, writeTag: 8, addend: 16 } as const;
/** A fetch TLB entry: i64 tag, i32 code page. A tag with bit `unseen` is good once the page was compared with memory. */
export const FETCH_TLB = { entries: 256, entryBytes: 16, tag: 0, page: 8, unseen: 1 } as const;
/**
 * An entry of the jump cache: i64 pc, i64 generation and, in the low 16 bits, slot of the region there. Good while its
 * generation is `jumpGeneration`.
 */
export const JUMP_CACHE = { entries: 1024, entryBytes: 16, pc: 0, slot: 8, slotBits: 16 } as const;
export const JUMP_GENERATION_STEP = 4;
/** Of `lastPages`: i64 tag, i32 addend. */
export const LAST_PAGE = { entryBytes: 16, tag: 0, addend: 8 } as const;
/** A tag that no address matches: its low bits are set. */
export const INVALID_TAG = -1n;

/** Predecoded record of one instruction; `RecordField` gives the offsets. */
export const RECORD_BYTES = 16;
export const Record = {
  handler: 0,
  rd: 2,
  rs1: 4,
  rs2: 6,
  imm: 8,
  /** Within imm, for instructions that have none. */
  rm: 8,
  rs3: 10,
  csr: 8,
  uimm: 10,
  /** How often it was entered by a counted jump, and {@link JUMP_TARGET}. */
  count: 14,
} as const;
/** Bit of `Record.count`: a computed jump that is neither call nor return has come here. */
export const JUMP_TARGET = 0x8000;
/** The rest of it. */
export const COUNT_MASK = 0x7fff;

/** A code page: the predecoded image of one guest page. */
export const CODE_PAGE = {
  /** 2048 records, then those of the page's end, see `engine/code-pages.ts`. */
  records: 0,
  extraRecords: 2048 * RECORD_BYTES,
  /** u16 a halfword: slot of the compiled region that starts there, 0 for none. */
  slots: 2056 * RECORD_BYTES,
  /** The guest page as it was when it was decoded. */
  copy: 2056 * RECORD_BYTES + 4096,
  /** i32: host address of the guest page, 0 when the code page is free. */
  host: 2056 * RECORD_BYTES + 8192,
  /** i32: grows when the page is decoded anew; crossing records remember its low half, regions all of it. */
  version: 2056 * RECORD_BYTES + 8192 + 4,
  /** i32: `fetchEpoch` at which the page was last compared with memory. */
  epoch: 2056 * RECORD_BYTES + 8192 + 8,
  bytes: 2056 * RECORD_BYTES + 8192 + 64,
} as const;

/** The region translator's counters in a vCPU block. */
export const STATISTICS = [
  "modules",
  "regions",
  "instructions",
  "wasmBytes",
  "translateMs",
  "compileMs",
  "drops",
] as const;

/** How many entries of the fetch TLBs a fence.i can find without looking through all of them. */
export const SEEN_LIST = 31;

/** Fields of a vCPU block: name and size in bytes. Order is the layout. */
const VCPU_FIELDS = [
  // x0..x31, a sink for writes to x0, f0..f31
  ["x", 32 * 8],
  ["xSink", 8],
  ["pad0", 8],
  ["f", 32 * 8],
  ["pc", 8],
  // The trap that a routine has recorded: cause with the interrupt bit as in mcause.
  ["trapCause", 8],
  ["trapValue", 8],
  ["trapPending", 4],
  // Why the dispatcher returned; see `ExitReason`.
  ["exitReason", 4],
  // Shared: bits of `Request`, set by any thread with an atomic or, cleared by the vCPU thread with an exchange.
  ["request", 4],
  // Shared: interrupt lines as bits of mip, set and cleared by any thread with atomics.
  ["irqLines", 4],
  // Shared: run state word that the vCPU thread parks on.
  ["park", 4],
  // Grows whenever code pages must be compared with memory before they are used again.
  ["fetchEpoch", 4],
  // Host address of the data TLB and the fetch TLB of the current mode.
  ["tlbData", 4],
  ["tlbFetch", 4],
  // 1 when floating-point registers may be written without further ado (FS is dirty).
  ["fpReady", 4],
  // For each rounding mode field two u16, see `float-flags.ts`: which results leave nothing to do but to keep them.
  ["fpFast", 32],
  ["fflags", 4],
  ["frm", 4],
  ["privilege", 4],
  ["mmuModeData", 4],
  // LR/SC: guest virtual address and value of the reservation; address -1 is none.
  ["reservedAddress", 8],
  ["reservedValue", 8],
  // A device access carried out by the machine thread. Order: address, width, value, then state; see `mmio-mailbox.ts`.
  ["mmioAddress", 8],
  ["mmioValue", 8],
  ["mmioWidth", 4],
  // Shared: 0 idle, 1 asked (owner: machine thread), 2 answered, 3 answered with a bus error, 4 not carried out, since
  // the page whose index is in the value is missing (owner: vCPU thread).
  ["mmioState", 4],
  // Values handed to and from helpers in TypeScript.
  ["helperA", 8],
  ["helperB", 8],
  ["helperC", 8],
  ["helperResult", 8],
  // CSRs
  ["mstatus", 8],
  ["misa", 8],
  ["medeleg", 8],
  ["mideleg", 8],
  ["mie", 8],
  ["mipSoft", 8],
  ["mtvec", 8],
  ["mcounteren", 8],
  ["menvcfg", 8],
  ["mcountinhibit", 8],
  ["mscratch", 8],
  ["mepc", 8],
  ["mcause", 8],
  ["mtval", 8],
  ["stvec", 8],
  ["scounteren", 8],
  ["senvcfg", 8],
  ["sscratch", 8],
  ["sepc", 8],
  ["scause", 8],
  ["stval", 8],
  ["satp", 8],
  ["stimecmp", 8],
  ["mhartid", 8],
  ["mcycleOffset", 8],
  ["minstretOffset", 8],
  ["mhpmcounter", 32 * 8],
  ["mhpmevent", 32 * 8],
  ["pmpaddr", 16 * 8],
  ["pmpcfg", 16],
  // The PMP entries that are on, in order: i64 first byte, i64 last byte, i64 pmpcfg byte.
  ["pmpCount", 4],
  // Shared: the last `CONTROL.dirtySerial` for which the vCPU's TLBs have no entry from before. Owner: vCPU thread.
  ["dirtySerial", 4],
  ["pmpRanges", 16 * 24],
  // Features that routines test at run time, bits of `Feature`.
  ["features", 8],
  // Addresses that a large page in the TLBs may cover: i64 first, last; and whether supervisor tables hold entries of one
  // address space only.
  ["largeFirst", 8],
  ["largeLast", 8],
  ["localEntries", 4],
  // Grows with every flush of fetch TLBs or region slots; its two low bits are the privilege. See `JUMP_CACHE`.
  ["jumpGeneration", 8],
  // Waits for pages of a postcopy so far: f64 nanoseconds of the host's clock, and their number. Owner: the vCPU thread.
  ["blockedNs", 8],
  ["blockedCount", 4],
  // The page that the stack was last found in, readable and writable in the current mode, or -1; i64 tag, i32 addend.
  ["stackAddend", 4],
  ["stackPage", 8],
  // For each base register the page of its last access in the loop that runs, or -1; see `LAST_PAGE`.
  ["lastPages", 32 * 16],
  // Lists of filled TLB entries so that a flush touches no more than it must: counts, then u16 indices.
  ["fillCount", 4 * MMU_MODES],
  // Entries of the fetch TLBs that are good since the last fence.i: their number, which stops at one too many, and their
  // i32 addresses.
  ["seenCount", 4],
  ["seenEntries", 4 * (SEEN_LIST + 1)],
  // What the region translator has done, f64 each in the order of `STATISTICS`. Owner: the vCPU thread; others may read.
  ["statistics", 7 * 8],
] as const;

type VcpuField = (typeof VCPU_FIELDS)[number][0];

function layOut(): { offsets: Record_<VcpuField>; bytes: number } {
  const offsets = {} as Record<string, number>;
  let at = 0;
  for (const [name, bytes] of VCPU_FIELDS) {
    offsets[name] = at;
    at += bytes;
  }
  return { offsets: offsets as Record_<VcpuField>, bytes: at };
}
type Record_<K extends string> = { readonly [key in K]: number };

const laidOut = layOut();
/** Offsets of the fields in a vCPU block. */
export const VCPU = laidOut.offsets;

/** Entries of the fill list of one data TLB; a TLB with more fills is flushed whole. */
export const FILL_LIST = 1024;

const align = (value: number, to: number): number => Math.ceil(value / to) * to;

/** Offsets of the larger parts of a vCPU block. */
export const VCPU_FILL_LISTS = align(laidOut.bytes, 64);
export const VCPU_TLBS = align(VCPU_FILL_LISTS + MMU_MODES * FILL_LIST * 2, PAGE_BYTES);
export const VCPU_TLB_BYTES = TLB.entries * TLB.entryBytes;
export const VCPU_FETCH_TLBS = VCPU_TLBS + MMU_MODES * VCPU_TLB_BYTES;
export const VCPU_FETCH_TLB_BYTES = FETCH_TLB.entries * FETCH_TLB.entryBytes;
export const VCPU_JUMP_CACHE = VCPU_FETCH_TLBS + MMU_MODES * VCPU_FETCH_TLB_BYTES;
const VCPU_CODE_INDEX = align(VCPU_JUMP_CACHE + JUMP_CACHE.entries * JUMP_CACHE.entryBytes, PAGE_BYTES);

/** Machine-wide control words: i32 index from the start of the memory. Each is written with Atomics. */
export const CONTROL = {
  /** Owner: machine thread. Bits for the machine thread to look at; others set them with or, and notify. */
  machineRequest: 16,
  /** Wakes the timer thread; a counter that grows with every change of a deadline. */
  timerChanged: 64,
  /** Number of vCPUs that run guest code; the timer thread ticks only while it is not 0. */
  runningVcpus: 65,
  /** 1 while the machine runs, 0 while it is stopped. */
  running: 66,
  /** vCPU threads that have seen that the machine is stopped. */
  stoppedVcpus: 67,
  /** Owner: migration. Grows with every look at the dirty map; see `Request.DirtySync`. */
  dirtySerial: 68,
  /** Counts the answers to it. */
  dirtyAnswers: 69,
  /** Counts the pages that somebody has begun to wait for; see `page-faults.ts`. */
  pageFaults: 70,
  /** Pages that have not come yet, as many as there are bytes in the missing map that are not 0. */
  missingPages: 71,
  /** Owner: migration. Percent of the time that vCPUs sleep, so that they write less; they sleep on this word. */
  throttle: 72,
} as const;

/**
 * Where the page maps lie, i32 each at a byte offset from the start of the memory, so that one runtime serves every
 * layout. An entry is at its base plus the number of the host page, times the bytes of an entry. The same for all vCPUs.
 */
export const PAGE_MAPS = { codeIndex: 512, dirty: 516, missing: 520 } as const;

/** Fills {@link PAGE_MAPS}. Thread: any. */
export function writePageMaps(memory: ArrayBufferLike, layout: MemoryLayout): void {
  const view = new DataView(memory);
  const firstPage = layout.ramStart / PAGE_BYTES;
  view.setInt32(PAGE_MAPS.codeIndex, layout.codeIndex - 4 * firstPage, true);
  view.setInt32(PAGE_MAPS.dirty, layout.dirtyMap - firstPage, true);
  view.setInt32(PAGE_MAPS.missing, layout.missingMap - firstPage, true);
}

/**
 * The physical memory that is RAM-like, for the page walk: i32 count, then entries of
 * i64 first address, i64 size, i32 host address, i32 flags. Owner: machine thread.
 */
export const REGIONS = {
  count: 1024,
  entries: 1032,
  entryBytes: 24,
  first: 0,
  size: 8,
  host: 16,
  flags: 20,
  readable: 1,
  writable: 2,
} as const;

/** A RAM-like block: guest RAM, ROM or flash; `host` is where it lies in the memory. */
export type RamBlock = {
  readonly name: string;
  readonly host: number;
  readonly sizeBytes: number;
};

export type MemoryLayout = {
  readonly vcpuCount: number;
  readonly deviceArena: number;
  readonly deviceArenaBytes: number;
  /** Who waits for which missing page; `FAULT_AREA_BYTES`, see `page-fault-ring.ts`. */
  readonly faultArea: number;
  /** Room for pieces of a migration's stream; `STREAM_AREA_BYTES`. */
  readonly streamArea: number;
  /** Start of the vCPU blocks, and bytes from one to the next. */
  readonly vcpus: number;
  readonly vcpuStride: number;
  /** In a vCPU block: i32 a host page, the code page that holds its decoded image or 0. */
  readonly codeIndex: number;
  /** In a vCPU block: the code pages. */
  readonly codePages: number;
  readonly codePageCount: number;
  /**
   * A byte a host page from {@link ramStart} on: 1 when the page may have been written since the last look (dirty).
   * A page enters a TLB for writing only while its byte is 1; all are 1 while nobody looks.
   */
  readonly dirtyMap: number;
  /**
   * A byte a host page from {@link ramStart} on: 1 while the page has not come from the source of a postcopy, 2 when
   * somebody waits for it too.
   */
  readonly missingMap: number;
  readonly ramStart: number;
  readonly blocks: readonly RamBlock[];
  readonly totalBytes: number;
};

/** Thrown for a machine that does not fit. */
export class LayoutError extends Error {
  readonly code = "too-large";
}

const MAX_BYTES = 65_536 * 65_536 - 65_536;
const DEVICE_ARENA_BYTES = 512 * 1024;
export const FAULT_AREA_BYTES = 4096;
export const STREAM_AREA_BYTES = 2 << 20;
const CONTROL_BYTES = PAGE_BYTES;
/** Code pages of all vCPUs together, and of one: what a large program needs, and what fits beside the guest's RAM. */
const CODE_PAGES = { all: 12_288, least: 512, most: 4096 } as const;

/** Lays out a machine; throws {@link LayoutError} when it does not fit in 4 GiB. */
export function layoutMemory(
  vcpuCount: number,
  blocks: readonly { readonly name: string; readonly sizeBytes: number }[],
): MemoryLayout {
  const ramPages = blocks.reduce((pages, block) => pages + align(block.sizeBytes, PAGE_BYTES) / PAGE_BYTES, 0);
  const codeIndex = VCPU_CODE_INDEX;
  const codePages = align(codeIndex + ramPages * 4, PAGE_BYTES);
  const share = Math.floor(CODE_PAGES.all / vcpuCount);
  const codePageCount = Math.max(CODE_PAGES.least, Math.min(CODE_PAGES.most, share));
  const vcpuStride = align(codePages + codePageCount * CODE_PAGE.bytes, 65_536);
  const deviceArena = CONTROL_BYTES;
  const faultArea = deviceArena + DEVICE_ARENA_BYTES;
  const streamArea = faultArea + FAULT_AREA_BYTES;
  const vcpus = align(streamArea + STREAM_AREA_BYTES, 65_536);
  const dirtyMap = vcpus + vcpuCount * vcpuStride;
  // The RAM's end is aligned to a page of WebAssembly, and the maps go up to there.
  const mapBytes = align(ramPages, 16);
  const missingMap = dirtyMap + mapBytes;
  const ramStart = align(missingMap + mapBytes, 65_536);
  let at = ramStart;
  const placed = blocks.map((block) => {
    const host = at;
    at += align(block.sizeBytes, PAGE_BYTES);
    return { name: block.name, host, sizeBytes: block.sizeBytes };
  });
  const totalBytes = align(at, 65_536);
  if (totalBytes > MAX_BYTES) {
    throw new LayoutError(
      `the machine needs ${Math.ceil(totalBytes / 2 ** 20)} MiB of memory, and 4095 MiB can be addressed; use less RAM (-m) or fewer vCPUs (-smp)`,
    );
  }
  return {
    vcpuCount,
    deviceArena,
    deviceArenaBytes: DEVICE_ARENA_BYTES,
    faultArea,
    streamArea,
    vcpus,
    vcpuStride,
    codeIndex,
    codePages,
    codePageCount,
    dirtyMap,
    missingMap,
    ramStart,
    blocks: placed,
    totalBytes,
  };
}

/** Why the dispatcher came back to TypeScript. */
export const ExitReason = {
  None: 0,
  /** A request word bit is set. */
  Request: 1,
  /** The record at pc is not decoded yet. */
  Decode: 2,
  /** The code at pc is hot: compile a region. */
  Hot: 3,
  Wfi: 4,
  /** A compiled region starts at pc, and lockstep wants to run it. */
  Region: 5,
} as const;

/** Bits of the request word. */
export const Request = {
  /** Look at the interrupt lines. */
  Interrupt: 1,
  /** Park until the machine runs again. */
  Stop: 2,
  /** Leave guest code for a moment, so that V8 can put optimised code in place. */
  Tick: 4,
  Quit: 8,
  Reset: 16,
  /** Drop the TLBs: memory or dirty logging changed underneath. */
  FlushTlb: 32,
  /** Bytes of the dirty map were cleared: drop the data TLBs, then answer with the serial. */
  DirtySync: 64,
  /** The registers were loaded from a stream: compute what follows from them. */
  Loaded: 128,
  /** Another vCPU has translated something. */
  Regions: 256,
} as const;

/** Bits of the `features` word that routines test. */
export const Feature = { Svnapot: 1 } as const;
