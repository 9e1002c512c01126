/**
 * The migration section of a virtio device on virtio-mmio: one opaque field in QEMU's layout.
 *
 *   transport:  be32 host_features_sel, be32 guest_features_sel, be32 guest_page_shift
 *   common:     u8 status, u8 isr, be16 queue_sel, be32 guest_features (low), be32 config length, config
 *   queues:     be32 count, then for each: be32 num, be32 align, be64 desc, be16 last_avail_idx
 *   device:     its own part
 *   then subsections, in this order, each only when it says something (see `SUBSECTIONS`).
 *
 * Loading takes the stream for hostile: whatever is wrong throws `StateError` or `TruncatedError`, and the device is
 * reset then.
 * Spec: QEMU docs/devel/virtio-migration; the bytes were compared with QEMU 7.2's.
 */
import { type ByteReader, ByteWriter } from "#core/bytes.ts";
import { StateError } from "#core/vmstate.ts";
import { migrationSection } from "#hw/bus/migration-section.ts";
import type { MigrationSection } from "#hw/bus/types.ts";
import type { VirtioDevice } from "#hw/bus/virtio/virtio-device.ts";
import { DRIVER_OK, VIRTIO_F_VERSION_1 } from "#hw/bus/virtio/virtio-device.ts";
import type { TransportState } from "#hw/bus/virtio/virtio-mmio.ts";
import type { Virtqueue } from "#hw/bus/virtio/virtqueue.ts";
import { VIRTQUEUE_MAX_SIZE } from "#hw/bus/virtio/virtqueue.ts";

/** QEMU's arrays of queues always have this many elements. */
const QUEUE_ARRAY_LENGTH = 1024;
const SUBSECTION = 5;
const MAX_CONFIG_BYTES = 4096;

export type VirtioSectionParts = {
  readonly name: string;
  readonly device: VirtioDevice;
  readonly queues: readonly Virtqueue[];
  readonly state: TransportState;
  readonly legacy: boolean;
  readonly offeredFeatures: bigint;
  /** The configuration space as the driver saw it last; zeros before that. This is what QEMU sends. */
  readonly config: Uint8Array;
  reset(): void;
  /** Everything is in place: the line follows the state. */
  loaded(): void;
};

type Subsection = {
  readonly name: string;
  needed(parts: VirtioSectionParts): boolean;
  save(parts: VirtioSectionParts, out: ByteWriter): void;
  load(parts: VirtioSectionParts, from: ByteReader): void;
};

export function virtioSection(parts: VirtioSectionParts): MigrationSection {
  const { name, device } = parts;
  const save = (): Uint8Array => {
    const out = new ByteWriter();
    saveBody(parts, out);
    return out.finish();
  };
  return migrationSection({
    name,
    version: device.sectionVersion,
    save,
    describe: () => ({
      vmsd_name: device.sectionName,
      version: device.sectionVersion,
      fields: [{ name: "virtio", type: "virtio", size: save().length }],
    }),
    take(from, version) {
      if (version !== device.sectionVersion) {
        throw new StateError(
          `section '${name}' has version ${version}; this machine loads version ${device.sectionVersion}`,
        );
      }
      parts.reset();
      try {
        loadBody(parts, from);
      } catch (error) {
        parts.reset();
        throw error;
      }
    },
  });
}

function saveBody(parts: VirtioSectionParts, out: ByteWriter): void {
  const { state, device, queues } = parts;
  out.u32(state.hostFeaturesSel);
  out.u32(state.guestFeaturesSel);
  out.u32(state.guestPageShift);
  out.u8(state.status);
  out.u8(state.interruptStatus);
  out.u16(state.queueSel);
  out.u32(Number(BigInt.asUintN(32, state.features)));
  out.u32(parts.config.length);
  out.bytes(parts.config);
  out.u32(queues.length);
  for (const queue of queues) {
    out.u32(queue.size);
    out.u32(queue.alignBytes);
    out.u64(BigInt(queue.descriptors));
    out.u16(queue.lastAvailable);
  }
  device.saveDevicePart(out);
  saveSubsections(SUBSECTIONS, parts, out);
}

