/** All that can be fuzzed. */
import { BOARD_TARGETS } from "./board.ts";
import { BOOT_FILE_TARGETS } from "./boot-files.ts";
import { DISK_TARGETS } from "./disk.ts";
import { MIGRATION_TARGETS } from "./migration.ts";
import { OPTION_TARGETS } from "./options.ts";
import { SNAPSHOT_TARGETS } from "./snapshot.ts";
import { VIRTIO_TARGETS } from "./virtio.ts";

export const TARGETS = [
  ...BOOT_FILE_TARGETS,
  ...OPTION_TARGETS,
  ...DISK_TARGETS,
  ...VIRTIO_TARGETS,
  ...BOARD_TARGETS,
  ...MIGRATION_TARGETS,
  ...SNAPSHOT_TARGETS,
];
