/**
 * Runs the machine of a command line until the guest, the user or a signal ends it.
 */
import { writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { resolve } from "node:path";
import { readBootFiles } from "#app/boot-files.ts";
import type { HostOptions } from "#app/cli/command-line.ts";
import { daemonReady } from "#app/daemon.ts";
import { openLog } from "#app/log-setup.ts";
import type { PreparedMachine } from "#app/prepared-machine.ts";
import { say } from "#app/messages.ts";
import type { Run } from "#app/run-command.ts";
import { migrationHost } from "#app/migration-host.ts";
import { nodeHost } from "#app/node-host.ts";
import { startPageThread, type StartedPageThread } from "#app/page-thread.ts";
import { writePidfile } from "#app/pidfile.ts";
import { makeSnapshots, snapshotPlace, snapshotStore } from "#app/snapshot-setup.ts";
import { StartError } from "#app/start-error.ts";
import { markStep, traceSteps } from "#app/startup-steps.ts";
import type { ShutdownReason } from "#control/monitor/context.ts";
import type { Monitor } from "#control/monitor/monitor.ts";
import { makeLog } from "#core/log.ts";
import { oneLine } from "#core/one-line.ts";
import { Migration } from "#control/migration/migration.ts";
import type { OpenSnapshot } from "#control/snapshot/snapshot-load.ts";
import { openSnapshot, type Snapshots } from "#control/snapshot/snapshots.ts";
import type { MachineConfig } from "#machine/config.ts";
import { Machine } from "#machine/machine.ts";
import { makeBootPlan } from "#machine/machine-boot.ts";
import { nodeRandom } from "#platform/node/random.ts";

const IDLE_MS = 1 << 30;

/**
 * Resolves when the machine is up. `prepared` is what was made for it ahead; absent when it only is to be described.
 * Rejects with errors that have a `code` and a sentence.
 */
export async function runMachine({ machine, host: options }: Run, prepared?: PreparedMachine): Promise<void> {
  if (machine.machine === "none") return runWithoutMachine(machine, options);
  const pages = options.loadvm === undefined ? undefined : startPageThread();
  const files = await readBootFiles(machine.boot, options.dataDirectories);
  if (machine.boot.dumpdtb !== undefined) {
    return dumpDeviceTree(machine.boot.dumpdtb, makeBootPlan(machine, files, nodeRandom()).fdtBlob);
  }
  if (options.pidfile !== undefined) writePidfile(options.pidfile);
  const log = await openLog(options, say);
  const config = { ...(options.daemonize ? withAbsolutePaths(machine) : machine), ...(log && { log: log.config }) };

  const end = makeEnd();
  const host = await nodeHost(
    config,
    {
      exit: () => void end.run(0, "host-ui"),
      fail: () => void end.run(1, "host-error"),
      say,
      log: log?.target,
    },
    prepared,
  );
  end.steps.unshift(() => host.close());
  markStep("host");
  const creating = Machine.create(config, files, host);
  // Whoever waits for it hears of it.
  creating.catch(() => {});
  // These are loaded while the threads get ready.
  const store = snapshotStore(options.snapshotDirectory);
  const snapshot =
    options.loadvm === undefined ? undefined : openSnapshot(store, config.drives, snapshotPlace(options.loadvm));
  const [running, { openMonitors }] = await Promise.all([creating, import("#app/monitors.ts")]);
  end.steps.unshift(() => running.quit());
  markStep("machine");
  const migration = new Migration(running, migrationHost(log?.target, log?.config));
  const snapshots = makeSnapshots(running, migration, store, host.clock);
  if (snapshot && pages) await goOnFrom(snapshots, snapshot, pages, end);
  end.monitor = openMonitors(options.monitors, config, running, { migration, snapshots }, host, end);
  markStep("monitors");
  running.on((event) => {
    if (event.kind === "shutdown" && running.actions.onShutdown === "poweroff") void end.run(event.exitCode);
  });
  if (options.incoming !== undefined) await awaitMachine(migration, options.incoming, end);
  else if (!config.startStopped) await running.start();
  markStep("running");
  host.ready();
  if (options.daemonize) daemonReady();
  traceSteps(makeLog(config.log, host.log).trace);
}

/** `-machine none`: monitors that can be asked, and nothing else. */
async function runWithoutMachine(config: MachineConfig, options: HostOptions): Promise<void> {
  if (options.pidfile !== undefined) writePidfile(options.pidfile);
  const { openMonitors } = await import("#app/monitors.ts");
  const end = makeEnd();
  const host = await nodeHost(config, {
    exit: () => void end.run(0, "host-ui"),
    fail: () => void end.run(1, "host-error"),
    say,
  });
  end.steps.unshift(() => host.close());
  end.monitor = openMonitors(options.monitors, config, undefined, {}, host, end);
  // Without a monitor, too, it ends with a signal only.
  setInterval(() => {}, IDLE_MS);
  host.ready();
  if (options.daemonize) daemonReady();
}

/** Resolves when it listens. A machine that cannot be loaded ends the process with 1, as in QEMU. */
async function awaitMachine(migration: Migration, uri: string, end: End): Promise<void> {
  if (uri === "defer") return;
  const { loaded } = await migration.incoming({ uri }, !migration.startsStopped);
  loaded.catch((error: Error) => {
    say(`load of migration failed: ${oneLine(error.message)}`);
    void end.run(1);
  });
}

/** Resolves when the machine can run; the rest of its memory comes then. Rejects with `SnapshotError`. */
async function goOnFrom(
  snapshots: Snapshots,
  snapshot: OpenSnapshot,
  pages: StartedPageThread,
  end: End,
): Promise<void> {
  end.steps.push(() => pages.close());
  const { allPagesHere } = await snapshots.start(snapshot, pages);
  allPagesHere.catch((error: Error) => {
    if (end.isEnding) return;
    say(oneLine(error.message));
    void end.run(1);
  });
}

async function dumpDeviceTree(path: string, blob: Uint8Array): Promise<void> {
  try {
    await writeFile(path, blob);
  } catch (cause) {
    throw new StartError(`the device tree cannot be written to ${path}: ${(cause as Error).message}`, { cause });
  }
  say(`info: dtb dumped to ${path}. Exiting.`);
}

/** A daemon leaves its folder, and a socket's name is needed again when it is removed. */
function withAbsolutePaths(config: MachineConfig): MachineConfig {
  const chardevs = config.chardevs.map((chardev) =>
    chardev.kind === "unix" ? { ...chardev, path: resolve(chardev.path) } : chardev,
  );
  return { ...config, chardevs };
}

type End = {
  readonly steps: (() => Promise<void>)[];
  /** Whose clients are told; not for an end that they have heard of. */
  monitor: Monitor | undefined;
  readonly isEnding: boolean;
  run(exitCode: number, reason?: ShutdownReason): Promise<void>;
};

/** How the process ends: the steps in order, then the exit. Signals end it with 0, as in QEMU. */
function makeEnd(): End {
  const steps: (() => Promise<void>)[] = [];
  let isEnding = false;
  const run = async (exitCode: number, reason?: ShutdownReason): Promise<void> => {
    if (isEnding) return;
    isEnding = true;
    if (reason) end.monitor?.emit("SHUTDOWN", { guest: false, reason });
    for (const step of steps) await step();
    // The rest of the output goes out before the process ends.
    process.stdout.write("", () => process.exit(exitCode));
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    process.on(signal, () => {
      // Whoever asks twice does not want to wait for the first.
      if (isEnding) process.exit(1);
      say(`terminating on signal ${constants.signals[signal]} (${signal})`);
      void run(0, "host-signal");
    });
  }
  const end: End = {
    steps,
    monitor: undefined,
    run,
    get isEnding() {
      return isEnding;
    },
  };
  return end;
}
