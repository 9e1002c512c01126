/**
 * The command line: arguments in, a machine's configuration out.
 *
 * argv -> uses (option and argument) -> rows of the table fill a draft -> references resolved -> `CommandLine`.
 * Names and arity of all options are checked before anything else, as QEMU does; files are not looked at here.
 */

import type { LogItem } from "#core/log.ts";
import { TRACE_EVENT_NAMES } from "#core/trace.ts";
import type { BootConfig, ChardevConfig, DriveConfig, MachineConfig } from "#machine/config.ts";
import { resolveAccel } from "./accel-option.ts";
import { nodeDrives } from "./blockdev-option.ts";
import { resolveCpu } from "./cpu-option.ts";
import { resolveDevices } from "./device-option.ts";
import { BOARD_DEVICES } from "./device-table.ts";
import { type Draft, type Known, type MonitorConfig, newDraft } from "./draft.ts";
import { resolveDrives } from "./drive-option.ts";
import type { TraceRequest } from "./log-option.ts";
import { type MachineChoice, resolveMachine } from "./machine-option.ts";
import { resolveMemory } from "./memory-option.ts";
import { OptionError, type OptionUse, within } from "./option-error.ts";
import type { OptionRow } from "./option-row.ts";
import { findOption, optionNames } from "./options.ts";
import { requireBool } from "./properties.ts";
import { DISK_IMAGE_ROW } from "./rows-block.ts";
import { resolveSmp } from "./smp-option.ts";
import { closest } from "./suggest.ts";
import { VERSION } from "./version.ts";

/** What is about the process and not about the machine. */
export type HostOptions = {
  readonly pidfile?: string;
  readonly daemonize: boolean;
  /** Items of `-d`, without doubles. */
  readonly logItems: readonly LogItem[];
  readonly logFile?: string;
  /** Which trace events; a pattern that starts with "-" switches off. */
  readonly trace: readonly TraceRequest[];
  readonly nographic: boolean;
  /** Where the machine's state comes from: a URI, or "defer" until it is said. */
  readonly incoming?: string;
  /** The snapshot that the machine goes on from: a tag, or a path with a "/" in it. */
  readonly loadvm?: string;
  readonly snapshotDirectory?: string;
  /** Directories to look for firmware in, before the usual ones. */
  readonly dataDirectories: readonly string[];
  /** Put the time in front of messages (`-msg timestamp=on`). */
  readonly messageTimestamps: boolean;
  /** Put the machine's name in front of messages (`-msg guest-name=on`). */
  readonly messageGuestName: boolean;
  readonly processName?: string;
  /** Lines for standard error before the start, without the program's name. */
  readonly warnings: readonly string[];
  readonly monitors: readonly MonitorConfig[];
};

export type CommandLine =
  | { readonly kind: "run"; readonly machine: MachineConfig; readonly host: HostOptions }
  /** Print `text` (it ends with a line end) on standard output and exit. */
  | { readonly kind: "print"; readonly text: string; readonly exitCode: 0 | 1 };

/** Reads the arguments behind the program's name. Throws `OptionError` and nothing else. */
export function parseCommandLine(argv: readonly string[], known: Partial<Known> = {}): CommandLine {
  const uses = splitArguments(argv);
  const draft = newDraft({ version: VERSION, traceEvents: TRACE_EVENT_NAMES, dataDirectories: [], ...known });
  for (const { row, use, text } of uses) {
    within(use, () => row.apply(draft, text, use));
    if (draft.print) return { kind: "print", ...draft.print };
  }
  return finish(draft);
}

type RowUse = { readonly row: OptionRow; readonly use: OptionUse; readonly text: string };

function splitArguments(argv: readonly string[]): RowUse[] {
  const uses: RowUse[] = [];
  const rest = argv[Symbol.iterator]();
  for (const argument of rest) {
    if (!argument.startsWith("-")) {
      uses.push({ row: DISK_IMAGE_ROW, use: { option: argument }, text: argument });
      continue;
    }
    const row = findOption(argument.replace(/^--?/, ""));
    if (!row) throw invalidOption(argument);
    if (row.argument === undefined) {
      uses.push({ row, use: { option: argument }, text: "" });
      continue;
    }
    const next = rest.next();
    if (next.done) throw new OptionError("missing-argument", `${argument}: requires an argument`);
    uses.push({ row, use: { option: argument, text: next.value }, text: next.value });
  }
  return uses;
}

