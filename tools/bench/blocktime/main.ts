/**
 * `npm run bench:blocktime [-- ROUNDS [SVG]]`: what the accounting of blocktime costs a page, beside the old array of
 * slots. Prints a Markdown table in nanoseconds, draws the plot. Exits with 1 when the bar does not hold.
 */
import { writeFileSync } from "node:fs";
import { drawPlot } from "./plot.ts";
import { measureCells, PAGES } from "./measure.ts";
import { BAR, formatTable, judge } from "./table.ts";

function main(rounds: number, svg: string | undefined): void {
  const cells = measureCells(rounds, (round) => {
    if (round % 10 === 0) console.error(`round ${round} of ${rounds}`);
  });
  console.log(formatTable(cells));
  if (svg !== undefined) writeFileSync(svg, drawPlot(cells, PAGES[2]));
  const { mostNs, spread, holds } = judge(cells);
  console.log(
    `A page for which nobody waits costs at most ${mostNs.toFixed(1)} ns (bar: ${BAR.mostNs}); from 1 to 4,096 vCPUs the ` +
      `cost differs by ${(spread * 100).toFixed(0)} % (bar: ${BAR.mostSpread * 100} %): ${holds ? "holds" : "MISSED"}.`,
  );
  if (!holds) process.exitCode = 1;
}

main(Number(process.argv[2] ?? 60), process.argv[3]);
