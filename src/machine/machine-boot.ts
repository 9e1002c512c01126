/** What a machine boots from: its files and configuration become the plan of what lies where in its memory. */
import type { Random } from "#core/host.ts";
import { isaExtensions, isaString } from "#cpu/isa/riscv/extensions.ts";
import { isElf } from "#machine/boot/elf.ts";
import { loadKernelImage } from "#machine/boot/kernel-image.ts";
import type { MachineConfig } from "#machine/config.ts";
import { decodeDeviceTree, encodeDeviceTree } from "#machine/device-tree.ts";
import { type BootImage, type BootPlan, planBoot } from "#machine/virt/boot-plan.ts";
import { patchChosen, patchMemory } from "#machine/virt/chosen.ts";
import { virtDeviceTree } from "#machine/virt/virt-device-tree.ts";
import { cpuExtensions } from "#machine/virt/virt-layout.ts";

/** The contents of the files that a machine boots from. */
export type BootFiles = {
  readonly firmware?: Uint8Array | undefined;
  readonly kernel?: Uint8Array | undefined;
  readonly initrd?: Uint8Array | undefined;
  readonly dtb?: Uint8Array | undefined;
};

const SEED_BYTES = 32;

/** The boot plan of a configuration; its `fdtBlob` is what `dumpdtb` writes. Throws `BootError`, `ImageError`. */
export function makeBootPlan(config: MachineConfig, files: BootFiles, random: Random): BootPlan {
  const extensions = cpuExtensions(config.cpu);
  const kernelCommandLine = config.boot.append;
  const hasFlash = (index: number): boolean =>
    config.drives.some((d) => d.interface === "pflash" && (d.index ?? 0) === index);
  const rngSeed = new Uint8Array(SEED_BYTES);
  // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- not an array: the port's own fill
  random.fill(rngSeed);
  return planBoot({
    memoryBytes: config.memoryBytes,
    firmware: files.firmware && firmwareImage(files.firmware, config.boot.bios),
    kernel: files.kernel && loadKernelImage(files.kernel, config.boot.kernel ?? "kernel"),
    initrd: files.initrd,
    flash0: hasFlash(0),
    flash1: hasFlash(1),
    deviceTree(initrd) {
      const chosen = {
        ...(kernelCommandLine === undefined ? {} : { kernelCommandLine }),
        ...(initrd ? { initrd } : {}),
        rngSeed,
      };
      if (files.dtb) {
        const tree = decodeDeviceTree(files.dtb);
        patchChosen(tree, chosen);
        patchMemory(tree, config.memoryBytes);
        return encodeDeviceTree(tree);
      }
      return encodeDeviceTree(
        virtDeviceTree({
          smp: config.smp.cpus,
          memoryBytes: config.memoryBytes,
          isa: {
            isaString: isaString(extensions),
            extensions: isaExtensions(extensions),
            mmuType: "riscv,sv57",
            ...(extensions.zicbom ? { cbomBlockBytes: 64 } : {}),
            ...(extensions.zicboz ? { cbozBlockBytes: 64 } : {}),
          },
          aclint: config.machineOptions.aclint,
          ...chosen,
        }),
      );
    },
  });
}

function firmwareImage(bytes: Uint8Array, name: string): BootImage {
  return isElf(bytes) ? loadKernelImage(bytes, name) : { kind: "raw", data: bytes };
}
