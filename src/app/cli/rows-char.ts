/**
 * Rows of the option table: character devices, serial ports, monitors and displays.
 */

import { chardevHelp, readCharSpec, readChardev } from "./chardev-option.ts";
import type { Draft, MonitorConfig } from "./draft.ts";
import { splitPairs } from "./key-values.ts";
import { OptionError, type OptionUse } from "./option-error.ts";
import type { OptionRow } from "./option-row.ts";
import { requireBool } from "./properties.ts";

const DISPLAYS = ["curses", "dbus", "egl-headless", "gtk", "sdl", "spice-app", "vnc"];
const VGA_TYPES = ["std", "cirrus", "vmware", "virtio", "qxl", "xenfb", "tcx", "cg3"];

export const CHAR_ROWS: readonly OptionRow[] = [
  {
    names: ["chardev"],
    argument: "KIND,id=ID[,PROP=VALUE]...",
    help: ["a character device ('-chardev help' lists kinds)"],
    apply: (draft, text, use) => {
      if (text === "help" || text === "?") draft.print = { text: chardevHelp(), exitCode: 0 };
      else draft.chardevs.push({ use, value: readChardev(text) });
    },
  },
  {
    names: ["serial"],
    argument: "DEVICE",
    help: [
      "where the serial port goes: stdio, mon:stdio, null, none, pty, file:PATH,",
      "unix:PATH[,server=on][,wait=off], tcp:HOST:PORT[,server=on][,wait=off], chardev:ID",
    ],
    apply: addSerial,
  },
  {
    names: ["monitor"],
    argument: "DEVICE",
    help: ["where the monitor for people goes: as -serial, without mon:"],
    apply: (draft, text, use) => addMonitorSpec(draft, text, use, { mode: "readline", pretty: false }),
  },
  {
    names: ["mon"],
    argument: "[chardev=]ID[,mode=readline|control][,pretty=on|off]",
    help: ["a monitor on a chardev, for people (readline) or programs (control: QMP)"],
    apply: addMonitor,
  },
];

export const DISPLAY_ROWS: readonly OptionRow[] = [
  {
    names: ["nographic"],
    help: ["no window; the serial port on this terminal, Ctrl-A H for help"],
    apply: (draft, _text, use) => {
      draft.nographic = use;
    },
  },
  {
    names: ["display"],
    argument: "none",
    help: ["no window; there is no other kind yet"],
    apply: setDisplay,
  },
  {
    names: ["vga"],
    argument: "none",
    help: ["accepted; the board has no graphics card"],
    apply: (draft, text) => {
      if (text === "none") return;
      if (text === "help" || text === "?") {
        draft.print = { text: "none                 no graphics card (default)\n", exitCode: 0 };
        return;
      }
      if (!VGA_TYPES.includes(text)) throw new OptionError("unknown-name", `unknown vga type: ${text}`);
      draft.warnings.push("A -vga option was passed but this machine type does not use that option");
    },
  },
];

function addSerial(draft: Draft, text: string, use: OptionUse): void {
  const spec = readCharSpec(text, `serial${draft.serials.length}`);
  if (spec.kind === "none") {
    draft.serials.push({ use, value: { chardev: undefined, isReference: false } });
  } else if (spec.kind === "reference") {
    draft.serials.push({ use, value: { chardev: spec.id, isReference: true } });
  } else {
    if (spec.withMonitor) {
      draft.hasMonitorOption = true;
      draft.monitors.push({ use, value: { chardev: spec.chardev.id, mode: "readline", pretty: false } });
    }
    draft.chardevs.push({ use, value: spec.chardev });
    draft.serials.push({ use, value: { chardev: spec.chardev.id, isReference: false } });
  }
}

/** Reads the backend of a server, so that wrong syntax is said first, and refuses all but none. */
export function refuseServer(text: string, what: string): void {
  const spec = readCharSpec(text, "server");
  if (spec.kind === "none" || (spec.kind === "define" && spec.chardev.kind === "null")) return;
  throw new OptionError("not-available", `${what} is not available in this version; use none`);
}

/** `-monitor`, `-qmp`: a monitor with a backend of its own, or on a chardev that another option defines. */
export function addMonitorSpec(
  draft: Draft,
  text: string,
  use: OptionUse,
  monitor: Pick<MonitorConfig, "mode" | "pretty">,
): void {
  draft.hasMonitorOption = true;
  const own = draft.chardevs.filter(({ value }) => value.id.startsWith("compat_monitor")).length;
  const spec = readCharSpec(text, `compat_monitor${own}`);
  if (spec.kind === "none") return;
  if (spec.kind === "define") draft.chardevs.push({ use, value: spec.chardev });
  draft.monitors.push({
    use,
    value: { chardev: spec.kind === "reference" ? spec.id : spec.chardev.id, ...monitor },
  });
}

function addMonitor(draft: Draft, text: string, use: OptionUse): void {
  let chardev: string | undefined;
  let mode: "readline" | "control" = "readline";
  let pretty = false;
  for (const { key, value } of splitPairs(text, "chardev")) {
    if (key === "chardev") chardev = value;
    else if (key === "pretty") pretty = requireBool(key, value);
    else if (key === "mode") mode = requireMonitorMode(value);
    else if (key !== "id") throw new OptionError("unknown-name", `Invalid parameter '${key}'`);
  }
  if (chardev === undefined) throw new OptionError("missing-parameter", "Parameter 'chardev' is missing");
  if (pretty && mode === "readline") {
    throw new OptionError("conflict", "'pretty' is not compatible with HMP monitors");
  }
  draft.hasMonitorOption = true;
  draft.monitors.push({ use, value: { chardev, mode, pretty } });
}

function requireMonitorMode(mode: string): "readline" | "control" {
  if (mode === "readline" || mode === "control") return mode;
  throw new OptionError("bad-value", `Parameter 'mode' does not accept value '${mode}'`);
}

function setDisplay(draft: Draft, text: string): void {
  const [type = "", ...parameters] = text.split(/[,=]/);
  if (type === "help" || type === "?") {
    draft.print = { text: "Available display backend types:\nnone\n", exitCode: 0 };
    return;
  }
  if (DISPLAYS.includes(type)) {
    throw new OptionError("not-available", `display '${type}' is not available in this version; use none`);
  }
  if (type !== "none") throw new OptionError("unknown-name", `Parameter 'type' does not accept value '${type}'`);
  const extra = parameters.find((name) => name !== "");
  if (extra !== undefined) throw new OptionError("unknown-name", `Parameter '${extra}' is unexpected`);
  draft.display = "none";
}
