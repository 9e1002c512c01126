/**
 * One QMP connection, or one after the other on a socket that listens.
 *
 *   bytes -> JsonReader -> request -> queue -> command -> reply;  events in between, once the client has negotiated
 *
 * Commands run one after the other; `exec-oob` overtakes. A client that sends faster than it is answered is not read.
 * Spec: QEMU's docs/interop/qmp-spec, sections 2.2 to 2.5. Thread: machine.
 */
import type { CharBackend } from "#core/host.ts";
import type { Caller, QmpCommand } from "#control/monitor/command.ts";
import { JsonReader } from "#control/monitor/json/json-reader.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "#control/monitor/json/json-value.ts";
import { writeJson, type Writable } from "#control/monitor/json/json-writer.ts";
import type { Monitor } from "#control/monitor/monitor.ts";
import { PassedDescriptors } from "#control/monitor/passed-descriptors.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import { readArguments } from "#control/monitor/validate.ts";
import { MemoryMissingError } from "#machine/memory-missing-error.ts";

/** Requests that may wait; beyond it the client is not read. */
const MAX_QUEUED = 8;
const RECEIVE_BYTES = 4096;
/** Replies and events that a client may leave unread; beyond it the client is dropped. */
const MAX_UNSENT_BYTES = 2 << 20;
const MEMBERS = ["execute", "exec-oob", "arguments", "id"];
const NEGOTIATION = "qmp_capabilities";

type Request = { readonly command: QmpCommand; readonly args: JsonObject; readonly id: JsonValue | undefined };

export type QmpOptions = {
  readonly pretty: boolean;
  /** Said to someone, with the stack: a command failed in a way that is our fault. */
  bug(error: unknown): void;
};

export class QmpSession {
  readonly #backend: CharBackend;
  readonly #monitor: Monitor;
  readonly #options: QmpOptions;
  readonly #reader: JsonReader;
  /** Grows with each client, so that a reply to one that has left does not go to the next. */
  #client = 0;
  #mode: "closed" | "negotiation" | "command" = "closed";
  #oobEnabled = false;
  #queue: (() => Promise<void>)[] = [];
  #isBusy = false;
  readonly #descriptors = new PassedDescriptors();

