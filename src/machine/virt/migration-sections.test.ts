/** Our sections have the fields of QEMU 11.1's, in its order. */
import { expect, test } from "vitest";
import { SharedLock } from "#core/shared-lock.ts";
import type { NamedWireField, SectionDescription } from "#core/vmstate.ts";
import { NO_LOG } from "#core/log.ts";
import { VCPU } from "#cpu/vcpu/layout.ts";
import { Deadlines, MachineClock } from "#machine/shared-words.ts";
import { vcpuBlock } from "#machine/interrupt-lines.ts";
import { makeMachineDevices } from "#machine/virt/machine-devices.ts";
import { migrationSections } from "#machine/virt/migration-sections.ts";
import { QEMU_SECTIONS } from "#machine/virt/migration-sections.recorded.ts";
import { makeSharedDevices } from "#machine/virt/shared-devices.ts";
import { virtLayout } from "#machine/virt/virt-layout.ts";
import { parseCommandLine } from "#app/cli/command-line.ts";

function board(nowNs = 0) {
  const command = parseCommandLine("-M virt -smp 2 -m 1M -bios none -display none -serial none".split(" "));
  if (command.kind === "print") throw new Error("no machine");
  const config = command.machine;
  const layout = virtLayout(config);
  const memory = new SharedArrayBuffer(layout.totalBytes);
  const clock = new MachineClock({ nowNs: () => 0, wallMs: () => 0 }, memory);
  clock.set(nowNs);
  const shared = makeSharedDevices(memory, layout, config.machineOptions, clock, new Deadlines(memory, 2));
  const { devices } = makeMachineDevices(memory, layout, config, {
    clock: { nowNs: () => 0, wallMs: () => 0 },
    timers: { at: () => () => {} },
    random: { fill: () => {} },
    dma: { view: () => undefined, isIncomplete: () => false, present: async () => {} },
    irq: () => ({ set: () => {} }),
    shutdown: () => {},
    reset: () => {},
    setFlashReadable: () => {},
    requireMemory: () => {},
    disks: new Map(),
    chardevs: new Map(),
    log: NO_LOG,
    diskFailed: () => {},
    balloonChanged: () => {},
    rtc: { clock: { nowNs: () => 0, wallMs: () => 0 }, offsetNs: 0n },
  });
  const place = { memory, layout, clock, cpu: config.cpu, lock: new SharedLock(new Int32Array(memory), 1000) };
  const { sections } = migrationSections(place, [shared.mtimer, shared.plic, shared.uart], devices);
  for (const hart of [0, 1]) {
    const view = new DataView(memory, vcpuBlock(layout, hart));
    view.setBigUint64(VCPU.mhartid, BigInt(hart), true);
    view.setBigUint64(VCPU.misa, (2n << 62n) | 0x14112dn, true);
  }
  return { memory, layout, sections, clock };
}

function describeField({ name, type, size, array_len, struct }: NamedWireField): string {
  const count = array_len === undefined ? "" : ` x${array_len}`;
  const inner = struct
    ? ` ${struct.vmsd_name} v${struct.version} {${struct.fields.map(describeField).join(", ")}}`
    : "";
  return `${name} ${type} ${size}${count}${inner}`;
}

test("every field of every section is QEMU's: name, type, size and number", () => {
  const ours: Record<string, readonly string[]> = {};
  const put = (key: string, of: SectionDescription): void => {
    ours[`${key} v${of.version}`] = of.fields.map(describeField);
    for (const sub of of.subsections ?? []) put(`${key} ${sub.vmsd_name}`, { ...sub, subsections: [] });
  };
  for (const { name, section } of board().sections) put(name, section.describe());
  expect(ours).toMatchObject(QEMU_SECTIONS);
});

test("a body is as long as its description says", () => {
  const bytes = (of: SectionDescription): number =>
    of.fields.reduce((sum, field) => sum + field.size * (field.array_len ?? 1), 0) +
    (of.subsections ?? []).reduce((sum, sub) => sum + 2 + sub.vmsd_name.length + 4 + bytes(sub), 0);
  for (const { section } of board().sections) {
    expect([section.name, section.save().length]).toEqual([section.name, bytes(section.describe())]);
  }
});

test("the run state of the source is one of QEMU's, or the section is refused", () => {
  const { sections } = board();
  const section = sections.find(({ name }) => name === "globalstate")?.section;
  const body = (name: string): Uint8Array => {
    const bytes = Buffer.alloc(104);
    bytes.writeUInt32BE(name.length + 1);
    bytes.write(name, 4);
    return bytes;
  };
  section?.load(body("shutdown"), 1);
  expect(section?.save()).toEqual(new Uint8Array(body("shutdown")));
  for (const name of ["", "shutdow", "Running"]) {
    expect(() => section?.load(body(name), 1)).toThrow(`unknown run state '${name}'`);
  }
});

test("a hart is the same behind a save and a load; counters go on from where they were", () => {
  const source = board(5_000_000);
  const target = board(77);
  const words = source.layout.vcpus;
  const block = new DataView(source.memory, words);
  for (let i = 1; i < 32; i++) block.setBigUint64(VCPU.x + 8 * i, BigInt(i) * 0x0101_0101_0101n, true);
  for (let i = 0; i < 32; i++) block.setBigUint64(VCPU.f + 8 * i, ~BigInt(i) & 0xffff_ffff_ffff_ffffn, true);
  for (const at of [VCPU.pc, VCPU.sepc, VCPU.scause, VCPU.stvec, VCPU.mtvec, VCPU.stimecmp, VCPU.sscratch])
    block.setBigUint64(at, BigInt(at) << 8n, true);
  block.setBigUint64(VCPU.satp, (8n << 60n) | 0x1234n, true);
  block.setUint32(VCPU.privilege, 1, true);
  block.setUint32(VCPU.fflags, 21, true);
  block.setUint32(VCPU.frm, 3, true);
  block.setBigUint64(VCPU.pmpaddr + 8, 0x2000_0000n, true);
  block.setUint8(VCPU.pmpcfg + 1, 0x1f);
  block.setBigInt64(VCPU.mcycleOffset, 1000n, true);
  const pick = ({ sections }: ReturnType<typeof board>) =>
    sections.find(({ name, instanceId }) => name === "cpu" && instanceId === 0)?.section;
  const body = pick(source)?.save() as Uint8Array;
  pick(target)?.load(body, 12);
  const loaded = new DataView(target.memory, target.layout.vcpus);
  expect(loaded.getBigInt64(VCPU.mcycleOffset, true) + 77n).toBe(5_000_000n + 1000n);
  expect(pick(target)?.save()).toEqual(body);
  // Every other hart's section says which it is.
  const other = source.sections.find(({ name, instanceId }) => name === "cpu" && instanceId === 1)?.section;
  expect(() => other?.load(body, 12)).toThrow("the section of hart 1 says that it is hart 0");
  expect(() => other?.load(body, 9)).toThrow("version 9");
});
