/**
 * The emulator's log (`-d`, `-trace`): which items there are, and where their lines go.
 *
 * A line is written on the thread where it happens; the sink keeps what one call writes together.
 */
import { makeTrace, NO_TRACE, type Trace, type TraceEventName } from "#core/trace.ts";

/** Where the log goes. Thread: any; each has its own object for the same file. */
export type LogSink = {
  /** `text` is whole lines, each with its line end. Blocks until it is written; never throws. */
  write(text: string): void;
  /** What stands before a trace event: nothing, or process and time. */
  stamp(): string;
};

type LogItemRow = {
  readonly name: string;
  readonly help: string;
  /** Why it cannot be had. */
  readonly missing?: string;
};

/** The items, named as QEMU's. */
export const LOG_ITEMS = [
  { name: "out_asm", help: "show each module that hot code is translated to, in hexadecimal" },
  { name: "in_asm", help: "show the instructions of each block when it is first decoded" },
  { name: "op", help: "show the intermediate code of each instruction that is first decoded" },
  { name: "op_opt", help: "", missing: "there is one intermediate code; use op" },
  { name: "op_ind", help: "", missing: "there is one intermediate code; use op" },
  { name: "int", help: "show traps and interrupts, a line each" },
  { name: "exec", help: "show entries into code from the dispatcher, not jumps inside a page (lots of logs)" },
  { name: "cpu", help: "show the registers at each such entry (lots of logs)" },
  { name: "fpu", help: "show the floating-point registers too, with 'cpu' and 'cpu_reset'" },
  { name: "mmu", help: "show translations that enter a TLB" },
  { name: "cpu_reset", help: "show the registers after a CPU reset" },
  { name: "unimp", help: "accepted; devices say in their documentation what they do not model" },
  { name: "guest_errors", help: "show what the guest does wrong: accesses that no device answers, broken queues" },
  { name: "page", help: "accepted; it is about user mode" },
  { name: "nochain", help: "accepted; nothing is chained beyond a page" },
] as const satisfies readonly LogItemRow[];

export type LogItem = (typeof LOG_ITEMS)[number]["name"];

/** What is logged: plain data, given to every thread. */
export type LogConfig = { readonly items: readonly LogItem[]; readonly events: readonly TraceEventName[] };

/** A thread's log. */
export type Log = {
  /** Writes whole lines under an item; undefined when the item is off, so that nobody makes text for nothing. */
  writer(item: LogItem): ((lines: string) => void) | undefined;
  readonly trace: Trace;
};

/** Everything off. */
export const NO_LOG: Log = { writer: () => undefined, trace: NO_TRACE };

export function makeLog(config: LogConfig | undefined, sink: LogSink | undefined): Log {
  if (!config || !sink) return NO_LOG;
  const write = (lines: string): void => sink.write(lines);
  return {
    writer: (item) => (config.items.includes(item) ? write : undefined),
    trace: makeTrace(config.events, sink),
  };
}