function invalidOption(argument: string): OptionError {
  const meant = closest(argument.replace(/^--?/, ""), optionNames());
  const hint = meant === undefined ? "" : `; did you mean -${meant}?`;
  return new OptionError("invalid-option", `${argument}: invalid option${hint}`);
}

function finish(draft: Draft): CommandLine {
  checkSnapshots(draft);
  const choice = resolveMachine(draft);
  const accel = resolveAccel(draft, choice);
  const smp = resolveSmp(draft, choice);
  const boot = resolveBoot(draft, choice);
  const memoryBytes = resolveMemory(draft, choice, boot.bios);
  const cpu = resolveCpu(draft);
  addDefaultMonitor(draft, addDefaultSerial(draft));
  const chardevs = resolveChardevs(draft);
  const serials = resolveSerials(draft, chardevs);
  checkMonitors(draft, chardevs, serials);
  const drives = resolveAllDrives(draft, choice);
  const freeDrives = drives.filter((drive) => drive.interface === "none").map((drive) => drive.id);
  const shared = chardevs.map((chardev): [string, boolean] => [chardev.id, chardev.mux === true]);
  // Disks with if=virtio get their devices after the others, as in QEMU.
  addDriveDevices(draft, drives);
  const virtioDrives = drives.filter((drive) => drive.interface === "virtio").map((drive) => drive.id);
  const devices = resolveDevices(draft, {
    virtioTransports: choice.virtioTransports,
    drives: new Set([...freeDrives, ...virtioDrives]),
    chardevs: new Map(shared),
    usedChardevs: new Set(serials),
  });
  const legacy = resolveBoardGlobals(draft);
  const machine: MachineConfig = {
    machine: choice.name,
    machineOptions: {
      aclint: choice.properties.get("aclint") === true,
      ...(legacy === undefined ? {} : { virtioForceLegacy: legacy }),
    },
    cpu,
    smp,
    memoryBytes,
    accel,
    boot,
    devices,
    // The devices of if=virtio disks stand in `devices`, so all that is left to know is the name.
    drives: drives.map((drive) => (drive.interface === "virtio" ? { ...drive, interface: "none" } : drive)),
    chardevs,
    serials,
    rtc: draft.rtcClock === undefined ? { base: draft.rtcBase } : { base: draft.rtcBase, clock: draft.rtcClock },
    objects: draft.objects.map(({ value }) => value),
    ...(draft.name === undefined ? {} : { name: draft.name }),
    ...(draft.uuid === undefined ? {} : { uuid: draft.uuid }),
    startStopped: draft.startStopped,
    ...(draft.incoming === undefined ? {} : { incoming: "stream" }),
    ...(draft.loadvm === undefined ? {} : { incoming: "snapshot" }),
    onReboot: draft.onReboot,
    onShutdown: draft.onShutdown,
  };
  return { kind: "run", machine, host: hostOptions(draft) };
}

/** A machine goes on from one state, and a tag is looked for in a directory. */
function checkSnapshots({ loadvm, incoming, snapshotDirectory }: Draft): void {
  if (loadvm === undefined) return;
  if (incoming !== undefined) {
    throw new OptionError(
      "conflict",
      "-loadvm and -incoming cannot be used together: a machine goes on from one state",
    );
  }
  if (snapshotDirectory !== undefined || loadvm.includes("/")) return;
  throw new OptionError(
    "conflict",
    `no block device can store vmstate for snapshot; name the directory of '${loadvm}' with -snapshot-dir, or give -loadvm a path`,
  );
}

function hostOptions(draft: Draft): HostOptions {
  return {
    ...(draft.pidfile === undefined ? {} : { pidfile: draft.pidfile }),
    daemonize: draft.daemonize,
    logItems: draft.logItems,
    ...(draft.logFile === undefined ? {} : { logFile: draft.logFile }),
    trace: draft.trace,
    nographic: draft.nographic !== undefined,
    ...(draft.incoming === undefined ? {} : { incoming: draft.incoming }),
    ...(draft.loadvm === undefined ? {} : { loadvm: draft.loadvm }),
    ...(draft.snapshotDirectory === undefined ? {} : { snapshotDirectory: draft.snapshotDirectory }),
    dataDirectories: draft.dataDirectories,
    messageTimestamps: draft.messageTimestamps,
    messageGuestName: draft.messageGuestName,
    ...(draft.processName === undefined ? {} : { processName: draft.processName }),
    warnings: draft.warnings,
    monitors: draft.monitors.map(({ value }) => value),
  };
}

