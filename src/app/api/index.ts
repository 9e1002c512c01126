/**
 * The npm API: a machine inside a program.
 */
import { readBytes } from "#platform/node/read-bytes.ts";
import type { CharBackend, CharFrontend } from "#core/host.ts";
import { parseCommandLine } from "#app/cli/command-line.ts";
import { openLog } from "#app/log-setup.ts";
import { migrationHost } from "#app/migration-host.ts";
import { type NodeHost, nodeHost } from "#app/node-host.ts";
import { prepareMachine } from "#app/prepared-machine.ts";
import { startPageThread, type StartedPageThread } from "#app/page-thread.ts";
import { expandArguments } from "#app/read-config.ts";
import { makeSnapshots, snapshotPlace, snapshotStore } from "#app/snapshot-setup.ts";
import { Migration } from "#control/migration/migration.ts";
import type { OpenSnapshot } from "#control/snapshot/snapshot-load.ts";
import { openSnapshot, type SnapshotEntry, type Snapshots } from "#control/snapshot/snapshots.ts";
import type { MachineConfig } from "#machine/config.ts";
import { Machine as BoardMachine, type MachineEvent } from "#machine/machine.ts";

export type { SnapshotEntry } from "#control/snapshot/snapshots.ts";
export type { MachineEvent } from "#machine/machine.ts";

export type MachineOptions = {
  /** File names. */
  readonly firmware: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  /** As `-m`: "512M", "1G". Default 128M. */
  readonly memory?: string;
  /** vCPUs; default 1. */
  readonly smp?: number;
  readonly accel?: "wasm" | "interp";
  /** Further arguments in QEMU's syntax, for example ["-drive", "if=virtio,file=disk.raw,format=raw"]. */
  readonly args?: readonly string[];
};

const CONSOLE_ID = "api-console";
const TEXT_LIMIT = 1 << 20;

/** The machine's first serial port. */
export class Console implements CharBackend {
  readonly name = CONSOLE_ID;
  #frontend: CharFrontend | undefined;
  #pending: number[] = [];
  #text = "";
  readonly #decoder = new TextDecoder();
  readonly #listeners = new Set<(text: string) => void>();

