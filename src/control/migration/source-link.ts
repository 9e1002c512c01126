/**
 * The source's connection to the destination: the stream, what comes back, and the channel for urgent pages.
 *
 *   link.out -> destination -> PONG, bitmaps, RESUME_ACK, requests, SHUT -> until...()
 */
import type { ByteChannel } from "#core/host.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import { PageRequests } from "#control/migration/page-requests.ts";
import type { RamState } from "#control/migration/ram-save.ts";
import type { ReceivedPages, WantedPages } from "#control/migration/return-path.ts";
import type { ReturnPaths } from "#control/migration/return-path-service.ts";
import { type StreamRoom, StreamWriter } from "#control/migration/stream-writer.ts";
import { Ping } from "#control/migration/wire.ts";

/** The destination has said that it cannot load the machine. */
class RefusedError extends MigrationError {}

export class SourceLink {
  readonly out: StreamWriter;
  /** Something can come back. */
  readonly hasAnswers: boolean;
  readonly #channel: ByteChannel;
  readonly #returnPaths: ReturnPaths;
  /** Where wanted pages go past the others; absent without the capability. */
  #urgent: ByteChannel | undefined;
  /** Those that go with the others. */
  readonly requests = new PageRequests();
  readonly #pongs = new Set<number>();
  /** Of a block that was asked for, until it has come. */
  #asked: { readonly name: string; bits?: Uint8Array } | undefined;
  #isResumed = false;
  #isOver = false;
  #failure: Error | undefined;
  /** Called at every message. */
  readonly #looking = new Set<() => void>();

  /** `wanted` hears of requests until they go another way; undefined when nothing can come back. */
  constructor(
    channel: ByteChannel,
    room: StreamRoom,
    returnPaths: ReturnPaths,
    wanted: ((pages: WantedPages) => void) | undefined,
  ) {
    this.#channel = channel;
    this.#returnPaths = returnPaths;
    this.out = new StreamWriter(channel, room);
    this.hasAnswers = wanted !== undefined;
    if (wanted) void this.#listen(wanted);
    else this.#isOver = true;
  }

  async #listen(wanted: (pages: WantedPages) => void): Promise<void> {
    try {
      const last = await this.#returnPaths.read(this.#channel, {
        pong: (value) => this.#heard(() => this.#pongs.add(value)),
        received: (pages) => this.#heard(() => this.#take(pages)),
        resumed: () => this.#heard(() => (this.#isResumed = true)),
        wanted,
      });
      if (last === "refused") throw new RefusedError("the destination could not load the machine");
      this.#isOver = true;
      this.#heard(() => {});
    } catch (error) {
      // Whoever writes hears of it, too.
      this.abort(error as Error);
    }
  }
  #take({ name, bits }: ReceivedPages): void {
    if (name !== this.#asked?.name) throw new MigrationError(`the destination sent a map of '${name}' unasked`);
    this.#asked.bits = bits;
  }
  #heard(keep: () => void): void {
    keep();
    for (const look of this.#looking) look();
  }

  /** Resolves when `isThere`; rejects when the destination is gone, or has said its last before. */
  #until(isThere: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const failure = this.#failure ?? (this.#isOver ? new MigrationError("the destination ended early") : undefined);
        if (!isThere() && !failure) return;
        this.#looking.delete(look);
        if (isThere()) resolve();
        else reject(failure);
      };
      this.#looking.add(look);
      look();
    });
  }

  /** Resolves with the first of `values` that the destination has sent back. */
  async untilPong(...values: readonly number[]): Promise<number> {
    const seen = (): number | undefined => values.find((value) => this.#pongs.has(value));
    await this.#until(() => seen() !== undefined);
    return seen() as number;
  }
  /** The map that the destination sends when it is asked, which the caller does. */
  async receivedPages(name: string): Promise<Uint8Array> {
    const asked: { readonly name: string; bits?: Uint8Array } = { name };
    this.#asked = asked;
    await this.#until(() => asked.bits !== undefined);
    this.#asked = undefined;
    return asked.bits as Uint8Array;
  }
  untilResumed(): Promise<void> {
    return this.#until(() => this.#isResumed);
  }
  /** Resolves when the destination has everything; at once when nothing can come back. */
  untilOver(): Promise<void> {
    return this.#until(() => this.#isOver);
  }
  /** The destination has said that it cannot load the machine, which it cannot have run: it was sent over this link. */
  get isRefused(): boolean {
    const mayRun = this.#pongs.has(Ping.Loaded) || this.#pongs.has(Ping.HasPackage);
    return this.#failure instanceof RefusedError && !mayRun;
  }
  /** Why nothing comes back any more, if that is so. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Pages that are wanted take this way from now on. */
  addUrgent(urgent: ByteChannel, ram: RamState): void {
    this.#urgent = urgent;
    this.#returnPaths.sendWanted(this.#channel, urgent, ram);
  }
  /** Wanted pages need not wait for others. */
  get isUrgentApart(): boolean {
    return this.#urgent !== undefined;
  }
  /** No wanted page follows. */
  async endUrgent(): Promise<void> {
    if (this.#urgent) await this.#returnPaths.endWanted(this.#channel);
  }

  async close(): Promise<void> {
    this.#returnPaths.end(this.#channel);
    await this.#channel.close();
    await this.#urgent?.close();
  }
  /** `why` is what others hear who wait for something, unless the link has failed before. */
  abort(why: Error = new MigrationError("the connection is closed")): void {
    if (!this.#isOver) this.#failure ??= why;
    this.requests.end();
    this.#returnPaths.end(this.#channel);
    this.#channel.abort();
    this.#urgent?.abort();
    this.#heard(() => {});
  }
}
