/** Sections that have come one behind the other are loaded at once, as far as they are whole. */
import { expect, test } from "vitest";
import { Board } from "../../../tools/fuzz/board.ts";
import { saveSections } from "#control/migration/machine-functions.ts";
import { loadSections, type NumberedHead } from "#control/migration/section-load.ts";
import { writeSections } from "#control/migration/stream-save.ts";
import { StreamWriter } from "#control/migration/stream-writer.ts";

const board = new Board();
const { migration: port } = board;
const saved = saveSections(port, false);
const last = saved.length - 1;
/** Of a section's head that is written: mark, number, name with its length, instance, version. */
const headBytes = (name: string): number => 1 + 4 + 1 + name.length + 4 + 4;
const FOOTER_BYTES = 5;

/** What is written of them, without the first head. */
async function written(): Promise<{ readonly head: NumberedHead; readonly bytes: Uint8Array }> {
  const chunks: Uint8Array[] = [];
  const out = new StreamWriter({ write: async (bytes) => void chunks.push(bytes.slice()) });
  await writeSections(out, saved);
  await out.drain();
  const [first] = saved;
  if (!first) throw new Error("the board has no section");
  const { name, instanceId, version } = first;
  const bytes = new Uint8Array(Buffer.concat(chunks)).subarray(headBytes(name));
  return { head: { id: 2, name, instanceId, version }, bytes };
}
const stream = await written();
/** The end of a section's body, counted as `loadSections` does. */
const endOf = (index: number): number =>
  saved
    .slice(0, index + 1)
    .reduce((at, { name, body }, i) => at + body.length + (i === 0 ? 0 : FOOTER_BYTES + headBytes(name)), 0);

test("all of them at once", () => {
  const loaded = loadSections(port, stream.head, stream.bytes);
  expect(loaded).toEqual({ lengthBytes: stream.bytes.length - FOOTER_BYTES, id: 2 + last });
  expect(loaded?.lengthBytes).toBe(endOf(last));
});

test("as far as they have come, wherever the stream ends", () => {
  for (let length = 0; length < stream.bytes.length; length += 7) {
    const loaded = loadSections(port, stream.head, stream.bytes.subarray(0, length));
    const whole = saved.filter((_, index) => endOf(index) <= length).length;
    const expected = whole === 0 ? undefined : { lengthBytes: endOf(whole - 1), id: 1 + whole };
    expect(loaded, `${length} bytes`).toEqual(expected);
  }
});

test("not past what is no section, or has another's footer", () => {
  const first = { lengthBytes: endOf(0), id: 2 };
  for (const at of [0, 4, FOOTER_BYTES]) {
    const bytes = stream.bytes.slice();
    bytes[endOf(0) + at] = 0x55;
    expect(loadSections(port, stream.head, bytes)).toEqual(first);
  }
});

test("one that is not known stops everything", () => {
  const bytes = stream.bytes.slice();
  // The first letter of the second one's name.
  bytes[endOf(0) + FOOTER_BYTES + 6] = 0x21;
  expect(() => loadSections(port, stream.head, bytes)).toThrow(/unknown section '!/);
});
