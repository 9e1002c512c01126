import { expect, test } from "vitest";
import { writeCpio } from "./cpio.mjs";

/** Reads an archive back by the format's description: fixed fields of 8 hexadecimal digits, everything padded to 4. */
function readCpio(archive: Buffer) {
  const entries = [];
  for (let at = 0; ; ) {
    const field = (index: number) =>
      Number.parseInt(archive.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    expect(archive.toString("latin1", at, at + 6)).toBe("070701");
    const [mode, links, time, size, nameBytes] = [1, 4, 5, 6, 11].map(field);
    const path = archive.toString("utf8", at + 110, at + 110 + (nameBytes as number) - 1);
    const dataStart = (at + 110 + (nameBytes as number) + 3) & ~3;
    if (path === "TRAILER!!!") {
      expect((dataStart + 3) & ~3).toBe(archive.length);
      return entries;
    }
    const data = archive.toString("utf8", dataStart, dataStart + (size as number));
    entries.push({ path, mode, links, time, data, device: [field(9), field(10)] });
    at = (dataStart + (size as number) + 3) & ~3;
  }
}

test("writes folders, files, links and devices in order, with no times", () => {
  const archive = writeCpio([
    { kind: "directory", path: "etc" },
    { kind: "file", path: "etc/motd", data: "hello\n" },
    { kind: "file", path: "run", mode: 0o755, data: Uint8Array.of(0x41) },
    { kind: "link", path: "sh", target: "bin/busybox" },
    { kind: "character", path: "console", major: 5, minor: 1 },
  ]);
  const common = { time: 0, links: 1, device: [0, 0] };
  expect(readCpio(archive)).toEqual([
    { ...common, path: "etc", mode: 0o040755, links: 2, data: "" },
    { ...common, path: "etc/motd", mode: 0o100644, data: "hello\n" },
    { ...common, path: "run", mode: 0o100755, data: "A" },
    { ...common, path: "sh", mode: 0o120777, data: "bin/busybox" },
    { ...common, path: "console", mode: 0o020600, data: "", device: [5, 1] },
  ]);
});

test("pads names and data of every length", () => {
  for (let length = 0; length < 9; length++) {
    const path = "x".repeat(length + 1);
    const archive = writeCpio([{ kind: "file", path, data: "y".repeat(length) }]);
    expect(archive.length % 4).toBe(0);
    expect(readCpio(archive)).toMatchObject([{ path, data: "y".repeat(length) }]);
  }
});

test("refuses paths that are not below the root, and the same path twice", () => {
  for (const path of ["/etc", "etc/", "../x", "a/./b", ""]) {
    expect(() => writeCpio([{ kind: "directory", path }])).toThrow("relative to the root");
  }
  const folder = { kind: "directory", path: "a" } as const;
  expect(() => writeCpio([folder, folder])).toThrow("twice");
});
