import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { snapshotFiles } from "#platform/node/snapshot-files.ts";

const folder = mkdtempSync(join(tmpdir(), "tinamou-snapshots-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let directories = 0;
function directory(): string {
  const path = join(folder, String(directories++));
  mkdirSync(path);
  return path;
}
/** Larger than any process id. */
const GONE_PID = 99_999_999;

test("a file has its name only when all of it is written", async () => {
  const path = directory();
  const store = snapshotFiles(path);
  const writer = await store.create({ tag: "a/../b c" });
  await writer.write(Uint8Array.of(1, 2, 3));
  expect(store.has({ tag: "a/../b c" })).toBe(false);
  expect([...store.files()]).toEqual([]);
  await writer.commit();
  expect(readdirSync(path)).toEqual(["a%2F..%2Fb%20c.snapshot"]);
  const file = store.open({ tag: "a/../b c" });
  const bytes = new Uint8Array(2);
  file.read(1, bytes);
  expect([...bytes]).toEqual([2, 3]);
  expect(() => file.read(2, bytes)).toThrow("the file ends at byte 3");
  file.close();
  expect([store.remove({ tag: "a/../b c" }), store.remove({ tag: "a/../b c" })]).toEqual([true, false]);
});

test("what is given up goes, and so does what a process that is gone has left", async () => {
  const path = directory();
  const store = snapshotFiles(path);
  const other = `.b.snapshot.${GONE_PID}.part`;
  writeFileSync(join(path, `.a.snapshot.${GONE_PID}.part`), "");
  writeFileSync(join(path, `.a.snapshot.${process.ppid}.part`), "");
  writeFileSync(join(path, other), "");
  const writer = await store.create({ tag: "a" });
  await writer.write(Uint8Array.of(1));
  await writer.abort();
  expect(readdirSync(path).toSorted()).toEqual([`.a.snapshot.${process.ppid}.part`, other].toSorted());
});

test("errors are sentences about the file", async () => {
  const path = directory();
  const store = snapshotFiles(join(path, "none"));
  expect(() => [...store.files()]).toThrow(/none': no such file or directory/);
  await expect(store.create({ tag: "a" })).rejects.toThrow(/none': no such file or directory/);
  await expect(store.create({ tag: "" })).rejects.toThrow("a snapshot needs a name");
  await expect(store.create({ tag: "x".repeat(300) })).rejects.toThrow("too long");
  await expect(store.create({ tag: "\ud800" })).rejects.toThrow("no text");
  expect(() => store.open({ path })).toThrow("is not a regular file");
  expect(() => store.open({ path: join(path, "x") })).toThrow("no such file");
  await expect(snapshotFiles(undefined).create({ tag: "a" })).rejects.toThrow("no directory");
  expect(existsSync(join(path, "none"))).toBe(false);
});