  constructor(monitor: Monitor, backend: CharBackend, options: QmpOptions) {
    this.#monitor = monitor;
    this.#backend = backend;
    this.#options = options;
    this.#reader = new JsonReader({
      value: (value) => this.#received(value),
      error: (what) => this.#enqueue(() => Promise.resolve(this.#sendError(new QmpError(what), undefined))),
    });
  }

  /** Begins: the monitor's events come, and the backend's clients. */
  attach(): void {
    this.#monitor.listen((event) => {
      if (this.#mode === "command") this.#send(event);
    });
    this.#backend.attach({
      canReceive: () => (this.#queue.length < MAX_QUEUED ? RECEIVE_BYTES : 0),
      receive: (bytes) => this.#reader.feed(bytes),
      passed: (descriptors) => this.#descriptors.arrive(descriptors),
      event: (event) => {
        if (event === "opened") this.#opened();
        else if (event === "closed") this.#closed();
      },
    });
  }

  #opened(): void {
    this.#closed();
    this.#mode = "negotiation";
    const { major, minor, micro, package: name } = this.#monitor.host.version;
    this.#send({ QMP: { version: { qemu: { micro, minor, major }, package: name }, capabilities: ["oob"] } });
  }

  #closed(): void {
    this.#client++;
    this.#mode = "closed";
    this.#oobEnabled = false;
    this.#queue = [];
    this.#descriptors.leave();
    this.#reader.reset();
  }

  #received(value: JsonValue): void {
    const isOob = isJsonObject(value) && value["exec-oob"] !== undefined && value["execute"] === undefined;
    const id = isJsonObject(value) ? value["id"] : undefined;
    const bound = this.#takesDescriptor(value) ? this.#descriptors.bind() : undefined;
    const answer = async (): Promise<void> => {
      const client = this.#client;
      try {
        const request = this.#request(value, id);
        const result = await this.#run(request, {
          cpuIndex: 0,
          descriptors: this.#descriptors,
          ...(bound && { passed: bound }),
          whyNoDescriptors: this.#backend.whyNoDescriptors,
        });
        if (client === this.#client) this.#send({ return: result, ...(id !== undefined && { id }) });
      } catch (error) {
        if (client === this.#client) this.#sendError(error, id);
      } finally {
        if (bound) this.#descriptors.release(bound);
      }
    };
    if (isOob && this.#oobEnabled) void answer();
    else this.#enqueue(answer);
  }

  /** The request in `value`. Throws `QmpError`. */
  #request(value: JsonValue, id: JsonValue | undefined): Request {
    if (!isJsonObject(value)) throw new QmpError("QMP input must be a JSON object");
    for (const name of Object.keys(value)) {
      if (!MEMBERS.includes(name)) throw new QmpError(`QMP input member '${name}' is unexpected`);
    }
    const [name, oob] = [value["execute"], value["exec-oob"]];
    if (name !== undefined && oob !== undefined) {
      throw new QmpError("QMP input member 'execute' clashes with 'exec-oob'");
    }
    const wanted = name ?? oob;
    if (wanted === undefined) throw new QmpError("QMP input lacks member 'execute'");
    if (typeof wanted !== "string") {
      throw new QmpError(`QMP input member '${name === undefined ? "exec-oob" : "execute"}' must be a string`);
    }
    const args = value["arguments"] ?? {};
    if (!isJsonObject(args)) throw new QmpError("QMP input member 'arguments' must be an object");
    if (oob !== undefined && !this.#oobEnabled) throw new QmpError("QMP input member 'exec-oob' is unexpected");
    const command = this.#command(wanted);
    if (oob !== undefined && !command.oob) throw new QmpError(`The command ${wanted} does not support OOB`);
    return { command, args, id };
  }

  #command(name: string): QmpCommand {
    if (this.#mode === "negotiation" && name !== NEGOTIATION) {
      throw new QmpError("Expecting capabilities negotiation with 'qmp_capabilities'", "CommandNotFound");
    }
    if (this.#mode === "command" && name === NEGOTIATION) {
      throw new QmpError("Capabilities negotiation is already complete, command ignored", "CommandNotFound");
    }
    const command = this.#monitor.commands.get(name);
    if (!command) throw new QmpError(`The command ${name} has not been found`, "CommandNotFound");
    return command;
  }

  /** Known when it comes: it may wait, and others with descriptors come behind it. */
  #takesDescriptor(value: JsonValue): boolean {
    const name = isJsonObject(value) ? value["execute"] : undefined;
    return typeof name === "string" && this.#monitor.commands.get(name)?.takesDescriptor === true;
  }

  async #run({ command, args }: Request, caller: Caller): Promise<Writable> {
    const checked = readArguments(command.takes, args);
    const result = await command.run(this.#monitor, checked, caller);
    if (command.name === NEGOTIATION) {
      this.#mode = "command";
      this.#oobEnabled = ((checked["enable"] ?? []) as readonly string[]).includes("oob");
    }
    return (result ?? {}) as Writable;
  }

  #enqueue(answer: () => Promise<void>): void {
    this.#queue.push(answer);
    if (!this.#isBusy) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      await next();
      this.#backend.poke();
    }
    this.#isBusy = false;
  }

  #sendError(error: unknown, id: JsonValue | undefined): void {
    if (!(error instanceof QmpError || error instanceof MemoryMissingError)) this.#options.bug(error);
    const isSaid = error instanceof Error;
    const code = error instanceof QmpError ? error.code : "GenericError";
    const desc = isSaid ? error.message : String(error);
    this.#send({ ...(id !== undefined && { id }), error: { class: code, desc } });
  }

  #send(message: Writable): void {
    if (this.#mode === "closed") return;
    if ((this.#backend.unsentBytes ?? 0) > MAX_UNSENT_BYTES) {
      // It does not read. Whatever it were sent now would have a gap.
      this.#closed();
      this.#backend.hangUp?.();
      return;
    }
    this.#backend.write(ENCODER.encode(`${writeJson(message, this.#options.pretty)}\r\n`));
  }
}

const ENCODER = new TextEncoder();
