/**
 * The board's boot data beside that of the real qemu-system-riscv64 7.2: device tree (`dumpdtb`), addresses
 * (`info roms`), reset ROM (`xp`) and fw_cfg items (the qtest protocol). Skipped, and reported so, where QEMU is missing.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KernelImage } from "#machine/boot/kernel-image.ts";
import { type DeviceTree, type DeviceTreeNode, decodeDeviceTree, findNode, readStrings } from "#machine/device-tree.ts";
import { type BootImage, type BootPlan, type BootPlanConfig, planBoot } from "#machine/virt/boot-plan.ts";
import { virtFwCfgItems } from "#machine/virt/fw-cfg-items.ts";
import { VIRT_MEMORY_MAP } from "#machine/virt/memory-map.ts";
import { resetRom } from "#machine/virt/reset-rom.ts";
import { virtDeviceTree } from "#machine/virt/virt-device-tree.ts";

const QEMU = "qemu-system-riscv64";
const version = spawnSync(QEMU, ["--version"], { encoding: "utf8" }).stdout ?? "";
const hasQemu = version.includes("version 7.2");

const MIB = 1024 * 1024;
let folder = "";
const file = (name: string): string => join(folder, name);

/** A Linux Image header (Documentation/arch/riscv/boot-image-header.rst) and little behind it. */
function linuxImage(): Uint8Array {
  const image = new DataView(new ArrayBuffer(0x1040));
  image.setUint32(0, 0x0000_006f, true); // j .
  image.setBigUint64(8, 0x20_0000n, true);
  image.setBigUint64(16, 0x30_0000n, true);
  image.setUint32(32, 2, true);
  image.setUint32(0x38, 0x0543_5352, true); // "RSC\5"
  return new Uint8Array(image.buffer);
}
const KERNEL_BYTES = linuxImage();
const KERNEL: KernelImage = { kind: "image", textOffset: 0x20_0000, imageSizeBytes: 0x30_0000, data: KERNEL_BYTES };
const INITRD = new Uint8Array(5000).fill(0x78);
const FIRMWARE_BYTES = new Uint8Array(0x20_0001).fill(0x7a);
const FIRMWARE: BootImage = { kind: "raw", data: FIRMWARE_BYTES };

type ElfImage = KernelImage & { readonly kind: "elf" };
const KERNEL_ELF: ElfImage = {
  kind: "elf",
  entry: 0x8050_1000n,
  segments: [
    { physicalAddress: 0x8050_0000n, data: new Uint8Array(100).fill(1), memorySizeBytes: 0x2000 },
    { physicalAddress: 0x8090_0000n, data: new Uint8Array(100).fill(2), memorySizeBytes: 0x3000 },
  ],
};

function elfFile(image: ElfImage): Uint8Array {
  const headersBytes = 64 + 56 * image.segments.length;
  const view = new DataView(new ArrayBuffer(headersBytes + image.segments.length * 100));
  const bytes = new Uint8Array(view.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, 243, true); // EM_RISCV
  view.setUint32(20, 1, true);
  view.setBigUint64(24, image.entry, true);
  view.setBigUint64(32, 64n, true); // e_phoff
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, image.segments.length, true);
  for (const [index, { physicalAddress, data, memorySizeBytes }] of image.segments.entries()) {
    const at = 64 + index * 56;
    const offset = headersBytes + index * 100;
    view.setUint32(at, 1, true); // PT_LOAD
    view.setUint32(at + 4, 7, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 16, physicalAddress + 0xffff_ffff_0000_0000n, true);
    view.setBigUint64(at + 24, physicalAddress, true);
    view.setBigUint64(at + 32, BigInt(data.length), true);
    view.setBigUint64(at + 40, BigInt(memorySizeBytes), true);
    view.setBigUint64(at + 48, 1n, true);
    bytes.set(data, offset);
  }
  return bytes;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tinamou-virt-"));
  writeFileSync(file("kernel"), KERNEL_BYTES);
  writeFileSync(file("kernel.elf"), elfFile(KERNEL_ELF));
  writeFileSync(file("initrd"), INITRD);
  writeFileSync(file("firmware"), FIRMWARE_BYTES);
  writeFileSync(file("flash"), "");
  truncateSync(file("flash"), 32 * MIB);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** `$NAME` in arguments stands for a file of the test's folder. */
