/** A few thousand instructions of every kind against qemu-riscv64; `main.ts` runs millions. */
import { expect, test } from "vitest";
import { Comparer } from "./compare.ts";
import { missingQemu } from "./qemu-user.ts";

const missing = missingQemu();
const INSTRUCTIONS = 30_000;

test.skipIf(missing !== undefined)(
  `the interpreter agrees with qemu-riscv64${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  { timeout: 120_000 },
  async () => {
    const comparer = new Comparer("interp");
    try {
      const result = await comparer.compare(INSTRUCTIONS, 1, () => {});
      expect(result.examples).toEqual([]);
      expect(result.instances).toBeGreaterThanOrEqual(INSTRUCTIONS);
    } finally {
      comparer.close();
    }
  },
);
