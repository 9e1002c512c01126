/**
 * The snapshots of one machine: what the monitor's commands, `-loadvm` and the npm API call.
 *
 *   save: stop -> devices, pages -> file under its name -> run on
 *   load: check -> stop -> pages, devices -> run on
 *   start: check -> devices at once, pages by a thread while the machine runs
 *
 * Thread: machine.
 */
import type { SnapshotFile, SnapshotPlace, SnapshotStore } from "#core/snapshot-store.ts";
import { SnapshotError } from "#control/snapshot/snapshot-error.ts";
import { eachRun, HEAD_BYTES, type PageRuns, pagesOffset, readDescription } from "#control/snapshot/snapshot-format.ts";
import {
  checkBlocks,
  checkSections,
  clearOtherPages,
  loadDevices,
  loadPages,
  type OpenSnapshot,
  readHead,
  readSnapshot,
} from "#control/snapshot/snapshot-load.ts";
import { saveSnapshot } from "#control/snapshot/snapshot-save.ts";
import type { PageThread } from "#control/snapshot/page-thread.ts";
import type { RamBlock } from "#cpu/vcpu/layout.ts";
import type { DriveConfig } from "#machine/config.ts";
import type { Machine } from "#machine/machine.ts";
import type { RunStateName } from "#machine/run-states.ts";
import { PageFaults } from "#machine/page-faults.ts";

export type SnapshotHost = {
  readonly store: SnapshotStore;
  /** Milliseconds since 1970-01-01 UTC. */
  wallMs(): number;
  /** Resolves when everything else that waits on this thread has had its turn. */
  turn(): Promise<void>;
  /** The machine is being sent elsewhere. */
  isMigrating(): boolean;
  /** What the machine is doing, as a snapshot says it. */
  runState(): RunStateName;
};

export type SnapshotEntry = {
  readonly tag: string;
  readonly sizeBytes: number;
  readonly savedMs: number;
  readonly clockNs: number;
};

export type SaveRequest = {
  /** Replace one that is there. */
  readonly overwrite: boolean;
  /** Drives and nodes that take part; absent: all. */
  readonly devices?: readonly string[];
};

/** What QEMU says where nothing can hold a machine's state, and what to do here. */
export const NO_DIRECTORY =
  "no block device can store vmstate for snapshot; name a directory for snapshots with -snapshot-dir";

export class Snapshots {
  readonly #machine: Machine;
  readonly #host: SnapshotHost;

  constructor(machine: Machine, host: SnapshotHost) {
    this.#machine = machine;
    this.#host = host;
  }

  get hasDirectory(): boolean {
    return this.#host.store.hasDirectory;
  }

  /** The snapshots of the directory, the oldest first; files that are none are left out. Throws `SnapshotError`. */
  list(): readonly SnapshotEntry[] {
    const { store } = this.#host;
    if (!store.hasDirectory) throw new SnapshotError(NO_DIRECTORY);
    const entries: SnapshotEntry[] = [];
    for (const file of store.files()) {
      const entry = describe(file);
      if (entry) entries.push(entry);
    }
    return entries.toSorted((a, b) => a.savedMs - b.savedMs || (a.tag < b.tag ? -1 : 1));
  }

