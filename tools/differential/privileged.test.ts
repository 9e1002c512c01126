/** A few thousand privileged cases against qemu-system-riscv64; `privileged-main.ts` runs more. */
import { expect, test } from "vitest";
import { Random } from "#cpu/isa/riscv/random.ts";
import { PrivilegedGenerator } from "./privileged-cases.ts";
import { comparePrivileged } from "./privileged-compare.ts";
import { missingQemuSystem } from "./qemu-system.ts";

const missing = missingQemuSystem();
const CASES = 2000;

test.skipIf(missing !== undefined)(
  `CSRs, traps, translation and protection agree with qemu-system-riscv64${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  { timeout: 120_000 },
  async () => {
    const generator = new PrivilegedGenerator(new Random(7));
    const result = await comparePrivileged([...generator.everyCsr(), ...generator.batch(CASES)]);
    expect(result.examples).toEqual([]);
    expect(result.cases).toBe(4096 + CASES);
  },
);
