import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fetchGuest, GUEST_MODULES } from "./fetch-guest.mjs";
import { makeInitramfs } from "./initramfs.mjs";

const FILES = { vmlinuz: "kernel", "fw_dynamic.bin": "firmware", busybox: "\x7fELF", "virtio_blk.ko.xz": "module" };
let cacheDir: string;

beforeEach(() => {
  cacheDir = mkdtempSync(join(tmpdir(), "tinamou-guest-"));
  // Without apt nothing can be downloaded: what follows comes from the cache or fails.
  vi.stubEnv("PATH", cacheDir);
  vi.stubEnv("TINAMOU_MIRROR", "");
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cacheDir, { recursive: true });
});

/** Lays a cached guest; `modules` says whether it was fetched with them. */
function layCache(modules: string[]): void {
  mkdirSync(join(cacheDir, "guest-1"));
  for (const [name, content] of Object.entries(FILES)) writeFileSync(join(cacheDir, "guest-1", name), content);
  const sha256 = Object.fromEntries(
    Object.entries(FILES).map(([name, content]) => [name, createHash("sha256").update(content).digest("hex")]),
  );
  const names = { kernel: "vmlinuz", firmware: "fw_dynamic.bin", busybox: "busybox" };
  const manifest = {
    format: 1,
    suite: "sid",
    version: "7.2",
    folder: "guest-1",
    ...names,
    modules,
    wantedModules: modules.length > 0 ? GUEST_MODULES : [],
    sha256,
  };
  writeFileSync(join(cacheDir, "manifest.json"), JSON.stringify(manifest));
}

test("a cached guest needs no apt, and its initramfs is made from the init script of now", async () => {
  layCache([]);
  const guest = await fetchGuest({ cacheDir, extraFiles: [{ path: "/root/a/b", mode: 0o755, data: "hello" }] });
  expect(guest).toMatchObject({
    kernel: join(cacheDir, "guest-1/vmlinuz"),
    firmware: join(cacheDir, "guest-1/fw_dynamic.bin"),
    modules: [],
    version: "7.2",
    suite: "sid",
  });
  const initrd = readFileSync(guest.initrd);
  expect(initrd.includes(readFileSync(new URL("./init", import.meta.url)))).toBe(true);
  expect(initrd.includes("root/a/b\0")).toBe(true);
  const again = await fetchGuest({ cacheDir });
  expect(again.initrd).not.toBe(guest.initrd);
});

test("modules are taken only when asked for", async () => {
  layCache(["virtio_blk.ko.xz"]);
  expect((await fetchGuest({ cacheDir })).modules).toEqual([]);
  const guest = await fetchGuest({ cacheDir, withModules: true });
  expect(guest.modules).toEqual([{ name: "virtio_blk", path: join(cacheDir, "guest-1/virtio_blk.ko.xz") }]);
  expect(readFileSync(guest.initrd).includes("lib/modules/tinamou/00-virtio_blk.ko.xz\0")).toBe(true);
});

test("a changed file, a missing manifest or missing modules are fetched again, or the user is told what to do", async () => {
  const log = { step() {}, update() {}, done() {}, note() {}, fail() {} };
  const expected = { code: expect.stringMatching(/^no-(apt|keyring)$/) };
  await expect(fetchGuest({ cacheDir, log })).rejects.toMatchObject(expected);
  layCache([]);
  await expect(fetchGuest({ cacheDir, log, withModules: true })).rejects.toMatchObject(expected);
  const manifest = join(cacheDir, "manifest.json");
  const older = { ...JSON.parse(readFileSync(manifest, "utf8")), wantedModules: GUEST_MODULES.slice(1) };
  writeFileSync(manifest, JSON.stringify(older));
  await expect(fetchGuest({ cacheDir, log, withModules: true })).rejects.toMatchObject(expected);
  writeFileSync(join(cacheDir, "guest-1/vmlinuz"), "other");
  await expect(fetchGuest({ cacheDir, log })).rejects.toMatchObject(expected);
});

test("a cache that cannot be used says so", async () => {
  writeFileSync(join(cacheDir, "file"), "");
  await expect(fetchGuest({ cacheDir: join(cacheDir, "file") })).rejects.toMatchObject({ code: "cache" });
});

test("the initramfs is reproducible, and gzip only wraps it", () => {
  const input = { busybox: Uint8Array.of(1, 2, 3) };
  const plain = makeInitramfs(input);
  expect(makeInitramfs(input).equals(plain)).toBe(true);
  const packed = makeInitramfs({ ...input, gzip: true });
  expect(packed.equals(makeInitramfs({ ...input, gzip: true }))).toBe(true);
  expect(gunzipSync(packed).equals(plain)).toBe(true);
});
