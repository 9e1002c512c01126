/**
 * Makes the guest's initramfs: a static busybox, our `init`, the few folders and device nodes that it needs before it
 * has mounted anything, and what the caller adds.
 */
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { writeCpio } from "./cpio.mjs";

const INIT = new URL("./init", import.meta.url);
const FOLDERS = [
  "bin",
  "dev",
  "etc",
  "lib",
  "lib/modules",
  "mnt",
  "proc",
  "root",
  "run",
  "sbin",
  "sys",
  "tmp",
  "usr",
  "usr/bin",
  "usr/sbin",
];

/**
 * @typedef {{ path: string, mode?: number, data: Uint8Array | string } | { path: string, target: string }} ExtraFile
 *   a file or a symbolic link; `path` as in "root/hello", mode 0644
 */

/**
 * Returns the archive: the same input gives the same bytes.
 *
 * @param {{ busybox: Uint8Array, modules?: readonly { name: string, data: Uint8Array }[],
 *   extraFiles?: readonly ExtraFile[], gzip?: boolean }} options `modules` are loaded by `init` in the order given here
 * @returns {Buffer}
 */
export function makeInitramfs({ busybox, modules = [], extraFiles = [], gzip = false }) {
  const entries = [
    ...FOLDERS.map((path) => ({ kind: "directory", path })),
    // The kernel opens the console for the first process before that process can mount /dev.
    { kind: "character", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { kind: "character", path: "dev/null", mode: 0o666, major: 1, minor: 3 },
    { kind: "file", path: "bin/busybox", mode: 0o755, data: busybox },
    { kind: "link", path: "bin/sh", target: "busybox" },
    { kind: "file", path: "init", mode: 0o755, data: readFileSync(INIT) },
    { kind: "file", path: "etc/passwd", data: "root::0:0:root:/root:/bin/sh\n" },
    { kind: "file", path: "etc/group", data: "root:x:0:\ntty:x:5:\n" },
  ];
  const folders = new Set(FOLDERS);
  const add = (entry) => {
    for (const folder of parents(entry.path)) {
      if (!folders.has(folder)) entries.push({ kind: "directory", path: folder });
      folders.add(folder);
    }
    entries.push(entry);
  };
  modules.forEach((module, index) => {
    const order = String(index).padStart(2, "0");
    add({ kind: "file", path: `lib/modules/tinamou/${order}-${module.name}`, data: module.data });
  });
  for (const file of extraFiles) {
    const path = file.path.replace(/^\/+/, "");
    if ("target" in file) add({ kind: "link", path, target: file.target });
    else add({ kind: "file", path, mode: file.mode ?? 0o644, data: file.data });
  }
  const archive = writeCpio(entries);
  return gzip ? gzipSync(archive, { level: 9 }) : archive;
}

function parents(path) {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}
