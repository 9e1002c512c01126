/**
 * The source of a migration. Precopy: rounds over the pages that were written, while the machine runs, until the rest
 * can go within the downtime; then everything else, while it stands.
 *
 *   setup -> active: rounds -> [pre-switchover] -> device: stop, last round, devices -> completed
 *
 * Postcopy: the machine stands while its devices go over, and the rest of the pages follows while it runs there.
 *
 *   active -> [pre-switchover] -> postcopy-active: stop, what is missing, devices -> pages, wanted ones first -> completed
 *             postcopy-active -> postcopy-paused -> postcopy-recover -> postcopy-active
 *
 * Whatever fails before the destination may run leaves the machine as it was: it runs on if it ran.
 * Thread: migration's, a piece of the stream at a time.
 */
import type { ByteChannel, Clock, Timers } from "#core/host.ts";
import { oneLine } from "#core/one-line.ts";
import type { MigratingMachine, MigrationObserver, SavedSection } from "#control/migration/machine-functions.ts";
import { AutoConverge } from "#control/migration/auto-converge.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import { Pace, pagesAtOnce } from "#control/migration/pace.ts";
import type { Parameters } from "#control/migration/parameters.ts";
import {
  writeAdvise,
  writeBitmapRequest,
  writeDiscards,
  writePackage,
  writePing,
  writeWanted,
} from "#control/migration/postcopy-save.ts";
import type { Rehearsal } from "#control/migration/link.ts";
import { RamSaver } from "#control/migration/ram-save.ts";
import type { WantedPages } from "#control/migration/return-path.ts";
import type { ReturnPaths } from "#control/migration/return-path-service.ts";
import { SourceLink } from "#control/migration/source-link.ts";
import { canPause, CANNOT_PAUSE, type MigrationInfo, type MigrationStatus, PAUSED } from "#control/migration/status.ts";
import {
  writeCommand,
  writeEnd,
  writeHeader,
  writeRamEnd,
  writeRamPart,
  writeRamStart,
  writeSections,
} from "#control/migration/stream-save.ts";
import { StreamWriter } from "#control/migration/stream-writer.ts";
import { Command, Mark, PAGE_BYTES, Ping } from "#control/migration/wire.ts";
import type { MigrationMemory } from "#machine/migration-memory.ts";

/** Pages looked at in one turn: a millisecond or so when they are zero. */
const TURN_PAGES = 2048;
/** Where a wanted page waits for the part before it: pages looked at, and bytes. */
const SHORT_TURN_PAGES = 512;
const SHORT_TURN_BYTES = 32 * PAGE_BYTES;
const MEDIUM_TURN_BYTES = 64 * PAGE_BYTES;
/** What the destination needs to run, as it is when the machine stops here: kept for a new connection. */
type Handover = { readonly missing: Uint8Array; readonly sections: readonly SavedSection[] };
const MS = 1e6;
/** So often, unless that takes longer: a machine may have many pages, far apart. */
const HANDOVER_REHEARSALS = 8;
const HANDOVER_REHEARSAL_NS = 100 * MS;
const HANDOVER_PAUSE_NS = 20 * MS;

/** Opens a connection to the destination. */
export type Connect = () => Promise<ByteChannel>;
export type OutgoingOptions = {
  readonly memory: MigrationMemory;
  readonly machine: Pick<MigratingMachine, "stop" | "start" | "saveSections">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly turn: () => Promise<void>;
  /** The destination waits for the rest. */
  readonly hurry: () => void;
  readonly returnPaths: ReturnPaths;
  readonly rehearsal: Rehearsal;
  /** They may change while it goes on. */
  readonly parameters: () => Parameters;
  /** The destination answers, if the connection goes both ways. */
  readonly returnPath: boolean;
  readonly pauseBeforeSwitchover: boolean;
  readonly autoConverge: boolean;
  /** The destination is told that postcopy may follow. Needs the return path. */
  readonly postcopy: boolean;
  /** Wanted pages take a connection of their own. */
  readonly preempt: boolean;
  readonly observer: MigrationObserver;
};

export class OutgoingMigration {
  readonly #options: OutgoingOptions;
  readonly #ram: RamSaver;
  readonly #pace: Pace;
  readonly #converge = new AutoConverge();
  readonly #startedNs: number;
  #link: SourceLink | undefined;
  /** Bytes of links that are gone. */
  #writtenBefore = 0;
  #setupNs = 0;
  #stoppedNs = 0;
  /** It ran when it was stopped for this. */
  #wasRunning = false;
  #resumedNs = 0;
  #endedNs = 0;
  #syncs = 0;
  #addedPages = 0;
  #syncedNs = 0;
  #dirtyPagesPerSecond = 0;
  #precopyBytes = 0;
  #isCancelled = false;
  #isPostcopyAsked = false;
  /** The destination may run, or would if it had the package. */
  #isHandedOver = false;
  #postcopyBytes = 0;
  /** Ends the wait for a connection under way. */
  #abandon: (why: Error) => void = () => {};
  #continue: () => void = () => {};
  #resume: ((connect: Connect) => void) | undefined;
  status: MigrationStatus = "setup";
  errorText: string | undefined;

