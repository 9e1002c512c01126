import type { ProgramSuite } from "../suites.ts";

export const IO: ProgramSuite = {
  kind: "programs",
  name: "io",
  title: "A virtio disk past the page cache, and the serial port",
  smp: 1,
  guest: { kind: "disk", diskMiB: 64 },
  rows: [
    { name: "disk_read", program: "disk.c", work: 512, args: ["1"] },
    { name: "disk_write", program: "disk.c", work: 256, args: ["2"] },
    { name: "disk_read_4k", program: "disk.c", work: 100, args: ["3"] },
    { name: "disk_write_4k", program: "disk.c", work: 100, args: ["4"] },
    { name: "console", program: "console.c", work: 200, console: true },
  ],
};
