/** src/cpu/softfloat against real instructions, where the tools are installed. */

import { expect, test } from "vitest";
import { floatSlowOp } from "#cpu/softfloat/dispatch.ts";
import { ROUND_NEAREST_EVEN, ROUND_NEAREST_MAX_MAGNITUDE } from "#cpu/softfloat/round.ts";
import { RandomCases } from "./cases.ts";
import { caseByCase, type Comparison, compareWithOracle } from "./compare.ts";
import { missingForOracle, Oracle, type OracleName } from "./oracle-process.ts";

const CASES = 50_000;
const TIMEOUT_MS = 60_000;

async function compareRandom(name: OracleName, implementation: typeof floatSlowOp): Promise<Comparison> {
  // A new seed each day: the same for everybody on one day, more ground covered over time.
  const seed = Math.floor(Date.now() / 86_400_000);
  const oracle = new Oracle(name);
  try {
    return await compareWithOracle(
      oracle,
      new RandomCases(seed),
      CASES,
      new Map([["softfloat", caseByCase(implementation)]]),
    );
  } finally {
    oracle.close();
  }
}

function withReason(title: string, name: OracleName): string {
  const missing = missingForOracle(name);
  return missing === undefined ? title : `${title} (skipped: ${missing})`;
}

test.skipIf(missingForOracle("qemu") !== undefined)(
  withReason("agrees with RISC-V instructions under qemu-riscv64", "qemu"),
  async () => {
    const result = await compareRandom("qemu", floatSlowOp);
    expect(result.examples).toEqual([]);
    expect(result.compared).toBe(CASES);
  },
  TIMEOUT_MS,
);

test.skipIf(missingForOracle("host") !== undefined)(
  withReason("agrees with the host's SSE and FMA instructions", "host"),
  async () => {
    const result = await compareRandom("host", floatSlowOp);
    expect(result.examples).toEqual([]);
    expect(result.compared).toBeGreaterThan(CASES / 5);
  },
  TIMEOUT_MS,
);

test.skipIf(missingForOracle("qemu") !== undefined)(
  withReason("a wrong tie rule is noticed", "qemu"),
  async () => {
    const result = await compareRandom("qemu", (op, format, rounding, a, b, c) =>
      floatSlowOp(op, format, rounding === ROUND_NEAREST_MAX_MAGNITUDE ? ROUND_NEAREST_EVEN : rounding, a, b, c),
    );
    expect(result.differences).toBeGreaterThan(0);
  },
  TIMEOUT_MS,
);
