/**
 * The migrations of one machine: what the monitor's commands and the npm API call. Each one runs in a thread of its own
 * (thread.ts), which owns the connection; here is what is known between two of them.
 * Thread: machine.
 */
import type { ChannelAddress } from "#core/host.ts";
import { type CallError, ThreadCalls, type ThreadPort } from "#core/thread-calls.ts";
import {
  type DescriptorNames,
  type MigrationAddress,
  type MigrationChannel,
  parseChannels,
  parseUri,
  resolveNames,
} from "#control/migration/address.ts";
import { Capabilities, type Capability } from "#control/migration/capabilities.ts";
import { machineFunctions } from "#control/migration/machine-functions.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import { changeParameters, DEFAULT_PARAMETERS, type Parameters as Limits } from "#control/migration/parameters.ts";
import {
  CANNOT_PAUSE,
  type MigrationEvent,
  type MigrationInfo,
  type MigrationStatus,
} from "#control/migration/status.ts";
import type { MachineThreadFunctions, MigrationFunctions, MigrationThreadData } from "#control/migration/thread.ts";
import { RunState } from "#control/run-state.ts";
import type { Machine } from "#machine/machine.ts";

/** A thread that runs `runMigrationThread`. */
export type MigrationThread = {
  readonly port: ThreadPort;
  /** Calls `listener` when the thread has ended by itself, with the reason. */
  onEnd(listener: (why: string) => void): void;
  terminate(): Promise<void>;
};
export type MigrationHost = { startMigration(data: MigrationThreadData): MigrationThread };
/** Where to: one of both. */
export type MigrationTarget = {
  readonly uri?: string;
  readonly channels?: readonly MigrationChannel[];
  /** What `fd:NAME` means; without them no name is known. */
  readonly descriptors?: DescriptorNames;
};

const OVER: readonly (MigrationStatus | undefined)[] = [undefined, "completed", "failed", "cancelled"];
type Calls = ThreadCalls<MigrationFunctions>;
type Running = {
  readonly calls: Calls;
  readonly direction: "out" | "in";
  /** What it still has to answer before it may end: it has got a descriptor, which it uses or closes. */
  readonly owed: Set<Promise<unknown>>;
  terminate(): Promise<void>;
};

export class Migration {
  /** What the machine is doing; its migrations are a part of that. */
  readonly run: RunState;
  readonly #machine: Machine;
  readonly #host: MigrationHost;
  readonly #capabilities = new Capabilities();
  readonly #listeners = new Set<(event: MigrationEvent) => void>();
  #parameters: Limits = DEFAULT_PARAMETERS;
  #running: Running | undefined;
  /** What the thread said last; of the last migration when none runs. */
  #info: MigrationInfo = {};
  #ended: Promise<void> = Promise.resolve();
  /** Some of a machine has come, at least once. */
  #hasLoaded = false;
  #listening: ChannelAddress | undefined;
  /** What was asked since: to run, or to stay. */
  #startAsked: boolean | undefined;

  constructor(machine: Machine, host: MigrationHost) {
    this.run = new RunState(machine);
    this.#machine = machine;
    this.#host = host;
  }