function resolveBoot(draft: Draft, machine: MachineChoice): BootConfig {
  const text = (name: string) => machine.properties.get(name) as string | undefined;
  const kernel = draft.kernel ?? text("kernel");
  const initrd = draft.initrd ?? text("initrd");
  const append = draft.append ?? text("append");
  const dtb = draft.dtb ?? text("dtb");
  const dumpdtb = text("dumpdtb");
  if (kernel === undefined) {
    if (append !== undefined) throw new OptionError("conflict", "-append only allowed with -kernel option");
    if (initrd !== undefined) throw new OptionError("conflict", "-initrd only allowed with -kernel option");
  }
  return {
    bios: draft.bios ?? text("firmware") ?? "default",
    ...(kernel === undefined ? {} : { kernel }),
    ...(initrd === undefined ? {} : { initrd }),
    ...(append === undefined ? {} : { append }),
    ...(dtb === undefined ? {} : { dtb }),
    ...(dumpdtb === undefined ? {} : { dumpdtb }),
    ...(draft.bootMenu === undefined ? {} : { menu: draft.bootMenu }),
    ...(draft.rebootTimeoutMs === undefined ? {} : { rebootTimeoutMs: draft.rebootTimeoutMs }),
  };
}

/**
 * The serial port of a command line that names none. With `-nographic` it shares the terminal with the monitor, as in
 * QEMU. Without, QEMU would show it in its window; there is none here, so it goes nowhere, and that is said.
 * Returns the id of a port on the terminal that the monitor shares.
 */
function addDefaultSerial(draft: Draft): string | undefined {
  if (draft.serials.length > 0 || draft.noDefaults) return undefined;
  const id = "serial0";
  const use = draft.nographic ?? { option: "-serial" };
  let chardev: ChardevConfig = { kind: "null", id };
  if (draft.nographic) {
    // With a monitor elsewhere the port has the terminal alone.
    chardev = { kind: "stdio", id, signal: draft.hasMonitorOption, mux: !draft.hasMonitorOption };
  } else if (draft.display === "default") {
    draft.warnings.push("there is no window for the serial console: use -nographic to have it on this terminal");
  }
  draft.chardevs.push({ use, value: chardev });
  draft.serials.push({ use, value: { chardev: id, isReference: false } });
  return chardev.mux === true ? id : undefined;
}

/** The monitor of a command line with `-nographic` that names none; with a window QEMU would show it there. */
function addDefaultMonitor(draft: Draft, sharedChardev: string | undefined): void {
  if (!draft.nographic || draft.noDefaults || draft.hasMonitorOption || draft.daemonize) return;
  const use = draft.nographic;
  const chardev = sharedChardev ?? "compat_monitor0";
  if (sharedChardev === undefined) {
    draft.chardevs.push({ use, value: { kind: "stdio", id: chardev, signal: true, mux: false } });
  }
  draft.monitors.push({ use, value: { chardev, mode: "readline", pretty: false } });
}

function resolveChardevs(draft: Draft): ChardevConfig[] {
  // Only the defaults that -nographic puts on the terminal are in the way.
  const hasDefaults = !(draft.hasMonitorOption && draft.hasParallelOption && !hasDefaultSerial(draft));
  if (draft.nographic && draft.daemonize && !draft.noDefaults && hasDefaults) {
    throw new OptionError("conflict", "-nographic cannot be used with -daemonize");
  }
  const ids = new Set<string>();
  const monitorTakesStdio =
    draft.nographic !== undefined && !draft.noDefaults && !draft.hasMonitorOption && !hasDefaultSerial(draft);
  let isStdioTaken = false;
  for (const { use, value } of draft.chardevs) {
    within(use, () => {
      if (ids.has(value.id)) throw new OptionError("duplicate", `Duplicate ID '${value.id}' for chardev`);
      ids.add(value.id);
      if (value.kind !== "stdio") return;
      if (monitorTakesStdio && use !== draft.nographic) isStdioTaken = true;
      if (draft.daemonize) throw new OptionError("conflict", "cannot use stdio with -daemonize");
      if (isStdioTaken) {
        throw new OptionError(
          "conflict",
          "cannot use stdio by multiple character devices; -nographic takes it for the monitor, and -serial mon:stdio shares it",
        );
      }
      isStdioTaken = true;
    });
  }
  return draft.chardevs.map(({ value }) => value);
}

