import { expect, test } from "vitest";
import { snapshotTable, tagOfNow } from "#control/snapshot/snapshot-table.ts";

const SAVED_MS = new Date(2026, 10, 25, 16, 47, 14, 300).getTime();

test("as QEMU 7.2 prints it", () => {
  const entries = [
    { tag: "vm-20261125164714", sizeBytes: 515 << 10, savedMs: SAVED_MS, clockNs: 953_900_000 },
    { tag: "abc", sizeBytes: 1.25 * 2 ** 30, savedMs: SAVED_MS, clockNs: 3_723_004e6 },
    { tag: "5", sizeBytes: 0, savedMs: SAVED_MS, clockNs: 0 },
  ];
  expect(snapshotTable(entries)).toBe(
    [
      "List of snapshots present on all disks:",
      "ID        TAG               VM SIZE                DATE     VM CLOCK     ICOUNT",
      "--        vm-20261125164714  515 KiB 2026-11-25 16:47:14 00:00:00.953           ",
      "--        abc              1.25 GiB 2026-11-25 16:47:14 01:02:03.004           ",
      "--        5                     0 B 2026-11-25 16:47:14 00:00:00.000           ",
      "",
    ].join("\n"),
  );
  expect(snapshotTable([])).toBe("There is no snapshot available.\n");
  expect(tagOfNow(SAVED_MS)).toBe("vm-20261125164714");
});
