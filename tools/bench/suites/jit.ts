import type { ProgramSuite } from "../suites.ts";

export const JIT: ProgramSuite = {
  kind: "programs",
  name: "jit",
  title: "Code that is hard to translate: written by the program, long without a branch, or run once",
  smp: 1,
  rows: [
    { name: "jit_fence", program: "jit.c", work: 120, args: ["1"] },
    { name: "jit_flush", program: "jit.c", work: 120, args: ["2"] },
    { name: "straight_600", program: "straight.c", work: 2000, args: ["600"] },
    { name: "straight_3000", program: "straight.c", work: 2000, args: ["3000"] },
    { name: "straight_3001", program: "straight.c", work: 2000, args: ["3001"] },
    { name: "large", program: "large.c", work: 20 },
  ],
};
