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
import type { ByteChannel, Channels, Urgency } from "#core/host.ts";
import { NO_TRACE } from "#core/trace.ts";
import { layoutMemory, type MemoryLayout } from "#cpu/vcpu/layout.ts";
import { MigrationMemory } from "#machine/migration-memory.ts";
import { type AskBy, PageFaults } from "#machine/page-faults.ts";

const PAGES = 256;
/** So many times over connections and objects of their own, so that the engine does not take one set of them for all. */
const SESSIONS = 4;
/** Of each session; behind each the engine's last compiler has time for what it was given. */
const ROUNDS = 10;
const PAUSE_NS = 15e6;
const BLOCK = { name: "rehearsal", sizeBytes: PAGES * PAGE_BYTES };

export type RehearsalHost = FaultHost & {
  readonly channels: Pick<Channels, "pair">;
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
  const [here, there] = [scratchMemory(1), scratchMemory(0)];
  const layout = layoutMemory(1, [BLOCK]);
  const waiters = new PageFaults(here.memory, layout, { ask: host.askBy?.(layout) });
  const ram = new RamSaver(there);
  new Uint8Array(there.memory, ...rangeOf(there)).fill(1);
  const returnPaths = new ReturnPathService(there);
  returnPaths.sendWanted(far, urgentFar, ram.state);
  const faults = new FaultService(here, { ...host, openRequests: ownRequests });
  const blocktime = blocktimeMemory(here);
  new PagePlacer(here, { clock: host.clock }, blocktime).reset();
  faults.start({ blocks: [BLOCK], blocktime });
  const nothing = (): void => {};
  const ends = [
    returnPaths.read(far, { pong: nothing, wanted: nothing, received: nothing, resumed: nothing }),
    faults.loadUrgent(urgentNear),
  ];
  // They end with their connections.
  for (const end of ends) end.catch(nothing);
  const first = here.faults.pageOf(rangeOf(here)[0]);
  const all = async (): Promise<void> => {
    for (let round = 0; round < ROUNDS && !isOver(); round++) {
      // What comes in between belongs to it.
      await new ReturnPathWriter(near).pong(round);
      ram.sendAllBut(BLOCK.name, new Uint8Array(PAGES / 8));
      here.faults.expect(first, PAGES);
      faults.requestBy(near);
      for (let page = first; page < first + PAGES && !isOver(); page++) await waiters.want(page, host.clock.nowNs());
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
function scratchMemory(vcpus: number): MigrationMemory {
  const layout = layoutMemory(vcpus, [BLOCK]);
  const pages = layout.totalBytes / 65_536;
  return new MigrationMemory(new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }), layout);
}

function rangeOf({ blocks }: MigrationMemory): [number, number] {
  const [block] = blocks;
  if (!block) throw new Error("there is no block");
  return [block.host, block.sizeBytes];
}