const expand = (args: readonly string[]): string[] =>
  args.map((arg) => arg.replace(/\$(\w+(\.\w+)?)/, (_, name) => file(name)));

function qemuTree(machineOptions: string, args: readonly string[]): DeviceTree {
  const blob = file("dump.dtb");
  execFileSync(QEMU, ["-M", `virt,dumpdtb=${blob}${machineOptions}`, "-display", "none", ...expand(args)], {
    stdio: "ignore",
    timeout: 30_000,
  });
  return decodeDeviceTree(readFileSync(blob));
}

/** Every node and property on a line of its own, in order. */
function lines(from: DeviceTreeNode, path = ""): string[] {
  const own = [...from.properties].map(([name, value]) => `${path}/ ${name} = ${Buffer.from(value).toString("hex")}`);
  return [`${path}/`, ...own, ...from.children.flatMap((child) => lines(child, `${path}/${child.name}`))];
}

describe.skipIf(!hasQemu)("device tree (skipped without qemu-system-riscv64 7.2)", () => {
  /** Only in QEMU's tree: devices that this board does not have. */
  const NOT_HERE = /^\/(soc\/pci@30000000|platform-bus@4000000)\//;
  /** Only in ours: the newer way to describe a hart. */
  const NOT_THERE = / riscv,isa-(base|extensions) = /;
  /** Random in both. */
  const RANDOM = / rng-seed = /;

  test.each([
    { name: "1 hart", smp: 1, smpArgument: "1", memory: "512M", aclint: false },
    { name: "2 harts", smp: 2, smpArgument: "2", memory: "128M", aclint: false },
    { name: "4 harts in 2 sockets", smp: 4, smpArgument: "4,sockets=2", memory: "1G", aclint: false },
    { name: "12 harts", smp: 12, smpArgument: "12", memory: "8G", aclint: false },
    { name: "1 hart with ACLINT", smp: 1, smpArgument: "1", memory: "512M", aclint: true },
    { name: "4 harts with ACLINT", smp: 4, smpArgument: "4", memory: "512M", aclint: true },
  ])("$name: the same nodes and properties, with the same phandles, in the same order", (row) => {
    const theirs = qemuTree(row.aclint ? ",aclint=on" : "", ["-smp", row.smpArgument, "-m", row.memory]);
    expectSame(theirs, {
      smp: row.smp,
      memoryBytes: Number.parseInt(row.memory, 10) * (row.memory.endsWith("G") ? 1024 : 1) * MIB,
      aclint: row.aclint,
    });
  });

  test("kernel command line and initrd: the same /chosen", () => {
    const boot = ["-kernel", "$kernel", "-initrd", "$initrd", "-append", "console=ttyS0 quiet"];
    expectSame(qemuTree("", ["-m", "512", "-bios", "$firmware", ...boot]), {
      smp: 1,
      memoryBytes: 512 * MIB,
      aclint: false,
      kernelCommandLine: "console=ttyS0 quiet",
      initrd: { start: 0x8840_0000n, end: 0x8840_1388n },
    });
  });

  function expectSame(theirs: DeviceTree, config: Omit<Parameters<typeof virtDeviceTree>[0], "isa" | "rngSeed">): void {
    const theirCpu = findNode(theirs, "/cpus/cpu@0");
    const string = (property: string): string => (theirCpu && readStrings(theirCpu, property)?.[0]) ?? "";
    const isa = { isaString: string("riscv,isa"), extensions: ["i"], mmuType: string("mmu-type") };
    const ours = virtDeviceTree({ ...config, isa, rngSeed: new Uint8Array(32) });
    const withoutSeed = (line: string): string => (RANDOM.test(line) ? line.slice(0, -64) : line);
    expect(
      lines(ours.root)
        .filter((line) => !NOT_THERE.test(line))
        .map(withoutSeed),
    ).toEqual(
      lines(theirs.root)
        .filter((line) => !NOT_HERE.test(line))
        .map(withoutSeed),
    );
    expect(isa.isaString).toMatch(/^rv64ima/);
  }
});

