/**
 * Unpacks one gzip member, with the size known before anything is unpacked: the trailer's size is checked against the
 * limit, and more than it says is never kept. Hostile input costs at most the limit in memory.
 *
 * Spec: RFC 1952 (gzip), 2.2 and 2.3; RFC 1951 (deflate) by fflate.
 */
import { Inflate } from "fflate";
import { ImageError } from "./image-error.ts";

const FHCRC = 1 << 1;
const FEXTRA = 1 << 2;
const FNAME = 1 << 3;
const FCOMMENT = 1 << 4;
const RESERVED_FLAGS = 0xe0;

const HEADER_BYTES = 10;
const TRAILER_BYTES = 8;
/** The best that deflate can do: 258 bytes from 2 bits. */
const MAX_RATIO = 1032;
const CHUNK_BYTES = 16 << 10;
/** A stored block (64 KiB at most) gives nothing until it is complete; nothing else takes that much input for no output. */
const MAX_IDLE_CHUNKS = 8;

export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8;
}

/**
 * The unpacked content of `bytes`, a whole gzip member with nothing after it. `name` is the file's, for messages.
 * Throws an ImageError when it is damaged, cut off or unpacks to more than `limitBytes`.
 */
export function gunzip(bytes: Uint8Array, name: string, limitBytes: number): Uint8Array {
  const start = headerBytes(bytes, name);
  const end = bytes.length - TRAILER_BYTES;
  if (end < start) throw truncated(name);
  const trailer = new DataView(bytes.buffer, bytes.byteOffset + end, TRAILER_BYTES);
  const expectedCrc = trailer.getUint32(0, true);
  const sizeBytes = trailer.getUint32(4, true);
  if (sizeBytes > (end - start) * MAX_RATIO) throw damaged(name);
  if (sizeBytes > limitBytes) {
    throw new ImageError(
      "too-large",
      `${name} unpacks to ${sizeBytes} bytes, and at most ${limitBytes} are taken; use a smaller image`,
    );
  }
  const output = inflate(bytes.subarray(start, end), sizeBytes, name);
  if (crc32(output) !== expectedCrc) throw damaged(name);
  return output;
}

function inflate(deflated: Uint8Array, sizeBytes: number, name: string): Uint8Array {
  const output = new Uint8Array(sizeBytes);
  let filled = 0;
  const stream = new Inflate((chunk) => {
    if (filled + chunk.length > sizeBytes) throw damaged(name);
    output.set(chunk, filled);
    filled += chunk.length;
  });
  let idleChunks = 0;
  try {
    for (let at = 0; at < deflated.length; at += CHUNK_BYTES) {
      const filledBefore = filled;
      stream.push(deflated.subarray(at, at + CHUNK_BYTES), at + CHUNK_BYTES >= deflated.length);
      idleChunks = filled === filledBefore ? idleChunks + 1 : 0;
      if (idleChunks > MAX_IDLE_CHUNKS) throw damaged(name);
    }
  } catch (error) {
    throw error instanceof ImageError ? error : damaged(name, error);
  }
  if (filled !== sizeBytes || deflated.length === 0) throw damaged(name);
  return output;
}

function headerBytes(bytes: Uint8Array, name: string): number {
  if (bytes.length < HEADER_BYTES + TRAILER_BYTES) throw truncated(name);
  const flags = bytes[3] as number;
  if ((flags & RESERVED_FLAGS) !== 0) throw damaged(name);
  let at = HEADER_BYTES;
  if ((flags & FEXTRA) !== 0) at += 2 + (bytes[at] as number) + ((bytes[at + 1] as number) << 8);
  if ((flags & FNAME) !== 0) at = afterZero(bytes, at, name);
  if ((flags & FCOMMENT) !== 0) at = afterZero(bytes, at, name);
  if ((flags & FHCRC) !== 0) at += 2;
  return at;
}

function afterZero(bytes: Uint8Array, from: number, name: string): number {
  const zero = bytes.indexOf(0, from);
  if (zero < 0) throw truncated(name);
  return zero + 1;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ 0xedb88320;
  return value;
});

/** Spec: RFC 1952, 8. */
function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (let index = 0; index < bytes.length; index++) {
    crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ (bytes[index] as number)) & 0xff] as number);
  }
  return ~crc >>> 0;
}

function truncated(name: string): ImageError {
  return new ImageError("truncated", `${name} ends inside its gzip data; get the file again`);
}

function damaged(name: string, cause?: unknown): ImageError {
  return new ImageError("invalid", `${name} is damaged: its gzip data does not unpack; get the file again`, { cause });
}
