/** Asks for a page in one message that stands for itself, whoever has written to the connection before. */
import { PAGE_BYTES, ReturnMessage } from "#control/migration/wire.ts";
import type { MemoryLayout } from "#cpu/vcpu/layout.ts";
import type { AskBy } from "#machine/page-faults.ts";

/** be16 type, be16 length, be64 start, be32 length, u8 length of the name, name: REQ_PAGES_ID. */
const HEAD_BYTES = 4;
const BODY_BYTES = 13;

/**
 * `write` writes bytes by a descriptor and returns how many. They are few, and who has asked waits: if they do not go out
 * whole the source does not read, and hears nonsense when it does, which breaks the connection.
 */
export function askBy(
  { blocks, ramStart }: MemoryLayout,
  write: (descriptor: number, bytes: Uint8Array) => number,
): AskBy {
  const messages = blocks.map(({ name, host, sizeBytes }) => {
    const bytes = new Uint8Array(HEAD_BYTES + BODY_BYTES + name.length);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, ReturnMessage.ReqPagesId);
    view.setUint16(2, BODY_BYTES + name.length);
    view.setUint32(12, PAGE_BYTES);
    view.setUint8(16, name.length);
    for (let i = 0; i < name.length; i++) view.setUint8(17 + i, name.charCodeAt(i));
    return { first: host, end: host + sizeBytes, bytes, view };
  });
  return (descriptor, page) => {
    const at = ramStart + page * PAGE_BYTES;
    for (const { first, end, bytes, view } of messages) {
      if (at < first || at >= end) continue;
      const start = at - first;
      view.setUint32(4, Math.floor(start / 2 ** 32));
      view.setUint32(8, start % 2 ** 32);
      return write(descriptor, bytes) === bytes.length;
    }
    return false;
  };
}
