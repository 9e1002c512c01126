/** `info snapshots` in QEMU's columns, and the names and dates in it. */
import type { SnapshotEntry } from "#control/snapshot/snapshots.ts";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

export function snapshotTable(entries: readonly SnapshotEntry[]): string {
  if (entries.length === 0) return "There is no snapshot available.\n";
  const rows = entries.map(({ tag, sizeBytes, savedMs, clockNs }) =>
    row("--", tag, sizeText(sizeBytes), dateText(savedMs), clockText(clockNs), ""),
  );
  const header = row("ID", "TAG", "VM SIZE", "DATE", "VM CLOCK", "ICOUNT");
  return ["List of snapshots present on all disks:\n", header, ...rows].join("");
}

function row(id: string, tag: string, size: string, date: string, clock: string, icount: string): string {
  const left = `${id.padEnd(9)} ${tag.padEnd(16)} ${size.padStart(8)}`;
  return `${left}${date.padStart(20)}${clock.padStart(13)}${icount.padStart(11)}\n`;
}

/** Three digits and a unit, as QEMU writes sizes: "515 KiB", "1.25 GiB". */
function sizeText(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Number(value.toPrecision(3))} ${UNITS[unit]}`;
}

const digits = (value: number, count: number): string => String(value).padStart(count, "0");

/** Local time: "2026-11-25 16:47:14". */
function dateText(savedMs: number): string {
  const { date, time } = localParts(savedMs);
  return `${date.join("-")} ${time.join(":")}`;
}

function localParts(ms: number): { readonly date: readonly string[]; readonly time: readonly string[] } {
  const at = new Date(ms);
  return {
    date: [digits(at.getFullYear(), 4), digits(at.getMonth() + 1, 2), digits(at.getDate(), 2)],
    time: [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => digits(part, 2)),
  };
}

/** Machine time: "00:00:00.953". */
function clockText(clockNs: number): string {
  const ms = Math.floor(clockNs / 1e6);
  const parts = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, Math.floor(ms / 1000) % 60];
  return `${parts.map((part) => digits(part, 2)).join(":")}.${digits(ms % 1000, 3)}`;
}

/** What a snapshot is called that was given no tag: "vm-20261125164714". */
export function tagOfNow(nowMs: number): string {
  const { date, time } = localParts(nowMs);
  return `vm-${[...date, ...time].join("")}`;
}
