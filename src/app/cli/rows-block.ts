/**
 * Rows of the option table: disks.
 */

import { readBlockdev } from "./blockdev-option.ts";
import { driveHelp, wantsFormats } from "./drive-option.ts";
import { type Pair, splitPairs, wantsHelp } from "./key-values.ts";
import type { OptionRow } from "./option-row.ts";

/** A short form of `-drive`: the file, and fixed parameters. */
function shortDrive(name: string, help: string, parameters: Readonly<Record<string, string>>): OptionRow {
  return {
    names: [name],
    argument: "FILE",
    help: [help],
    apply: (draft, text, use) => {
      draft.drives.push({ use, value: filePairs(text, parameters) });
    },
  };
}

function filePairs(file: string, parameters: Readonly<Record<string, string>>): Pair[] {
  const pairs = Object.entries({ ...parameters, file });
  return pairs.map(([key, value]) => ({ key, value, short: false }));
}

/** A bare argument is the first disk's file, as `-hda` is. */
export const DISK_IMAGE_ROW = shortDrive("DISK_IMAGE", "the first disk", { media: "disk", index: "0" });

export const BLOCK_ROWS: readonly OptionRow[] = [
  {
    names: ["drive"],
    argument: "file=FILE[,if=virtio|none|pflash][,format=raw][,id=ID]...",
    help: [
      "a disk: if=virtio (the default) makes its device too, if=none leaves that to -device",
      "also index=, readonly=on, cache=, discard=unmap and others ('-drive help')",
    ],
    apply: (draft, text, use) => {
      const value = splitPairs(text);
      if (wantsHelp(text)) draft.print = { text: driveHelp(), exitCode: 0 };
      else if (wantsFormats(value)) draft.print = { text: "Supported formats: raw\n", exitCode: 0 };
      else draft.drives.push({ use, value });
    },
  },
  {
    names: ["blockdev"],
    argument: "[driver=]DRIVER,node-name=NAME[,PROP=VALUE]...",
    help: ["a block node, driver file or raw; JSON works too"],
    apply: (draft, text, use) => {
      draft.blockNodes.push(...readBlockdev(text, use, draft.blockNodes));
    },
  },
  ...["hda", "hdb", "hdc", "hdd"].map((name, index) =>
    shortDrive(name, `disk ${index}, on virtio`, { media: "disk", index: String(index) }),
  ),
  shortDrive("cdrom", "a read-only disk, on virtio", { media: "cdrom", index: "2" }),
  shortDrive("pflash", "file behind the next flash chip", { if: "pflash" }),
];
