import { expect, test } from "vitest";
import { acceptsRelaxedSimd, isFused, probeEngineFeatures } from "#cpu/engine/features.ts";
import { type EmitMultiplyAdd, emitFusedMultiplyAdd } from "#cpu/engine/vector.ts";
import { F64 } from "#cpu/wasm/code.ts";

/** Rounds the product and the sum. */
const emitUnfused: EmitMultiplyAdd = (code, type, negated, operands) => {
  const [add, mul, neg] = type === F64 ? ([0xa0, 0xa2, 0x9a] as const) : ([0x92, 0x94, 0x8c] as const);
  operands[0]?.();
  operands[1]?.();
  code.op(mul);
  if (negated) code.op(neg);
  operands[2]?.();
  code.op(add);
};

test("two roundings are found out", () => expect(isFused(emitUnfused)).toBe(false));

test("a wrong sign is found out", () =>
  expect(isFused((code, type, _negated, operands) => emitFusedMultiplyAdd(code, type, false, operands))).toBe(false));

test("the unit tests have the flag, and every probe says the same", () => {
  expect(acceptsRelaxedSimd()).toBe(true);
  const first = probeEngineFeatures();
  for (let i = 0; i < 5; i++) expect(probeEngineFeatures()).toEqual(first);
});