describe.skipIf(!hasQemu)("memory layout (skipped without qemu-system-riscv64 7.2)", () => {
  const FLASH0 = ["-drive", "if=pflash,unit=0,format=raw,file=$flash"];
  const FLASH1 = ["-drive", "if=pflash,unit=1,format=raw,file=$flash,readonly=on"];
  const ALL = ["-bios", "$firmware", "-kernel", "$kernel", "-initrd", "$initrd"];
  const OURS = { firmware: FIRMWARE, kernel: KERNEL, initrd: INITRD };

  const rows: [name: string, memoryMib: number, args: readonly string[], config: Partial<BootPlanConfig>][] = [
    ...[16, 48, 127, 128, 300, 512, 1024, 3072, 8192].map((memoryMib): (typeof rows)[number] => [
      `firmware, kernel, initrd in ${memoryMib} MiB`,
      memoryMib,
      ALL,
      OURS,
    ]),
    ["no firmware", 512, [...ALL, "-bios", "none"], { kernel: KERNEL, initrd: INITRD }],
    [
      "an ELF kernel with firmware",
      512,
      ["-bios", "$firmware", "-kernel", "$kernel.elf", "-initrd", "$initrd"],
      { firmware: FIRMWARE, kernel: KERNEL_ELF, initrd: INITRD },
    ],
    ["firmware alone", 512, ["-bios", "$firmware"], { firmware: FIRMWARE }],
    ["nothing", 512, ["-bios", "none"], {}],
    ["flash 0", 512, [...ALL, ...FLASH0], { ...OURS, flash0: true }],
    ["flash 0 without firmware", 512, ["-bios", "none", ...FLASH0], { flash0: true }],
    ["flash 1", 512, [...ALL, ...FLASH1], { ...OURS, flash1: true }],
  ];

  test.each(rows)("%s", (_, memoryMib, args, config) => {
    const plan = planBoot({ memoryBytes: memoryMib * MIB, deviceTree: () => new Uint8Array(6000), ...config });
    const monitor = ask(["-m", String(memoryMib), ...args], ["xp /88xb 0x1000", "info roms"]);

    const roms = [...monitor.matchAll(/^addr=([0-9a-f]{16}) size=0x([0-9a-f]+) mem=ram name="([^"]*)"/gm)].map(
      ([, address, size, name]) => ({ address: BigInt(`0x${address}`), bytes: Number(`0x${size}`), name }),
    );
    expect(writesOf(plan)).toEqual(
      // QEMU's device tree blob has a size of its own; ours is as long as it must be.
      roms.map(({ address, bytes, name }) => ({ address, bytes: name === "fdt" ? 6000 : bytes })),
    );
    const rom = [...monitor.matchAll(/^[0-9a-f]{16}:((?: 0x[0-9a-f]{2})+)\r?$/gm)].flatMap(([, bytes]) =>
      (bytes ?? "").trim().split(" ").map(Number),
    );
    expect([...resetRom(plan)]).toEqual(rom);
  });

  function writesOf(plan: BootPlan): { address: bigint; bytes: number }[] {
    return plan.writes
      .map(({ address, data, zeroBytes }) => ({ address, bytes: data.length + zeroBytes }))
      .sort((a, b) => Number(a.address - b.address));
  }

  function ask(args: readonly string[], commands: readonly string[]): string {
    return execFileSync(
      QEMU,
      ["-M", "virt", "-S", "-display", "none", "-serial", "none", "-monitor", "stdio", ...expand(args)],
      { input: [...commands, "quit", ""].join("\n"), encoding: "utf8", timeout: 30_000 },
    );
  }
});

