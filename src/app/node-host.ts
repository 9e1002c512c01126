/**
 * The host of a machine in Node: threads, files, character devices.
 */
import { prepareEngine } from "#app/engine.ts";
import type { PreparedMachine } from "#app/prepared-machine.ts";
import type { CharBackend, Disk } from "#core/host.ts";
import { makeLog } from "#core/log.ts";
import { CharMux } from "#io/char/mux.ts";
import { countedDisk, type DiskStatistics } from "#io/block/counted-disk.ts";
import { openRawDisk } from "#io/block/raw.ts";
import { askByDescriptor, type LogTarget, openSink } from "#app/thread-host.ts";
import type { MachineConfig } from "#machine/config.ts";
import type { MachineHost } from "#machine/machine.ts";
import { openChardev } from "#platform/node/chardev-open.ts";
import { nodeClock, nodeTimers } from "#platform/node/clock.ts";
import { openDiskFile } from "#platform/node/files-disk.ts";
import { openFutex } from "#platform/node/futex.ts";
import { nodeRandom } from "#platform/node/random.ts";

export type NodeHostOptions = {
  /** Ctrl-A x on a multiplexed terminal. */
  readonly exit: () => void;
  /** A thread has died of an internal error, which was said. */
  readonly fail: () => void;
  readonly say: (line: string) => void;
  /** Character devices that the program brings itself, by id. */
  readonly chardevs?: ReadonlyMap<string, CharBackend>;
  /** Where the log goes that the configuration asks for. */
  readonly log?: LogTarget | undefined;
};

/** A host whose files and character devices can be closed, when the machine has quit. */
export type NodeHost = MachineHost & {
  /** All frontends have attached: input of shared devices may come. */
  ready(): void;
  close(): Promise<void>;
  /** What the guest has done to each drive, by its id. */
  readonly statistics: ReadonlyMap<string, DiskStatistics>;
};

/** Opens everything that the configuration names. `prepared` is for its machine; the threads are ended if that fails. */
export async function nodeHost(
  config: MachineConfig,
  options: NodeHostOptions,
  prepared?: PreparedMachine,
): Promise<NodeHost> {
  try {
    return await openHost(config, options, prepared);
  } catch (error) {
    await prepared?.threads.close();
    throw error;
  }
}

async function openHost(
  config: MachineConfig,
  options: NodeHostOptions,
  prepared: PreparedMachine | undefined,
): Promise<NodeHost> {
  const threads = prepared?.threads;
  const log = openSink(options.log);
  const engine = threads?.loaded.then(() => prepareEngine(config, makeLog(config.log, log)));
  // Whoever starts a thread hears of it.
  engine?.catch(() => {});
  const clock = nodeClock();
  const disks = new Map<string, Disk>();
  const statistics = new Map<string, DiskStatistics>();
  for (const drive of config.drives) {
    const file = await openDiskFile(drive.file, { readOnly: drive.readOnly });
    const disk = openRawDisk(file, { readOnly: drive.readOnly, noFlush: drive.noFlush });
    const counted = countedDisk(disk, clock);
    statistics.set(drive.id, counted.statistics);
    disks.set(drive.interface === "pflash" ? `pflash${drive.index ?? 0}` : drive.id, counted);
  }
  const chardevs = new Map(options.chardevs);
  const opened: CharBackend[] = [];
  const muxes: CharMux[] = [];
  for (const chardev of config.chardevs) {
    const backend = await openChardev(chardev, {
      say: options.say,
      redirected: (line) => void process.stdout.write(`${line}\n`),
    });
    opened.push(backend);
    if (chardev.mux) {
      const mux = new CharMux(backend, clock, { exit: options.exit });
      mux.hold();
      muxes.push(mux);
      chardevs.set(chardev.id, mux.shared(chardev.id));
    } else chardevs.set(chardev.id, backend);
  }
  return {
    clock,
    askBy: askByDescriptor,
    futex: config.incoming ? await openFutex() : undefined,
    timers: nodeTimers(clock),
    memory: prepared?.memory,
    random: nodeRandom(),
    disks,
    statistics,
    chardevs,
    log,
    ready() {
      for (const mux of muxes) mux.release();
    },
    async close() {
      await threads?.close();
      for (const backend of opened) backend.close();
      for (const disk of disks.values()) await disk.close();
    },
    async startThread(kind, thread) {
      if (!threads || !engine) throw new Error("a host without threads cannot start one");
      return threads.start(kind, { thread, log: options.log, engine: await engine }, (error) => {
        options.say(`internal error in the ${kind} thread: ${error.message}`);
        options.fail();
      });
    },
  };
}
