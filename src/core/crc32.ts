/** The CRC-32 of IEEE 802.3, as zlib and PNG compute it. */

const POLYNOMIAL = 0xedb8_8320;
/** `TABLES[k][b]`: what byte `b` does to the sum when `k` more bytes follow. */
const TABLES: readonly Uint32Array[] = makeTables();

function makeTables(): readonly Uint32Array[] {
  const first = new Uint32Array(256).map((_, byte) => {
    let sum = byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? POLYNOMIAL : 0);
    return sum;
  });
  const tables = [first];
  for (let k = 1; k < 4; k++) {
    const before = tables[k - 1] as Uint32Array;
    tables.push(before.map((sum) => (sum >>> 8) ^ (first[sum & 0xff] as number)));
  }
  return tables;
}

/** The sum of `bytes`, or of what gave `before` and `bytes` behind it. */
export function crc32(bytes: Uint8Array, before = 0): number {
  const [t0, t1, t2, t3] = TABLES as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
  let sum = ~before;
  let at = 0;
  for (const end = bytes.length - 3; at < end; at += 4) {
    const a = (sum ^ (bytes[at] as number)) & 0xff;
    const b = ((sum >>> 8) ^ (bytes[at + 1] as number)) & 0xff;
    const c = ((sum >>> 16) ^ (bytes[at + 2] as number)) & 0xff;
    const d = (sum >>> 24) ^ (bytes[at + 3] as number);
    sum = (t3[a] as number) ^ (t2[b] as number) ^ (t1[c] as number) ^ (t0[d] as number);
  }
  for (; at < bytes.length; at++) sum = (sum >>> 8) ^ (t0[(sum ^ (bytes[at] as number)) & 0xff] as number);
  return ~sum >>> 0;
}
