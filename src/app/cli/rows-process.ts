/**
 * Rows of the option table: the process, its logs, and what tools pass without meaning this program.
 */

import { parseUri } from "#control/migration/address.ts";
import type { Draft } from "./draft.ts";
import { readFlat } from "./boot-option.ts";
import { addTracePattern, logHelp, readLogItems, readTrace } from "./log-option.ts";
import { OptionError } from "./option-error.ts";
import type { OptionRow } from "./option-row.ts";
import { addMonitorSpec, refuseServer } from "./rows-char.ts";

const SANDBOX_CHOICES = ["allow", "deny", "children"] as const;
/** The last one counts. */
function takeIncoming(draft: Draft, text: string): void {
  try {
    if (text !== "defer") parseUri(text);
  } catch (error) {
    throw new OptionError("unknown-name", (error as Error).message);
  }
  draft.incoming = text;
}

export const PROCESS_ROWS: readonly OptionRow[] = [
  {
    names: ["pidfile"],
    argument: "FILE",
    help: ["write the process id there"],
    apply: (draft, text) => {
      draft.pidfile = text;
    },
  },
  {
    names: ["daemonize"],
    help: ["go to the background when the machine runs and everything listens"],
    apply: (draft) => {
      draft.daemonize = true;
    },
  },
  {
    names: ["readconfig"],
    argument: "FILE",
    help: ['read options from a file: [GROUP "ID"] and lines NAME = "VALUE"'],
    // The program puts the file's options in its place before it comes here.
    apply: () => {
      throw new OptionError("not-available", "options cannot be read from a file here");
    },
  },
  {
    names: ["no-user-config"],
    help: ["accepted; there are no configuration files"],
    apply: () => {},
  },
  {
    names: ["msg"],
    argument: "timestamp=on|off[,guest-name=on|off]",
    help: ["put the time, and the name of -name, in front of messages"],
    apply: (draft, text) => {
      const options = readFlat(text, undefined, { timestamp: "bool", "guest-name": "bool" });
      if (options.has("timestamp")) draft.messageTimestamps = options.get("timestamp") === true;
      if (options.has("guest-name")) draft.messageGuestName = options.get("guest-name") === true;
    },
  },
  {
    names: ["overcommit"],
    argument: "[mem-lock=on|off][,cpu-pm=on|off]",
    help: ["accepted; memory is never locked"],
    apply: (_draft, text) => {
      readFlat(text, undefined, { "mem-lock": "bool", "cpu-pm": "bool" });
    },
  },
  {
    names: ["sandbox"],
    argument: "on|off[,...]",
    help: ["accepted; there is no sandbox beside the runtime's own"],
    apply: (draft, text) => {
      const options = readFlat(text, "enable", {
        enable: "bool",
        obsolete: SANDBOX_CHOICES,
        elevateprivileges: SANDBOX_CHOICES,
        spawn: SANDBOX_CHOICES,
        resourcecontrol: SANDBOX_CHOICES,
      });
      if (options.get("enable") === true)
        draft.warnings.push("-sandbox on has no effect: there is no system call filter");
    },
  },
];

export const DEBUG_ROWS: readonly OptionRow[] = [
  {
    names: ["d"],
    argument: "ITEM[,...]",
    help: ["what to log ('-d help' lists items)"],
    apply: (draft, text) => {
      if (text === "help" || text === "?") {
        // QEMU exits with 1 here.
        draft.print = { text: logHelp(), exitCode: 1 };
        return;
      }
      const { items, trace } = readLogItems(text);
      for (const item of items) if (!draft.logItems.includes(item)) draft.logItems.push(item);
      for (const pattern of trace) addTracePattern(draft, pattern);
    },
  },
  {
    names: ["D"],
    argument: "FILE",
    help: ["write the log there instead of standard error; %d is the process id"],
    apply: (draft, text) => {
      draft.logFile = text;
    },
  },
  {
    names: ["trace"],
    argument: "[[enable=]PATTERN][,events=FILE][,file=FILE]",
    help: [
      "enable trace events; * matches anything, - in front switches off",
      "events= names a file of patterns, file= is as -D; '-trace help' lists events",
    ],
    apply: readTrace,
  },
  {
    names: ["gdb"],
    argument: "none",
    help: ["wait for gdb; only none in this version"],
    apply: (_draft, text) => refuseServer(text, "the gdb server"),
  },
  {
    names: ["qmp"],
    argument: "DEVICE",
    help: ["where a monitor for programs (QMP) goes: as -serial"],
    apply: (draft, text, use) => addMonitorSpec(draft, text, use, { mode: "control", pretty: false }),
  },
  {
    names: ["qmp-pretty"],
    argument: "DEVICE",
    help: ["as -qmp, with replies on several lines"],
    apply: (draft, text, use) => addMonitorSpec(draft, text, use, { mode: "control", pretty: true }),
  },
  {
    names: ["incoming"],
    argument: "URI",
    help: [
      "take the machine's state from there: tcp:HOST:PORT, unix:PATH, exec:COMMAND,",
      "fd:NUMBER, file:PATH[,offset=BYTES]; defer waits for the monitor to say where",
    ],
    apply: (draft, text) => takeIncoming(draft, text),
  },
  {
    names: ["loadvm"],
    argument: "TAG",
    help: [
      "go on from a snapshot of -snapshot-dir, or from a file if there is a '/' in it;",
      "most of the memory comes while the machine runs",
    ],
    apply: (draft, text) => {
      draft.loadvm = text;
    },
  },
  {
    names: ["snapshot-dir"],
    argument: "DIRECTORY",
    help: ["where savevm and loadvm keep snapshots, a file for each"],
    apply: (draft, text) => {
      draft.snapshotDirectory = text;
    },
  },
];
