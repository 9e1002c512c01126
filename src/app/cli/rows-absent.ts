/**
 * Options of QEMU that this program does not have: named, so that their arguments are not taken for others and the
 * error says what is missing. They are not in the help text.
 *
 * Those whose argument may say "nothing of that" (`-nic none`) accept it.
 */

import { OptionError } from "./option-error.ts";
import type { OptionRow } from "./option-row.ts";

// biome-ignore format: a table
const WITHOUT_ARGUMENT: readonly string[] = [
  "snapshot", "usb", "portrait", "full-screen", "singlestep", "preconfig", "s", "enable-sync-profile", "mem-prealloc",
  "semihosting", "only-migratable", "async-teardown", "audio-help", "win2k-hack", "old-param", "no-hpet", "no-acpi",
  "no-fd-bootchk", "alt-grab", "ctrl-grab", "no-quit",
];

// biome-ignore format: a table
const WITH_ARGUMENT: readonly string[] = [
  "acpitable", "add-fd", "chroot", "compat", "debugcon", "dfilter", "dump-vmstate", "echr", "fda", "fdb", "fsdev",
  "fw_cfg", "icount", "iscsi", "k", "mem-path", "mtdblock", "netdev", "numa", "option-rom", "plugin",
  "prom-env", "rotate", "runas", "sd", "seed", "semihosting-config", "set", "smbios", "spice", "tpmdev",
  "usbdevice", "virtfs",
];

/** The argument that is harmless, for those that have one. */
const HARMLESS: Readonly<Record<string, RegExp>> = {
  audio: /^(?:driver=)?none(?:,|$)/,
  audiodev: /^(?:none|driver=none)(?:,|$)|^\{.*"driver" *: *"none"/,
  net: /^none$/,
  nic: /^none$/,
  parallel: /^(?:none|null)$/,
  vnc: /^none$/,
};

export const ABSENT_ROWS: readonly OptionRow[] = [
  ...WITHOUT_ARGUMENT.map((name): OptionRow => ({ names: [name], help: [], apply: () => refuse() })),
  ...WITH_ARGUMENT.map((name): OptionRow => ({ names: [name], argument: "...", help: [], apply: () => refuse() })),
  ...Object.entries(HARMLESS).map(
    ([name, harmless]): OptionRow => ({
      names: [name],
      argument: "...",
      help: [],
      apply: (draft, text) => {
        if (!harmless.test(text)) refuse();
        if (name === "parallel") draft.hasParallelOption = true;
      },
    }),
  ),
  {
    names: ["enable-kvm"],
    help: [],
    apply: () => {
      throw new OptionError("unknown-name", "invalid accelerator kvm");
    },
  },
];

function refuse(): never {
  throw new OptionError("not-available", "not available in this version");
}
