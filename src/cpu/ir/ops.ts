/**
 * The operations of the IR that compute: rows of name and WebAssembly opcode for i32, i64, f32, f64.
 * The IR's meaning of an operation is WebAssembly's (core 2.0, section 4.3 "Numerics"); 0 marks an absent one.
 */

type Opcodes = readonly [i32: number, i64: number, f32: number, f64: number];

/** Two operands of one type, result of the same type. */
export const BINARY = {
  add: [0x6a, 0x7c, 0x92, 0xa0],
  sub: [0x6b, 0x7d, 0x93, 0xa1],
  mul: [0x6c, 0x7e, 0x94, 0xa2],
  div: [0, 0, 0x95, 0xa3],
  divS: [0x6d, 0x7f, 0, 0],
  divU: [0x6e, 0x80, 0, 0],
  remS: [0x6f, 0x81, 0, 0],
  remU: [0x70, 0x82, 0, 0],
  and: [0x71, 0x83, 0, 0],
  or: [0x72, 0x84, 0, 0],
  xor: [0x73, 0x85, 0, 0],
  shl: [0x74, 0x86, 0, 0],
  shrS: [0x75, 0x87, 0, 0],
  shrU: [0x76, 0x88, 0, 0],
  rotl: [0x77, 0x89, 0, 0],
  rotr: [0x78, 0x8a, 0, 0],
  min: [0, 0, 0x96, 0xa4],
  max: [0, 0, 0x97, 0xa5],
  copysign: [0, 0, 0x98, 0xa6],
} as const satisfies Record<string, Opcodes>;

/** Two operands of one type, result i32 0 or 1. */
export const COMPARE = {
  eq: [0x46, 0x51, 0x5b, 0x61],
  ne: [0x47, 0x52, 0x5c, 0x62],
  ltS: [0x48, 0x53, 0, 0],
  ltU: [0x49, 0x54, 0, 0],
  gtS: [0x4a, 0x55, 0, 0],
  gtU: [0x4b, 0x56, 0, 0],
  leS: [0x4c, 0x57, 0, 0],
  leU: [0x4d, 0x58, 0, 0],
  geS: [0x4e, 0x59, 0, 0],
  geU: [0x4f, 0x5a, 0, 0],
  lt: [0, 0, 0x5d, 0x63],
  gt: [0, 0, 0x5e, 0x64],
  le: [0, 0, 0x5f, 0x65],
  ge: [0, 0, 0x60, 0x66],
} as const satisfies Record<string, Opcodes>;

/** One operand, result of the same type. */
export const UNARY = {
  clz: [0x67, 0x79, 0, 0],
  ctz: [0x68, 0x7a, 0, 0],
  popcnt: [0x69, 0x7b, 0, 0],
  ext8S: [0xc0, 0xc2, 0, 0],
  ext16S: [0xc1, 0xc3, 0, 0],
  ext32S: [0, 0xc4, 0, 0],
  abs: [0, 0, 0x8b, 0x99],
  neg: [0, 0, 0x8c, 0x9a],
  ceil: [0, 0, 0x8d, 0x9b],
  floor: [0, 0, 0x8e, 0x9c],
  trunc: [0, 0, 0x8f, 0x9d],
  nearest: [0, 0, 0x90, 0x9e],
  sqrt: [0, 0, 0x91, 0x9f],
} as const satisfies Record<string, Opcodes>;

/** Conversions: opcode, operand type, result type. */
export const CONVERT = {
  wrap: [0xa7, "i64", "i32"],
  extS: [0xac, "i32", "i64"],
  extU: [0xad, "i32", "i64"],
  demote: [0xb6, "f64", "f32"],
  promote: [0xbb, "f32", "f64"],
  bits32: [0xbc, "f32", "i32"],
  bits64: [0xbd, "f64", "i64"],
  asF32: [0xbe, "i32", "f32"],
  asF64: [0xbf, "i64", "f64"],
  f32FromI32S: [0xb2, "i32", "f32"],
  f32FromI32U: [0xb3, "i32", "f32"],
  f32FromI64S: [0xb4, "i64", "f32"],
  f32FromI64U: [0xb5, "i64", "f32"],
  f64FromI32S: [0xb7, "i32", "f64"],
  f64FromI32U: [0xb8, "i32", "f64"],
  f64FromI64S: [0xb9, "i64", "f64"],
  f64FromI64U: [0xba, "i64", "f64"],
  /** Saturating truncations; NaN gives 0. */
  i32FromF32S: [0xfc00, "f32", "i32"],
  i32FromF32U: [0xfc01, "f32", "i32"],
  i32FromF64S: [0xfc02, "f64", "i32"],
  i32FromF64U: [0xfc03, "f64", "i32"],
  i64FromF32S: [0xfc04, "f32", "i64"],
  i64FromF32U: [0xfc05, "f32", "i64"],
  i64FromF64S: [0xfc06, "f64", "i64"],
  i64FromF64U: [0xfc07, "f64", "i64"],
  /** Our own opcodes: the f32 in the low half of an f64's bits; the f64 with an f32 there and ones above. */
  lowF32: [0x10000, "f64", "f32"],
  boxF32: [0x10001, "f32", "f64"],
} as const satisfies Record<string, readonly [number, string, string]>;

/** Read-modify-write on shared memory: opcodes for 32 and 64 bits (threads proposal, "rmw"). */
export const RMW = {
  add: [0xfe1e, 0xfe1f],
  sub: [0xfe25, 0xfe26],
  and: [0xfe2c, 0xfe2d],
  or: [0xfe33, 0xfe34],
  xor: [0xfe3a, 0xfe3b],
  exchange: [0xfe41, 0xfe42],
  compareExchange: [0xfe48, 0xfe49],
} as const;

/** Atomic loads by width in bytes; 1 and 4 give i32, 8 gives i64 (threads proposal, "load"). */
export const ATOMIC_LOAD = { 1: 0xfe12, 4: 0xfe10, 8: 0xfe11 } as const;
