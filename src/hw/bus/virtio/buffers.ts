/**
 * Copying between a chain's scattered buffers and plain bytes.
 * The buffers are live views of guest memory: a guest may change them at any time, so read once, then check the copy.
 */

/** Copies from `buffers`, starting `offset` bytes in, until `into` is full or they end. Returns the bytes copied. */
export function gather(buffers: readonly Uint8Array[], offset: number, into: Uint8Array): number {
  let skip = offset;
  let done = 0;
  for (const buffer of buffers) {
    if (done === into.length) break;
    if (skip >= buffer.length) {
      skip -= buffer.length;
      continue;
    }
    const part = buffer.subarray(skip, skip + into.length - done);
    into.set(part, done);
    done += part.length;
    skip = 0;
  }
  return done;
}

/** Copies `from` into `buffers`, starting `offset` bytes in, until it or they end. Returns the bytes copied. */
export function scatter(buffers: readonly Uint8Array[], offset: number, from: Uint8Array): number {
  let skip = offset;
  let done = 0;
  for (const buffer of buffers) {
    if (done === from.length) break;
    if (skip >= buffer.length) {
      skip -= buffer.length;
      continue;
    }
    const part = from.subarray(done, done + buffer.length - skip);
    buffer.set(part, skip);
    done += part.length;
    skip = 0;
  }
  return done;
}
