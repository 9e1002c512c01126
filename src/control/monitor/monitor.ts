/**
 * The monitor of a machine: the table of its modules' rows, and the clients that hear its events.
 *
 *   client -> session (QMP or HMP) -> row of the table -> machine;  machine -> event -> every QMP client
 *
 * Thread: machine.
 */
import type { HmpCommand, MonitorModule, QmpCommand, QmpEvent } from "#control/monitor/command.ts";
import type { MonitorContext, MonitorHost, Part } from "#control/monitor/context.ts";
import type { Writable } from "#control/monitor/json/json-writer.ts";
import { RunState } from "#control/run-state.ts";
import type { MachineConfig } from "#machine/config.ts";
import type { Machine } from "#machine/machine.ts";

/** A client that hears events; `event` is the whole message. */
export type EventListener = (event: Writable) => void;

export class Monitor implements MonitorContext {
  readonly machine: Machine | undefined;
  readonly config: MachineConfig;
  readonly host: MonitorHost;
  readonly run: RunState;
  readonly modules: readonly MonitorModule[];
  readonly commands: ReadonlyMap<string, QmpCommand>;
  readonly events: ReadonlyMap<string, QmpEvent>;
  readonly #listeners = new Set<EventListener>();
  readonly #parts = new Map<Part<unknown>, unknown>();

  constructor(
    modules: readonly MonitorModule[],
    config: MachineConfig,
    machine: Machine | undefined,
    host: MonitorHost,
  ) {
    this.modules = modules;
    this.config = config;
    this.machine = machine;
    this.host = host;
    this.commands = byName(modules.flatMap(({ commands = [] }) => commands));
    this.events = byName(modules.flatMap(({ events = [] }) => events));
    this.run = host.migration?.run ?? new RunState(machine);
    for (const module of modules) module.start?.(this);
  }

  get cpuCount(): number {
    return this.machine?.layout.vcpuCount ?? 0;
  }
  get hmpCommands(): readonly HmpCommand[] {
    return this.modules.flatMap(({ hmp = [] }) => hmp);
  }
  get infoCommands(): readonly HmpCommand[] {
    return this.modules.flatMap(({ info = [] }) => info);
  }

  /** Returns a function that ends it. */
  listen(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(event: string, data?: { readonly [key: string]: Writable | undefined }): void {
    if (!this.events.has(event)) throw new Error(`no event '${event}' in the table`);
    const us = this.host.wallUs();
    const timestamp = { seconds: Math.floor(us / 1e6), microseconds: Math.floor(us % 1e6) };
    const message = { timestamp, event, ...(data && { data }) };
    for (const listener of this.#listeners) listener(message);
  }

  part<T>(part: Part<T>): T {
    if (!this.#parts.has(part)) this.#parts.set(part, part.make(this));
    return this.#parts.get(part) as T;
  }
}

function byName<T extends { readonly name: string }>(rows: readonly T[]): ReadonlyMap<string, T> {
  const map = new Map(rows.map((row) => [row.name, row]));
  if (map.size !== rows.length) throw new Error("two rows of the monitor's table have the same name");
  return map;
}
