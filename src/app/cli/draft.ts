/**
 * What the options have said so far. Rows of the option table fill it in command line order; `command-line.ts` then
 * checks what refers to what and makes the configuration.
 */

import type { ChardevConfig, ObjectConfig } from "#machine/config.ts";
import type { LogItem } from "#core/log.ts";
import type { BlockNode } from "./blockdev-option.ts";
import type { Pair, Structured, ValueMap } from "./key-values.ts";
import type { TraceRequest } from "./log-option.ts";
import type { Located, OptionUse } from "./option-error.ts";

/** What the program around the parser knows. */
export type Known = {
  readonly version: string;
  readonly traceEvents: readonly string[];
  /** Where firmware is looked for beside the directories of `-L`. */
  readonly dataDirectories: readonly string[];
};

/** Text to print instead of running, as `-help` asks for. It ends with a line end. */
export type Print = { readonly text: string; readonly exitCode: 0 | 1 };

/** `-global driver.property=value`. */
export type GlobalProperty = { readonly driver: string; readonly property: string; readonly value: string };

/** A serial port's backend: its chardev's id, or that the port has none. */
export type SerialRequest = { readonly chardev: string | undefined; readonly isReference: boolean };

/** A monitor on a character device: a person's (`readline`) or a program's (`control`, QMP). */
export type MonitorConfig = {
  readonly chardev: string;
  readonly mode: "readline" | "control";
  /** QMP on several lines. */
  readonly pretty: boolean;
};

export type Draft = {
  readonly known: Known;
  print: Print | undefined;
  /** Lines for standard error that do not stop the start. */
  readonly warnings: string[];

  readonly machine: Located<ValueMap>[];
  readonly smp: Located<ValueMap>[];
  readonly memory: Located<readonly Pair[]>[];
  readonly accels: Located<readonly Pair[]>[];
  cpu: Located<string> | undefined;
  readonly devices: Located<Structured>[];
  readonly objects: Located<ObjectConfig>[];
  readonly globals: Located<GlobalProperty>[];
  readonly drives: Located<readonly Pair[]>[];
  readonly blockNodes: BlockNode[];
  readonly chardevs: Located<ChardevConfig>[];
  readonly serials: Located<SerialRequest>[];
  readonly monitors: Located<MonitorConfig>[];

  bios: string | undefined;
  kernel: string | undefined;
  initrd: string | undefined;
  append: string | undefined;
  dtb: string | undefined;
  bootMenu: boolean | undefined;
  rebootTimeoutMs: number | undefined;

  name: string | undefined;
  processName: string | undefined;
  uuid: string | undefined;
  rtcBase: "utc" | "localtime" | number;
  rtcClock: "host" | "rt" | "vm" | undefined;
  startStopped: boolean;
  incoming: string | undefined;
  loadvm: string | undefined;
  snapshotDirectory: string | undefined;
  onReboot: "reset" | "shutdown";
  onShutdown: "poweroff" | "pause";

  noDefaults: boolean;
  nographic: OptionUse | undefined;
  display: "default" | "none";
  hasMonitorOption: boolean;
  hasParallelOption: boolean;
  pidfile: string | undefined;
  daemonize: boolean;
  readonly logItems: LogItem[];
  logFile: string | undefined;
  readonly trace: TraceRequest[];
  readonly dataDirectories: string[];
  messageTimestamps: boolean;
  messageGuestName: boolean;
};

/** An empty command line: QEMU's defaults. */
export function newDraft(known: Known): Draft {
  return {
    known,
    print: undefined,
    warnings: [],
    machine: [],
    smp: [],
    memory: [],
    accels: [],
    cpu: undefined,
    devices: [],
    objects: [],
    globals: [],
    drives: [],
    blockNodes: [],
    chardevs: [],
    serials: [],
    monitors: [],
    bios: undefined,
    kernel: undefined,
    initrd: undefined,
    append: undefined,
    dtb: undefined,
    bootMenu: undefined,
    rebootTimeoutMs: undefined,
    name: undefined,
    processName: undefined,
    uuid: undefined,
    rtcBase: "utc",
    rtcClock: undefined,
    startStopped: false,
    incoming: undefined,
    loadvm: undefined,
    snapshotDirectory: undefined,
    onReboot: "reset",
    onShutdown: "poweroff",
    noDefaults: false,
    nographic: undefined,
    display: "default",
    hasMonitorOption: false,
    hasParallelOption: false,
    pidfile: undefined,
    daemonize: false,
    logItems: [],
    logFile: undefined,
    trace: [],
    dataDirectories: [],
    messageTimestamps: false,
    messageGuestName: false,
  };
}
