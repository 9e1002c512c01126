/**
 * Draws a postcopy migration.
 *
 *   npx tsx tools/report/main.ts IN OUT                          IN: the events (events.ts), OUT: one HTML file
 *   npx tsx tools/report/main.ts --simulate IN [VCPUS [SEED]]    writes a made-up IN
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseEvents } from "./events.ts";
import { makePage } from "./page.ts";
import { simulate } from "./simulate.ts";
import { makeTimeline } from "./timeline.ts";

const USAGE = "usage: tools/report/main.ts IN OUT | tools/report/main.ts --simulate IN [VCPUS [SEED]]";

function main([first, second, vcpus, seed]: readonly string[]): void {
  if (first === undefined || second === undefined) {
    console.error(USAGE);
    process.exitCode = 2;
  } else if (first === "--simulate") {
    writeFileSync(second, simulate({ vcpus: Number(vcpus ?? 4), pages: 8000, seed: Number(seed ?? 1) }));
  } else {
    writeFileSync(second, makePage(makeTimeline(parseEvents(readFileSync(first, "utf8")))));
  }
}

main(process.argv.slice(2));
