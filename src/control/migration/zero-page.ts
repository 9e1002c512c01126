/** Whether bytes are all 0. `bytes` starts and ends at a multiple of 16 in its buffer. */
export function isZero(bytes: Uint8Array): boolean {
  return isZeroAt(new Int32Array(bytes.buffer), bytes.byteOffset, bytes.length);
}

/** The same for a part of a memory that is given as `words`. */
export function isZeroAt(words: Int32Array, offset: number, lengthBytes: number): boolean {
  // Most pages that are not zero show it early.
  for (let i = offset >>> 2; i < (offset + lengthBytes) >>> 2; i += 4) {
    if (((words[i] as number) | (words[i + 1] as number) | (words[i + 2] as number) | (words[i + 3] as number)) !== 0)
      return false;
  }
  return true;
}