describe.skipIf(!hasQemu)("fw_cfg (skipped without qemu-system-riscv64 7.2)", () => {
  test("a bare machine has the same items", async () => {
    const uuid = "01234567-89ab-cdef-0011-223344556677";
    await expectSameItems(["-smp", "4", "-uuid", uuid], { cpus: 4, uuid, noGraphic: false, bootOrder: [] });
  });

  test("firmware in flash 1 finds the kernel, and a disk in the boot order", async () => {
    await expectSameItems(
      // biome-ignore format: an option and its value on a line
      [
        "-smp", "2",
        "-kernel", "$kernel",
        "-initrd", "$initrd",
        "-append", "foo bar",
        "-nographic",
        "-drive", "if=pflash,unit=1,format=raw,file=$flash,readonly=on",
        "-drive", "if=none,id=d,format=raw,file=$kernel",
        "-device", "virtio-blk-device,drive=d,bootindex=1",
      ],
      {
        cpus: 2,
        noGraphic: true,
        bootOrder: ["/virtio-mmio@0000000010008000/disk@0,0"],
        directBoot: { kernel: KERNEL_BYTES, initrd: INITRD, kernelCommandLine: "foo bar" },
      },
    );
  });

  async function expectSameItems(args: readonly string[], config: Parameters<typeof virtFwCfgItems>[0]): Promise<void> {
    const qemu = new Qtest(args);
    try {
      const items = virtFwCfgItems(config);
      for (const { key, data } of items) {
        // One byte more than there is: behind an item's end everything reads 0.
        const wanted = [...data.subarray(0, 300), ...(data.length < 300 ? [0] : [])];
        expect(await qemu.fwCfgItem(key, wanted.length), `item 0x${key.toString(16)}`).toEqual(wanted);
      }
      const ours = new Set(items.map(({ key }) => key));
      for (let key = 0; key < 0x28; key++) {
        if (!ours.has(key))
          expect(await qemu.fwCfgItem(key, 8), `item 0x${key.toString(16)}`).toEqual(Array(8).fill(0));
      }
    } finally {
      qemu.close();
    }
  }
});

/** A stopped QEMU whose bus is driven by text commands (docs/devel/qtest). */
class Qtest {
  readonly #process;
  readonly #answers;
  constructor(args: readonly string[]) {
    this.#process = spawn(
      QEMU,
      [
        "-M",
        "virt",
        "-S",
        "-display",
        "none",
        "-serial",
        "none",
        ...expand(args),
        "-monitor",
        "none",
        "-qtest",
        "stdio",
      ],
      { stdio: ["pipe", "pipe", "ignore"] },
    );
    this.#answers = createInterface(this.#process.stdout)[Symbol.asyncIterator]();
  }

  async fwCfgItem(key: number, lengthBytes: number): Promise<number[]> {
    const { base } = VIRT_MEMORY_MAP.fwCfg;
    // The selector is big-endian.
    await this.#command(`writew ${base + 8} ${((key & 0xff) << 8) | (key >> 8)}`);
    const bytes: number[] = [];
    while (bytes.length < lengthBytes) bytes.push(Number(await this.#command(`readb ${base}`)));
    return bytes;
  }

  close(): void {
    this.#process.kill();
  }

  async #command(line: string): Promise<string> {
    this.#process.stdin.write(`${line}\n`);
    for (;;) {
      const { value, done } = await this.#answers.next();
      if (done) throw new Error(`QEMU left during "${line}"`);
      if (value.startsWith("OK")) return value.slice(3);
    }
  }
}
