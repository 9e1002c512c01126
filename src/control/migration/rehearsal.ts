/**
 * A postcopy in miniature, both ends of it in the link's thread, while nobody waits: code that runs for the first time
 * takes milliseconds, and the first wanted pages of a real one would pass it.
 *
 *   a page is wanted -> request -> connection -> page -> connection -> in place;   and the next one
 */
import { blocktimeMemory, PagePlacer } from "#control/migration/page-placer.ts";
import { type FaultHost, FaultService, type RequestsDescriptor } from "#control/migration/fault-service.ts";
import { RamSaver } from "#control/migration/ram-save.ts";
import { ReturnPathWriter } from "#control/migration/return-path.ts";
import { ReturnPathService } from "#control/migration/return-path-service.ts";
import { PAGE_BYTES } from "#control/migration/wire.ts";
import type { ByteChannel, Channels, Futex, Urgency } from "#core/host.ts";
import { NO_TRACE } from "#core/trace.ts";
import { layoutMemory, type MemoryLayout } from "#cpu/vcpu/layout.ts";
import { MigrationMemory } from "#machine/migration-memory.ts";
import { type AskBy, PageFaults } from "#machine/page-faults.ts";

const PAGES = 256;
const VCPUS = 2;
/** Of so many pages one is zero. */
const ZERO_PAGES = 4;
/** So many times over connections and objects of their own, so that the engine does not take one set of them for all. */
const SESSIONS = 4;
/** Of each session; behind each the engine's last compiler has time for what it was given. */
const ROUNDS = 10;
const PAUSE_NS = 15e6;
const BLOCK = { name: "rehearsal", sizeBytes: PAGES * PAGE_BYTES };

export type RehearsalHost = FaultHost & {
  readonly channels: Pick<Channels, "pair" | "turn">;
  readonly futex?: Futex | undefined;
  /** As of `MachineHost`. */
  askBy?(layout: MemoryLayout): AskBy;
  sleep(forNs: number): Promise<void>;
  /** Of the calling thread, which has it; the rehearsal does without. */
  readonly urgency?: Urgency | undefined;
};

/**
 * Resolves when it is over, which is soon once `isOver` says so; rejects with what an end said. Does nothing where the host
 * has no pairs of connections.
 */
export async function rehearse(host: RehearsalHost, isOver: () => boolean): Promise<void> {
  host.urgency?.lower();
  try {
    for (let session = 0; session < SESSIONS && !isOver(); session++) await rehearseOnce(host, isOver);
  } finally {
    host.urgency?.raise();
  }
}

async function rehearseOnce(host: RehearsalHost, isOver: () => boolean): Promise<void> {
  const stream = await host.channels.pair?.();
  const urgent = await host.channels.pair?.();
  try {
    if (stream && urgent) await wantAll({ ...host, trace: NO_TRACE }, isOver, stream, urgent);
  } finally {
    for (const channel of [...(stream ?? []), ...(urgent ?? [])]) channel.abort();
  }
}

type Pair = readonly [ByteChannel, ByteChannel];

async function wantAll(
  host: RehearsalHost,
  isOver: () => boolean,
  [near, far]: Pair,
  [urgentNear, urgentFar]: Pair,
): Promise<void> {
  const { futex } = host;
  const [here, there] = [scratchMemory(VCPUS, futex), scratchMemory(0)];
  const layout = layoutMemory(VCPUS, [BLOCK]);
  const waiters = new PageFaults(here.memory, layout, { ask: host.askBy?.(layout), futex });
  const ram = new RamSaver(there);
  fill(new Uint8Array(there.memory, ...rangeOf(there)));
  const returnPaths = new ReturnPathService(there);
  returnPaths.sendWanted(far, urgentFar, ram.state);
  const faults = new FaultService(here, { ...host, openRequests: ownRequests });
  const blocktime = blocktimeMemory(here);
  new PagePlacer(here, { clock: host.clock }, blocktime).reset();
  faults.start({ blocks: [BLOCK], blocktime });
  const nothing = (): void => {};
  const ends = [
    returnPaths.read(far, {
      pong: nothing,
      wanted: nothing,
      // Something comes while nobody reads.
      received: () => host.channels.turn(),
      resumed: nothing,
    }),
    faults.loadUrgent(urgentNear),
  ];
  // They end with their connections.
  for (const end of ends) end.catch(nothing);
  const first = here.faults.pageOf(rangeOf(here)[0]);
  /** Most are wanted by vCPUs, at the same time; the first ones of all by a device. */
  const want = async (page: number): Promise<void> => {
    if (page === first) await waiters.want(page, host.clock.nowNs());
    for (let vcpu = 0; vcpu < VCPUS; vcpu++) waiters.beginWait(vcpu, page + vcpu, host.clock.nowNs());
    for (let vcpu = 0; vcpu < VCPUS; vcpu++) {
      while (!here.faults.isHere(page + vcpu) && !isOver()) await host.channels.turn();
    }
  };
  const all = async (): Promise<void> => {
    for (let round = 0; round < ROUNDS && !isOver(); round++) {
      // What comes in between belongs to it.
      const back = new ReturnPathWriter(near);
      await back.pong(round);
      await back.received({ name: BLOCK.name, bits: new Uint8Array(PAGES / 8) });
      ram.sendAllBut(BLOCK.name, new Uint8Array(PAGES / 8));
      here.faults.expect(first, PAGES);
      faults.requestBy(near);
      for (let page = first; page < first + PAGES && !isOver(); page += VCPUS) await want(page);
      if (!isOver()) await host.sleep(PAUSE_NS);
    }
  };
  try {
    await Promise.race([all(), ...ends]);
  } finally {
    faults.end();
    returnPaths.end(far);
  }
}

/** The thread that closes the channel is the one that asks, and may be ended at any time. */
function ownRequests(channel: ByteChannel): RequestsDescriptor | undefined {
  const descriptor = channel.descriptor?.();
  return descriptor === undefined ? undefined : { descriptor, close() {} };
}

/** Of a machine that never runs. */
function scratchMemory(vcpus: number, futex?: Futex): MigrationMemory {
  const layout = layoutMemory(vcpus, [BLOCK]);
  const pages = layout.totalBytes / 65_536;
  return new MigrationMemory(new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }), layout, futex);
}

function fill(memory: Uint8Array): void {
  memory.fill(1);
  for (let at = 0; at < memory.length; at += ZERO_PAGES * PAGE_BYTES) memory.fill(0, at, at + PAGE_BYTES);
}

function rangeOf({ blocks }: MigrationMemory): [number, number] {
  const [block] = blocks;
  if (!block) throw new Error("there is no block");
  return [block.host, block.sizeBytes];
}
