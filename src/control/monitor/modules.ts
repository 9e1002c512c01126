/**
 * The modules of the monitor. Another one is an import and a word here.
 */
import type { MonitorModule } from "#control/monitor/command.ts";
import { BLOCK } from "#control/monitor/commands/block.ts";
import { CHARDEV } from "#control/monitor/commands/chardev.ts";
import { DESCRIPTORS } from "#control/monitor/commands/descriptors.ts";
import { IDENTITY } from "#control/monitor/commands/identity.ts";
import { INSPECT } from "#control/monitor/commands/inspect.ts";
import { JOB_COMMANDS } from "#control/monitor/commands/jobs.ts";
import { MEMORY } from "#control/monitor/commands/memory.ts";
import { MIGRATION } from "#control/monitor/commands/migration.ts";
import { OBJECTS } from "#control/monitor/commands/objects.ts";
import { OPTIONS } from "#control/monitor/commands/options.ts";
import { QOM } from "#control/monitor/commands/qom.ts";
import { RUN_STATE } from "#control/monitor/commands/run-state.ts";
import { SESSION } from "#control/monitor/commands/session.ts";
import { SNAPSHOTS } from "#control/monitor/commands/snapshots.ts";

/** In the order of the documentation. */
export const MODULES: readonly MonitorModule[] = [
  SESSION,
  RUN_STATE,
  IDENTITY,
  MEMORY,
  BLOCK,
  CHARDEV,
  OBJECTS,
  QOM,
  DESCRIPTORS,
  INSPECT,
  MIGRATION,
  SNAPSHOTS,
  JOB_COMMANDS,
  OPTIONS,
];
