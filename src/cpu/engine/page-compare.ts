/**
 * Compares two pages, 64 bytes a step. In WebAssembly itself: the IR has no vectors.
 */
import { PAGE_BYTES } from "#cpu/vcpu/layout.ts";
import { Code, I32 } from "#cpu/wasm/code.ts";
import type { FunctionBody, FunctionType } from "#cpu/wasm/module.ts";

/** (host address, host address) -> 1 when the pages differ. */
export const PAGE_COMPARE_TYPE: FunctionType = { params: [I32, I32], results: [I32] };
const STEP_BYTES = 64;
const VECTOR_BYTES = 16;

export function pageCompare(): FunctionBody {
  const [a, b, end] = [0, 1, 2];
  const code = new Code(256);
  const advance = (local: number): void => {
    code.localGet(local);
    code.i32Const(STEP_BYTES);
    code.op(0x6a);
    code.localSet(local);
  };
  code.localGet(a);
  code.i32Const(PAGE_BYTES);
  code.op(0x6a);
  code.localSet(end);
  code.loop();
  for (let at = 0; at < STEP_BYTES; at += VECTOR_BYTES) {
    for (const local of [a, b]) {
      code.localGet(local);
      code.memory(V128_LOAD, 4, at);
    }
    code.op(V128_XOR);
    if (at > 0) code.op(V128_OR);
  }
  code.op(V128_ANY_TRUE);
  code.if();
  code.i32Const(1);
  code.return();
  code.end();
  advance(a);
  advance(b);
  code.localGet(a);
  code.localGet(end);
  code.op(0x47);
  code.brIf(0);
  code.end();
  code.i32Const(0);
  code.end();
  return { name: "pageDiffers", type: PAGE_COMPARE_TYPE, locals: [I32], code: code.finish() };
}

// Spec: WebAssembly core 2.0, section 5.4.8 "Vector Instructions".
const V128_LOAD = 0xfd00;
const V128_OR = 0xfd50;
const V128_XOR = 0xfd51;
const V128_ANY_TRUE = 0xfd53;
