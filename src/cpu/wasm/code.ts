/**
 * A growing buffer of WebAssembly code: bytes, LEB128 integers and the few instructions that carry immediates.
 * Spec: WebAssembly core 2.0, section 5 "Binary Format"; threads proposal for the 0xfe prefix.
 */

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
/** A value type's byte in the binary format. */
export type ValueType = typeof I32 | typeof I64 | typeof F32 | typeof F64;

/** Block type of a block without a result. */
export const VOID = 0x40;

export class Code {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;

  constructor(capacityBytes = 1024) {
    this.bytes = new Uint8Array(capacityBytes);
  }

  reset(): void {
    this.length = 0;
  }

  #reserve(lengthBytes: number): void {
    if (this.length + lengthBytes <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + lengthBytes));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.bytes[this.length++] = value;
  }

  /** One opcode; a prefixed one is `prefix << 8 | op` with `op` below 128. */
  op(opcode: number): void {
    if (opcode > 0xff) {
      this.byte(opcode >>> 8);
      this.unsigned(opcode & 0xff);
    } else this.byte(opcode);
  }

  /** An opcode behind the vector prefix. */
  simd(opcode: number): void {
    this.byte(0xfd);
    this.unsigned(opcode);
  }

  /** Unsigned LEB128 of a 32-bit number. */
  unsigned(value: number): void {
    this.#reserve(5);
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.length++] = rest;
  }

  /** Signed LEB128 of an integer: a safe number or any 64-bit bigint. */
  signed(value: number | bigint): void {
    this.#reserve(10);
    if (typeof value === "number" && (value | 0) === value) {
      let rest = value;
      for (;;) {
        const low = rest & 0x7f;
        rest >>= 7;
        if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
          this.bytes[this.length++] = low;
          return;
        }
        this.bytes[this.length++] = low | 0x80;
      }
    }
    let rest = BigInt.asIntN(64, BigInt(value));
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) {
        this.bytes[this.length++] = low;
        return;
      }
      this.bytes[this.length++] = low | 0x80;
    }
  }

  append(other: Code | Uint8Array): void {
    const source = other instanceof Code ? other.bytes.subarray(0, other.length) : other;
    this.#reserve(source.length);
    this.bytes.set(source, this.length);
    this.length += source.length;
  }

  text(value: string): void {
    this.unsigned(value.length);
    for (let i = 0; i < value.length; i++) this.byte(value.charCodeAt(i));
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.length);
  }

  localGet(index: number): void {
    this.byte(0x20);
    this.unsigned(index);
  }
  localSet(index: number): void {
    this.byte(0x21);
    this.unsigned(index);
  }
  localTee(index: number): void {
    this.byte(0x22);
    this.unsigned(index);
  }
  i32Const(value: number): void {
    this.byte(0x41);
    this.signed(value | 0);
  }
  i64Const(value: number | bigint): void {
    this.byte(0x42);
    this.signed(value);
  }
  /** A load or store: `opcode`, log2 of the alignment, constant offset in bytes. */
  memory(opcode: number, alignLog2: number, offset: number): void {
    this.op(opcode);
    this.unsigned(alignLog2);
    this.unsigned(offset);
  }
  block(type: ValueType | typeof VOID = VOID): void {
    this.byte(0x02);
    this.byte(type);
  }
  loop(): void {
    this.byte(0x03);
    this.byte(VOID);
  }
  if(type: ValueType | typeof VOID = VOID): void {
    this.byte(0x04);
    this.byte(type);
  }
  else(): void {
    this.byte(0x05);
  }
  end(): void {
    this.byte(0x0b);
  }
  br(depth: number): void {
    this.byte(0x0c);
    this.unsigned(depth);
  }
  brIf(depth: number): void {
    this.byte(0x0d);
    this.unsigned(depth);
  }
  /** `br` with a depth that is filled in by {@link patchBr}; returns the place to patch. */
  brLater(): number {
    this.byte(0x0c);
    this.#reserve(3);
    this.length += 3;
    return this.length - 3;
  }
  patchBr(place: number, depth: number): void {
    this.bytes[place] = (depth & 0x7f) | 0x80;
    this.bytes[place + 1] = ((depth >>> 7) & 0x7f) | 0x80;
    this.bytes[place + 2] = (depth >>> 14) & 0x7f;
  }
  brTable(depths: readonly number[], otherwise: number): void {
    this.byte(0x0e);
    this.unsigned(depths.length);
    for (const depth of depths) this.unsigned(depth);
    this.unsigned(otherwise);
  }
  return(): void {
    this.byte(0x0f);
  }
  call(functionIndex: number): void {
    this.byte(0x10);
    this.unsigned(functionIndex);
  }
  returnCall(functionIndex: number): void {
    this.byte(0x12);
    this.unsigned(functionIndex);
  }
  callIndirect(typeIndex: number): void {
    this.byte(0x11);
    this.unsigned(typeIndex);
    this.byte(0);
  }
  returnCallIndirect(typeIndex: number): void {
    this.byte(0x13);
    this.unsigned(typeIndex);
    this.byte(0);
  }
}
