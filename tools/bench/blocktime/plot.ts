/** The costs by the number of vCPUs, both axes logarithmic, as an SVG. */
import { element, label } from "../../support/svg.ts";
import type { Cell, Costs } from "./measure.ts";

const WIDTH = 760;
const HEIGHT = 400;
const PLOT = { left: 64, right: 530, top: 44, bottom: 350 };
const NS = { least: 1, most: 10_000 };

type Line = {
  readonly title: string;
  readonly colour: string;
  readonly dash: string;
  readonly cost: (cell: Cell) => number;
};

const LINES: readonly Line[] = [
  ...lines("", "none", (cell) => cell.hash),
  ...lines("array: ", "6 4", (cell) => cell.array),
];

/** Draws the cells with `pages` pages. */
export function drawPlot(cells: readonly Cell[], pages: number): string {
  const drawn = cells.filter((cell) => cell.pages === pages);
  const vcpus = drawn.map((cell) => cell.vcpus);
  const most = Math.max(...vcpus);
  const x = (count: number): number => PLOT.left + (Math.log(count) / Math.log(most)) * (PLOT.right - PLOT.left);
  const parts = [
    element("rect", { width: WIDTH, height: HEIGHT, fill: "#ffffff" }),
    label(PLOT.left, 24, `Cost of a call by the number of vCPUs; ${pages.toLocaleString("en")} pages arrive`, {
      "font-weight": "bold",
    }),
    ...powersOfTen().map(gridLine),
    ...vcpus.map((count) => label(x(count), PLOT.bottom + 20, count.toLocaleString("en"), { "text-anchor": "middle" })),
    label((PLOT.left + PLOT.right) / 2, PLOT.bottom + 40, "vCPUs", { "text-anchor": "middle" }),
    ...LINES.flatMap((line, index) => drawLine(line, index, drawn, x)),
  ];
  const svg = element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      width: WIDTH,
      height: HEIGHT,
      "font-family": "sans-serif",
      "font-size": 13,
    },
    `\n${parts.join("\n")}\n`,
  );
  return `${svg}\n`;
}

function lines(prefix: string, dash: string, costs: (cell: Cell) => Costs): Line[] {
  return [
    { title: `${prefix}end, nobody waits`, colour: "#1565c0", dash, cost: (cell) => costs(cell).endIdle },
    { title: `${prefix}begin`, colour: "#c77700", dash, cost: (cell) => costs(cell).begin },
    { title: `${prefix}end, one waits`, colour: "#2e7d32", dash, cost: (cell) => costs(cell).endWaiter },
  ];
}

function drawLine(line: Line, index: number, cells: readonly Cell[], x: (vcpus: number) => number): string[] {
  const { colour, dash } = line;
  const points = cells.map((cell) => [x(cell.vcpus), height(line.cost(cell))] as const);
  const path = points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(" ");
  const stroke = { stroke: colour, "stroke-width": 2, "stroke-dasharray": dash };
  const y = PLOT.top + 16 + index * 24;
  return [
    element("polyline", { points: path, fill: "none", ...stroke }),
    ...points.map(([cx, cy]) => element("circle", { cx, cy, r: 3.5, fill: colour })),
    element("line", { x1: PLOT.right + 20, x2: PLOT.right + 48, y1: y - 4, y2: y - 4, ...stroke }),
    label(PLOT.right + 56, y, line.title),
  ];
}

function powersOfTen(): number[] {
  const powers: number[] = [];
  for (let ns = NS.least; ns <= NS.most; ns *= 10) powers.push(ns);
  return powers;
}

function gridLine(ns: number): string {
  const y = height(ns);
  const line = element("line", { x1: PLOT.left, x2: PLOT.right, y1: y, y2: y, stroke: "#dddddd" });
  return line + label(PLOT.left - 8, y + 4, ns >= 1000 ? `${ns / 1000} us` : `${ns} ns`, { "text-anchor": "end" });
}

function height(ns: number): number {
  const share = Math.log(Math.max(ns, NS.least) / NS.least) / Math.log(NS.most / NS.least);
  return PLOT.bottom - share * (PLOT.bottom - PLOT.top);
}
