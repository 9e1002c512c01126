/** A disk of random content, the same each time, and how a machine gets it as /dev/vda. */
import { createCipheriv } from "node:crypto";
import { writeFileSync } from "node:fs";

const MIB = 1 << 20;

/** Writes the file; gives the options for it, which are the same for every emulator. */
export function makeDisk(file: string, sizeMiB: number): string[] {
  const stream = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16));
  writeFileSync(file, stream.update(Buffer.alloc(sizeMiB * MIB)));
  return ["-drive", `if=none,file=${file},format=raw,id=bench`, "-device", "virtio-blk-device,drive=bench"];
}
