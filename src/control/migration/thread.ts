/**
 * The migration's thread: one migration, out or in, by order of the machine's thread. What must not wait behind its stream
 * is the link's (link.ts).
 *
 *   Migration (machine's thread) -> functions here -> OutgoingMigration | IncomingMigration
 *                                <- status, pass, and what is asked of the machine (machine-functions.ts)
 */
import type { ChannelAddress, Channels, Clock, Futex, Timers, Urgency } from "#core/host.ts";
import { ThreadCalls, type ThreadPort } from "#core/thread-calls.ts";
import type { Trace } from "#core/trace.ts";
import { IncomingMigration, type IncomingOptions } from "#control/migration/incoming.ts";
import type { MigratingMachine, MigrationObserver } from "#control/migration/machine-functions.ts";
import type { Link } from "#control/migration/link.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import { OutgoingMigration, type OutgoingOptions } from "#control/migration/outgoing.ts";
import type { Parameters } from "#control/migration/parameters.ts";
import type { MigrationInfo } from "#control/migration/status.ts";
import type { MemoryLayout } from "#cpu/vcpu/layout.ts";
import { MigrationMemory } from "#machine/migration-memory.ts";

/** What the thread is started with. */
export type MigrationThreadData = { readonly memory: WebAssembly.Memory; readonly layout: MemoryLayout };
export type MigrationThreadHost = {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly link: Link;
  /** As of `Channels`. */
  turn(): Promise<void>;
  /** From now on a machine waits for this thread, which goes before others where the host can do that. */
  hurry(): void;
  /** As of `PageFaultsHost`. */
  readonly futex?: Futex | undefined;
  /** Of this thread, which goes before others in short only. */
  readonly urgency?: Urgency | undefined;
  readonly trace: Trace;
};

export type SendOptions = Pick<
  OutgoingOptions,
  "returnPath" | "pauseBeforeSwitchover" | "autoConverge" | "postcopy" | "preempt"
>;
export type ReceiveOptions = Pick<IncomingOptions, "freshBlocks" | "autostart" | "postcopy" | "blocktime" | "preempt">;
/** What the machine's thread may call. All reject with `CallError`. */
export type MigrationFunctions = {
  /** Resolves when the migration is over, one way or another. */
  send(address: ChannelAddress, parameters: Parameters, options: SendOptions): Promise<void>;
  /** Resolves when it listens. */
  listen(address: ChannelAddress, options: ReceiveOptions): Promise<ChannelAddress>;
  /** Resolves when the machine has come. */
  load(): Promise<void>;
  info(): MigrationInfo;
  setParameters(parameters: Parameters): void;
  startPostcopy(): void;
  continueSwitchover(): void;
  cancel(): void;
  pause(): void;
  /** A descriptor of `address` is used or closed, here and in `recover`. */
  resume(address: ChannelAddress): Promise<void>;
  recover(address: ChannelAddress): Promise<ChannelAddress>;
};
/** What it calls. */
export type MachineThreadFunctions = {
  readonly [name in keyof MigratingMachine]: MigratingMachine[name];
} & MigrationObserver;

export function runMigrationThread(data: MigrationThreadData, host: MigrationThreadHost, port: ThreadPort): void {
  const memory = new MigrationMemory(data.memory, data.layout, host.futex);
  let outgoing: OutgoingMigration | undefined;
  let incoming: IncomingMigration | undefined;
  let parameters: Parameters | undefined;
  const { channels, faults, returnPaths, rehearsal } = host.link;
  const functions: MigrationFunctions = {
    send(address: ChannelAddress, initial: Parameters, options: SendOptions) {
      parameters = initial;
      outgoing = new OutgoingMigration({
        ...options,
        ...host,
        memory,
        machine,
        observer,
        returnPaths,
        rehearsal,
        parameters: () => parameters ?? initial,
      });
      return outgoing.run(() => channels.connect(address));
    },
    listen(address: ChannelAddress, options: ReceiveOptions) {
      incoming = new IncomingMigration({ ...options, ...host, channels, faults, rehearsal, memory, machine, observer });
      return incoming.listen(address);
    },
    load: async () => incoming?.load(),
    info: () => outgoing?.info() ?? incoming?.info() ?? {},
    setParameters: (changed: Parameters) => void (parameters = changed),
    startPostcopy: () => outgoing?.startPostcopy(),
    continueSwitchover: () => outgoing?.continueSwitchover(),
    cancel: () => outgoing?.cancel(),
    pause: () => (outgoing ?? incoming)?.pause(),
    async resume(address: ChannelAddress) {
      try {
        if (!outgoing) throw new MigrationError("Cannot resume if there is no paused migration");
        outgoing.resume(() => channels.connect(address));
      } catch (error) {
        await closeUnused(channels, address);
        throw error;
      }
    },
    async recover(address: ChannelAddress) {
      if (incoming?.isPaused) return incoming.recover(address);
      await closeUnused(channels, address);
      throw new MigrationError("Migrate recover can only be run when postcopy is paused.");
    },
  };
  const calls = new ThreadCalls<MachineThreadFunctions>(port, functions);
  const machine: MigratingMachine = {
    stop: () => calls.call("stop"),
    start: () => calls.call("start"),
    saveSections: (isDescribed) => calls.call("saveSections", isDescribed),
    loadSections: (head, bytes) => calls.call("loadSections", head, bytes),
    runLoaded: (autostart) => calls.call("runLoaded", autostart),
  };
  const observer: MigrationObserver = {
    status: (status, info) => calls.tell("status", status, info),
    pass: (pass) => calls.tell("pass", pass),
  };
}

/** A descriptor that nothing goes over was this thread's all the same. */
async function closeUnused(channels: Pick<Channels, "connect">, address: ChannelAddress): Promise<void> {
  if (address.kind !== "fd") return;
  await channels.connect(address).then(
    (channel) => channel.abort(),
    // Whoever cannot open it has closed it.
    () => {},
  );
}
