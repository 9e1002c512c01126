/**
 * The destination of a migration: listens, loads, and lets the machine run if it ran at the source.
 *
 *   setup: listening -> active: loading -> completed
 *
 * Thread: machine.
 */
import type { ByteChannel, ChannelAddress, ChannelListener, Channels } from "#core/host.ts";
import { ReturnPathWriter } from "#control/migration/return-path.ts";
import type { MigrationInfo, MigrationStatus } from "#control/migration/status.ts";
import { StreamLoader } from "#control/migration/stream-load.ts";
import { StreamReader } from "#control/migration/stream-reader.ts";
import type { Machine } from "#machine/machine.ts";

export type IncomingOptions = {
  readonly machine: Machine;
  readonly channels: Channels;
  /** Run the machine when it has come, if it ran at the source. */
  readonly autostart: boolean;
  readonly status: (status: MigrationStatus) => void;
};

export class IncomingMigration {
  readonly #options: IncomingOptions;
  #listener: ChannelListener | undefined;
  status: MigrationStatus = "setup";
  errorText: string | undefined;

  constructor(options: IncomingOptions) {
    this.#options = options;
  }

  /** Resolves when it listens. Rejects with the host's error. */
  async listen(address: ChannelAddress): Promise<void> {
    this.#become("setup");
    try {
      this.#listener = await this.#options.channels.listen(address);
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /** Where it listens, with the port that the host chose. */
  get address(): ChannelAddress | undefined {
    return this.#listener?.address;
  }

  /** Resolves when the machine is here. Rejects when it cannot be loaded: nothing of it can be used then. */
  async load(): Promise<void> {
    const listener = this.#listener;
    if (!listener) throw new Error("nobody listens");
    let channel: ByteChannel | undefined;
    let returnPath: ReturnPathWriter | undefined;
    try {
      const opened = await listener.accept();
      channel = opened;
      this.#become("active");
      const { migration } = this.#options.machine;
      const loader = new StreamLoader(migration, new StreamReader(channel), () => {
        returnPath = new ReturnPathWriter(opened);
        return returnPath;
      });
      await loader.load();
      migration.finishLoad();
      await returnPath?.shut(0);
      await channel.close();
    } catch (error) {
      await returnPath?.shut(1).catch(() => {});
      channel?.abort();
      this.#fail(error);
      throw error;
    } finally {
      listener.close();
    }
    const { machine, autostart } = this.#options;
    if (autostart && machine.migration.runState === "running") await machine.start();
    this.#become("completed");
  }

  info(): MigrationInfo {
    return { status: this.status, ...(this.errorText !== undefined && { "error-desc": this.errorText }) };
  }

  #fail(error: unknown): void {
    this.errorText = error instanceof Error ? error.message : String(error);
    this.#become("failed");
  }
  #become(status: MigrationStatus): void {
    this.status = status;
    this.#options.status(status);
  }
}
