import type { ProgramSuite } from "../suites.ts";

export const JIT: ProgramSuite = {
  kind: "programs",
  name: "jit",
  title: "Code that is new: written by the program, or run once",
  smp: 1,
  rows: [
    { name: "jit_fence", program: "jit.c", work: 40, args: ["1"] },
    { name: "jit_flush", program: "jit.c", work: 40, args: ["2"] },
    { name: "large", program: "large.c", work: 8 },
  ],
};
