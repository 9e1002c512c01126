/** Reads a file whole, as the one copy that there is of it. */
import { readFile } from "node:fs/promises";

export async function readBytes(path: string): Promise<Uint8Array> {
  const { buffer, byteOffset, byteLength } = await readFile(path);
  return new Uint8Array(buffer, byteOffset, byteLength);
}
