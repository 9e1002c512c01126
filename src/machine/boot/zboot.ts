/**
 * Finds the compressed kernel inside an EFI zboot image: a small EFI program that would unpack and start it.
 *
 *     0x00 "MZ"   0x04 "zimg"   0x08 payload offset   0x0c payload size   0x18 compression, as text ending in 0
 *
 * Spec: Linux drivers/firmware/efi/libstub, the zboot image header.
 */
import { ImageError } from "./image-error.ts";

const HEADER_BYTES = 0x40;
const COMPRESSION_OFFSET = 0x18;
const COMPRESSION_BYTES = 32;

export function isZboot(bytes: Uint8Array): boolean {
  return textAt(bytes, 0, 2) === "MZ" && textAt(bytes, 4, 4) === "zimg";
}

/** The payload of `bytes`, which {@link isZboot}: a view of it, to be unpacked as gzip. Throws an ImageError. */
export function readZboot(bytes: Uint8Array, name: string): Uint8Array {
  const cutOff = new ImageError("truncated", `${name} ends before its compressed kernel does; get the file again`);
  if (bytes.length < HEADER_BYTES) throw cutOff;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const offset = view.getUint32(8, true);
  const sizeBytes = view.getUint32(12, true);
  const compression = (textAt(bytes, COMPRESSION_OFFSET, COMPRESSION_BYTES).split("\0")[0] as string).replace(
    /[^ -~]/g,
    "?",
  );
  if (compression !== "gzip") {
    throw new ImageError(
      "unsupported-compression",
      `${name} is an EFI zboot image compressed with "${compression}", and only gzip is unpacked; give the plain Image`,
    );
  }
  if (offset < HEADER_BYTES || sizeBytes === 0) {
    throw new ImageError("invalid", `${name} has an EFI zboot header that makes no sense; get the file again`);
  }
  if (offset + sizeBytes > bytes.length) throw cutOff;
  return bytes.subarray(offset, offset + sizeBytes);
}

function textAt(bytes: Uint8Array, offset: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + length));
}
