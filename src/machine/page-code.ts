/**
 * What is done with each page of a machine that moves: is it all 0, copy it. In WebAssembly: a loop in JavaScript takes 20 µs
 * a page until the engine has compiled it, which on a busy host is too late, and `set` copies shared memory word by word.
 */
import { Code, I32 } from "#cpu/wasm/code.ts";
import { encodeModule, type FunctionBody, IMPORT_MODULE } from "#cpu/wasm/module.ts";

const STEP_BYTES = 64;
const VECTOR_BYTES = 16;
/** Of any memory. */
const MOST_MEMORY_PAGES = 65_536;

export type PageCode = {
  /** From a host address, a number of bytes above 0; both are multiples of 64. */
  isZero(host: number, lengthBytes: number): boolean;
  /** Copies bytes from one host address to another. */
  copy(to: number, from: number, lengthBytes: number): void;
};

export function pageCode(memory: WebAssembly.Memory): PageCode {
  const bytes = encodeModule({
    imports: [{ kind: "memory", name: "memory", maximumPages: MOST_MEMORY_PAGES }],
    functions: [scan(), copy()],
    exports: ["scan", "copy"],
  });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { [IMPORT_MODULE]: { memory } });
  const isZero = exports["scan"] as (start: number, end: number) => number;
  return {
    isZero: (host, lengthBytes) => isZero(host, host + lengthBytes) === 1,
    copy: exports["copy"] as PageCode["copy"],
  };
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

/** (to, from, length) */
function copy(): FunctionBody {
  const code = new Code(16);
  for (const parameter of [0, 1, 2]) code.localGet(parameter);
  code.op(MEMORY_COPY);
  code.byte(MEMORY_INDEX);
  code.byte(MEMORY_INDEX);
  code.end();
  return { name: "copy", type: { params: [I32, I32, I32], results: [] }, locals: [], code: code.finish() };
}

// Spec: WebAssembly core 2.0, sections 5.4.6 "Memory", 5.4.7 "Numeric" and 5.4.8 "Vector Instructions".
const I32_NE = 0x47;
const I32_ADD = 0x6a;
const V128_LOAD = 0xfd00;
const V128_OR = 0xfd50;
const V128_ANY_TRUE = 0xfd53;
const MEMORY_COPY = 0xfc0a;
const MEMORY_INDEX = 0;
