/** Writes the pages of `docs/` that are made from tables: `npx tsx tools/docs/main.ts`. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { MODULES } from "#control/monitor/modules.ts";
import { monitorPage } from "./monitor-page.ts";

writeFileSync(fileURLToPath(new URL("../../docs/monitor.md", import.meta.url)), monitorPage(MODULES));