/** Whether `-nographic` made the serial port, which may then share the terminal with the monitor. */
function hasDefaultSerial(draft: Draft): boolean {
  return draft.serials.some(({ use, value }) => use === draft.nographic && value.chardev === "serial0");
}

/** Ids of the serial ports' chardevs; a port that has none gets a null one, so that numbers keep their meaning. */
function resolveSerials(draft: Draft, chardevs: ChardevConfig[]): string[] {
  const used = new Set<string>();
  return draft.serials.map(({ use, value }, port) =>
    within(use, () => {
      if (value.chardev === undefined) {
        const id = freeId(`serial${port}`, chardevs);
        chardevs.push({ kind: "null", id });
        return id;
      }
      const chardev = chardevs.find(({ id }) => id === value.chardev);
      if (!chardev) throw new OptionError("unknown-reference", `chardev "${value.chardev}" not found`);
      const isShared = chardev.mux === true;
      if (used.has(chardev.id) && !isShared) {
        throw new OptionError("conflict", `chardev "${chardev.id}" is in use by another serial port`);
      }
      used.add(chardev.id);
      return chardev.id;
    }),
  );
}

function freeId(wanted: string, chardevs: readonly ChardevConfig[]): string {
  let id = wanted;
  while (chardevs.some((chardev) => chardev.id === id)) id += "-none";
  return id;
}

function checkMonitors(draft: Draft, chardevs: readonly ChardevConfig[], serials: readonly string[]): void {
  const used = new Set(serials);
  for (const { use, value } of draft.monitors) {
    within(use, () => {
      const chardev = chardevs.find(({ id }) => id === value.chardev);
      if (!chardev) throw new OptionError("unknown-reference", `chardev "${value.chardev}" not found`);
      if (used.has(chardev.id) && !chardev.mux) throw new OptionError("conflict", `Device '${chardev.id}' is in use`);
      used.add(chardev.id);
    });
  }
}

/** `-drive`s and block nodes, with those that `-machine pflash0=` names in the board's flash. */
function resolveAllDrives(draft: Draft, machine: MachineChoice): DriveConfig[] {
  const drives = resolveDrives(draft);
  for (const node of nodeDrives(draft.blockNodes)) {
    if (drives.some((drive) => drive.id === node.id)) {
      throw new OptionError("duplicate", `node-name=${node.id} is conflicting with a device id`);
    }
    drives.push(node);
  }
  for (const index of [0, 1]) {
    const name = machine.properties.get(`pflash${index}`);
    if (name === undefined) continue;
    const at = drives.findIndex((drive) => drive.id === name && drive.interface === "none");
    const drive = drives[at];
    if (!drive)
      throw new OptionError(
        "unknown-reference",
        `Property 'virt-machine.pflash${index}' can't find value '${String(name)}'`,
      );
    if (drives.some((other) => other.interface === "pflash" && other.index === index)) {
      throw new OptionError("duplicate", `flash ${index} has a drive already`);
    }
    drives[at] = { ...drive, interface: "pflash", index };
  }
  return drives;
}

function addDriveDevices(draft: Draft, drives: readonly DriveConfig[]): void {
  const devices = drives
    .filter((drive) => drive.interface === "virtio")
    .map((drive) => ({
      use: { option: "-drive", text: `if=virtio,id=${drive.id}` },
      value: {
        map: new Map([
          ["driver", "virtio-blk-device"],
          ["drive", drive.id],
        ]),
        isJson: false,
      },
    }));
  draft.devices.push(...devices);
}

/** The globals of the board's own devices: only the virtio transport's layout can be set. */
function resolveBoardGlobals(draft: Draft): boolean | undefined {
  let legacy: boolean | undefined;
  for (const { use, value } of draft.globals) {
    if (!BOARD_DEVICES.includes(value.driver)) continue;
    within(use, () => {
      if (value.driver === "virtio-mmio" && value.property === "force-legacy") {
        legacy = requireBool(value.property, value.value);
      } else {
        const what = `property '${value.driver}.${value.property}'`;
        throw new OptionError(
          "not-available",
          `${what} cannot be set; of the board's own devices only virtio-mmio.force-legacy can`,
        );
      }
    });
  }
  return legacy;
}
