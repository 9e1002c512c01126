/**
 * The source of a precopy migration: rounds over the pages that were written, while the machine runs, until the rest
 * can go within the downtime; then everything else, while it stands.
 *
 *   setup -> active: rounds -> [pre-switchover] -> device: stop, last round, devices -> completed
 *                                               -> postcopy-active: stop, devices, pages -> completed
 *
 * Whatever fails leaves the machine as it was: it runs on if it ran.
 * Thread: machine, a piece of the stream at a time.
 */
import type { ByteChannel, Clock, Timers } from "#core/host.ts";
import type { Parameters } from "#control/migration/parameters.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import { Pace, pagesAtOnce } from "#control/migration/pace.ts";
import { RamSaver } from "#control/migration/ram-save.ts";
import { writeAdvise, writeDiscards, writePackage, writePing, writeWanted } from "#control/migration/postcopy-save.ts";
import { readReturnPath, type WantedPages } from "#control/migration/return-path.ts";
import type { MigrationInfo, MigrationStatus } from "#control/migration/status.ts";
import {
  writeCommand,
  writeDevices,
  writeEnd,
  writeHeader,
  writeRamEnd,
  writeRamPart,
  writeRamStart,
} from "#control/migration/stream-save.ts";
import { StreamReader } from "#control/migration/stream-reader.ts";
import { StreamWriter } from "#control/migration/stream-writer.ts";
import { Command, Mark, PAGE_BYTES } from "#control/migration/wire.ts";
import type { Machine } from "#machine/machine.ts";

/** Pages looked at in one turn: a millisecond or so when they are zero. */
const TURN_PAGES = 2048;
/** The same in postcopy: who waits for a page waits for a part, too. */
const POSTCOPY_PAGES = 64;
/** Requests that wait, and pages of one. */
const WANTED_LIMIT = 65_536;
const WANTED_LIMIT_BYTES = 64 * PAGE_BYTES;
const MS = 1e6;

export type OutgoingOptions = {
  readonly machine: Machine;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly turn: () => Promise<void>;
  /** They may change while it goes on. */
  readonly parameters: () => Parameters;
  readonly returnPath: boolean;
  readonly pauseBeforeSwitchover: boolean;
  /** The destination is told that postcopy may follow. Needs the return path. */
  readonly postcopy: boolean;
  readonly status: (status: MigrationStatus) => void;
  readonly pass: (pass: number) => void;
};

export class OutgoingMigration {
  readonly #options: OutgoingOptions;
  readonly #ram: RamSaver;
  readonly #pace: Pace;
  readonly #startedNs: number;
  #writer: StreamWriter | undefined;
  #channel: ByteChannel | undefined;
  #setupNs = 0;
  #stoppedNs = 0;
  #resumedNs = 0;
  #endedNs = 0;
  #syncs = 0;
  #addedPages = 0;
  #syncedNs = 0;
  #dirtyPagesPerSecond = 0;
  #precopyBytes = 0;
  #isCancelled = false;
  #isPostcopyAsked = false;
  #postcopyBytes = 0;
  readonly #wanted: WantedPages[] = [];
  #requests = 0;
  #continue: () => void = () => {};
  status: MigrationStatus = "setup";
  errorText: string | undefined;

  constructor(options: OutgoingOptions) {
    this.#options = options;
    this.#ram = new RamSaver(options.machine.migration);
    this.#pace = new Pace(options.clock, options.timers);
    this.#startedNs = options.clock.nowNs();
  }

