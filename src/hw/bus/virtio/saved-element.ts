/**
 * A chain that a device holds while its machine is saved: its head, and where its buffers lie.
 *
 * In the stream it is QEMU's structure as a 64-bit little-endian host has it in memory:
 *
 *   u32 head, u32 readable count, u32 writable count, 4 unused,
 *   u64 address of each writable buffer, then of each readable one, 1024 each,
 *   {u64 unused, u64 length} of each writable buffer, then of each readable one, 1024 each
 */
import type { ByteReader } from "#core/bytes.ts";
import { StateError } from "#core/vmstate.ts";
import type { Gpa } from "#hw/bus/types.ts";
import { type Chain, VIRTQUEUE_MAX_SIZE } from "#hw/bus/virtio/virtqueue.ts";

type Buffers = readonly { readonly at: Gpa; readonly lengthBytes: number }[];
export type SavedElement = { readonly head: number; readonly readable: Buffers; readonly writable: Buffers };

const WRITABLE_AT = 16;
const READABLE_AT = WRITABLE_AT + 8 * VIRTQUEUE_MAX_SIZE;
const WRITABLE_LENGTHS = READABLE_AT + 8 * VIRTQUEUE_MAX_SIZE;
const READABLE_LENGTHS = WRITABLE_LENGTHS + 16 * VIRTQUEUE_MAX_SIZE;
export const SAVED_ELEMENT_BYTES = READABLE_LENGTHS + 16 * VIRTQUEUE_MAX_SIZE;

export function savedElement(chain: Chain): SavedElement {
  const buffers = (views: readonly Uint8Array[], at: readonly Gpa[]): Buffers =>
    views.map(({ length }, i) => ({ at: at[i] as Gpa, lengthBytes: length }));
  return {
    head: chain.head,
    readable: buffers(chain.readable, chain.readableAt),
    writable: buffers(chain.writable, chain.writableAt),
  };
}

export function encodeElement({ head, readable, writable }: SavedElement): Uint8Array {
  const bytes = new Uint8Array(SAVED_ELEMENT_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, head, true);
  view.setUint32(4, readable.length, true);
  view.setUint32(8, writable.length, true);
  const put = (buffers: Buffers, addresses: number, lengths: number): void => {
    for (const [i, { at, lengthBytes }] of buffers.entries()) {
      view.setBigUint64(addresses + 8 * i, BigInt(at), true);
      view.setBigUint64(lengths + 16 * i + 8, BigInt(lengthBytes), true);
    }
  };
  put(writable, WRITABLE_AT, WRITABLE_LENGTHS);
  put(readable, READABLE_AT, READABLE_LENGTHS);
  return bytes;
}

/** Throws `StateError` or `TruncatedError`. */
export function decodeElement(from: ByteReader): SavedElement {
  const bytes = from.bytes(SAVED_ELEMENT_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const get = (count: number, addresses: number, lengths: number): Buffers => {
    if (count > VIRTQUEUE_MAX_SIZE) throw new StateError(`a request under way has ${count} buffers`);
    return Array.from({ length: count }, (_, i) => ({
      at: Number(view.getBigUint64(addresses + 8 * i, true)),
      lengthBytes: Number(view.getBigUint64(lengths + 16 * i + 8, true)),
    }));
  };
  return {
    head: view.getUint32(0, true),
    readable: get(view.getUint32(4, true), READABLE_AT, READABLE_LENGTHS),
    writable: get(view.getUint32(8, true), WRITABLE_AT, WRITABLE_LENGTHS),
  };
}
