/**
 * Rows of the option table: the machine, its devices and what it starts with.
 */

import { accelHelp } from "./accel-option.ts";
import { bootHelp, checkWatchdogAction, readAction, readBoot, readName, readRtc, readUuid } from "./boot-option.ts";
import { cpuHelp, isCpuType } from "./cpu-option.ts";
import { deviceHelp, readGlobal } from "./device-option.ts";
import { BOARD_DEVICES, findDevice } from "./device-table.ts";
import type { Draft } from "./draft.ts";
import { parseNested, parseStructured, splitPairs, wantsHelp } from "./key-values.ts";
import { machineHelp } from "./machine-option.ts";
import { objectHelp, readObject } from "./object-option.ts";
import type { OptionRow } from "./option-row.ts";
import { smpHelp } from "./smp-option.ts";

/** Prints `text` and exits with success. */
function print(draft: Draft, text: string): void {
  draft.print = { text, exitCode: 0 };
}

export const MACHINE_ROWS: readonly OptionRow[] = [
  {
    names: ["machine", "M"],
    argument: "[type=]NAME[,PROP=VALUE]...",
    help: [
      "the board, and properties of it ('-machine help' lists them)",
      "accel=A[:B]... takes the first engine that there is",
      "dumpdtb=FILE writes the device tree and exits",
    ],
    apply: (draft, text, use) => {
      if (wantsHelp(text)) draft.print = machineHelp(text);
      else draft.machine.push({ use, value: parseNested(text, "type") });
    },
  },
  {
    names: ["cpu"],
    argument: "MODEL[,FEATURE=on|off]...",
    help: ["the CPU ('-cpu help' lists models and features)"],
    apply: (draft, text, use) => {
      if (wantsHelp(text)) print(draft, cpuHelp());
      else draft.cpu = { use, value: text };
    },
  },
  {
    names: ["accel"],
    argument: "[accel=]NAME[,PROP=VALUE]...",
    help: ["the engine that runs guest code ('-accel help' lists them)", "repeated: the first that there is"],
    apply: (draft, text, use) => {
      if (text === "help" || text === "?") print(draft, accelHelp());
      else draft.accels.push({ use, value: splitPairs(text, "accel") });
    },
  },
  {
    names: ["smp"],
    argument: "[[cpus=]N][,maxcpus=N][,sockets=N][,cores=N][,threads=N]",
    help: ["number of vCPUs (default 1) and how they are ordered"],
    apply: (draft, text, use) => {
      if (wantsHelp(text)) print(draft, smpHelp());
      else draft.smp.push({ use, value: parseNested(text, "cpus") });
    },
  },
  {
    names: ["m"],
    argument: "[size=]MEGABYTES[,slots=N,maxmem=SIZE]",
    help: ["guest memory (default 128M); suffixes K, M, G, and fractions: 1.5G"],
    apply: (draft, text, use) => {
      draft.memory.push({ use, value: splitPairs(text, "size") });
    },
  },
  {
    names: ["device"],
    argument: "DRIVER[,PROP=VALUE]...",
    help: ["add a device; JSON works too", "'-device help' lists drivers, '-device DRIVER,help' properties"],
    apply: (draft, text, use) => {
      const isJson = text.startsWith("{");
      if (!isJson && wantsHelp(text)) {
        draft.print = deviceHelp(text);
        return;
      }
      const value = isJson
        ? parseStructured(text)
        : { map: new Map(splitPairs(text, "driver").map((pair) => [pair.key, pair.value])), isJson };
      draft.devices.push({ use, value });
    },
  },
  {
    names: ["global"],
    argument: "DRIVER.PROP=VALUE",
    help: ["a default for a property of all devices of a driver"],
    apply: (draft, text, use) => {
      const value = readGlobal(text);
      const isKnown = findDevice(value.driver) || isCpuType(value.driver) || BOARD_DEVICES.includes(value.driver);
      // QEMU only warns: the same options may be given to emulators with other devices.
      if (isKnown) draft.globals.push({ use, value });
      else draft.warnings.push(`warning: global ${value.driver}.${value.property} has invalid class name`);
    },
  },
  {
    names: ["object"],
    argument: "TYPE,id=ID[,PROP=VALUE]...",
    help: ["make an object that others refer to ('-object help' lists types)"],
    apply: (draft, text, use) => {
      if (!text.startsWith("{") && wantsHelp(text)) draft.print = objectHelp(text);
      else draft.objects.push({ use, value: readObject(draft, text) });
    },
  },
  {
    names: ["name"],
    argument: "[guest=]NAME[,process=NAME][,debug-threads=on|off]",
    help: ["name of the machine, and of the process"],
    apply: (draft, text) => readName(draft, text),
  },
  {
    names: ["uuid"],
    argument: "UUID",
    help: ["the machine's UUID"],
    apply: (draft, text) => {
      draft.uuid = readUuid(text);
    },
  },
  {
    names: ["rtc"],
    argument: "[base=utc|localtime|DATETIME][,clock=host|rt|vm]",
    help: ["where the real-time clock starts and what drives it"],
    apply: (draft, text) => readRtc(draft, text),
  },
  {
    names: ["boot"],
    argument: "[order=DRIVES][,strict=on|off]...",
    help: [
      "menu= and reboot-timeout= are for firmware that reads them; the others are accepted",
      "'-boot help' lists them",
    ],
    apply: (draft, text) => {
      if (text === "help" || text === "?") print(draft, bootHelp());
      else readBoot(draft, text);
    },
  },
  {
    names: ["action"],
    argument: "EVENT=ACTION[,...]",
    help: ["reboot=reset|shutdown, shutdown=poweroff|pause"],
    apply: (draft, text) => readAction(draft, text),
  },
  {
    names: ["watchdog-action"],
    argument: "ACTION",
    help: ["accepted; there is no watchdog"],
    apply: (_draft, text) => checkWatchdogAction(text),
  },
  {
    names: ["no-reboot"],
    help: ["exit when the guest resets"],
    apply: (draft) => {
      draft.onReboot = "shutdown";
    },
  },
  {
    names: ["no-shutdown"],
    help: ["stay, stopped, when the guest powers off"],
    apply: (draft) => {
      draft.onShutdown = "pause";
    },
  },
  {
    names: ["S"],
    help: ["do not start the vCPUs"],
    apply: (draft) => {
      draft.startStopped = true;
    },
  },
  {
    names: ["nodefaults"],
    help: ["no default serial port and monitor"],
    apply: (draft) => {
      draft.noDefaults = true;
    },
  },
];

