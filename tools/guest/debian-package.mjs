/** Takes single files out of .deb files, without installing anything. Uses dpkg-deb and tar, which every Debian has. */
import { spawn } from "node:child_process";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { GuestError } from "./guest-error.mjs";

/**
 * Unpacks the members that match one of `patterns` (tar's wildcards, as in "./usr/bin/busybox") below `folder`.
 * A pattern that matches nothing is no error: the caller looks for what it needs.
 *
 * @param {string} debFile
 * @param {string} folder
 * @param {readonly string[]} patterns
 */
export async function extract(debFile, folder, patterns) {
  await mkdir(folder, { recursive: true });
  const reader = spawn("dpkg-deb", ["--fsys-tarfile", debFile], { stdio: ["ignore", "pipe", "pipe"] });
  const tarArgs = ["-x", "-C", folder, "--no-same-owner", "--no-same-permissions", "--wildcards", ...patterns];
  const writer = spawn("tar", tarArgs, { stdio: ["pipe", "ignore", "pipe"], env: { ...process.env, LC_ALL: "C" } });
  reader.stdout.pipe(writer.stdin);
  // tar may stop reading early; its exit code tells the rest.
  writer.stdin.on("error", () => {});
  const [read, written] = await Promise.all([ended("dpkg-deb", reader), ended("tar", writer)]);
  const realErrors = written.stderr.split("\n").filter((line) => !/Not found in archive|previous errors|^$/.test(line));
  if (read.code !== 0 || realErrors.length > 0) {
    const reason = [read.stderr.trim(), ...realErrors]
      .filter((text) => text !== "")
      .slice(0, 2)
      .join(" / ");
    throw new GuestError(
      "unpack",
      `${debFile} could not be unpacked: ${reason || "dpkg-deb failed"}; is the disk full?`,
    );
  }
}

/**
 * All files (not folders or links) below `folder`, as paths relative to it, sorted.
 * @param {string} folder
 */
export async function listFiles(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1))
    .sort();
}

function ended(program, child) {
  return new Promise((resolve, reject) => {
    let stderr = "";
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text) => {
      stderr += text;
    });
    child.on("error", (cause) => {
      const message = `${program} could not be started, and it unpacks the guest's packages; run: apt-get install dpkg tar`;
      reject(new GuestError("no-dpkg", message, { cause }));
    });
    child.on("close", (code) => resolve({ code: code ?? -1, stderr }));
  });
}
