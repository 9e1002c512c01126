/**
 * The programs that tests and benchmarks compare with or compile by, and the Debian packages that hold them.
 * A test that finds its peer missing is skipped, and says so.
 */

/**
 * @typedef {object} Peer
 * @property {string} name what it is called in reports
 * @property {readonly string[]} programs all of these in PATH, or
 * @property {readonly string[]} files one of these under /, mean that it is there
 * @property {readonly (readonly string[])[]} packages sets of packages to try, the first that exists is taken
 */

/** @type {readonly Peer[]} */
export const PEERS = [
  {
    name: "C cross compiler for riscv64",
    programs: ["riscv64-linux-gnu-gcc", "riscv64-linux-gnu-as", "riscv64-linux-gnu-ld", "riscv64-linux-gnu-objcopy"],
    files: [],
    packages: [["gcc-riscv64-linux-gnu", "libc6-dev-riscv64-cross"]],
  },
  {
    name: "C library for riscv64",
    programs: [],
    files: ["usr/riscv64-linux-gnu/lib/libc.a"],
    packages: [["libc6-dev-riscv64-cross"]],
  },
  {
    name: "C cross compiler for i386",
    programs: ["i686-linux-gnu-gcc"],
    files: ["usr/i686-linux-gnu/lib/libc.a"],
    packages: [["gcc-i686-linux-gnu", "libc6-dev-i386-cross"]],
  },
  { name: "QEMU user mode", programs: ["qemu-riscv64"], files: [], packages: [["qemu-user"]] },
  {
    name: "QEMU system mode",
    programs: ["qemu-system-riscv64"],
    files: [],
    packages: [["qemu-system-riscv"], ["qemu-system-misc"]],
  },
  { name: "mmdebstrap, which gets QEMU 11.1", programs: ["mmdebstrap"], files: [], packages: [["mmdebstrap"]] },
  { name: "device tree compiler", programs: ["dtc"], files: [], packages: [["device-tree-compiler"]] },
  {
    name: "OpenSBI",
    programs: [],
    files: [
      "usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin",
      "usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin",
    ],
    packages: [["opensbi"]],
  },
];