function loadBody(parts: VirtioSectionParts, from: ByteReader): void {
  const { state, device, queues } = parts;
  state.hostFeaturesSel = from.u32();
  state.guestFeaturesSel = from.u32();
  state.guestPageShift = from.u32();
  if (state.hostFeaturesSel > 1 || state.guestFeaturesSel > 1 || state.guestPageShift > 31) {
    throw new StateError(`section '${parts.name}' has impossible register values`);
  }
  state.status = from.u8();
  state.interruptStatus = from.u8();
  state.queueSel = from.u16();
  if (state.queueSel >= QUEUE_ARRAY_LENGTH) throw new StateError(`section '${parts.name}' selects no queue`);
  setFeatures(parts, BigInt(from.u32()));
  loadConfig(parts, from);
  const count = from.u32();
  if (count !== queues.length) {
    throw new StateError(`section '${parts.name}' has ${count} queues; this device has ${queues.length}`);
  }
  for (const [i, queue] of queues.entries()) loadQueue(parts, i, queue, from);
  device.loadDevicePart(from);
  state.started = (state.status & DRIVER_OK) !== 0;
  loadSubsections(SUBSECTIONS, parts, from);
  for (const [i, queue] of queues.entries()) checkQueue(parts, i, queue);
  if (state.broken) for (const queue of queues) queue.breakDown();
  device.statusChanged(state.status);
  device.loaded?.();
  parts.loaded();
}

/** A configuration of another length is fine: the device's own stays, but for what it takes from the stream. */
function loadConfig(parts: VirtioSectionParts, from: ByteReader): void {
  const lengthBytes = from.u32();
  if (lengthBytes > MAX_CONFIG_BYTES) {
    throw new StateError(`section '${parts.name}' has a configuration of ${lengthBytes} bytes`);
  }
  parts.config.fill(0);
  parts.config.set(from.bytes(lengthBytes).subarray(0, parts.config.length));
  parts.device.loadConfig?.(parts.config);
}

function loadQueue(parts: VirtioSectionParts, index: number, queue: Virtqueue, from: ByteReader): void {
  queue.size = from.u32();
  queue.alignBytes = from.u32();
  const descriptors = from.u64();
  queue.lastAvailable = from.u16();
  if (queue.size === 0 || queue.size > VIRTQUEUE_MAX_SIZE) {
    throw new StateError(`section '${parts.name}': queue ${index} has ${queue.size} entries`);
  }
  if (descriptors === 0n && queue.lastAvailable !== 0) {
    throw new StateError(`section '${parts.name}': queue ${index} was used without having an address`);
  }
  queue.descriptors = Number(descriptors);
  if (parts.legacy) queue.placeLegacy();
}

function checkQueue(parts: VirtioSectionParts, index: number, queue: Virtqueue): void {
  if (!queue.usable || parts.state.broken) return;
  const problem = queue.adoptRings();
  if (problem) throw new StateError(`section '${parts.name}': queue ${index} cannot go on: ${problem}`);
}

function setFeatures(parts: VirtioSectionParts, features: bigint): void {
  const unknown = features & ~parts.offeredFeatures;
  if (unknown !== 0n) {
    throw new StateError(
      `section '${parts.name}' needs features 0x${unknown.toString(16)}, which this device does not offer; ` +
        "give it the same properties as on the source",
    );
  }
  parts.state.features = features;
}

function saveSubsections(all: readonly Subsection[], parts: VirtioSectionParts, out: ByteWriter): void {
  for (const subsection of all) {
    if (!subsection.needed(parts)) continue;
    out.u8(SUBSECTION);
    out.shortString(subsection.name);
    out.u32(1);
    subsection.save(parts, out);
  }
}

function loadSubsections(all: readonly Subsection[], parts: VirtioSectionParts, from: ByteReader): void {
  const seen = new Set<string>();
  while (from.left > 0 && from.peek() === SUBSECTION) {
    from.u8();
    const name = from.shortString();
    const subsection = all.find((one) => one.name === name);
    if (!subsection || seen.has(name)) {
      throw new StateError(`section '${parts.name}' carries an unknown or second subsection '${name}'`);
    }
    const version = from.u32();
    if (version !== 1) throw new StateError(`section '${parts.name}': subsection '${name}' has version ${version}`);
    seen.add(name);
    subsection.load(parts, from);
  }
}

