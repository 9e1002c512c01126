/**
 * What the migration's thread asks of the machine's: stop and start, and the state of everything that is not RAM.
 * Thread: machine.
 */
import {
  type LoadedSections,
  loadSections,
  type NumberedHead,
  type SectionHead,
} from "#control/migration/section-load.ts";
import type { MigrationInfo, MigrationStatus } from "#control/migration/status.ts";
import type { RunState } from "#control/run-state.ts";
import type { SectionDescription } from "#core/vmstate.ts";
import type { Machine } from "#machine/machine.ts";
import type { MigrationPort } from "#machine/migration-port.ts";

export type SavedSection = SectionHead & { readonly body: Uint8Array; readonly description?: SectionDescription };
/** The machine as a migration sees it; calls of another thread reject with `CallError`. */
export type MigratingMachine = {
  /** Resolves when no vCPU runs and no request of a device is under way. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** With their descriptions if `isDescribed`, which takes longer than the state itself. Behind a stop that is under way. */
  saveSections(isDescribed: boolean): Promise<readonly SavedSection[]>;
  /** As `loadSections`. */
  loadSections(head: NumberedHead, bytes: Uint8Array): Promise<LoadedSections | undefined>;
  /** Everything is loaded: the machine runs on if it ran at the source and `autostart` says so. */
  runLoaded(autostart: boolean): Promise<void>;
};
/** What the migration's thread tells. */
export type MigrationObserver = {
  status(status: MigrationStatus, info: MigrationInfo): void;
  pass(pass: number): void;
};

export function machineFunctions(machine: Machine, run: RunState): MigratingMachine {
  const port = machine.migration;
  const stop = async (): Promise<void> => {
    port.runState = run.saved;
    run.hold();
    await machine.rest();
    await port.drain();
  };
  let stopping: Promise<void> | undefined;
  return {
    stop: () => (stopping = stop()),
    start: () => machine.start(),
    async saveSections(isDescribed) {
      await stopping;
      return saveSections(port, isDescribed);
    },
    loadSections: async (head, bytes) => loadSections(port, head, bytes),
    async runLoaded(autostart) {
      port.finishLoad();
      if (autostart && port.runState === "running") await machine.start();
    },
  };
}

/** In the order in which they are sent. The machine is stopped. */
export function saveSections(port: Pick<MigrationPort, "sections">, isDescribed = true): readonly SavedSection[] {
  return port.sections.map(({ name, instanceId, section }) => ({
    name,
    instanceId,
    version: section.version,
    body: section.save(),
    ...(isDescribed && { description: section.describe() }),
  }));
}
