import type { Program, ProgramSuite } from "../suites.ts";

/** A file of KIB KiB for busybox to work on. */
const text = (kib: number): Program => ({ program: "make_text.c", work: kib });

export const OS: ProgramSuite = {
  kind: "programs",
  name: "os",
  title: "The kernel and busybox",
  smp: 1,
  rows: [
    { name: "spawn", program: "spawn.c", work: 200 },
    { name: "pipe", program: "pipe_ping.c", work: 10 },
    { name: "getppid", program: "getppid.c", work: 1500 },
    { name: "page_faults", program: "page_faults.c", work: 24 },
    { name: "map_unmap", program: "map_unmap.c", work: 12 },
    { name: "context_switch", program: "futex_ping.c", work: 12, args: ["1"] },
    { name: "signals", program: "signals.c", work: 10 },
    { name: "gzip", program: "gzip.sh", work: 1, prepare: text(4000) },
    { name: "sha256sum", program: "sha256sum.sh", work: 1, prepare: text(40_000) },
    { name: "sort", program: "sort.sh", work: 1, prepare: text(1000) },
    { name: "awk", program: "awk.sh", work: 1, prepare: text(2000) },
  ],
};
