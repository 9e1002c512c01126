/** The results as text. */
import type { BenchResults, Figure, SuiteResult } from "./results.ts";
import { geometricMean, ratios, type Spread, spread } from "./statistics.ts";

/** What ran, then a block for each suite: times, and the ratios of every peer to the baseline. */
export function formatResults(results: BenchResults): string {
  const [baseline, ...others] = results.peers.map((peer) => peer.name);
  if (baseline === undefined) return "";
  const peers = results.peers.map(({ name, version }) => `${name}: ${version}`).join("; ");
  const header = `${peers}; rounds: ${results.rounds}, scale: ${results.scale}`;
  const skipped = results.skipped.map((text) => `\nleft out: ${text}`).join("");
  return [header + skipped, ...results.suites.map((suite) => formatSuite(suite, baseline, others))].join("\n\n");
}

function formatSuite(suite: SuiteResult, baseline: string, others: readonly string[]): string {
  const lines = [`${suite.suite}: ${suite.title}, -smp ${suite.smp}`];
  const compared = others.filter((peer) => suite.samples.some((sample) => sample.peer === peer));
  if (compared.length === 0) lines.push(...timesTable(suite, baseline));
  for (const peer of compared) {
    lines.push(`${peer} / ${baseline}: above 1, ${baseline} is the faster`, ...ratioTable(suite, { peer, baseline }));
  }
  lines.push(...suite.figures.map(formatFigure));
  lines.push(...suite.warnings.map((text) => `warning: ${text}`));
  lines.push(...suite.skips.map((text) => `left out: ${text}`));
  lines.push(...suite.failures.map((text) => `FAILED: ${text}`));
  return lines.join("\n");
}

function formatFigure({ name, peer, unit, spread, bar }: Figure): string {
  const digits = spread.median < 100 ? 2 : 0;
  const [min, median, max] = [spread.min, spread.median, spread.max].map((value) => value.toFixed(digits));
  const judgement =
    bar === undefined ? "" : `; to reach: ${bar.toFixed(digits)}, ${spread.median < bar ? "missed" : "met"}`;
  return `${name}, ${peer}: ${median} ${unit} (${min} to ${max})${judgement}`;
}

function timesTable(suite: SuiteResult, peer: string): string[] {
  const body = suite.rows.map((row) => {
    const times = timesOf(suite, row, peer);
    return [row, ...spreadCells(times, (s) => s.toFixed(3))];
  });
  return grid([["program", "min s", "median s", "max s"], ...body]);
}

type Pair = { readonly peer: string; readonly baseline: string };

function ratioTable(suite: SuiteResult, pair: Pair): string[] {
  const medians: number[] = [];
  const body = suite.rows.map((row) => {
    const ratio = ratios(suite.samples, row, pair);
    if (ratio) medians.push(ratio.median);
    const seconds = [pair.baseline, pair.peer].map((peer) => timesOf(suite, row, peer)?.median.toFixed(3) ?? "-");
    return [row, ...seconds, ...spreadCells(ratio, (r) => r.toFixed(2))];
  });
  const mean = medians.length > 0 ? geometricMean(medians).toFixed(2) : "-";
  return grid([
    ["program", `${pair.baseline} s`, `${pair.peer} s`, "min", "median", "max"],
    ...body,
    ["geometric mean", "", "", "", mean, ""],
  ]);
}

/** Seconds. */
function timesOf(suite: SuiteResult, row: string, peer: string): Spread | undefined {
  const seconds = suite.samples.filter((s) => s.row === row && s.peer === peer).map((s) => s.timeNs / 1e9);
  return seconds.length > 0 ? spread(seconds) : undefined;
}

function spreadCells(values: Spread | undefined, format: (value: number) => string): string[] {
  return values ? [format(values.min), format(values.median), format(values.max)] : ["-", "-", "-"];
}

/** The first column to the left, the others to the right. */
export function grid(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
