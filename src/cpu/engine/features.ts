/**
 * What the host's WebAssembly engine can do beyond WebAssembly 2.0, found by trying.
 *
 * Fused multiply-add: the relaxed-SIMD proposal leaves it to the engine whether `relaxed_madd` rounds once or twice, so
 * it is tried with inputs for which the two differ, in the first code that the engine makes and again after it has had
 * reason to optimise.
 *
 * Spec: WebAssembly relaxed-SIMD proposal, "Relaxed fused multiply-add".
 */
import { Code, F32, F64, I32 } from "#cpu/wasm/code.ts";
import { type EmitMultiplyAdd, emitFusedMultiplyAdd } from "#cpu/engine/vector.ts";
import { encodeModule, type FunctionBody } from "#cpu/wasm/module.ts";

export type EngineFeatures = {
  /** `relaxed_madd` and `relaxed_nmadd` round once, in both formats. */
  readonly fusedMultiplyAdd: boolean;
};

/** An engine that has nothing more. */
export const NO_FEATURES: EngineFeatures = { fusedMultiplyAdd: false };

type Case = readonly [x: number, y: number, z: number, fused: number];

/** Inputs whose results, rounded once and rounded twice, differ; what rounding once gives. */
// biome-ignore format: a table
const CASES: readonly { readonly type: typeof F32 | typeof F64; readonly negated: boolean; readonly cases: readonly Case[] }[] = [
  { type: F64, negated: false, cases: [
    [1 + 2 ** -30, 1 - 2 ** -30, -1, -(2 ** -60)],
    [0.1, 10, -1, 2 ** -54],
    [1 + 2 ** -52, 1 + 2 ** -52, -1 - 2 ** -51, 2 ** -104],
    [1 + 2 ** -52, 1 + 2 ** -52, 2 ** -53, 1 + 2 ** -51 + 2 ** -52],
  ] },
  { type: F64, negated: true, cases: [
    [1 + 2 ** -30, 1 - 2 ** -30, 1, 2 ** -60],
    [1 + 2 ** -52, 1 + 2 ** -52, -(2 ** -53), -1 - 2 ** -51 - 2 ** -52],
  ] },
  { type: F32, negated: false, cases: [
    [1 + 2 ** -12, 1 - 2 ** -12, -1, -(2 ** -24)],
    [1 + 2 ** -23, 1 + 2 ** -23, -1 - 2 ** -22, 2 ** -46],
    [1 + 2 ** -23, 1 + 2 ** -23, 2 ** -24, 1 + 2 ** -22 + 2 ** -23],
  ] },
  { type: F32, negated: true, cases: [
    [1 + 2 ** -12, 1 - 2 ** -12, 1, 2 ** -24],
    [1 + 2 ** -23, 1 + 2 ** -23, -(2 ** -24), -1 - 2 ** -22 - 2 ** -23],
  ] },
];
/** Rounds in one call that make V8 optimise the function. */
const WARM_ROUNDS = 100_000;

type Probe = (x: number, y: number, z: number, expected: number, rounds: number) => number;

/** Whether the engine knows the instructions at all. */
export const acceptsRelaxedSimd = (): boolean => WebAssembly.validate(probeModule(emitFusedMultiplyAdd));

/** Finds out. Takes a few milliseconds. Thread: any that can compile synchronously. */
export function probeEngineFeatures(): EngineFeatures {
  return acceptsRelaxedSimd() ? { fusedMultiplyAdd: isFused(emitFusedMultiplyAdd) } : NO_FEATURES;
}

/** Whether what is emitted rounds once, each time. */
export function isFused(emit: EmitMultiplyAdd): boolean {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(probeModule(emit)));
  /** The first case goes round, which is enough to have the function optimised; the others are tried once. */
  const agrees = (rounds: number): boolean =>
    CASES.every(({ cases }, i) =>
      cases.every(([x, y, z, fused], n) => (exports[`p${i}`] as Probe)(x, y, z, fused, n === 0 ? rounds : 1) === 1),
    );
  return agrees(1) && agrees(WARM_ROUNDS) && agrees(1);
}

function probeModule(emit: EmitMultiplyAdd): Uint8Array<ArrayBuffer> {
  return encodeModule({
    imports: [],
    functions: CASES.map(({ type, negated }, i) => probeFunction(`p${i}`, type, negated, emit)),
    exports: CASES.map((_, i) => `p${i}`),
  });
}

/** (x, y, z, expected, rounds) -> 1 when every round gives what is expected. */
function probeFunction(
  name: string,
  type: typeof F32 | typeof F64,
  negated: boolean,
  emit: EmitMultiplyAdd,
): FunctionBody {
  const EXPECTED = 3;
  const ROUNDS = 4;
  const code = new Code();
  code.loop();
  emit(
    code,
    type,
    negated,
    [0, 1, 2].map((local) => () => code.localGet(local)),
  );
  code.localGet(EXPECTED);
  code.op(type === F64 ? 0x62 : 0x5c);
  code.if();
  code.i32Const(0);
  code.return();
  code.end();
  code.localGet(ROUNDS);
  code.i32Const(1);
  code.op(0x6b);
  code.localTee(ROUNDS);
  code.brIf(0);
  code.end();
  code.i32Const(1);
  code.end();
  return { name, type: { params: [type, type, type, type, I32], results: [I32] }, locals: [], code: code.finish() };
}