  /** Types `text` into the guest. */
  type(text: string): void {
    this.#pending.push(...new TextEncoder().encode(text));
    this.poke();
  }
  /** Calls `listener` with what the guest prints; returns a function that stops that. */
  onText(listener: (text: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  /** Resolves with everything printed up to the end of the first match, which is consumed. */
  waitFor(pattern: RegExp, timeoutMs = 60_000): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const match = pattern.exec(this.#text);
        if (!match) return;
        const end = match.index + match[0].length;
        const before = this.#text.slice(0, end);
        this.#text = this.#text.slice(end);
        clearTimeout(timer);
        stop();
        resolve(before);
      };
      const stop = this.onText(look);
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`the guest did not print ${String(pattern)} within ${timeoutMs} ms`));
      }, timeoutMs);
      look();
    });
  }

  attach(frontend: CharFrontend): void {
    this.#frontend = frontend;
    frontend.event("opened");
  }
  write(bytes: Uint8Array): void {
    const text = this.#decoder.decode(bytes.slice(), { stream: true });
    this.#text = (this.#text + text).slice(-TEXT_LIMIT);
    for (const listener of this.#listeners) listener(text);
  }
  poke(): void {
    const room = this.#frontend?.canReceive() ?? 0;
    if (room > 0 && this.#pending.length > 0) this.#frontend?.receive(Uint8Array.from(this.#pending.splice(0, room)));
  }
  close(): void {}
}

/** A machine with its console. */
export class Machine {
  readonly console: Console;
  /** Moves the machine elsewhere, and tells how that goes. */
  readonly migration: Migration;
  /**
   * With `-incoming` in the arguments: resolves when the machine has come, rejects when it cannot be loaded. With
   * `-loadvm` the machine can be started at once; this resolves when all of its memory has come, and rejects when some
   * cannot be read: the machine has quit then.
   */
  arrived: Promise<void> = Promise.resolve();
  readonly #machine: BoardMachine;
  readonly #host: NodeHost;
  readonly #snapshots: Snapshots;
  #pages: StartedPageThread | undefined;

  /** Builds a stopped machine. Throws errors with a `code` and a sentence. */
  static async create(options: MachineOptions): Promise<Machine> {
    const argv = [
      "-M",
      "virt",
      "-display",
      "none",
      "-m",
      options.memory ?? "128M",
      "-smp",
      String(options.smp ?? 1),
      "-bios",
      options.firmware,
      "-accel",
      options.accel ?? "wasm",
      ...(options.kernel === undefined ? [] : ["-kernel", options.kernel]),
      ...(options.initrd === undefined ? [] : ["-initrd", options.initrd]),
      ...(options.append === undefined ? [] : ["-append", options.append]),
      ...(options.args ?? []),
    ];
    const command = parseCommandLine(expandArguments(argv));
    if (command.kind === "print") throw new Error("an option that prints and exits makes no machine");
    const console = new Console();
    const log = await openLog(command.host, (line) => process.stderr.write(`${line}\n`));
    const config = {
      ...command.machine,
      // The console takes the place of the serial port's.
      chardevs: command.machine.chardevs.filter(({ id }) => !command.machine.serials.includes(id)),
      serials: [CONSOLE_ID],
      ...(log && { log: log.config }),
    };
    const { incoming, loadvm, snapshotDirectory } = command.host;
    const pages = loadvm === undefined ? undefined : startPageThread();
    const host = await nodeHost(
      config,
      {
        exit: () => {},
        fail: () => {},
        say: (line) => process.stderr.write(`${line}\n`),
        chardevs: new Map([[CONSOLE_ID, console]]),
        log: log?.target,
      },
      prepareMachine(config),
    );
    const store = snapshotStore(snapshotDirectory);
    const { board, snapshot } = await Machine.#build(config, options, host, () =>
      loadvm === undefined ? undefined : openSnapshot(store, config.drives, snapshotPlace(loadvm)),
    ).catch(async (error: unknown) => {
      await pages?.close();
      throw error;
    });
    const migration = new Migration(board, migrationHost(log?.target, log?.config));
    const machine = new Machine(board, host, console, migration, makeSnapshots(board, migration, store, host.clock));
    if (snapshot && pages) await machine.#goOnFrom(snapshot, pages);
    if (incoming !== undefined && incoming !== "defer") await machine.#await(incoming, !config.startStopped);
    host.ready();
    return machine;
  }

  /** Nothing of the host is left behind when it fails. */
  static async #build(
    config: MachineConfig,
    options: MachineOptions,
    host: NodeHost,
    open: () => OpenSnapshot | undefined,
  ): Promise<{ readonly board: BoardMachine; readonly snapshot: OpenSnapshot | undefined }> {
    const read = async (path: string | undefined): Promise<Uint8Array | undefined> =>
      path === undefined ? undefined : readBytes(path);
    try {
      const files = {
        firmware: await read(options.firmware),
        kernel: await read(options.kernel),
        initrd: await read(options.initrd),
      };
      const snapshot = open();
      return { board: await BoardMachine.create(config, files, host), snapshot };
    } catch (error) {
      await host.close();
      throw error;
    }
  }

  private constructor(
    machine: BoardMachine,
    host: NodeHost,
    console: Console,
    migration: Migration,
    snapshots: Snapshots,
  ) {
    this.migration = migration;
    this.#snapshots = snapshots;
    this.#machine = machine;
    this.#host = host;
    this.console = console;
  }

  async #await(uri: string, autostart: boolean): Promise<void> {
    const { loaded } = await this.migration.incoming({ uri }, autostart);
    this.arrived = loaded;
    // Who waits for it is told.
    loaded.catch(() => {});
  }

  async #goOnFrom(snapshot: OpenSnapshot, pages: StartedPageThread): Promise<void> {
    this.#pages = pages;
    try {
      const { allPagesHere } = await this.#snapshots.start(snapshot, pages);
      this.arrived = allPagesHere.catch(async (error: Error) => {
        await this.quit();
        throw error;
      });
      // Who waits for it is told.
      this.arrived.catch(() => {});
    } catch (error) {
      await this.quit();
      throw error;
    }
  }

  /**
   * Saves the machine as a snapshot of the directory that `-snapshot-dir` in the arguments names, or, when `name` has a
   * "/" in it, in that file; one that is there is replaced. The machine stands still meanwhile. Rejects with an error
   * that has a `code` and a sentence: the machine is as it was.
   */
  saveSnapshot(name: string): Promise<void> {
    return this.#snapshots.save(snapshotPlace(name), { overwrite: true });
  }
  /** Puts the machine back to a snapshot, named as in `saveSnapshot`; it runs on if it ran. Rejects likewise. */
  loadSnapshot(name: string): Promise<void> {
    return this.#snapshots.load(snapshotPlace(name));
  }
  /** The snapshots of the directory, the oldest first. */
  listSnapshots(): readonly SnapshotEntry[] {
    return this.#snapshots.list();
  }
  /** False when there is none. */
  deleteSnapshot(tag: string): boolean {
    return this.#snapshots.remove(tag);
  }

  /** Resolves when every vCPU runs. Calls of `start`, `stop`, `reset` take effect one after the other. */
  start(): Promise<void> {
    return this.#machine.start();
  }
  stop(): Promise<void> {
    return this.#machine.stop();
  }
  reset(): Promise<void> {
    return this.#machine.reset();
  }
  /** Ends the machine and its threads, those of a migration too, and closes its files. */
  async quit(): Promise<void> {
    // First: the machine may wait for pages.
    await this.migration.end();
    await this.#machine.quit();
    await this.#pages?.close();
    await this.#host.close();
  }
  on(listener: (event: MachineEvent) => void): () => void {
    return this.#machine.on(listener);
  }
  readMemory(address: number, lengthBytes: number): Uint8Array | undefined {
    return this.#machine.readMemory(address, lengthBytes);
  }
  writeMemory(address: number, bytes: Uint8Array): boolean {
    return this.#machine.writeMemory(address, bytes);
  }
  readRegisters(vcpu: number): { readonly x: readonly bigint[]; readonly pc: bigint } {
    return this.#machine.readRegisters(vcpu);
  }
}
