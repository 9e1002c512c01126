import type { ProgramSuite } from "../suites.ts";

export const SMP: ProgramSuite = {
  kind: "programs",
  name: "smp",
  title: "Two and four busy vCPUs of four",
  smp: 4,
  rows: [
    { name: "core_x1", program: "core.c", work: 60_000 },
    { name: "core_x2", program: "core.c", work: 60_000, args: ["2"] },
    { name: "core_x4", program: "core.c", work: 40_000, args: ["4"] },
    { name: "futex", program: "futex_ping.c", work: 3 },
    { name: "spin", program: "spin.c", work: 4000 },
    { name: "spin_x4", program: "spin.c", work: 300, args: ["4"] },
    { name: "alloc", program: "alloc.c", work: 2000 },
    { name: "alloc_x4", program: "alloc.c", work: 1000, args: ["4"] },
  ],
  scalings: [{ name: "two processes against one", one: "core_x1", many: "core_x2", copies: 2, bar: 1.7 }],
};

export const SMP_OF_TWO: ProgramSuite = {
  kind: "programs",
  name: "smp2",
  title: "Both of two vCPUs busy",
  smp: 2,
  rows: [
    { name: "core2_x1", program: "core.c", work: 60_000 },
    { name: "core2_x2", program: "core.c", work: 60_000, args: ["2"] },
    { name: "futex2", program: "futex_ping.c", work: 3 },
    { name: "spin2", program: "spin.c", work: 4000 },
    { name: "alloc2", program: "alloc.c", work: 2000 },
  ],
  scalings: [{ name: "two processes against one", one: "core2_x1", many: "core2_x2", copies: 2, bar: 1.7 }],
};
