/**
 * What is measured. A program is one C file (or shell script) in `programs/` and one row here.
 *
 * `work` is the program's first argument at scale 1, chosen so that QEMU 7.2 takes 1 to 3 s (`core` over 10 s).
 */

export type Program = {
  /** A file of `programs/`: `X.c`, or `X.sh` for the guest's shell. */
  readonly program: string;
  readonly work: number;
  /** Arguments after the amount of work. */
  readonly args?: readonly string[];
};

export type Row = Program & {
  /** Unique among all suites. */
  readonly name: string;
  /** Runs before, and is not timed. */
  readonly prepare?: Program;
};

/** How much more `copies` of a program get done in a second than one: 1 is no more, `copies` the most. */
export type Scaling = {
  readonly name: string;
  readonly one: string;
  readonly many: string;
  readonly copies: number;
  /** What Tinamou is to reach. */
  readonly bar: number;
};

/** Programs in a running guest, one boot a round. */
export type ProgramSuite = {
  readonly kind: "programs";
  readonly name: string;
  readonly title: string;
  readonly smp: number;
  readonly rows: readonly Row[];
  readonly scalings?: readonly Scaling[];
};

/** Guest instructions a second of the interpreter. */
export type RateSuite = {
  readonly kind: "rate";
  readonly name: string;
  readonly title: string;
  readonly smp: number;
  readonly rows: readonly Row[];
};

/** From the start of the emulator to the guest's ready line. */
export type BootSuite = {
  readonly kind: "boot";
  readonly name: string;
  readonly title: string;
  readonly smp: number;
  readonly rows: readonly { readonly name: string; readonly append: string }[];
};

export type Suite = ProgramSuite | RateSuite | BootSuite;

/** A file of KIB KiB for busybox to work on. */
const text = (kib: number): Program => ({ program: "make_text.c", work: kib });

export const SUITES: readonly Suite[] = [
  {
    kind: "programs",
    name: "cpu",
    title: "Programs of one process",
    smp: 1,
    rows: [
      { name: "core", program: "core.c", work: 150_000 },
      { name: "sieve", program: "sieve.c", work: 100 },
      { name: "chase", program: "chase.c", work: 30_000 },
      { name: "matmul_int", program: "matmul_int.c", work: 450 },
      { name: "matmul_double", program: "matmul_double.c", work: 150 },
      { name: "bytes", program: "bytes.c", work: 1000 },
      { name: "fib", program: "fib.c", work: 100 },
      { name: "interp", program: "interp.c", work: 400 },
      { name: "sha256", program: "sha256.c", work: 1200 },
      { name: "qsort", program: "qsort.c", work: 70 },
      { name: "strfmt", program: "strfmt.c", work: 200 },
      { name: "hashtable", program: "hashtable.c", work: 2000 },
      { name: "fpflags", program: "fpflags.c", work: 600 },
    ],
  },
  {
    kind: "boot",
    name: "boot",
    title: "From the start of the emulator to the guest's init",
    smp: 2,
    rows: [
      { name: "boot", append: "" },
      { name: "boot_quiet", append: "quiet" },
    ],
  },
  {
    kind: "programs",
    name: "smp",
    title: "Two busy vCPUs of four",
    smp: 4,
    rows: [
      { name: "core_x1", program: "core.c", work: 60_000 },
      { name: "core_x2", program: "core.c", work: 60_000, args: ["2"] },
      { name: "futex", program: "futex_ping.c", work: 3 },
      { name: "spin", program: "spin.c", work: 4000 },
      { name: "alloc", program: "alloc.c", work: 2000 },
    ],
    scalings: [{ name: "two processes against one", one: "core_x1", many: "core_x2", copies: 2, bar: 1.7 }],
  },
  {
    kind: "rate",
    name: "tier0",
    title: "The interpreter alone (-accel interp)",
    smp: 1,
    rows: [{ name: "core_interp", program: "core.c", work: 10_000 }],
  },
  {
    kind: "programs",
    name: "os",
    title: "The kernel and busybox",
    smp: 1,
    rows: [
      { name: "spawn", program: "spawn.c", work: 200 },
      { name: "pipe", program: "pipe_ping.c", work: 10 },
      { name: "getppid", program: "getppid.c", work: 1500 },
      { name: "page_faults", program: "page_faults.c", work: 24 },
      { name: "map_unmap", program: "map_unmap.c", work: 12 },
      { name: "context_switch", program: "futex_ping.c", work: 12, args: ["1"] },
      { name: "signals", program: "signals.c", work: 10 },
      { name: "gzip", program: "gzip.sh", work: 1, prepare: text(4000) },
      { name: "sha256sum", program: "sha256sum.sh", work: 1, prepare: text(40_000) },
      { name: "sort", program: "sort.sh", work: 1, prepare: text(1000) },
      { name: "awk", program: "awk.sh", work: 1, prepare: text(2000) },
    ],
  },
];