  constructor(options: OutgoingOptions) {
    this.#options = options;
    this.#ram = new RamSaver(options.memory);
    this.#pace = new Pace(options.clock, options.timers);
    this.#startedNs = options.clock.nowNs();
  }

  /** Resolves when it has completed, failed or been cancelled; `status` says which. Never rejects. */
  async run(connect: Connect): Promise<void> {
    const { machine, memory, clock } = this.#options;
    let end: MigrationStatus = "completed";
    try {
      this.#open(await this.#connection(connect));
      this.#check();
      await this.#stream(connect);
    } catch (error) {
      const cause = this.#link?.failure ?? error;
      this.#link?.abort();
      if (this.#wasRunning && !this.#isHandedOver) await machine.start();
      end = this.#isCancelled ? "cancelled" : "failed";
      if (!this.#isCancelled) this.errorText = textOf(cause);
    }
    memory.dirty.markAll();
    memory.throttle(0);
    this.#endedNs = clock.nowNs();
    this.#become(end);
  }

  /** Throws `MigrationError`: behind the switch to postcopy there is no way back. */
  cancel(): void {
    if (this.#isOver) return;
    if (this.#isHandedOver) throw new MigrationError("Postcopy migration in progress, cannot cancel.");
    this.#isCancelled = true;
    this.#become("cancelling");
    this.#link?.abort();
    this.#abandon(new MigrationError("the migration was cancelled"));
    this.#continue();
    this.#pace.hurry();
  }

  /** Goes on from pre-switchover. */
  continueSwitchover(): void {
    this.#continue();
  }

  /** Precopy ends with the page at hand. */
  startPostcopy(): void {
    this.#isPostcopyAsked = true;
    this.#pace.hurry();
  }

  /** Interrupts a postcopy, as if the connection had broken. Throws `MigrationError`. */
  pause(): void {
    if (!canPause(this.status)) throw new MigrationError(CANNOT_PAUSE);
    this.#link?.abort(new MigrationError(PAUSED));
    this.#abandon(new MigrationError(PAUSED));
  }
  /** Takes a postcopy up again that was interrupted. Throws `MigrationError`. */
  resume(connect: Connect): void {
    const resume = this.#resume;
    if (!resume) throw new MigrationError("Cannot resume if there is no paused migration");
    this.#resume = undefined;
    resume(connect);
  }

  get #isOver(): boolean {
    return ["completed", "failed", "cancelled"].includes(this.status);
  }

  #open(channel: ByteChannel): SourceLink {
    const { memory, returnPaths, returnPath, postcopy } = this.#options;
    const hasAnswers = returnPath && channel.isDuplex;
    if (postcopy && !hasAnswers) {
      throw new MigrationError("Postcopy needs a connection that goes both ways: tcp, unix, or fd of a socket");
    }
    this.#writtenBefore += this.#link?.out.written ?? 0;
    const wanted = hasAnswers ? (pages: WantedPages): void => this.#want(link, pages) : undefined;
    const link: SourceLink = new SourceLink(channel, memory, returnPaths, wanted);
    this.#link = link;
    return link;
  }
  /** A connection that can be given up while it is being made. */
  async #connection(connect: Connect): Promise<ByteChannel> {
    const connecting = connect();
    let isAbandoned = false;
    const abandoned = new Promise<never>((_resolve, reject) => {
      this.#abandon = (why) => {
        isAbandoned = true;
        reject(why);
      };
    });
    connecting.then((channel) => isAbandoned && channel.abort()).catch(() => {});
    try {
      return await Promise.race([connecting, abandoned]);
    } finally {
      this.#abandon = () => {};
    }
  }
  get #written(): number {
    return this.#writtenBefore + (this.#link?.out.written ?? 0);
  }

  async #stream(connect: Connect): Promise<void> {
    const { clock, postcopy, rehearsal } = this.#options;
    const link = this.#link as SourceLink;
    const { out } = link;
    writeHeader(out);
    if (link.hasAnswers) {
      writeCommand(out, Command.OpenReturnPath);
      writePing(out, Ping.Opened);
    }
    if (postcopy) {
      writeAdvise(out);
      rehearsal.begin();
    }
    writeRamStart(out, this.#ram);
    this.#setupNs = clock.nowNs() - this.#startedNs;
    await this.#sync();
    this.#become("active");
    await this.#rounds(out);
    if (this.#isPostcopyAsked) await this.#postcopy(link, connect);
    else await this.#completePrecopy(link);
  }

  async #completePrecopy(link: SourceLink): Promise<void> {
    const { machine, turn } = this.#options;
    const { out } = link;
    await this.#switchover();
    await this.#stop();
    this.#precopyBytes = out.written;
    this.#become("device");
    await this.#sync();
    while (this.#ram.remaining > 0) {
      await out.flush();
      this.#check();
      writeRamPart(out, this.#ram, TURN_PAGES);
      await turn();
    }
    await out.need(64);
    writeRamEnd(out);
    const sections = await machine.saveSections(true);
    await writeSections(out, sections);
    await writeEnd(out, sections);
    await out.drain();
    await link.untilOver();
    await link.close();
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
  async #postcopy(link: SourceLink, connect: Connect): Promise<void> {
    const { machine, memory, rehearsal } = this.#options;
    const { out } = link;
    rehearsal.end();
    // What is under way has gone out before the machine stands.
    await out.need(16);
    writePing(out, Ping.Drained);
    await out.drain();
    await link.untilPong(Ping.Drained);
    if (this.#options.preempt) link.addUrgent(await this.#connection(connect), this.#ram.state);
    this.#check();
    await this.#rehearseHandover();
    this.#check();
    await this.#switchover();
    const stopping = this.#stop();
    // It need not hear that the machine stands before it is asked for this.
    const saving = machine.saveSections(false);
    // Who waits for it hears of it.
    saving.catch(() => {});
    await stopping;
    this.#precopyBytes = out.written;
    await this.#sync();
    const missing = this.#ram.pendingPages();
    await writeDiscards(out, this.#ram, memory.blocks);
    await out.need(16);
    writePing(out, Ping.Discarded);
    // The destination goes through them meanwhile.
    await out.flush();
    const sections = await saving;
    // Until then the machine can go on here, whatever happens.
    await link.untilPong(Ping.Discarded);
    this.#check();
    this.#isHandedOver = true;
    this.#options.hurry();
    this.#become("postcopy-active");
    await this.#untilSent(link, { missing, sections });
    this.#postcopyBytes = this.#written - this.#precopyBytes;
  }

  /** What is done while the machine stands, in vain and while it runs: the next time V8 has compiled it. */
  async #rehearseHandover(): Promise<void> {
    const { machine, memory, clock, timers } = this.#options;
    const nowhere = new StreamWriter({ write: async () => {} });
    const untilNs = clock.nowNs() + HANDOVER_REHEARSAL_NS;
    for (let time = 0; time < HANDOVER_REHEARSALS && clock.nowNs() < untilNs; time++) {
      await writeDiscards(nowhere, this.#ram, memory.blocks);
      await writePackage(nowhere, await machine.saveSections(false));
    }
    // V8's compiler threads are done with it, too.
    await new Promise<void>((resolve) => void timers.at(clock.nowNs() + HANDOVER_PAUSE_NS, resolve));
  }

  /** The package and the pages; over new connections when one breaks. */
  async #untilSent(first: SourceLink, handover: Handover): Promise<void> {
    let link = first;
    let hasPackage = false;
    for (;;) {
      try {
        if (!hasPackage) await writePackage(link.out, handover.sections);
        hasPackage = true;
        await link.out.flush();
        this.#resumedNs ||= this.#options.clock.nowNs();
        await this.#pages(link);
        await link.untilOver();
        await link.close();
        return;
      } catch (error) {
        if (link.isRefused) {
          // It could not load the machine, and never ran it.
          this.#isHandedOver = false;
          throw error;
        }
        link = await this.#reconnect(link.failure ?? error, handover);
        hasPackage = true;
      }
    }
  }

  async #pages(link: SourceLink): Promise<void> {
    const { parameters, turn } = this.#options;
    const { out } = link;
    while (this.#ram.remaining > 0) {
      await out.flush();
      if (link.failure) throw link.failure;
      await link.requests.serve(
        (pages) => writeWanted(out, this.#ram, pages),
        () => out.flush(),
      );
      const limit = parameters()["max-postcopy-bandwidth"];
      // A page that is under way with others cannot overtake them when it is wanted.
      const mostBytes = link.isUrgentApart ? MEDIUM_TURN_BYTES : SHORT_TURN_BYTES;
      writeRamPart(out, this.#ram, pagesAtOnce(limit, SHORT_TURN_PAGES), mostBytes);
      await turn();
      await this.#pace.wrote(this.#written, limit);
    }
    await link.endUrgent();
    await out.need(64);
    writeRamEnd(out);
    out.u8(Mark.Eof);
    await out.drain();
  }

  /** Waits until somebody gives a new connection over which the destination goes on. */
  async #reconnect(cause: unknown, handover: Handover): Promise<SourceLink> {
    for (let error = cause; ; ) {
      this.#link?.abort();
      this.errorText = textOf(error);
      const asked = new Promise<Connect>((resolve) => {
        this.#resume = resolve;
      });
      this.#become("postcopy-paused");
      const connect = await asked;
      this.#become("postcopy-recover");
      let link: SourceLink | undefined;
      try {
        link = this.#open(await this.#connection(connect));
        await this.#recover(link, handover, connect);
        this.errorText = undefined;
        this.#become("postcopy-active");
        return link;
      } catch (again) {
        error = link?.failure ?? again;
      }
    }
  }

  /** What the destination has is found out; whatever it has not is sent again. */
  async #recover(link: SourceLink, { missing, sections }: Handover, connect: Connect): Promise<void> {
    const { blocks } = this.#options.memory;
    const { out } = link;
    writePing(out, Ping.HasPackage);
    await out.flush();
    if ((await link.untilPong(Ping.HasPackage, Ping.NoPackage)) === Ping.NoPackage) {
      this.#ram.sendAgain(missing);
      await writeDiscards(out, this.#ram, blocks);
      await writePackage(out, sections);
    }
    for (const block of blocks) {
      await out.need(512);
      writeBitmapRequest(out, block);
      await out.flush();
      this.#ram.sendAllBut(block.name, await link.receivedPages(block.name));
    }
    if (this.#options.preempt) link.addUrgent(await this.#connection(connect), this.#ram.state);
    writeCommand(out, Command.PostcopyResume);
    await out.flush();
    await link.untilResumed();
  }

  #want(link: SourceLink, pages: WantedPages): void {
    this.#ram.countRequest();
    link.requests.add(pages);
    this.#pace.hurry();
  }

  #fits(): boolean {
    const { memory, parameters } = this.#options;
    if (this.#ram.remaining === 0 || !memory.isRunning) return this.#ram.remaining === 0;
    const { "downtime-limit": limitMs, "avail-switchover-bandwidth": given } = parameters();
    const bytesPerSecond = given > 0 ? given : this.#pace.bytesPerSecond;
    return this.#ram.remaining * PAGE_BYTES <= (bytesPerSecond * limitMs) / 1000;
  }

  async #sync(): Promise<void> {
    const before = this.#syncedNs;
    this.#addedPages = await this.#ram.sync();
    this.#syncedNs = this.#options.clock.nowNs();
    if (before > 0) this.#dirtyPagesPerSecond = Math.round((this.#addedPages * 1e9) / (this.#syncedNs - before));
    this.#syncs += 1;
    if (this.#options.autoConverge && before > 0 && this.#stoppedNs === 0) this.#slowDown();
    this.#options.observer.pass(this.#syncs);
  }

  #slowDown(): void {
    const { memory, parameters } = this.#options;
    this.#converge.looked(this.#addedPages * PAGE_BYTES, this.#written, parameters());
    memory.throttle(this.#converge.percent);
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
    const { machine, memory, clock } = this.#options;
    if (this.#stoppedNs > 0) return;
    this.#stoppedNs = clock.nowNs();
    this.#wasRunning = memory.isRunning;
    await machine.stop();
  }

  #become(status: MigrationStatus): void {
    this.status = status;
    this.#options.observer.status(status, this.info());
  }
  #check(): void {
    if (this.#isCancelled) throw new MigrationError("the migration was cancelled");
  }

  info(): MigrationInfo {
    const { clock, parameters } = this.#options;
    const endNs = this.#isOver ? this.#endedNs : clock.nowNs();
    const ms = (ns: number): number => Math.round(ns / MS);
    const written = this.#written;
    const bytesPerSecond = this.#isOver
      ? (written * 1e9) / Math.max(endNs - this.#startedNs, 1)
      : this.#pace.bytesPerSecond;
    if (this.status === "cancelled") return { status: this.status };
    if (this.status === "failed") return { status: this.status, "error-desc": this.errorText ?? "" };
    return {
      status: this.status,
      ...(this.errorText !== undefined && { "error-desc": this.errorText }),
      "setup-time": ms(this.#setupNs),
      "total-time": ms(endNs - this.#startedNs),
      ...(this.status === "completed"
        ? { downtime: ms((this.#resumedNs || endNs) - this.#stoppedNs) }
        : { "expected-downtime": this.#expectedDowntimeMs(parameters()["downtime-limit"]) }),
      ...(this.#converge.percent > 0 && !this.#isOver && { "cpu-throttle-percentage": this.#converge.percent }),
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
        "postcopy-requests": this.#ram.requests,
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

function textOf(error: unknown): string {
  return oneLine(error instanceof Error ? error.message : String(error));
}
