/** Getting QEMU 11.1, as far as it can be tried without the network. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createProgress } from "../support/progress.mjs";
import { installQemu11, qemu11Folder } from "./install-qemu11.mjs";

let cache: string;
beforeEach(() => {
  cache = mkdtempSync(path.join(tmpdir(), "qemu11-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true });
});
const log = createProgress({ write: () => true });

test("without mmdebstrap there is a sentence that says what to install, and nothing is left behind", async () => {
  expect(await installQemu11({ cache, searchPath: cache, log })).toEqual({
    missing: expect.stringMatching(/run: apt-get install mmdebstrap$/),
  });
  expect(readdirSync(path.join(cache, "peers"))).toEqual([]);
});

test("what mmdebstrap says is passed on", async () => {
  const program = path.join(cache, "mmdebstrap");
  writeFileSync(program, '#!/bin/sh\n[ "$1" = --version ] || { echo "E: no such suite" >&2; exit 1; }\n', {
    mode: 0o755,
  });
  vi.stubEnv("TINAMOU_MIRROR", "http://127.0.0.1:1/debian");
  const searchPath = `${cache}:/usr/bin:/bin`;
  expect(await installQemu11({ cache, searchPath, log })).toEqual({
    missing: expect.stringMatching(/E: no such suite|install debian-archive-keyring/),
  });
});

test("what is there is taken", async () => {
  const root = qemu11Folder(cache);
  mkdirSync(path.join(root, "usr/bin"), { recursive: true });
  writeFileSync(path.join(root, "usr/bin/qemu-system-riscv64"), "");
  expect(await installQemu11({ cache, searchPath: cache, log })).toEqual({ root });
});
