/**
 * The migrations of one machine: what the monitor's commands and the npm API call.
 * Thread: machine.
 */
import type { ChannelAddress, Channels, Clock, Timers } from "#core/host.ts";
import { type MigrationChannel, parseChannels, parseUri } from "#control/migration/address.ts";
import { Capabilities, type Capability } from "#control/migration/capabilities.ts";
import { IncomingMigration } from "#control/migration/incoming.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import { OutgoingMigration } from "#control/migration/outgoing.ts";
import { changeParameters, DEFAULT_PARAMETERS, type Parameters } from "#control/migration/parameters.ts";
import type { MigrationEvent, MigrationInfo, MigrationStatus } from "#control/migration/status.ts";
import type { Machine } from "#machine/machine.ts";

export type MigrationHost = { readonly clock: Clock; readonly timers: Timers; readonly channels: Channels };
/** Where to: one of both. */
export type MigrationTarget = { readonly uri?: string; readonly channels?: readonly MigrationChannel[] };
const OVER: readonly (MigrationStatus | undefined)[] = [undefined, "completed", "failed", "cancelled"];

export class Migration {
  readonly #machine: Machine;
  readonly #host: MigrationHost;
  readonly #capabilities = new Capabilities();
  readonly #listeners = new Set<(event: MigrationEvent) => void>();
  #parameters: Parameters = DEFAULT_PARAMETERS;
  #outgoing: OutgoingMigration | undefined;
  #incoming: IncomingMigration | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(machine: Machine, host: MigrationHost) {
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
    const address = parseTarget(target);
    if (this.isActive) throw new MigrationError("There's a migration process in progress");
    if (this.#machine.migration.isLoading) throw new MigrationError("the machine has not come yet");
    if (this.#machine.migration.missingPages > 0) {
      throw new MigrationError("the machine's memory is still coming; try again in a few seconds");
    }
    const { clock, timers, channels } = this.#host;
    const hasWayBack = address.kind === "tcp" || address.kind === "unix";
    const postcopy = this.#capabilities.has("postcopy-ram");
    if (postcopy && !hasWayBack) throw new MigrationError("Postcopy needs a connection: tcp or unix");
    const outgoing = new OutgoingMigration({
      machine: this.#machine,
      clock,
      timers,
      turn: () => channels.turn(),
      parameters: () => this.#parameters,
      // Only a connection has a way back.
      returnPath: hasWayBack && (this.#capabilities.has("return-path") || postcopy),
      postcopy,
      pauseBeforeSwitchover: this.#capabilities.has("pause-before-switchover"),
      status: (status) => this.#emit({ event: "MIGRATION", data: { status } }),
      pass: (pass) => this.#emit({ event: "MIGRATION_PASS", data: { pass } }),
    });
    this.#outgoing = outgoing;
    this.#emit({ event: "MIGRATION", data: { status: "setup" } });
    this.#ended = outgoing.run(() => channels.connect(address));
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
    const address = parseTarget(target);
    if (!this.#machine.migration.isLoading || this.#incoming?.status === "active") {
      throw new MigrationError("The incoming migration has already been started");
    }
    const incoming = new IncomingMigration({
      machine: this.#machine,
      channels: this.#host.channels,
      autostart,
      status: (status) => this.#emit({ event: "MIGRATION", data: { status } }),
    });
    this.#incoming = incoming;
    await incoming.listen(address);
    return { loaded: incoming.load() };
  }

  /** Where an incoming migration is waited for. */
  get listening(): ChannelAddress | undefined {
    return this.#incoming?.address;
  }

  /** Throws `MigrationError`. */
  startPostcopy(): void {
    if (!this.#outgoing || !this.isActive) throw new MigrationError("Start the migration before switching to postcopy");
    this.#outgoing.startPostcopy();
  }
  cancel(): void {
    this.#outgoing?.cancel();
  }
  /** Goes on from a state that waits for this. Throws `MigrationError`. */
  continueFrom(status: MigrationStatus): void {
    if (this.#outgoing?.status !== status) {
      throw new MigrationError(`Migration not in expected state: ${this.#outgoing?.status ?? "none"}`);
    }
    this.#outgoing.continueSwitchover();
  }

  /** `-S`: a machine that comes in waits until it is told to run. */
  get startsStopped(): boolean {
    return this.#machine.config.startStopped;
  }
  get isActive(): boolean {
    return !OVER.includes(this.#outgoing?.status);
  }
  query(): MigrationInfo {
    return this.#outgoing?.info() ?? this.#incoming?.info() ?? {};
  }

  capabilities(): readonly Capability[] {
    return this.#capabilities.list();
  }
  /** Throws `MigrationError`. */
  setCapabilities(changes: readonly Capability[]): void {
    if (this.isActive) throw new MigrationError("There's a migration process in progress");
    this.#capabilities.set(changes);
  }
  parameters(): Parameters {
    return this.#parameters;
  }
  /** Throws `MigrationError`. */
  setParameters(changes: Readonly<Record<string, unknown>>): void {
    this.#parameters = changeParameters(this.#parameters, changes);
  }

  #emit(event: MigrationEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function parseTarget({ uri, channels }: MigrationTarget): ChannelAddress {
  if ((uri === undefined) === (channels === undefined)) {
    throw new MigrationError("need exactly one of 'uri' and 'channels'");
  }
  return uri === undefined ? parseChannels(channels ?? []) : parseUri(uri);
}
