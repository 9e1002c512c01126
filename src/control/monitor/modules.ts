/**
 * The modules of the monitor. Another one is an import and a word here.
 */
import type { MonitorModule } from "#control/monitor/command.ts";
import { RUN_STATE } from "#control/monitor/commands/run-state.ts";
import { SESSION } from "#control/monitor/commands/session.ts";

/** In the order of the documentation. */
export const MODULES: readonly MonitorModule[] = [SESSION, RUN_STATE];
