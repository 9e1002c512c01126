/** Files that a machine boots from: ELF, Image, gzip, EFI zboot, device trees, and all of them in a boot plan. */
import * as fc from "fast-check";
import { gzipSync } from "fflate";
import { parseCommandLine } from "#app/cli/command-line.ts";
import { readElf } from "#machine/boot/elf.ts";
import { gunzip } from "#machine/boot/gunzip.ts";
import { ImageError } from "#machine/boot/image-error.ts";
import { loadKernelImage } from "#machine/boot/kernel-image.ts";
import { makeElf, makeImage, makeZboot } from "#machine/boot/testing/images.ts";
import { decodeDeviceTree, DeviceTreeError, encodeDeviceTree } from "#machine/device-tree.ts";
import { makeBootPlan } from "#machine/machine-boot.ts";
import { BootError } from "#machine/virt/boot-plan.ts";
import { patchChosen, patchMemory } from "#machine/virt/chosen.ts";
import { VIRT_MEMORY_MAP } from "#machine/virt/memory-map.ts";
import type { MachineConfig } from "#machine/config.ts";
import { damaged, damagedOrRandom } from "./mutation.ts";
import { must, target } from "./target.ts";

const UNPACKED_LIMIT_BYTES = 1 << 20;
const KERNEL_AT = 0x8020_0000n;

const ELF = makeElf(0xffff_ffff_8000_0002n, [
  { type: 4, virtual: 0n, physical: 0n, data: [9, 9], memory: 2n },
  {
    virtual: 0xffff_ffff_8000_0000n,
    physical: KERNEL_AT,
    data: Array.from({ length: 200 }, (_, i) => i),
    memory: 4096n,
  },
  { virtual: 0xffff_ffff_8000_1000n, physical: KERNEL_AT + 0x1000n, data: [5], memory: 4096n },
]);
const IMAGE = makeImage({ pe: true });
const GZIP = gzipSync(IMAGE, { filename: "Image" });
const CONTENT = Uint8Array.from({ length: 20_000 }, (_, index) => (index * index) >> 7);
const GZIPS = ([0, 1, 9] as const).map((level) => gzipSync(CONTENT, { level }));
const KERNELS = [ELF, IMAGE, makeImage(), GZIP, makeZboot(GZIP), gzipSync(ELF), gzipSync(makeZboot(GZIP))];

const machine = (...args: readonly string[]): MachineConfig => {
  const command = parseCommandLine(["-M", "virt", "-nographic", ...args]);
  if (command.kind === "print") throw new Error("the arguments make no machine");
  return command.machine;
};
const MACHINES = [
  machine("-m", "16M", "-kernel", "k", "-append", "x=1"),
  machine("-m", "128M", "-kernel", "k", "-bios", "b"),
  machine("-m", "4M", "-bios", "b"),
  machine("-m", "3G", "-kernel", "k", "-smp", "8"),
];
const random = { fill: (into: Uint8Array): void => void into.fill(7) };
const DTB = makeBootPlan(machine("-smp", "2"), {}, random).fdtBlob;

const elf = target({
  name: "elf",
  input: damagedOrRandom(ELF),
  errors: [ImageError],
  shortRuns: 2000,
  run(bytes) {
    for (const { data, memorySizeBytes } of readElf(bytes, "file").segments) {
      must(memorySizeBytes >= data.length && memorySizeBytes > 0, "a segment has room for its data");
    }
  },
});

const kernel = target({
  name: "kernel",
  input: damagedOrRandom(...KERNELS),
  errors: [ImageError],
  shortRuns: 1500,
  limitBytes: 16 << 20,
  run(bytes) {
    const image = loadKernelImage(bytes, "file", UNPACKED_LIMIT_BYTES);
    if (image.kind === "image") must(image.imageSizeBytes >= image.data.length, "an Image has room for its file");
  },
});

const gzip = target({
  name: "gzip",
  input: damagedOrRandom(...GZIPS),
  errors: [ImageError],
  shortRuns: 1000,
  limitBytes: 16 << 20,
  run(bytes) {
    must(gunzip(bytes, "file", UNPACKED_LIMIT_BYTES).length <= UNPACKED_LIMIT_BYTES, "the limit holds");
  },
});

const dtb = target({
  name: "dtb",
  input: damagedOrRandom(DTB),
  errors: [DeviceTreeError],
  shortRuns: 1000,
  run(bytes) {
    const tree = decodeDeviceTree(bytes);
    patchChosen(tree, { kernelCommandLine: "a", initrd: { start: 0n, end: 1n << 33n }, rngSeed: Uint8Array.of(1) });
    patchMemory(tree, 2 ** 33);
    const blob = encodeDeviceTree(tree);
    // What we have made ourselves we can read, and it says the same.
    must(Buffer.compare(encodeDeviceTree(decodeDeviceTree(blob)), blob) === 0, "a tree survives being written");
  },
});

const optional = <T>(input: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(input, { nil: undefined });

const boot = target({
  name: "boot",
  input: fc.record({
    config: fc.constantFrom(...MACHINES),
    firmware: optional(fc.oneof(damaged(ELF), fc.uint8Array({ maxLength: 64 }))),
    kernel: optional(damaged(...KERNELS)),
    initrd: optional(fc.uint8Array({ maxLength: 64 })),
    dtb: optional(damaged(DTB)),
  }),
  errors: [ImageError, BootError, DeviceTreeError],
  shortRuns: 700,
  run({ config, ...files }) {
    const { writes, fdtAddress, fdtBlob } = makeBootPlan(config, files, random);
    const start = BigInt(VIRT_MEMORY_MAP.dram.base);
    const end = start + BigInt(config.memoryBytes);
    let total = 0;
    for (const { address, data, zeroBytes } of writes) {
      must(zeroBytes >= 0 && address >= start, "writes start in RAM");
      must(address + BigInt(data.length + zeroBytes) <= end, "writes end in RAM");
      total += data.length + zeroBytes;
    }
    must(total <= config.memoryBytes, "nothing is written twice");
    must(fdtAddress >= start && fdtAddress + BigInt(fdtBlob.length) <= end, "the device tree lies in RAM");
    decodeDeviceTree(fdtBlob);
  },
});

export const BOOT_FILE_TARGETS = [elf, kernel, gzip, dtb, boot];
