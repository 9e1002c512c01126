/**
 * Switches on what V8 has but keeps behind flags, for this process and the threads it starts from now on.
 * An engine without a flag has the feature always on, or is only slower.
 */
import { setFlagsFromString } from "node:v8";
import { acceptsRelaxedSimd } from "#cpu/engine/features.ts";

export function setEngineFlags(): void {
  // Keeps the slow paths of memory accesses out of the way of the fast ones; see docs/ARCHITECTURE.md.
  setFlagsFromString("--experimental-wasm-branch-hinting");
  // Fused multiply-add; on by default from Node 22 on.
  if (!acceptsRelaxedSimd()) setFlagsFromString("--experimental-wasm-relaxed-simd");
}
