import { expect, test } from "vitest";
import { type BootImage, type BootPlanConfig, planBoot } from "#machine/virt/boot-plan.ts";

// Where QEMU puts everything is compared in virt-against-qemu.test.ts; here are the errors and what QEMU cannot do.

const MIB = 1024 * 1024;
const FIRMWARE: BootImage = { kind: "raw", data: new Uint8Array(0x42000).fill(1) };
const KERNEL: BootImage = { kind: "image", textOffset: 0x200000, imageSizeBytes: 30 * MIB, data: new Uint8Array(MIB) };

function plan(config: Partial<BootPlanConfig>) {
  return planBoot({ memoryBytes: 512 * MIB, deviceTree: () => new Uint8Array(5000), ...config });
}

function elf(entry: bigint, ...segments: [address: bigint, dataBytes: number, memorySizeBytes: number][]): BootImage {
  return {
    kind: "elf",
    entry,
    segments: segments.map(([physicalAddress, dataBytes, memorySizeBytes]) => ({
      physicalAddress,
      data: new Uint8Array(dataBytes),
      memorySizeBytes,
    })),
  };
}

test("the device tree is made with the initrd's place in it", () => {
  const seen: unknown[] = [];
  const made = plan({
    firmware: FIRMWARE,
    kernel: KERNEL,
    initrd: new Uint8Array(5000),
    deviceTree: (initrd) => {
      seen.push(initrd);
      return new Uint8Array([7, 7]);
    },
  });
  expect(seen).toEqual([{ start: 0x8820_0000n, end: 0x8820_1388n }]);
  expect(made.initrd).toEqual(seen[0]);
  expect(made.fdtBlob).toEqual(new Uint8Array([7, 7]));
  expect(made.writes.map(({ address }) => address)).toEqual([0x8000_0000n, 0x8020_0000n, 0x8820_0000n, 0x9fe0_0000n]);
});

test("an initrd goes behind a kernel that would cover its usual place", () => {
  // With 48 MiB that is 24 MiB behind the kernel's start, inside its bss.
  const made = plan({ memoryBytes: 48 * MIB, firmware: FIRMWARE, kernel: KERNEL, initrd: new Uint8Array(MIB) });
  expect(made.initrd?.start).toBe(0x8020_0000n + BigInt(30 * MIB));
});

test("an initrd that is too large for the upper half goes behind the kernel", () => {
  const made = plan({ memoryBytes: 128 * MIB, firmware: FIRMWARE, kernel: KERNEL, initrd: new Uint8Array(70 * MIB) });
  expect(made.initrd?.start).toBe(0x8020_0000n + BigInt(30 * MIB));
});

test("an ELF file's bss is part of the writes and of what must fit", () => {
  const made = plan({ kernel: elf(0x8000_0010n, [0x8000_0000n, 100, 0x2000], [0x8010_0000n, 0, 0]) });
  expect(made.writes[0]).toMatchObject({ address: 0x8000_0000n, zeroBytes: 0x2000 - 100 });
  expect(made.writes).toHaveLength(2);
});

test("an ELF file whose segments lie on each other is refused", () => {
  const segments = [
    [0x8010_0000n, 16, 0x1001],
    [0x8000_0000n, 16, 16],
    [0x8010_1000n, 16, 16],
  ] as const;
  const all = segments.map((one): [bigint, number, number] => [...one]);
  expect(() => plan({ kernel: elf(0n, ...all) })).toThrow(
    "the kernel is an ELF file whose segments at 0x80100000 to 0x80101000 and 0x80101000 to 0x8010100f overlap; link it anew",
  );
});

test("an ELF file that is not at the start of memory is entered at its entry", () => {
  expect(plan({ kernel: elf(0x8010_0008n, [0x8010_0000n, 64, 64]) }).startAddress).toBe(0x8010_0008n);
  expect(plan({ kernel: elf(0x8000_0008n, [0x8000_0000n, 64, 64]) }).startAddress).toBe(0x8000_0000n);
});

test("a large device tree keeps room to grow", () => {
  const made = plan({ deviceTree: () => new Uint8Array(3 * MIB) });
  expect(made.fdtAddress).toBe(0xa000_0000n - BigInt(4 * MIB));
});

test.each<[string, Partial<BootPlanConfig>, string, RegExp]>([
  [
    "a kernel larger than memory",
    { memoryBytes: 16 * MIB, firmware: FIRMWARE, kernel: KERNEL },
    "too-little-memory",
    /^the machine's 16 MiB of memory are too little: the kernel needs 30 MiB at 0x80200000; .* -m 33M$/,
  ],
  [
    "a kernel under the device tree",
    { memoryBytes: 32 * MIB, firmware: FIRMWARE, kernel: KERNEL },
    "too-little-memory",
    /the kernel needs 30 MiB .* -m 33M$/,
  ],
  [
    "an initrd larger than what is left",
    { memoryBytes: 64 * MIB, firmware: FIRMWARE, kernel: KERNEL, initrd: new Uint8Array(40 * MIB) },
    "too-little-memory",
    /the initrd needs 40 MiB at 0x82000000; .* -m 73M$/,
  ],
  ["no room for a device tree", { memoryBytes: MIB / 2 }, "too-little-memory", /the device tree needs 1 MiB .* -m 3M$/],
  [
    "an ELF kernel linked for virtual addresses",
    { kernel: elf(0xffffffff80000000n, [0xffffffff80000000n, 64, 64]) },
    "outside-ram",
    /^the kernel is to be loaded at 0xffffffff80000000 to .* memory is at 0x80000000 to 0x9fffffff; link it/,
  ],
  [
    "firmware linked for 0",
    { firmware: elf(0n, [0n, 64, 64]) },
    "outside-ram",
    /^the firmware is to be loaded at 0x0 /,
  ],
  ["a segment of 2^60 bytes", { kernel: elf(0x8000_0000n, [0x8000_0000n, 64, 2 ** 60]) }, "outside-ram", /link it/],
  [
    "a kernel where the firmware is",
    { firmware: FIRMWARE, kernel: elf(0x8000_0000n, [0x8000_0000n, 64, 64]) },
    "overlap",
    /the kernel \(0x80000000 to 0x8000003f\) and the firmware .* overlap in memory; .* -bios none$/,
  ],
  [
    "a kernel under the device tree's limit",
    { memoryBytes: 4096 * MIB, kernel: elf(0xbfe0_0000n, [0xbfe0_0000n, 64, 64]) },
    "overlap",
    /the device tree .* must lie below 0xc0000000, so make the kernel smaller$/,
  ],
  [
    "an initrd alone",
    { firmware: FIRMWARE, initrd: new Uint8Array(1) },
    "initrd-without-kernel",
    /give one with -kernel/,
  ],
  ["empty firmware", { firmware: { kind: "raw", data: new Uint8Array(0) } }, "empty-image", /^the firmware is empty$/],
  ["an ELF kernel without segments", { kernel: elf(0n) }, "empty-image", /nothing to load/],
])("%s is refused", (_, config, code, message) => {
  expect(() => plan(config)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
});

test.each([33, 73])("the memory size that an error names (%i MiB) is enough, and no less is", (mib) => {
  const initrd = mib === 73 ? { initrd: new Uint8Array(40 * MIB) } : {};
  const config = { firmware: FIRMWARE, kernel: KERNEL, ...initrd };
  expect(plan({ ...config, memoryBytes: mib * MIB }).writes.length).toBeGreaterThan(2);
  expect(() => plan({ ...config, memoryBytes: (mib - 1) * MIB })).toThrow(`at least -m ${mib}M`);
});