  /** Resolves when it has completed, failed or been cancelled; `status` says which. Never rejects. */
  async run(connect: () => Promise<ByteChannel>): Promise<void> {
    const { machine } = this.#options;
    let ran = machine.isRunning;
    try {
      this.#channel = await connect();
      this.#check();
      ran = machine.isRunning;
      await this.#stream(this.#channel);
      this.#endedNs = this.#options.clock.nowNs();
      this.#become("completed");
    } catch (error) {
      this.#endedNs = this.#options.clock.nowNs();
      this.#channel?.abort();
      if (this.status === "postcopy-active") {
        // The machine runs there, or nowhere.
        this.errorText = error instanceof Error ? error.message : String(error);
        this.#become("postcopy-paused");
        return;
      }
      machine.migration.dirty.markAll();
      if (ran && this.#stoppedNs > 0) await machine.start();
      if (!this.#isCancelled) this.errorText = error instanceof Error ? error.message : String(error);
      this.#become(this.#isCancelled ? "cancelled" : "failed");
    }
  }

  cancel(): void {
    // Behind the switch to postcopy there is no way back.
    if (this.#isOver || this.status === "postcopy-active") return;
    this.#isCancelled = true;
    this.#become("cancelling");
    this.#channel?.abort();
    this.#continue();
    this.#pace.hurry();
  }

  /** Goes on from pre-switchover. */
  continueSwitchover(): void {
    this.#continue();
  }

  /** Precopy ends with the page at hand. Throws `MigrationError` when it was not announced. */
  startPostcopy(): void {
    if (!this.#options.postcopy) {
      throw new MigrationError("Enable postcopy with migrate_set_capability before the start of migration");
    }
    this.#isPostcopyAsked = true;
    this.#pace.hurry();
  }

  get #isOver(): boolean {
    return ["completed", "failed", "cancelled", "postcopy-paused"].includes(this.status);
  }

  async #stream(channel: ByteChannel): Promise<void> {
    const { machine, returnPath, clock } = this.#options;
    const out = new StreamWriter(channel);
    this.#writer = out;
    writeHeader(out);
    const answer = returnPath ? readReturnPath(new StreamReader(channel), (pages) => this.#want(pages)) : undefined;
    // Awaited at the end; a failure before that shows in what is written.
    answer?.catch(() => {});
    if (answer) {
      writeCommand(out, Command.OpenReturnPath);
      writePing(out, 1);
    }
    if (this.#options.postcopy) writeAdvise(out);
    writeRamStart(out, this.#ram);
    this.#setupNs = clock.nowNs() - this.#startedNs;
    await this.#sync();
    this.#become("active");
    await this.#rounds(out);
    if (this.#isPostcopyAsked) {
      await this.#postcopy(out);
      await out.drain();
      await answer;
      await channel.close();
      machine.migration.dirty.markAll();
      return;
    }
    await this.#switchover();
    await this.#stop();
    this.#precopyBytes = out.written;
    this.#become("device");
    await machine.migration.drain();
    await this.#sync();
    while (this.#ram.remaining > 0) {
      await out.flush();
      this.#check();
      writeRamPart(out, this.#ram, TURN_PAGES);
      await this.#options.turn();
    }
    await out.need(64);
    writeRamEnd(out);
    await writeEnd(out, await writeDevices(out, machine.migration));
    await out.drain();
    await answer;
    await channel.close();
    machine.migration.dirty.markAll();
  }

  /** Pages while the machine runs, until what is left can go within the downtime. */
  async #rounds(out: StreamWriter): Promise<void> {
    const { parameters, turn } = this.#options;
    while (!this.#isPostcopyAsked) {
      const limit = parameters()["max-bandwidth"];
      if (this.#fits()) {
        await this.#sync();
        if (this.#fits()) return;
      }
      await out.flush();
      this.#check();
      writeRamPart(out, this.#ram, pagesAtOnce(limit, TURN_PAGES));
      await turn();
      await this.#pace.wrote(out.written, limit);
    }
  }

  /** The destination runs while the rest of the pages follows: those that it wants first, then the others. */
  async #postcopy(out: StreamWriter): Promise<void> {
    const { machine, parameters, turn } = this.#options;
    await this.#switchover();
    this.#become("postcopy-active");
    await this.#stop();
    await machine.migration.drain();
    this.#precopyBytes = out.written;
    await this.#sync();
    await writeDiscards(out, this.#ram, machine.migration.blocks);
    await writePackage(out, machine.migration);
    this.#resumedNs = this.#options.clock.nowNs();
    while (this.#ram.remaining > 0) {
      await out.flush();
      for (let pages = this.#wanted.shift(); pages; pages = this.#wanted.shift()) {
        if (pages.lengthBytes > WANTED_LIMIT_BYTES || !writeWanted(out, this.#ram, pages)) {
          throw new MigrationError(`the destination wants pages that '${pages.name}' has not`);
        }
        await out.flush();
      }
      const limit = parameters()["max-postcopy-bandwidth"];
      writeRamPart(out, this.#ram, pagesAtOnce(limit, POSTCOPY_PAGES));
      await turn();
      await this.#pace.wrote(out.written, limit);
    }
    await out.need(64);
    writeRamEnd(out);
    out.u8(Mark.Eof);
    this.#postcopyBytes = out.written - this.#precopyBytes;
  }

  #want(pages: WantedPages): void {
    this.#requests += 1;
    // More than there are pages is a destination that does not know what it does.
    if (this.#wanted.length < WANTED_LIMIT) this.#wanted.push(pages);
    this.#pace.hurry();
  }

  #fits(): boolean {
    const { machine, parameters } = this.#options;
    if (this.#ram.remaining === 0 || !machine.isRunning) return this.#ram.remaining === 0;
    const downtimeSeconds = parameters()["downtime-limit"] / 1000;
    return this.#ram.remaining * PAGE_BYTES <= this.#pace.bytesPerSecond * downtimeSeconds;
  }

  async #sync(): Promise<void> {
    const before = this.#syncedNs;
    this.#addedPages = await this.#ram.sync();
    this.#syncedNs = this.#options.clock.nowNs();
    if (before > 0) this.#dirtyPagesPerSecond = Math.round((this.#addedPages * 1e9) / (this.#syncedNs - before));
    this.#syncs += 1;
    this.#options.pass(this.#syncs);
  }

  async #switchover(): Promise<void> {
    if (!this.#options.pauseBeforeSwitchover) return;
    await this.#stop();
    this.#become("pre-switchover");
    await new Promise<void>((resolve) => {
      this.#continue = resolve;
    });
    this.#check();
  }

  async #stop(): Promise<void> {
    const { machine, clock } = this.#options;
    if (this.#stoppedNs > 0) return;
    machine.migration.runState = machine.isRunning ? "running" : "paused";
    this.#stoppedNs = clock.nowNs();
    await machine.stop();
  }

  #become(status: MigrationStatus): void {
    this.status = status;
    this.#options.status(status);
  }
  #check(): void {
    if (this.#isCancelled) throw new MigrationError("the migration was cancelled");
  }

  info(): MigrationInfo {
    const { clock, parameters } = this.#options;
    const endNs = this.#isOver ? this.#endedNs : clock.nowNs();
    const ms = (ns: number): number => Math.round(ns / MS);
    const written = this.#writer?.written ?? 0;
    const bytesPerSecond = this.#isOver
      ? (written * 1e9) / Math.max(endNs - this.#startedNs, 1)
      : this.#pace.bytesPerSecond;
    if (this.status === "cancelled") return { status: this.status };
    if (this.status === "failed") return { status: this.status, "error-desc": this.errorText ?? "" };
    return {
      status: this.status,
      "setup-time": ms(this.#setupNs),
      "total-time": ms(endNs - this.#startedNs),
      ...(this.status === "completed"
        ? { downtime: ms((this.#resumedNs || endNs) - this.#stoppedNs) }
        : { "expected-downtime": this.#expectedDowntimeMs(parameters()["downtime-limit"]) }),
      ram: {
        total: this.#ram.totalBytes,
        remaining: this.#ram.remaining * PAGE_BYTES,
        transferred: written,
        normal: this.#ram.normal,
        "normal-bytes": this.#ram.normal * PAGE_BYTES,
        duplicate: this.#ram.duplicate,
        skipped: 0,
        mbps: (bytesPerSecond * 8) / 1e6,
        "page-size": PAGE_BYTES,
        "pages-per-second": Math.round(bytesPerSecond / PAGE_BYTES),
        "dirty-pages-rate": this.#dirtyPagesPerSecond,
        "dirty-sync-count": this.#syncs,
        "precopy-bytes": this.#precopyBytes || written,
        "downtime-bytes": this.#precopyBytes > 0 && this.#resumedNs === 0 ? written - this.#precopyBytes : 0,
        "postcopy-bytes": this.#postcopyBytes || (this.#resumedNs > 0 ? written - this.#precopyBytes : 0),
        "postcopy-requests": this.#requests,
        "multifd-bytes": 0,
        "dirty-sync-missed-zero-copy": 0,
      },
    };
  }

  #expectedDowntimeMs(limit: number): number {
    const speed = this.#pace.bytesPerSecond;
    return speed > 0 ? Math.round((this.#ram.remaining * PAGE_BYTES * 1000) / speed) : limit;
  }
}
