/**
 * The destination of a migration: listens, loads, and lets the machine run if it ran at the source.
 *
 *   setup: listening -> active: loading -> completed
 *   active -> postcopy-active: it runs, its pages come -> completed
 *             postcopy-active -> postcopy-paused -> postcopy-recover -> postcopy-active
 *
 * Once the source has handed the machine over, nothing that breaks is the end: what is here is kept for a new connection.
 * Thread: migration's.
 */
import type { ByteChannel, ChannelAddress, ChannelListener, Channels, Clock, Timers, Urgency } from "#core/host.ts";
import { oneLine } from "#core/one-line.ts";
import type { Trace } from "#core/trace.ts";
import { blocktimeMembers } from "#control/migration/blocktime-figures.ts";
import type { Faults } from "#control/migration/fault-service.ts";
import type { Rehearsal } from "#control/migration/link.ts";
import type { MigratingMachine, MigrationObserver } from "#control/migration/machine-functions.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import { PostcopyLoader } from "#control/migration/postcopy-load.ts";
import { type PlacePage, RamBlocks, RamLoader, writePage } from "#control/migration/ram-load.ts";
import { ReturnPathWriter } from "#control/migration/return-path.ts";
import { canPause, CANNOT_PAUSE, type MigrationInfo, type MigrationStatus, PAUSED } from "#control/migration/status.ts";
import { StreamLoader, type StreamSink } from "#control/migration/stream-load.ts";
import { StreamReader } from "#control/migration/stream-reader.ts";
import { Command, Ping } from "#control/migration/wire.ts";
import type { MigrationMemory } from "#machine/migration-memory.ts";

/** The source has stopped its machine and said which pages are missing, and may have gone on with it since. */
const NOT_HERE =
  "the machine has not come: if the source says 'failed' it runs there, and this process can only be ended (quit)";
/** How long a source may go on that was told that its machine cannot be loaded. */
const REFUSED_NS = 1e9;
/** Loading takes a few milliseconds. */
const LOAD_FIRST_NS = 20e6;

export type IncomingOptions = {
  readonly memory: MigrationMemory;
  readonly machine: Pick<MigratingMachine, "loadSections" | "runLoaded">;
  readonly channels: Pick<Channels, "listen">;
  readonly faults: Faults;
  /** As of `Link`. */
  readonly rehearsal: Rehearsal;
  /** The machine waits for its pages. */
  readonly hurry: () => void;
  readonly clock: Clock;
  readonly timers: Pick<Timers, "at">;
  /** As of `PlacerHost`. */
  readonly urgency?: Urgency | undefined;
  readonly trace?: Trace | undefined;
  /** Names of the RAM blocks that nothing has written yet: they are zero. */
  readonly freshBlocks: readonly string[];
  /** Run the machine when it has come, if it ran at the source. */
  readonly autostart: boolean;
  readonly postcopy: boolean;
  readonly blocktime: boolean;
  /** Wanted pages come over a connection of their own. */
  readonly preempt: boolean;
  readonly observer: Pick<MigrationObserver, "status">;
};

export class IncomingMigration {
  readonly #options: IncomingOptions;
  readonly #blocks: RamBlocks;
  readonly #postcopy: PostcopyLoader;
  #listener: ChannelListener | undefined;
  #channel: ByteChannel | undefined;
  #urgent: ByteChannel | undefined;
  /** Resolves when no wanted page follows over that connection. */
  #urgentOver: Promise<void> | undefined;
  #back: ReturnPathWriter | undefined;
  #isAdvised = false;
  /** The machine is this side's: the source has stopped it, and said which pages are missing. */
  #isHandedOver = false;
  /** The machine's state is here and is being loaded. */
  #package: Promise<void> | undefined;
  /** What no new connection can mend. */
  #fatal: Error | undefined;
  /** Why the connection was given up here. */
  #cause: Error | undefined;
  /** Takes the listener of a recovery; there while nobody has connected to one. */
  #recovered: ((listener: ChannelListener) => void) | undefined;
  status: MigrationStatus = "setup";
  errorText: string | undefined;