export const BOOT_ROWS: readonly OptionRow[] = [
  {
    names: ["kernel"],
    argument: "FILE",
    help: ["kernel: Image, gzip, EFI zboot or ELF"],
    apply: (draft, text) => {
      draft.kernel = text;
    },
  },
  {
    names: ["initrd"],
    argument: "FILE",
    help: ["initial RAM disk"],
    apply: (draft, text) => {
      draft.initrd = text;
    },
  },
  {
    names: ["append"],
    argument: "TEXT",
    help: ["kernel command line"],
    apply: (draft, text) => {
      draft.append = text;
    },
  },
  {
    names: ["bios"],
    argument: "FILE|default|none",
    help: ["firmware; default is OpenSBI"],
    apply: (draft, text) => {
      draft.bios = text;
    },
  },
  {
    names: ["dtb"],
    argument: "FILE",
    help: ["device tree instead of the board's own"],
    apply: (draft, text) => {
      draft.dtb = text;
    },
  },
  {
    names: ["L"],
    argument: "DIRECTORY",
    help: ["where to look for firmware, before the usual places ('-L help' lists those)"],
    apply: (draft, text) => {
      if (text === "help" || text === "?") {
        const directories = [...draft.dataDirectories, ...draft.known.dataDirectories];
        print(draft, directories.map((directory) => `${directory}\n`).join(""));
      } else draft.dataDirectories.push(text);
    },
  },
];