  /** Rejects with `SnapshotError`: the machine runs on as it was. */
  async save(place: SnapshotPlace, { overwrite, devices }: SaveRequest): Promise<void> {
    const { store } = this.#host;
    checkDirectory(store, place);
    this.#checkHere();
    checkDrives(this.#machine.config.drives, devices);
    if (!overwrite && store.has(place)) {
      throw new SnapshotError(`Snapshot '${nameOf(place)}' already exists in one or more devices`);
    }
    const writer = await store.create(place);
    try {
      this.#machine.migration.runState = this.#host.runState();
      await this.#machine.saveState(async () => {
        const tag = "tag" in place ? place.tag : nameOf(place);
        await saveSnapshot(this.#machine.migration, writer, {
          tag,
          savedMs: this.#host.wallMs(),
          turn: () => this.#host.turn(),
        });
        await writer.commit();
      });
    } catch (cause) {
      await writer.abort();
      throw new SnapshotError(`the snapshot '${nameOf(place)}' cannot be written: ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  /**
   * Replaces the machine's state; it runs on if it ran. Rejects with `SnapshotError`: the machine is as it was if it
   * was not touched, else it stands still in its power-on state, as the message says.
   */
  async load(place: SnapshotPlace, devices?: readonly string[]): Promise<void> {
    this.#checkHere();
    if (this.#host.isMigrating()) throw new SnapshotError("There's a migration process in progress");
    const { migration, config } = this.#machine;
    const open = openSnapshot(this.#host.store, config.drives, place, devices);
    const { file, body } = open;
    try {
      checkBlocks(file, body.description, migration.ram.blocks);
      checkSections(file, body.description, migration.sections);
      await this.#machine.loadState(async () => {
        migration.ram.dirty.markAll();
        try {
          await loadPages(open, migration, migration.ram.blocks, () => this.#host.turn());
          await clearOtherPages(body.runs, migration, () => this.#host.turn());
          loadDevices(open, migration);
        } catch (cause) {
          if (!(cause instanceof SnapshotError)) throw cause;
          throw new SnapshotError(`${cause.message}; the machine was reset and is stopped`, { cause });
        }
      });
    } finally {
      file.close();
    }
  }

  /**
   * Puts the state of `open` into a machine that waits for one; `thread` brings most of its RAM in while it runs.
   * Closes the file at the end.
   * Rejects with `SnapshotError`. Returns what `MigrationPort.allPagesHere` is from now on.
   */
  async start(open: OpenSnapshot, thread: PageThread): Promise<{ readonly allPagesHere: Promise<void> }> {
    const { migration } = this.#machine;
    const [ram, ...others] = migration.ram.blocks;
    let isServed = false;
    try {
      checkBlocks(open.file, open.body.description, migration.ram.blocks);
      checkSections(open.file, open.body.description, migration.sections);
      // Devices read flash and ROM without asking for pages.
      await loadPages(open, migration, others, () => this.#host.turn());
      if (!ram) throw new SnapshotError("this machine has no RAM");
      migration.ram.dirty.markAll();
      const { layout } = migration;
      const faults = new PageFaults(migration.ram.memory, layout);
      expectPages(faults, ram, open.body.runs);
      loadDevices(open, migration);
      const { memory } = migration.ram;
      const { descriptor } = open.file;
      migration.allPagesHere = thread.serve({
        memory,
        layout,
        descriptor,
        offset: pagesOffset(open.head),
        runs: open.body.runs,
        recentPages: open.body.description.recentPages,
      });
      isServed = true;
      migration.finishLoad();
      migration.allPagesHere.finally(() => open.file.close()).catch(() => {});
      return { allPagesHere: migration.allPagesHere };
    } finally {
      if (!isServed) open.file.close();
    }
  }

  /** False when there is none. Throws `SnapshotError`. */
  remove(tag: string, devices?: readonly string[]): boolean {
    const { store } = this.#host;
    checkDirectory(store, { tag });
    checkDrives(this.#machine.config.drives, devices);
    return store.remove({ tag });
  }

  #checkHere(): void {
    if (this.#machine.migration.isLoading) throw new SnapshotError("the machine has not come yet");
  }
}

/** Marks the pages of the runs that lie in `block` as missing. */
function expectPages(faults: PageFaults, block: RamBlock, runs: PageRuns): void {
  const [start, end] = [faults.pageOf(block.host), faults.pageOf(block.host + block.sizeBytes - 1) + 1];
  for (const { first, count } of eachRun(runs)) {
    const from = Math.max(first, start);
    const to = Math.min(first + count, end);
    if (to > from) faults.expect(from, to - from);
  }
}

/** Opens a snapshot whose head and body are in order; its pages are not looked at. Throws an error with a `code`. */
export function openSnapshot(
  store: SnapshotStore,
  drives: readonly DriveConfig[],
  place: SnapshotPlace,
  devices?: readonly string[],
): OpenSnapshot {
  checkDirectory(store, place);
  checkDrives(drives, devices);
  if ("tag" in place && !store.has(place)) {
    throw new SnapshotError(`Snapshot '${place.tag}' does not exist in one or more devices`);
  }
  const file = store.open(place);
  try {
    return readSnapshot(file);
  } catch (error) {
    file.close();
    throw error;
  }
}

function checkDirectory(store: SnapshotStore, place: SnapshotPlace): void {
  if ("tag" in place && !store.hasDirectory) throw new SnapshotError(NO_DIRECTORY);
}

/** `devices` are the drives that take part; absent: all. */
function checkDrives(drives: readonly DriveConfig[], devices: readonly string[] | undefined): void {
  const unknown = devices?.find((name) => !drives.some(({ id }) => id === name));
  if (unknown !== undefined) throw new SnapshotError(`No block device node '${unknown}'`);
  const writable = drives.find(({ id, readOnly }) => !readOnly && (devices === undefined || devices.includes(id)));
  if (writable) throw new SnapshotError(`Device '${writable.id}' is writable but does not support snapshots`);
}

/** Undefined for a file that is no snapshot, or a damaged one. */
function describe(file: SnapshotFile): SnapshotEntry | undefined {
  try {
    const { descriptionBytes } = readHead(file);
    const bytes = new Uint8Array(descriptionBytes);
    file.read(HEAD_BYTES, bytes);
    const description = readDescription(bytes);
    return description && { ...description, sizeBytes: file.sizeBytes };
  } catch (error) {
    if (error instanceof SnapshotError) return undefined;
    throw error;
  }
}

/** Tag or path, for messages. */
export function nameOf(place: SnapshotPlace): string {
  return "tag" in place ? place.tag : place.path;
}