  constructor(options: IncomingOptions) {
    this.#options = options;
    const { memory } = options;
    memory.dirty.markAll();
    this.#blocks = new RamBlocks(memory, options.freshBlocks);
    this.#postcopy = new PostcopyLoader(this.#blocks, options);
  }

  /** Resolves when it listens, with the port that the host chose. Rejects with the host's error. */
  async listen(address: ChannelAddress): Promise<ChannelAddress> {
    try {
      this.#listener = await this.#listenOn(address);
      return this.#listener.address;
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /** Resolves when the machine is here. Rejects when it cannot be loaded: nothing of it can be used then. */
  async load(): Promise<void> {
    const listener = this.#listener;
    if (!listener) throw new Error("nobody listens");
    try {
      const reader = await this.#accept(listener);
      this.#become("active");
      const loader = new StreamLoader(reader, this.#sink());
      await loader.header();
      await this.#body(loader);
      if (!this.#isHandedOver) await loader.description();
      await this.#end();
    } catch (error) {
      await this.#refuse();
      this.#fail(this.#fatal ?? error);
      throw this.#fatal ?? error;
    } finally {
      this.#options.faults.end();
      this.#listener?.close();
    }
    if (!this.#isHandedOver) await this.#options.machine.runLoaded(this.#options.autostart);
    this.#become("completed");
  }

  /** Tells the source that all is well. Rejects when it may not hear that: the machine runs on there, if it can. */
  async #end(): Promise<void> {
    try {
      await this.#back?.shut(0);
      await this.#close();
    } catch (error) {
      if (!this.#isHandedOver) throw error;
      this.#abort();
    }
  }

  /** Up to the end, over as many connections as that takes. */
  async #body(first: StreamLoader): Promise<void> {
    for (let loader = first; ; ) {
      try {
        await loader.body();
        await this.#package;
        if (this.#isHandedOver && !this.#package) throw new MigrationError("the machine's state has not come");
        // The last wanted pages may still be under way beside the stream.
        if (this.#urgent && this.#postcopy.missingPages > 0) await this.#urgentOver;
        const missing = this.#postcopy.missingPages;
        if (missing > 0) throw new MigrationError(`${missing} pages have not come`);
        return;
      } catch (error) {
        if (!this.#isHandedOver || this.#fatal) throw error;
        loader = await this.#reconnect(this.#cause ?? error, loader);
      }
    }
  }

  /** Waits until somebody says where a new connection comes from, and for that connection. */
  async #reconnect(error: unknown, before: StreamLoader): Promise<StreamLoader> {
    this.#options.faults.requestBy(undefined);
    this.#back = undefined;
    this.#abort();
    this.#listener?.close();
    this.#cause = undefined;
    this.errorText = this.#package ? textOf(error) : `${textOf(error)}; ${NOT_HERE}`;
    const accepted = new Promise<StreamReader>((resolve) => {
      this.#recovered = (listener) => {
        // One that nobody has connected to is given up for a new one.
        this.#listener?.close();
        this.#listener = listener;
        void this.#accept(listener).then(resolve);
      };
    });
    this.#become("postcopy-paused");
    const reader = await accepted;
    this.#recovered = undefined;
    this.#back = new ReturnPathWriter(this.#channel as ByteChannel);
    this.errorText = undefined;
    this.#become("postcopy-recover");
    return new StreamLoader(reader, this.#sink(), before);
  }

  /** It waits for {@link recover}. */
  get isPaused(): boolean {
    return this.#recovered !== undefined;
  }
  /** Listens for a new connection of a postcopy that is paused. Rejects with `MigrationError` or the host's error. */
  async recover(address: ChannelAddress): Promise<ChannelAddress> {
    const recovered = this.#recovered;
    const listener = await this.#listenOn(address);
    if (!recovered || this.#recovered !== recovered) {
      // Another one was faster.
      listener.close();
      throw new MigrationError("Migrate recover can only be run when postcopy is paused.");
    }
    recovered(listener);
    return listener.address;
  }

  /** Interrupts a postcopy, as if the connection had broken. Throws `MigrationError`. */
  pause(): void {
    if (!canPause(this.status)) throw new MigrationError(CANNOT_PAUSE);
    this.#cause = new MigrationError(PAUSED);
    this.#abort();
  }

  #listenOn(address: ChannelAddress): Promise<ChannelListener> {
    return this.#options.channels.listen(address, this.#options.preempt ? 2 : 1);
  }
  async #accept(listener: ChannelListener): Promise<StreamReader> {
    this.#channel = await listener.accept();
    if (this.#options.preempt) this.#urgentOver = this.#acceptUrgent(listener, this.#channel);
    return new StreamReader(this.#channel, this.#options.memory);
  }

  /** Wanted pages that come past the others. What breaks this connection breaks `main`. */
  async #acceptUrgent(listener: ChannelListener, main: ByteChannel): Promise<void> {
    try {
      const channel = await listener.accept();
      if (this.#channel !== main) return channel.abort();
      this.#urgent = channel;
      await this.#options.faults.loadUrgent(channel);
    } catch (error) {
      if (this.#isOver || this.#channel !== main) return;
      this.#cause ??= error as Error;
      main.abort();
    }
  }

  readonly #place: PlacePage = (block, address, bytes) => {
    if (this.#isHandedOver) this.#postcopy.place(block, address, bytes);
    else writePage(block, address, bytes);
  };

  #sink(): StreamSink {
    return {
      blocks: this.#blocks,
      pages: new RamLoader(this.#blocks, this.#place),
      loadSections: (head, bytes) => this.#options.machine.loadSections(head, bytes),
      command: (command, data) => this.#command(command, data),
      packaged: (bytes) => this.#packaged(bytes),
    };
  }

  async #command(command: number, data: Uint8Array): Promise<void> {
    const view = new DataView(data.buffer);
    switch (command) {
      case Command.OpenReturnPath:
        if (this.#channel) this.#back ??= new ReturnPathWriter(this.#channel);
        return;
      case Command.Ping:
        return this.#ping(view.getUint32(0));
      case Command.PostcopyAdvise:
        return this.#advise(view);
      case Command.PostcopyRamDiscard:
        this.#handedOver();
        return this.#postcopy.discard(data);
      case Command.RecvBitmap:
        this.#handedOver();
        return this.#back?.received(this.#postcopy.received(blockName(data)));
      case Command.PostcopyResume:
        return this.#resume();
      case Command.PostcopyListen:
      case Command.PostcopyRun:
        throw new MigrationError("the machine's state does not come in one package");
      default:
    }
  }

  async #ping(value: number): Promise<void> {
    // The source is about to stop its machine.
    if (value === Ping.Drained) this.#options.rehearsal.end();
    if (value === Ping.Discarded && this.#isAdvised) this.#isHandedOver = true;
    // A failure shows in what is read; the package that has come is loaded all the same.
    await this.#back?.pong(value === Ping.HasPackage && !this.#package ? Ping.NoPackage : value).catch(() => {});
  }

  #advise(view: DataView): void {
    if (!this.#options.postcopy) {
      throw new MigrationError("the source may switch to postcopy; enable the capability postcopy-ram here, too");
    }
    const [hostBytes, guestBytes] = [view.getBigUint64(0), view.getBigUint64(8)];
    if (guestBytes !== 4096n || hostBytes !== 4096n) {
      throw new MigrationError(`the source has pages of ${hostBytes} bytes; postcopy needs 4096`);
    }
    // Once, however often a source says it.
    if (!this.#isAdvised) this.#options.rehearsal.begin();
    this.#isAdvised = true;
  }

  #handedOver(): void {
    if (!this.#isAdvised) throw new MigrationError("a postcopy that was not announced");
    if (!this.#isHandedOver) this.#options.rehearsal.end();
    this.#isHandedOver = true;
  }

  async #resume(): Promise<void> {
    if (this.status !== "postcopy-recover") throw new MigrationError("nothing was interrupted that could go on");
    await this.#back?.resumeAck();
    this.#become("postcopy-active");
    if (this.#postcopy.isListening) this.#request();
  }

  /** The machine comes first: it and the stream would wait for each other's turns. Not for long, lest it waits for a page. */
  async #packaged(bytes: Uint8Array): Promise<void> {
    this.#handedOver();
    // One that comes again is here already.
    this.#package ??= this.#loadPackage(bytes);
    const loaded = this.#package.catch((error: Error) => {
      if (this.#fatal) return;
      this.#fatal = error;
      void this.#refuse();
    });
    await this.#atMost(LOAD_FIRST_NS, loaded);
  }
  /** Resolves with `end`, or when it takes longer. */
  async #atMost(forNs: number, end: Promise<void>): Promise<void> {
    const { clock, timers } = this.#options;
    let cancel: () => void = () => {};
    const late = new Promise<void>((resolve) => {
      cancel = timers.at(clock.nowNs() + forNs, resolve);
    });
    await Promise.race([end, late]);
    cancel();
  }

  /** Tells the source that its machine cannot be loaded, and waits until it has gone: it must hear that before the end. */
  async #refuse(): Promise<void> {
    const [channel, back] = [this.#channel, this.#back];
    if (channel && back) {
      const gone = async (): Promise<void> => {
        await back.shut(1);
        while (await channel.read());
      };
      await this.#atMost(
        REFUSED_NS,
        gone().catch(() => {}),
      );
    }
    if (this.#channel === channel) this.#abort();
    else channel?.abort();
  }

  /** Listen, the devices, run: while the pages come. */
  async #loadPackage(bytes: Uint8Array): Promise<void> {
    const rest = [bytes];
    const loader = new StreamLoader(new StreamReader({ read: async () => rest.shift() }), {
      ...this.#sink(),
      command: async (command, data) => {
        if (command === Command.PostcopyListen) {
          this.#postcopy.listen();
          this.#options.hurry();
          // One that was sent again goes on with RESUME.
          if (this.status === "postcopy-recover") return;
          if (this.status !== "postcopy-active") this.#become("postcopy-active");
          this.#request();
        } else if (command === Command.PostcopyRun) {
          if (!this.#postcopy.isListening)
            throw new MigrationError("the machine is to run before its pages can be had");
          await this.#options.machine.runLoaded(this.#options.autostart);
        } else await this.#command(command, data);
      },
      packaged: async () => {
        throw new MigrationError("a package in a package");
      },
    });
    await loader.package();
  }

  #request(): void {
    if (this.#back) this.#options.faults.requestBy(this.#channel);
  }

  get #isOver(): boolean {
    return this.status === "completed" || this.status === "failed" || this.#channel === undefined;
  }
  async #close(): Promise<void> {
    const [channel, urgent] = [this.#channel, this.#urgent];
    this.#channel = undefined;
    await channel?.close();
    urgent?.abort();
  }
  #abort(): void {
    this.#channel?.abort();
    this.#urgent?.abort();
    this.#channel = undefined;
    this.#urgent = undefined;
  }

  /** Members about blocktime are there with the capability, from when pages can be waited for. */
  info(): MigrationInfo {
    const figures = this.#postcopy.figures();
    return {
      status: this.status,
      ...(this.errorText !== undefined && { "error-desc": this.errorText }),
      ...(figures && blocktimeMembers(figures)),
    };
  }

  #fail(error: unknown): void {
    this.errorText = textOf(error);
    this.#become("failed");
  }
  #become(status: MigrationStatus): void {
    this.status = status;
    this.#options.observer.status(status, this.info());
  }
}

/** A length byte, and the name of a RAM block. Throws `MigrationError`. */
function blockName(data: Uint8Array): string {
  if (data.length === 0 || data[0] !== data.length - 1) throw new MigrationError("a RAM block's name is damaged");
  return String.fromCharCode(...data.subarray(1));
}

function textOf(error: unknown): string {
  return oneLine(error instanceof Error ? error.message : String(error));
}
