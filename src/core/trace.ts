/**
 * Trace events (`-trace`): one table of names and texts. A place that traces calls the event through a `Trace`, which
 * has a function for each event that is on and nothing for the others:
 *
 *   this.#trace.riscv_plic_claim?.(context, source);     // off: one look-up, and the arguments are not evaluated
 *
 * A name is QEMU's where QEMU has the event.
 */
import type { LogSink } from "#core/log.ts";

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

/** Each event's arguments and text. A new event is a row here and a call at its place. */
export const TRACE_EVENTS = {
  // The machine. Thread: machine.
  vm_state_notify: (isRunning: boolean) => `running ${isRunning ? 1 : 0}`,
  system_shutdown_request: (exitCode: number) => `exit code ${exitCode}`,
  system_reset_request: () => "from the guest",
  mmio_mailbox_read: (hart: number, address: number, size: number, value: bigint | undefined) =>
    `hart ${hart} addr ${hex(address)} size ${size} ${value === undefined ? "no answer" : `value ${hex(value)}`}`,
  mmio_mailbox_write: (hart: number, address: number, size: number, value: bigint) =>
    `hart ${hart} addr ${hex(address)} size ${size} value ${hex(value)}`,

  // vCPUs. Thread: each its own.
  guest_cpu_reset: (hart: number) => `hart ${hart}`,
  vcpu_park: (hart: number, why: "wfi" | "stop" | "page") => `hart ${hart} for ${why}`,
  vcpu_unpark: (hart: number) => `hart ${hart}`,
  vcpu_page_wait: (cpu: number, page: number, sinceNs: number, untilNs: number) =>
    `cpu ${cpu} page ${page} since_ns ${sinceNs} until_ns ${untilNs}`,
  riscv_trap: (hart: number, isInterrupt: boolean, cause: number, epc: bigint, tval: bigint, name: string) =>
    `hart:${hart}, async:${isInterrupt ? 1 : 0}, cause:${cause}, epc:${hex(epc)}, tval:${hex(tval)}, desc=${name}`,
  memory_region_ops_read: (hart: number, address: number, size: number, value: number | bigint) =>
    `cpu ${hart} addr ${hex(address)} value ${hex(value)} size ${size}`,
  memory_region_ops_write: (hart: number, address: number, size: number, value: number | bigint) =>
    `cpu ${hart} addr ${hex(address)} value ${hex(value)} size ${size}`,

  // Devices that any thread serves.
  serial_read: (offset: number, value: number) => `read addr ${hex(offset)} val ${hex(value)}`,
  serial_write: (offset: number, value: number) => `write addr ${hex(offset)} val ${hex(value)}`,
  riscv_plic_request: (source: number, level: boolean) => `source ${source} level ${level ? 1 : 0}`,
  riscv_plic_claim: (context: number, source: number) => `context ${context} source ${source}`,
  riscv_plic_complete: (context: number, source: number) => `context ${context} source ${source}`,

  // Postcopy, on the destination. Addresses are a page's start; times are nanoseconds of the machine's monotonic clock.
  postcopy_blocktime_tid_cpu_map: (cpu: number, tid: number) => `cpu ${cpu} tid ${tid}`,
  postcopy_blocktime_begin: (address: number, timeNs: number, cpu: number, exists: boolean) =>
    `addr ${hex(address)} time ${timeNs} cpu ${cpu} exists ${exists ? 1 : 0}`,
  postcopy_blocktime_end: (address: number, timeNs: number, affectedCpus: number, affectedNonCpus: number) =>
    `addr ${hex(address)} time ${timeNs} affected_cpus ${affectedCpus} affected_non_cpus ${affectedNonCpus}`,
  postcopy_blocktime_end_one: (cpu: number, leftFaults: number) => `cpu ${cpu} left_faults ${leftFaults}`,
  postcopy_place_page: (address: number, timeNs: number) => `addr ${hex(address)} time ${timeNs}`,
  postcopy_vcpu_down: (cpu: number, timeNs: number) => `cpu ${cpu} time ${timeNs}`,
  postcopy_vcpu_up: (cpu: number, timeNs: number) => `cpu ${cpu} time ${timeNs}`,

  // virtio. Thread: machine.
  virtio_mmio_read: (offset: number) => `offset ${hex(offset)}`,
  virtio_mmio_write_offset: (offset: number, value: number) => `offset ${hex(offset)} value ${hex(value)}`,
  virtio_mmio_setting_irq: (device: string, level: boolean) => `${device} level ${level ? 1 : 0}`,
  virtio_set_status: (device: string, status: number) => `${device} status ${hex(status)}`,
  virtio_queue_notify: (device: string, queue: number) => `${device} queue ${queue}`,
  virtio_notify: (device: string, queue: number) => `${device} queue ${queue}`,
} as const;

export type TraceEventName = keyof typeof TRACE_EVENTS;
/** The events that are on. */
export type Trace = {
  readonly [name in TraceEventName]?: (...args: Parameters<(typeof TRACE_EVENTS)[name]>) => void;
};
export const NO_TRACE: Trace = {};

/** All names, in the table's order. */
export const TRACE_EVENT_NAMES = Object.keys(TRACE_EVENTS) as readonly TraceEventName[];

/** A `Trace` that writes a line for each of `events`: its name and its text. */
export function makeTrace(events: readonly TraceEventName[], sink: LogSink): Trace {
  const trace: Record<string, (...args: never[]) => void> = {};
  for (const name of events) {
    const text: (...args: never[]) => string = TRACE_EVENTS[name];
    trace[name] = (...args) => sink.write(`${sink.stamp()}${`${name} ${text(...args)}`.trimEnd()}\n`);
  }
  return trace;
}

/**
 * The events that `patterns` leave on, each applied to all before it: a name or a pattern with `*` and `?`, with `-` in
 * front to switch off. `unknown` are the plain names that no event has.
 */
export function selectEvents(patterns: readonly string[]): {
  readonly events: readonly TraceEventName[];
  readonly unknown: readonly string[];
} {
  const on = new Set<TraceEventName>();
  const unknown: string[] = [];
  for (const pattern of patterns) {
    const switchesOff = pattern.startsWith("-");
    const wanted = switchesOff ? pattern.slice(1) : pattern;
    const matches = matcher(wanted);
    const found = TRACE_EVENT_NAMES.filter((name) => matches.test(name));
    if (found.length === 0 && !/[*?]/.test(wanted)) unknown.push(wanted);
    for (const name of found) {
      if (switchesOff) on.delete(name);
      else on.add(name);
    }
  }
  return { events: TRACE_EVENT_NAMES.filter((name) => on.has(name)), unknown };
}

function matcher(pattern: string): RegExp {
  // Several stars in a row mean one; they would only make the match slow.
  const source = pattern
    .replace(/\*+/g, "*")
    .replace(/[^A-Za-z0-9_]/g, (c) => (c === "*" ? ".*" : c === "?" ? "." : `\\u{${c.codePointAt(0)?.toString(16)}}`));
  return new RegExp(`^${source}$`, "u");
}
