/**
 * A writer of cpio archives in the "new ASCII" form (magic 070701), the one that Linux unpacks as an initramfs.
 * The same entries give the same bytes: times are 0, owners are root, inode numbers count up.
 *
 * Spec: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
 */

const FILE_TYPE = { directory: 0o040000, file: 0o100000, link: 0o120000, character: 0o020000 };
const TRAILER = "TRAILER!!!";
const MAX_FILE_BYTES = 0xffff_ffff;

/**
 * @typedef {{ kind: "directory", path: string, mode?: number }
 *   | { kind: "file", path: string, mode?: number, data: Uint8Array | string }
 *   | { kind: "link", path: string, target: string }
 *   | { kind: "character", path: string, mode?: number, major: number, minor: number }} CpioEntry
 */

/**
 * Makes an archive. `path`s are relative to the root, without a leading slash; a folder comes before what it holds.
 *
 * @param {readonly CpioEntry[]} entries
 * @returns {Buffer}
 */
export function writeCpio(entries) {
  const chunks = [];
  const seen = new Set();
  let inode = 1;
  for (const entry of entries) {
    checkPath(entry.path, seen);
    chunks.push(...record(entry, inode++));
  }
  chunks.push(...rawRecord(TRAILER, { inode: 0, mode: 0, links: 1, data: Buffer.alloc(0), major: 0, minor: 0 }));
  return Buffer.concat(chunks);
}

function checkPath(path, seen) {
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..") || path.includes("\0")) {
    throw new Error(`cpio: "${path}" is not a path relative to the root; write it as in "etc/motd"`);
  }
  if (seen.has(path)) throw new Error(`cpio: "${path}" is there twice; leave one out`);
  seen.add(path);
}

function record(entry, inode) {
  const none = Buffer.alloc(0);
  switch (entry.kind) {
    case "directory":
      return rawRecord(entry.path, header(inode, FILE_TYPE.directory | (entry.mode ?? 0o755), 2, none));
    case "file":
      return rawRecord(entry.path, header(inode, FILE_TYPE.file | (entry.mode ?? 0o644), 1, Buffer.from(entry.data)));
    case "link":
      return rawRecord(entry.path, header(inode, FILE_TYPE.link | 0o777, 1, Buffer.from(entry.target)));
    case "character":
      return rawRecord(entry.path, {
        ...header(inode, FILE_TYPE.character | (entry.mode ?? 0o600), 1, none),
        major: entry.major,
        minor: entry.minor,
      });
    default:
      throw new Error(`cpio: unknown kind of entry "${entry.kind}"`);
  }
}

function header(inode, mode, links, data) {
  return { inode, mode, links, data, major: 0, minor: 0 };
}

function rawRecord(path, { inode, mode, links, data, major, minor }) {
  if (data.length > MAX_FILE_BYTES) throw new Error(`cpio: "${path}" is too large for this format (4 GiB)`);
  const name = Buffer.from(`${path}\0`);
  const [uid, gid, time, deviceMajor, deviceMinor, check] = [0, 0, 0, 0, 0, 0];
  // biome-ignore format: the order of the fields in the archive
  const fields = [inode, mode, uid, gid, links, time, data.length, deviceMajor, deviceMinor, major, minor, name.length, check];
  const head = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
  return [head, name, padding(head.length + name.length), data, padding(data.length)];
}

function padding(length) {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