/** Writes one element for each of QEMU's queue slots; `save` gets undefined beyond the device's queues. */
function forAllSlots<T>(items: readonly T[], save: (item: T | undefined) => void): void {
  for (let i = 0; i < QUEUE_ARRAY_LENGTH; i++) save(items[i]);
}

const SUBSECTIONS: readonly Subsection[] = [
  {
    name: "virtio/64bit_features",
    needed: ({ offeredFeatures }) => offeredFeatures >> 32n !== 0n,
    save: ({ state }, out) => out.u64(state.features),
    load: (parts, from) => setFeatures(parts, from.u64()),
  },
  {
    name: "virtio/virtqueues",
    needed: ({ offeredFeatures }) => (offeredFeatures & VIRTIO_F_VERSION_1) !== 0n,
    save({ queues }, out) {
      forAllSlots(queues, (queue) => {
        out.u64(BigInt(queue?.available ?? 0));
        out.u64(BigInt(queue?.used ?? 0));
      });
    },
    load({ queues }, from) {
      forAllSlots(queues, (queue) => {
        const [available, used] = [Number(from.u64()), Number(from.u64())];
        if (queue) Object.assign(queue, { available, used });
      });
    },
  },
  {
    name: "virtio/ringsize",
    needed: ({ queues }) => queues.some((queue) => queue.size !== queue.defaultSize),
    save: ({ queues }, out) => forAllSlots(queues, (queue) => out.u32(queue?.defaultSize ?? 0)),
    // The source's default sizes; ours come from the device's properties.
    load: ({ queues }, from) => forAllSlots(queues, () => void from.u32()),
  },
  {
    name: "virtio/broken",
    needed: ({ state }) => state.broken,
    save: (_, out) => out.u8(1),
    load: ({ state }, from) => void (state.broken = from.u8() !== 0),
  },
  {
    name: "virtio/extra_state",
    needed: ({ legacy }) => !legacy,
    save: (parts, out) => saveSubsections(TRANSPORT_SUBSECTIONS, parts, out),
    load: (parts, from) => loadExtraState(parts, from),
  },
  {
    name: "virtio/started",
    needed: ({ state }) => state.started,
    save: (_, out) => out.u8(1),
    load: ({ state }, from) => void (state.started = from.u8() !== 0),
  },
];

const TRANSPORT_SUBSECTIONS: readonly Subsection[] = [
  {
    name: "virtio_mmio/state",
    needed: () => true,
    save({ state }, out) {
      for (const word of state.guestFeatures) out.u32(word);
      for (let i = 0; i < QUEUE_ARRAY_LENGTH; i++) {
        const queue = state.pending.get(i);
        out.u16(queue?.size ?? 0);
        out.u8(queue?.ready ? 1 : 0);
        for (const part of PARTS) {
          out.u32(queue?.[part][0] ?? 0);
          out.u32(queue?.[part][1] ?? 0);
        }
      }
    },
    load({ state }, from) {
      state.guestFeatures[0] = from.u32();
      state.guestFeatures[1] = from.u32();
      for (let i = 0; i < QUEUE_ARRAY_LENGTH; i++) {
        const [size, ready] = [from.u16(), from.u8() !== 0];
        const [descriptors, available, used] = [takePair(from), takePair(from), takePair(from)];
        state.pending.set(i, { size, ready, descriptors, available, used });
      }
    },
  },
];

const PARTS = ["descriptors", "available", "used"] as const;
const takePair = (from: ByteReader): [number, number] => [from.u32(), from.u32()];

/** One transport subsection, without which the modern interface has no state. */
function loadExtraState(parts: VirtioSectionParts, from: ByteReader): void {
  const [marker, name, version] = [from.u8(), from.shortString(), from.u32()];
  const known = TRANSPORT_SUBSECTIONS.find((one) => one.name === name);
  if (marker !== SUBSECTION || !known || version !== 1) {
    throw new StateError(`section '${parts.name}' carries an unknown transport state '${name}'`);
  }
  known.load(parts, from);
}