  /** Calls `listener` for every event; returns a function that stops that. `events` need not be on for this. */
  on(listener: (event: MigrationEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Starts to send the machine; the event `setup` comes before this returns. Throws `MigrationError`. */
  migrate(target: MigrationTarget): void {
    const asked = parseTarget(target);
    if (this.isActive) throw new MigrationError("There's a migration process in progress");
    if (this.#machine.migration.isLoading) throw new MigrationError("Guest is waiting for an incoming migration");
    if (this.run.name === "postmigrate") {
      throw new MigrationError("Can't migrate the vm that was paused due to previous migration");
    }
    if (this.#machine.migration.ram.faults.missingCount > 0) {
      throw new MigrationError("the machine's memory is still coming; try again in a few seconds");
    }
    const postcopy = this.#capabilities.has("postcopy-ram");
    if (postcopy && (asked.kind === "file" || asked.kind === "exec")) {
      throw new MigrationError("Postcopy needs a connection: tcp, unix, or fd of a socket");
    }
    const preempt = postcopy && this.#capabilities.has("postcopy-preempt");
    if (preempt && isDescriptor(asked)) throw new MigrationError(NEEDS_CHANNELS);
    // The last of what may fail: the descriptor is the thread's then.
    const address = resolveNames(asked, target.descriptors);
    const running = this.#start("out");
    this.#observe("setup", { status: "setup" });
    this.#ended = this.#finish(
      running,
      running.calls.call("send", address, this.#parameters, {
        returnPath: this.#capabilities.has("return-path") || postcopy,
        postcopy,
        preempt,
        autoConverge: this.#capabilities.has("auto-converge"),
        pauseBeforeSwitchover: this.#capabilities.has("pause-before-switchover"),
      }),
    ).catch(() => {});
  }

  /** Resolves when the outgoing migration is over, one way or another. */
  async untilOver(): Promise<MigrationInfo> {
    await this.#ended;
    return this.query();
  }

  /**
   * Waits for a machine. Resolves when it listens, with a promise of the machine, which rejects when it cannot be
   * loaded: the machine cannot be used then. Rejects with `MigrationError` or the host's error.
   */
  async incoming(target: MigrationTarget, autostart: boolean): Promise<{ readonly loaded: Promise<void> }> {
    const asked = parseTarget(target);
    if (!this.#machine.migration.isLoading || this.#running) {
      throw new MigrationError("The incoming migration has already been started");
    }
    const preempt = this.#capabilities.has("postcopy-preempt");
    if (preempt && isDescriptor(asked)) throw new MigrationError(NEEDS_CHANNELS);
    const address = resolveNames(asked, target.descriptors);
    this.run.set("inmigrate");
    const running = this.#start("in");
    this.#observe("setup", { status: "setup" });
    try {
      this.#listening = await running.calls.call("listen", address, {
        freshBlocks: this.#hasLoaded ? [] : this.#machine.migration.emptyBlocks,
        autostart,
        postcopy: this.#capabilities.has("postcopy-ram"),
        blocktime: this.#capabilities.has("postcopy-blocktime"),
        preempt,
      });
    } catch (error) {
      await this.#stop(running);
      throw migrationError(error as CallError);
    }
    this.#hasLoaded = true;
    const loaded = this.#finish(running, running.calls.call("load"));
    this.#machine.migration.allPagesHere = loaded;
    return { loaded };
  }

  /** Where an incoming migration is waited for. */
  get listening(): ChannelAddress | undefined {
    return this.#listening;
  }

  /** Throws `MigrationError`. */
  startPostcopy(): void {
    if (!this.#capabilities.has("postcopy-ram")) {
      throw new MigrationError("Enable postcopy with migrate_set_capability before the start of migration");
    }
    if (this.#running?.direction !== "out") {
      throw new MigrationError("Migration must be started before switching to postcopy");
    }
    this.#tell("startPostcopy");
  }
  /** Gives up an outgoing migration; the machine goes on here. Rejects with `MigrationError` when it has gone already. */
  async cancel(): Promise<void> {
    const running = this.#running;
    if (running?.direction !== "out") return;
    try {
      await running.calls.call("cancel");
    } catch (error) {
      if (this.#running === running) throw migrationError(error as CallError);
    }
  }
  /** Goes on from a state that waits for this. Throws `MigrationError`. */
  continueFrom(status: MigrationStatus): void {
    if (this.#info.status !== status) {
      throw new MigrationError(`Migration not in expected state: ${this.#info.status ?? "none"}`);
    }
    this.#tell("continueSwitchover");
  }
  /** Interrupts a postcopy, on either side. Rejects with `MigrationError`. */
  async pause(): Promise<void> {
    await this.#ask("pause", CANNOT_PAUSE);
  }
  /** Takes an interrupted postcopy up again, at the source. Rejects with `MigrationError`. */
  async resume(target: MigrationTarget): Promise<void> {
    const why = "Cannot resume if there is no paused migration";
    await this.#ask("resume", why, () => this.#whilePaused(target, why));
  }
  /** The same at the destination: waits for a new connection. Rejects with `MigrationError`. */
  async recover(target: MigrationTarget): Promise<void> {
    const why = "Migrate recover can only be run when postcopy is paused.";
    this.#listening = await this.#ask("recover", why, () => this.#whilePaused(target, why));
  }
  /** The target; no descriptor is taken when nothing is paused, for nobody would close it. Throws `MigrationError`. */
  #whilePaused(target: MigrationTarget, otherwise: string): ChannelAddress {
    const asked = parseTarget(target);
    if (asked.kind === "named" && this.#info.status !== "postcopy-paused") throw new MigrationError(otherwise);
    if (this.#capabilities.has("postcopy-preempt") && isDescriptor(asked)) throw new MigrationError(NEEDS_CHANNELS);
    return resolveNames(asked, target.descriptors);
  }

  /** Ends what goes on, at once and without a word to the other side: the machine is about to quit. */
  async end(): Promise<void> {
    if (this.#running) await this.#stop(this.#running);
  }

  /** `-S`: a machine that comes in waits until it is told to run. */
  get startsStopped(): boolean {
    return this.#machine.config.startStopped;
  }
  /** A machine that comes in runs as soon as it can, whatever `-S` says. */
  startWhenLoaded(): void {
    this.#startAsked = true;
  }
  /** It waits, whatever is asked of it. */
  stayWhenLoaded(): void {
    this.#startAsked = false;
  }
  /** What goes on, or has just ended, is at its source here. */
  get isOutgoing(): boolean {
    return this.#running?.direction === "out";
  }
  get isActive(): boolean {
    return this.#running !== undefined && !OVER.includes(this.#info.status);
  }
  async query(): Promise<MigrationInfo> {
    try {
      if (this.isActive)
        return { ...((await this.#running?.calls.call("info")) ?? this.#info), ...this.#socketAddress };
    } catch {
      // It has just ended.
    }
    return this.#info;
  }

  get #socketAddress(): Pick<MigrationInfo, "socket-address"> {
    const where = this.#running?.direction === "in" ? this.#listening : undefined;
    if (where?.kind === "tcp") {
      return { "socket-address": [{ type: "inet", host: where.host, port: String(where.port) }] };
    }
    return where?.kind === "unix" ? { "socket-address": [{ type: "unix", path: where.path }] } : {};
  }

  capabilities(): readonly Capability[] {
    return this.#capabilities.list();
  }
  /** Throws `MigrationError`. */
  setCapabilities(changes: readonly Capability[]): void {
    if (this.isActive) throw new MigrationError("There's a migration process in progress");
    this.#capabilities.set(changes);
  }
  parameters(): Limits {
    return this.#parameters;
  }
  /** Throws `MigrationError`. */
  setParameters(changes: Readonly<Record<string, unknown>>): void {
    this.#parameters = changeParameters(this.#parameters, changes);
    this.#running?.calls.tell("setParameters", this.#parameters);
  }

  #start(direction: Running["direction"]): Running {
    const { memory, layout } = this.#machine;
    const thread = this.#host.startMigration({ memory, layout });
    const functions = machineFunctions(this.#machine, this.run);
    const own: MachineThreadFunctions = {
      ...functions,
      runLoaded: (autostart) => functions.runLoaded(this.#startAsked ?? autostart),
      status: (status, info) => this.#observe(status, info),
      pass: (pass) => this.#emit({ event: "MIGRATION_PASS", data: { pass } }),
    };
    const calls: Calls = new ThreadCalls<MigrationFunctions>(thread.port, own);
    thread.onEnd((why) => calls.end(why));
    const terminate = async (): Promise<void> => {
      await thread.terminate();
      // What was asked too late is not answered any more.
      calls.end("the migration is over");
    };
    this.#running = { calls, direction, owed: new Set(), terminate };
    return this.#running;
  }

  /** Waits for the end of a migration, whose thread ends then. Rejects with `MigrationError`. */
  async #finish(running: Running, end: Promise<void>): Promise<void> {
    try {
      await end;
    } catch (error) {
      const { message } = error as Error;
      // A thread that has died could not say so itself.
      if (!OVER.includes(this.#info.status)) this.#observe("failed", { status: "failed", "error-desc": message });
      throw migrationError(error as CallError);
    } finally {
      await Promise.allSettled(running.owed);
      await this.#stop(running);
    }
  }
  async #stop(running: Running): Promise<void> {
    if (this.#running === running) this.#running = undefined;
    await running.terminate();
  }

  #tell(name: "startPostcopy" | "continueSwitchover"): void {
    // A migration that has just ended does not mind.
    this.#running?.calls.tell(name);
  }
  /** `address` is asked for when there is somebody who takes it: what it names is that thread's then. */
  async #ask<Name extends "pause" | "resume" | "recover">(
    name: Name,
    otherwise: string,
    address?: () => ChannelAddress,
  ): Promise<Awaited<ReturnType<MigrationFunctions[Name]>>> {
    const running = this.#running;
    if (!running) throw new MigrationError(otherwise);
    const args = address ? [address()] : [];
    const asked = running.calls.call(name, ...(args as Parameters<MigrationFunctions[Name]>));
    if (args.some(({ kind }) => kind === "fd")) running.owed.add(asked);
    try {
      return await asked;
    } catch (error) {
      // It may have ended meanwhile.
      throw this.#running === running ? migrationError(error as CallError) : new MigrationError(otherwise);
    } finally {
      running.owed.delete(asked);
    }
  }

  #observe(status: MigrationStatus, info: MigrationInfo): void {
    this.#info = info;
    if (this.isOutgoing && OVER.includes(status)) this.run.release(status === "completed");
    this.#emit({ event: "MIGRATION", data: { status } });
  }
  #emit(event: MigrationEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
function migrationError(cause: CallError): Error {
  return cause.code === "migration" ? new MigrationError(cause.message, { cause }) : cause;
}

/** Of which there is one, for one connection. */
const isDescriptor = ({ kind }: MigrationAddress): boolean => kind === "fd" || kind === "named";
const NEEDS_CHANNELS = "Migration requires multi-channel URIs (e.g. tcp)";

function parseTarget({ uri, channels }: MigrationTarget): MigrationAddress {
  if ((uri === undefined) === (channels === undefined)) {
    throw new MigrationError("need exactly one of 'uri' and 'channels'");
  }
  return uri === undefined ? parseChannels(channels ?? []) : parseUri(uri);
}
