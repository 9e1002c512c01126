/**
 * From the files of `-bios`, `-kernel`, `-initrd` and `-dtb` to what a reset writes into the machine's memory.
 */
import type { Random } from "#core/host.ts";
import { isElf, readElf } from "#machine/boot/elf.ts";
import { loadKernelImage } from "#machine/boot/kernel-image.ts";
import type { MachineConfig } from "#machine/config.ts";
import { decodeDeviceTree, encodeDeviceTree } from "#machine/device-tree.ts";
import type { MachineHost } from "#machine/machine-host.ts";
import { type BootImage, type BootPlan, planBoot } from "#machine/virt/boot-plan.ts";
import { type AddressRange, patchChosen, patchMemory } from "#machine/virt/chosen.ts";
import { type IsaDescription, virtDeviceTree } from "#machine/virt/virt-device-tree.ts";

const RNG_SEED_BYTES = 32;

/** The files' contents. */
export type BootFiles = {
  readonly firmware?: BootImage;
  /** As the file is, and unpacked. */
  readonly kernelFile?: Uint8Array;
  readonly kernel?: BootImage;
  readonly initrd?: Uint8Array;
  readonly deviceTree?: Uint8Array;
};

/** Reads what the configuration names. Rejects with `ImageError` or the host's error. */
export async function readBootFiles(config: MachineConfig, host: MachineHost): Promise<BootFiles> {
  const { bios, kernel, initrd, dtb } = config.boot;
  const flash0 = hasFlash(config, 0);
  // With firmware in flash 0 nothing would run the default one.
  const wantsFirmware = bios !== "none" && !(bios === "default" && flash0);
  const firmwarePath = wantsFirmware ? (bios === "default" ? await host.findFirmware() : bios) : undefined;
  const read = async (path: string | undefined) => (path === undefined ? undefined : await host.readFile(path));
  const [firmwareFile, kernelFile, initrdFile, deviceTree] = await Promise.all(
    [firmwarePath, kernel, initrd, dtb].map(read),
  );
  return {
    ...(firmwareFile === undefined ? {} : { firmware: firmwareImage(firmwareFile, firmwarePath ?? "") }),
    ...(kernelFile === undefined ? {} : { kernelFile, kernel: loadKernelImage(kernelFile, kernel ?? "") }),
    ...(initrdFile === undefined ? {} : { initrd: initrdFile }),
    ...(deviceTree === undefined ? {} : { deviceTree }),
  };
}

/** Throws `BootError` or `DeviceTreeError`. */
export function planVirtBoot(config: MachineConfig, files: BootFiles, isa: IsaDescription, random: Random): BootPlan {
  const rngSeed = new Uint8Array(RNG_SEED_BYTES);
  random.fill(rngSeed);
  return planBoot({
    memoryBytes: config.memoryBytes,
    firmware: files.firmware,
    kernel: files.kernel,
    initrd: files.initrd,
    flash0: hasFlash(config, 0),
    flash1: hasFlash(config, 1),
    deviceTree: (initrd) => deviceTreeBlob(config, files, isa, { initrd, rngSeed }),
  });
}

export function hasFlash(config: MachineConfig, index: number): boolean {
  return config.drives.some((drive) => drive.interface === "pflash" && drive.index === index);
}

function firmwareImage(file: Uint8Array, name: string): BootImage {
  return isElf(file) ? { kind: "elf", ...readElf(file, name) } : { kind: "raw", data: file };
}

function deviceTreeBlob(
  config: MachineConfig,
  files: BootFiles,
  isa: IsaDescription,
  boot: { readonly initrd: AddressRange | undefined; readonly rngSeed: Uint8Array },
): Uint8Array {
  const chosen = { ...boot, kernelCommandLine: config.boot.append };
  if (files.deviceTree !== undefined) {
    const tree = decodeDeviceTree(files.deviceTree);
    patchMemory(tree, config.memoryBytes);
    patchChosen(tree, chosen);
    return encodeDeviceTree(tree);
  }
  return encodeDeviceTree(
    virtDeviceTree({
      ...chosen,
      smp: config.smp.cpus,
      memoryBytes: config.memoryBytes,
      isa,
      aclint: config.machineOptions.aclint,
    }),
  );
}
