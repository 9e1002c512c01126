/** A source with 1 MiB of RAM that differs in every page, whose destination is a test. */
import { Board } from "../fuzz/board.ts";
import { saveSections } from "#control/migration/machine-functions.ts";
import { OutgoingMigration, type OutgoingOptions } from "#control/migration/outgoing.ts";
import { DEFAULT_PARAMETERS } from "#control/migration/parameters.ts";
import { ReturnPathService } from "#control/migration/return-path-service.ts";
import type { MigrationStatus } from "#control/migration/status.ts";
import { ScriptedChannel } from "./scripted-channel.ts";
import type { ByteChannel } from "#core/host.ts";
import type { MigrationMemory } from "#machine/migration-memory.ts";
import { nodeClock, nodeTimers } from "#platform/node/clock.ts";

export const RAM = "riscv_virt_board.ram";
export const RAM_BYTES = 1 << 20;

/** The board's memory, with a run state of its own. */
function runningMemory(memory: MigrationMemory, machine: { isRunning: boolean }): MigrationMemory {
  return new Proxy(memory, {
    get(target, name) {
      if (name === "isRunning") return machine.isRunning;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

export type SourceOptions = Partial<Pick<OutgoingOptions, "preempt" | "pauseBeforeSwitchover">> & {
  /** Bytes a second. */
  readonly bandwidth: number;
  /** Behind the switch; default: any. */
  readonly postcopyBandwidth?: number;
  /** Answers of the destination before the package; default: those that it must give. */
  readonly pongs?: readonly number[];
  readonly connect?: () => Promise<ByteChannel>;
};

/** Starts a migration that may switch to postcopy; `wires` are its connections so far. */
export function startSource({
  bandwidth,
  postcopyBandwidth = 0,
  preempt = false,
  pauseBeforeSwitchover = false,
  pongs = [5, 2],
  connect,
}: SourceOptions) {
  const board = new Board();
  const { ram: memory } = board.migration;
  memory.dirty.collect(0, memory.dirty.pages, new Uint8Array(memory.dirty.pages));
  for (let i = 0; i < RAM_BYTES; i += 4) board.ram[i] = 1 + (i >>> 12);
  memory.dirty.mark(memory.blocks[0]?.host ?? 0, RAM_BYTES);
  /** What was asked of the machine. */
  const asked: string[] = [];
  const machine = {
    isRunning: true,
    saveSections: async () => {
      asked.push(machine.isRunning ? "save in vain" : "save");
      return saveSections(board.migration);
    },
    stop: async () => {
      asked.push("stop");
      machine.isRunning = false;
    },
    start: async () => void (machine.isRunning = true),
  };
  const clock = nodeClock();
  const wires: ScriptedChannel[] = [];
  const statuses: MigrationStatus[] = [];
  const outgoing = new OutgoingMigration({
    memory: runningMemory(memory, machine),
    machine,
    clock,
    timers: nodeTimers(clock),
    hurry: () => {},
    returnPaths: new ReturnPathService(memory),
    rehearsal: { begin() {}, end() {} },
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    parameters: () => ({
      ...DEFAULT_PARAMETERS,
      "max-bandwidth": bandwidth,
      "max-postcopy-bandwidth": postcopyBandwidth,
      "downtime-limit": 0,
    }),
    returnPath: true,
    pauseBeforeSwitchover,
    autoConverge: false,
    postcopy: true,
    preempt,
    observer: { status: (status) => void statuses.push(status), pass: () => {} },
  });
  /** Another connection. */
  const open = async (): Promise<ByteChannel> => {
    const wire = new ScriptedChannel();
    wires.push(wire);
    return wire.channel;
  };
  const over = outgoing.run(connect ?? open);
  if (!connect) for (const value of pongs) wires[0]?.pong(value);
  const wire = wires[0] ?? new ScriptedChannel();
  return { board, machine, asked, wire, wires, open, outgoing, statuses, over };
}
