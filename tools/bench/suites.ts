/**
 * What is measured. A program is one C file (or shell script) in `programs/` and one row here.
 *
 * `work` is the program's first argument at scale 1, chosen so that QEMU 7.2 takes 1 to 3 s (`core` over 10 s).
 */

import type { Reading } from "./readings.ts";
import { IO } from "./suites/io.ts";
import { JIT } from "./suites/jit.ts";
import { OS } from "./suites/os.ts";
import { REAL } from "./suites/real.ts";
import { SMP, SMP_OF_TWO } from "./suites/smp.ts";

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
  /** Debian's package that it comes from; the row is left out when the guest's suite has none of that name. */
  readonly needs?: string;
  /** It prints a rate: its time is that of `amount` units at this rate, and its output is no checksum. */
  readonly measures?: { readonly reading: Reading; readonly amount: number };
  /** What it prints on the console is counted by the host, and is part of the checksum. */
  readonly console?: true;
  /** Its checksum holds what RISC-V alone does (NaNs), so it is not run natively. */
  readonly notNative?: true;
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
  /** What the guest has beside our programs: Debian's packages of the rows, or a virtio disk of `diskMiB`. */
  readonly guest?: { readonly kind: "packages" } | { readonly kind: "disk"; readonly diskMiB: number };
  /** The programs can run on the host too, natively and in QEMU's user mode. */
  readonly onHost?: true;
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

/** Programs in Tinamou's guest, and the same built for i386 in v86's. Runs only when it is named. */
export type V86Suite = {
  readonly kind: "v86";
  readonly name: string;
  readonly title: string;
  readonly smp: number;
  readonly rows: readonly Row[];
};

export type Suite = ProgramSuite | RateSuite | BootSuite | V86Suite;

export const SUITES: readonly Suite[] = [
  {
    kind: "programs",
    name: "cpu",
    title: "Programs of one process",
    smp: 1,
    onHost: true,
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
      { name: "fpflags", program: "fpflags.c", work: 600, notNative: true },
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
  SMP,
  SMP_OF_TWO,
  {
    kind: "rate",
    name: "tier0",
    title: "The interpreter alone (-accel interp)",
    smp: 1,
    rows: [{ name: "core_interp", program: "core.c", work: 10_000 }],
  },
  OS,
  JIT,
  IO,
  REAL,
  {
    kind: "v86",
    name: "v86",
    title: "The same C program, built for i386 in v86 and for riscv64 in the others",
    smp: 1,
    rows: [{ name: "core_i386", program: "core.c", work: 20_000 }],
  },
];
