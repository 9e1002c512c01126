/** All that can be fuzzed. */
import { BOOT_FILE_TARGETS } from "./boot-files.ts";
import { DISK_TARGETS } from "./disk.ts";
import { OPTION_TARGETS } from "./options.ts";

export const TARGETS = [...BOOT_FILE_TARGETS, ...OPTION_TARGETS, ...DISK_TARGETS];
