/**
 * Tells whether a part of a machine's memory is all 0. In WebAssembly: a loop in JavaScript takes 20 µs a page until the
 * engine has compiled it, which on a busy host is too late.
 */
import { Code, I32 } from "#cpu/wasm/code.ts";
import { encodeModule, type FunctionBody, IMPORT_MODULE } from "#cpu/wasm/module.ts";

const STEP_BYTES = 64;
const VECTOR_BYTES = 16;
/** Of any memory. */
const MOST_MEMORY_PAGES = 65_536;

/** From a host address, a number of bytes above 0; both are multiples of 64. */
export type ZeroScan = (host: number, lengthBytes: number) => boolean;

export function zeroScan(memory: WebAssembly.Memory): ZeroScan {
  const bytes = encodeModule({
    imports: [{ kind: "memory", name: "memory", maximumPages: MOST_MEMORY_PAGES }],
    functions: [scan()],
    exports: ["scan"],
  });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { [IMPORT_MODULE]: { memory } });
  const isZero = exports["scan"] as (start: number, end: number) => number;
  return (host, lengthBytes) => isZero(host, host + lengthBytes) === 1;
}

/** (start, end) -> 1 when all bytes are 0. */
function scan(): FunctionBody {
  const [at, end] = [0, 1];
  const code = new Code(256);
  code.loop();
  for (let offset = 0; offset < STEP_BYTES; offset += VECTOR_BYTES) {
    code.localGet(at);
    code.memory(V128_LOAD, 4, offset);
    if (offset > 0) code.op(V128_OR);
  }
  code.op(V128_ANY_TRUE);
  code.if();
  code.i32Const(0);
  code.return();
  code.end();
  code.localGet(at);
  code.i32Const(STEP_BYTES);
  code.op(I32_ADD);
  code.localSet(at);
  code.localGet(at);
  code.localGet(end);
  code.op(I32_NE);
  code.brIf(0);
  code.end();
  code.i32Const(1);
  code.end();
  return { name: "scan", type: { params: [I32, I32], results: [I32] }, locals: [], code: code.finish() };
}

// Spec: WebAssembly core 2.0, sections 5.4.7 "Numeric Instructions" and 5.4.8 "Vector Instructions".
const I32_NE = 0x47;
const I32_ADD = 0x6a;
const V128_LOAD = 0xfd00;
const V128_OR = 0xfd50;
const V128_ANY_TRUE = 0xfd53;
