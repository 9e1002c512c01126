/**
 * What is measured. A program is one C file (or shell script) in `programs/` and one row here.
 *
 * `work` is the program's first argument at scale 1, chosen so that QEMU 7.2 takes 1 to 3 s (`core` over 10 s).
 */

export type Row = {
  /** Unique among all suites. */
  readonly name: string;
  /** A file of `programs/`: `X.c`, or `X.sh` for the guest's shell. */
  readonly program: string;
  readonly work: number;
  /** Arguments after the amount of work. */
  readonly args?: readonly string[];
};

/** Programs in a running guest, one boot a round. */
export type ProgramSuite = {
  readonly kind: "programs";
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

export type Suite = ProgramSuite | BootSuite;

export const SUITES: readonly Suite[] = [
  {
    kind: "programs",
    name: "cpu",
    title: "Programs of one process",
    smp: 1,
    rows: [
      { name: "core", program: "core.c", work: 130_000 },
      { name: "sieve", program: "sieve.c", work: 100 },
      { name: "chase", program: "chase.c", work: 90_000 },
      { name: "matmul_int", program: "matmul_int.c", work: 450 },
      { name: "matmul_double", program: "matmul_double.c", work: 50 },
      { name: "bytes", program: "bytes.c", work: 1000 },
      { name: "fib", program: "fib.c", work: 100 },
      { name: "interp", program: "interp.c", work: 400 },
      { name: "sha256", program: "sha256.c", work: 800 },
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
];
