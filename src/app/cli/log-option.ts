/**
 * `-d item,...`: what the log shows.
 */

import { OptionError } from "./option-error.ts";

type LogItem = { readonly name: string; readonly help: string };

const LOG_ITEMS: readonly LogItem[] = [
  { name: "in_asm", help: "guest instructions of each region when it is translated" },
  { name: "op", help: "intermediate code of each region" },
  { name: "op_opt", help: "intermediate code after the passes" },
  { name: "out_asm", help: "WebAssembly of each region" },
  { name: "int", help: "traps and interrupts, a line each" },
  { name: "exec", help: "each region when it is entered (very much)" },
  { name: "cpu", help: "registers before each region (very much)" },
  { name: "fpu", help: "floating point registers with 'cpu'" },
  { name: "cpu_reset", help: "registers at a reset" },
  { name: "mmu", help: "page walks and faults" },
  { name: "guest_errors", help: "what a guest does to a device that its specification forbids" },
  { name: "unimp", help: "what a guest uses and the device does not model" },
  { name: "nochain", help: "enter every region from the dispatcher, so that 'exec' and 'cpu' show all" },
];

const TRACE_PREFIX = "trace:";

/** What `-d` asks for: log items, and patterns of trace events (`trace:PATTERN`). Throws `OptionError`. */
export function readLogItems(text: string): { items: string[]; trace: string[] } {
  const items: string[] = [];
  const trace: string[] = [];
  for (const name of text.split(",")) {
    if (name.startsWith(TRACE_PREFIX)) trace.push(name.slice(TRACE_PREFIX.length));
    else if (name === "all") items.push(...LOG_ITEMS.map((item) => item.name));
    else if (LOG_ITEMS.some((item) => item.name === name)) items.push(name);
    else throw new OptionError("unknown-name", `unknown log item '${name}'; '-d help' lists them`);
  }
  return { items, trace };
}

/** Text of `-d help`. */
export function logHelp(): string {
  const lines = LOG_ITEMS.map(({ name, help }) => `${name.padEnd(15)} ${help}\n`);
  lines.push(`${"trace:PATTERN".padEnd(15)} trace events whose name matches\n`);
  return `Log items (comma separated):\n${lines.join("")}`;
}
