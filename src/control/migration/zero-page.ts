/** Whether bytes are all 0. `bytes` starts and ends at a multiple of 4 in its buffer. */
export function isZero(bytes: Uint8Array): boolean {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  // Most pages that are not zero show it early.
  for (let i = 0; i < words.length; i += 4) {
    if (((words[i] as number) | (words[i + 1] as number) | (words[i + 2] as number) | (words[i + 3] as number)) !== 0)
      return false;
  }
  return true;
}
