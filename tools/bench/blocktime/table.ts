/** The costs as a Markdown table, and what is asked of them. */
import { type Cell, COST_NAMES } from "./measure.ts";

const TITLES = {
  endIdle: "end, nobody waits",
  endOthers: "end, all wait elsewhere",
  begin: "begin",
  endWaiter: "end, one waits",
};

/** Of the cost of a page for which nobody waits. */
export const BAR = { mostNs: 100, mostSpread: 0.2 } as const;

export function formatTable(cells: readonly Cell[]): string {
  const titles = COST_NAMES.map((name) => TITLES[name]);
  const rows = cells.map(({ vcpus, pages, hash, array }) => {
    const costs = [...COST_NAMES.map((name) => hash[name]), ...COST_NAMES.map((name) => array[name])];
    return [vcpus, pages, ...costs.map((ns) => ns.toFixed(ns < 100 ? 1 : 0))];
  });
  const head = ["vCPUs", "pages", ...titles, ...titles.map((title) => `array: ${title}`)];
  return [head, head.map(() => "---:"), ...rows].map((row) => `| ${row.join(" | ")} |\n`).join("");
}

export type Verdict = { readonly mostNs: number; readonly spread: number; readonly holds: boolean };

/** The most that a page costs for which nobody waits, and how much more than the least at one number of pages. */
export function judge(cells: readonly Cell[]): Verdict {
  const mostNs = Math.max(...cells.map((cell) => cell.hash.endIdle));
  const spread = Math.max(
    ...cells.map(({ pages }) => {
      const costs = cells.filter((cell) => cell.pages === pages).map((cell) => cell.hash.endIdle);
      return Math.max(...costs) / Math.min(...costs) - 1;
    }),
  );
  return { mostNs, spread, holds: mostNs < BAR.mostNs && spread <= BAR.mostSpread };
}
