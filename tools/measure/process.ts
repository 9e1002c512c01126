/** What Linux says about a process and its children. Spec: proc(5). */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";

export const PAGE_BYTES = 4096;
/** `getconf CLK_TCK`, which is 100 on every Linux that runs Node. */
const TICKS_PER_SECOND = 100;
const PAGEMAP_ENTRY_BYTES = 8;
/** The highest byte of a pagemap entry: bit 63 says that the page is present. */
const PRESENT = 0x80;

export type Mapping = { readonly start: number; readonly lengthBytes: number; readonly writable: boolean };

/** `pid` and everything that it started. */
export function processTree(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8")
      .split(" ")
      .filter((text) => text !== ""),
  );
  return [pid, ...children.flatMap((child) => processTree(Number(child)))];
}

/** Resident bytes of a process. */
export function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}

export function mappings(pid: number): Mapping[] {
  return readFileSync(`/proc/${pid}/maps`, "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, start = "", end = "", access = ""] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line) ?? [];
      if (start === "") return [];
      const from = Number.parseInt(start, 16);
      return [{ start: from, lengthBytes: Number.parseInt(end, 16) - from, writable: access.startsWith("rw") }];
    });
}

/** How many bytes of `[start, start + lengthBytes)` are resident. Both are multiples of a page. */
export function residentIn(pid: number, start: number, lengthBytes: number): number {
  const file = openSync(`/proc/${pid}/pagemap`, "r");
  try {
    const entries = Buffer.alloc((lengthBytes / PAGE_BYTES) * PAGEMAP_ENTRY_BYTES);
    const at = (start / PAGE_BYTES) * PAGEMAP_ENTRY_BYTES;
    const got = readSync(file, entries, 0, entries.length, at);
    if (got !== entries.length) throw new Error(`/proc/${pid}/pagemap gave ${got} of ${entries.length} bytes`);
    let pages = 0;
    for (let i = PAGEMAP_ENTRY_BYTES - 1; i < entries.length; i += PAGEMAP_ENTRY_BYTES) {
      if (((entries[i] as number) & PRESENT) !== 0) pages++;
    }
    return pages * PAGE_BYTES;
  } finally {
    closeSync(file);
  }
}

/** Seconds of CPU time, in the process and in the kernel, of each of its threads by thread id. */
export function threadSeconds(pid: number): ReadonlyMap<string, number> {
  return new Map(
    readdirSync(`/proc/${pid}/task`).map((thread) => {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
      // The name, in parentheses, may hold spaces; utime and stime are the 14th and 15th field.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return [thread, (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND];
    }),
  );
}
