/** Draws the ratios as a bar chart: a bar for the median of each program, a whisker from minimum to maximum. */
import type { BenchResults, SuiteResult } from "./results.ts";
import { geometricMean, ratios, type Spread } from "./statistics.ts";

const WIDTH = 760;
const LABEL_WIDTH = 150;
const VALUE_WIDTH = 60;
const BAR_HEIGHT = 16;
const ROW_HEIGHT = 22;
const HEADING_HEIGHT = 34;
const AXIS_HEIGHT = 48;
const AXIS_STEPS = [0.25, 0.5, 1, 2, 5, 10, 20];
const MAX_LINES = 8;

type Bar = { readonly label: string; readonly ratio: Spread; readonly mean: boolean };
type Group = { readonly heading: string; readonly bars: readonly Bar[] };

/** One chart of every suite and every peer against the baseline; an `svg` element as text. */
export function drawChart(results: BenchResults): string {
  const [baseline, ...others] = results.peers.map((peer) => peer.name);
  const groups = others.flatMap((peer) =>
    results.suites.map((suite) => group(suite, { peer, baseline: baseline ?? "" })),
  );
  const drawn = groups.filter((item) => item.bars.length > 0);
  const largest = Math.max(1.2, ...drawn.flatMap((item) => item.bars.map((bar) => bar.ratio.max)));
  const place = (value: number): number => LABEL_WIDTH + (value / largest) * (WIDTH - LABEL_WIDTH - VALUE_WIDTH);

  let y = AXIS_HEIGHT;
  const parts: string[] = [];
  for (const { heading, bars } of drawn) {
    parts.push(text(8, y + 22, heading, `font-weight="bold"`));
    y += HEADING_HEIGHT;
    for (const bar of bars) {
      parts.push(...drawBar(bar, y, place));
      y += ROW_HEIGHT;
    }
  }
  const height = y + 12;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="13">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(8, 20, `Time of the peer divided by time of ${baseline}: beyond the line at 1, ${baseline} is the faster`),
    ...axis(largest, height, place),
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function group(suite: SuiteResult, pair: { readonly peer: string; readonly baseline: string }): Group {
  const bars: Bar[] = suite.rows.flatMap((row) => {
    const ratio = ratios(suite.samples, row, pair);
    return ratio ? [{ label: row, ratio, mean: false }] : [];
  });
  if (bars.length > 1) {
    const mean = geometricMean(bars.map((bar) => bar.ratio.median));
    bars.push({ label: "geometric mean", ratio: { min: mean, median: mean, max: mean }, mean: true });
  }
  return { heading: `${suite.suite}: ${pair.peer} / ${pair.baseline}, -smp ${suite.smp}`, bars };
}

function drawBar(bar: Bar, y: number, place: (value: number) => number): string[] {
  const { min, median, max } = bar.ratio;
  const middle = y + BAR_HEIGHT / 2;
  const colour = bar.mean ? "#37474f" : median >= 1 ? "#2e7d32" : "#c77700";
  const whisker = `<line x1="${fix(place(min))}" x2="${fix(place(max))}" y1="${middle}" y2="${middle}" stroke="#222222"/>`;
  return [
    text(LABEL_WIDTH - 8, y + 13, bar.label, `text-anchor="end"`),
    `<rect x="${LABEL_WIDTH}" y="${y}" width="${fix(place(median) - LABEL_WIDTH)}" height="${BAR_HEIGHT}" fill="${colour}"/>`,
    ...(bar.mean ? [] : [whisker]),
    text(fix(place(max) + 6), y + 13, median.toFixed(2)),
  ];
}

function axis(largest: number, height: number, place: (value: number) => number): string[] {
  const step = AXIS_STEPS.find((size) => largest / size <= MAX_LINES) ?? largest;
  const lines: string[] = [];
  for (let value = 0; value <= largest; value += step) {
    const x = fix(place(value));
    lines.push(`<line x1="${x}" x2="${x}" y1="44" y2="${height}" stroke="#dddddd"/>`);
    lines.push(text(x, 40, String(value), `text-anchor="middle" fill="#666666"`));
  }
  const one = fix(place(1));
  lines.push(`<line x1="${one}" x2="${one}" y1="44" y2="${height}" stroke="#b71c1c"/>`);
  return lines;
}

function text(x: number | string, y: number, content: string, attributes = ""): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x}" y="${y}"${attributes === "" ? "" : ` ${attributes}`}>${escaped}</text>`;
}

function fix(value: number): string {
  return value.toFixed(1);
}
