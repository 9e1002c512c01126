/**
 * The sections of the `virt` board in a migration stream, in QEMU's order: clock, harts, devices, run state.
 */
import { ByteReader, ByteWriter } from "#core/bytes.ts";
import type { SharedLock } from "#core/shared-lock.ts";
import { StateError, vmstate } from "#core/vmstate.ts";
import { computed, unusedBytes } from "#core/vmstate-fields.ts";
import { HART_VERSION, type HartPorts, hartState, loadHart } from "#cpu/isa/riscv/hart-state.ts";
import { type MemoryLayout, VCPU } from "#cpu/vcpu/layout.ts";
import { bindState } from "#hw/bus/bound-state.ts";
import { migrationSection } from "#hw/bus/migration-section.ts";
import type { Device, MigrationSection } from "#hw/bus/types.ts";
import type { CpuConfig } from "#machine/config.ts";
import { vcpuBlock } from "#machine/interrupt-lines.ts";
import { RUN_STATES, type RunStateName } from "#machine/run-states.ts";
import { clampNs, type MachineClock } from "#machine/shared-words.ts";
import { VIRT_MEMORY_MAP } from "#machine/virt/memory-map.ts";
import { cpuExtensions } from "#machine/virt/virt-layout.ts";

/** A section with the number that tells it from others of its name. */
export type BoardSection = {
  readonly name: string;
  readonly instanceId: number;
  readonly section: MigrationSection;
};
export type BoardSections = {
  readonly sections: readonly BoardSection[];
  /** Bytes of the sections that QEMU's board sends and this one does without. */
  readonly skipped: ReadonlyMap<string, number>;
  readonly runState: { value: RunStateName };
};

export type SectionsPlace = {
  readonly memory: ArrayBufferLike;
  readonly layout: MemoryLayout;
  readonly cpu: CpuConfig;
  readonly clock: MachineClock;
  readonly lock: SharedLock;
};

/** The PCIe host without devices, and ACPI's flag. */
const SKIPPED: ReadonlyMap<string, number> = new Map([
  ["0000:00:00.0/gpex_root", 276],
  ["PCIHost", 4],
  ["PCIBUS", 20],
  ["virt_acpi_build", 1],
]);

export function migrationSections(
  place: SectionsPlace,
  shared: readonly Device[],
  devices: readonly Device[],
): BoardSections {
  const runState: BoardSections["runState"] = { value: "running" };
  const harts = Array.from({ length: place.layout.vcpuCount }, (_, hart) => vcpuBlock(place.layout, hart));
  const ports: HartPorts = {
    nowNs: () => place.clock.nowNs(),
    resetVector: BigInt(VIRT_MEMORY_MAP.mrom.base),
    svadu: cpuExtensions(place.cpu).svadu,
  };
  const all = [
    timerSection(place.clock),
    ...harts.flatMap((block) => [commonSection(place.memory, block), hartSection(place.memory, block, ports)]),
    ...shared.flatMap((device) => device.migration).map((section) => underLock(section, place.lock)),
    ...devices.flatMap((device) => device.migration),
    globalState(runState),
  ];
  const seen = new Map<string, number>();
  const sections = all.map((section) => {
    const instanceId = seen.get(section.name) ?? 0;
    seen.set(section.name, instanceId + 1);
    return { name: section.name, instanceId, section };
  });
  return { sections, skipped: SKIPPED, runState };
}

/** Machine time, which stands still: the machine is stopped. */
function timerSection(clock: MachineClock): MigrationSection {
  const now = (): bigint => BigInt(Math.floor(clock.nowNs()));
  const schema = vmstate("timer", 2, {
    cpu_ticks_offset: computed(64, now, () => {}, "int64"),
    unused: unusedBytes(8),
    cpu_clock_offset: computed(64, now, (_, value) => clock.set(clampNs(BigInt.asIntN(64, value))), "int64"),
  });
  return bindState(schema, { memory: new ArrayBuffer(8), offset: 0 }).section;
}

/** CPU_INTERRUPT_HARD, which says that mip is not 0. */
const INTERRUPT_HARD = 2n;

/** A hart that slept wakes up, which WFI allows. */
function commonSection(memory: ArrayBufferLike, offset: number): MigrationSection {
  const schema = vmstate("cpu_common", 1, {
    halted: computed(
      32,
      () => 0n,
      () => {},
    ),
    interrupt_request: computed(
      32,
      (view) =>
        view.getUint32(VCPU.irqLines, true) === 0 && view.getBigUint64(VCPU.mipSoft, true) === 0n ? 0n : INTERRUPT_HARD,
      () => {},
    ),
  });
  return bindState(schema, { memory, offset }).section;
}

function hartSection(memory: ArrayBufferLike, offset: number, ports: HartPorts): MigrationSection {
  const state = hartState(ports);
  return migrationSection({
    name: "cpu",
    version: HART_VERSION,
    save() {
      const out = new ByteWriter();
      state.current.save(memory, offset, out);
      return out.finish();
    },
    describe: () => state.current.describe(memory, offset),
    take: (from, version) => loadHart(state, ports, { memory, offset }, from, version),
  });
}

/** Devices that vCPUs use too. */
function underLock(section: MigrationSection, lock: SharedLock): MigrationSection {
  return {
    ...section,
    save: () => lock.with(() => section.save()),
    take: (from, version) => lock.with(() => section.take(from, version)),
  };
}

const RUN_STATE_BYTES = 100;

/** "globalstate": the length of the run state's name with its NUL, and the name in 100 bytes. */
function globalState(runState: BoardSections["runState"]): MigrationSection {
  return migrationSection({
    name: "globalstate",
    version: 1,
    save() {
      const out = new ByteWriter();
      out.u32(runState.value.length + 1);
      const text = new Uint8Array(RUN_STATE_BYTES);
      text.set(Uint8Array.from(runState.value, (c) => c.charCodeAt(0)));
      out.bytes(text);
      return out.finish();
    },
    describe: () => ({
      vmsd_name: "globalstate",
      version: 1,
      fields: [
        { name: "size", type: "uint32", size: 4 },
        { name: "runstate", type: "buffer", size: RUN_STATE_BYTES },
      ],
    }),
    take(from, version) {
      if (version !== 1) throw new StateError(`section 'globalstate' has version ${version}; this machine loads 1`);
      const lengthBytes = from.u32();
      const text = new ByteReader(from.bytes(RUN_STATE_BYTES).slice());
      if (lengthBytes > RUN_STATE_BYTES) throw new StateError("the run state of the source is no text");
      const name = String.fromCharCode(...text.bytes(Math.max(lengthBytes - 1, 0)));
      const known = RUN_STATES.find((one) => one === name);
      if (known === undefined) throw new StateError(`the source has an unknown run state '${name}'`);
      runState.value = known;
    },
  });
}
