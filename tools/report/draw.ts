/** The report's three drawings, as SVG elements that are as wide as the page; their colours are classes of style.ts. */
import { bucketTime } from "#control/migration/blocktime-text.ts";
import { element, label } from "../support/svg.ts";
import { ticks, timeText } from "./axis.ts";
import type { Lane, Span, Timeline } from "./timeline.ts";

const WIDTH = 1100;
const PLOT = { left: 74, right: 1020 };
const AXIS_HEIGHT = 24;
/** More points than that nobody sees. */
const MOST_POINTS = 1500;
/** With more spans than that they share one shape a lane and have no tooltips. */
const MOST_TOOLTIPS = 4000;

/** A lane in which all vCPUs are blocked, whose spans go down behind the others, and a lane a vCPU. */
export function drawLanes(timeline: Timeline): string {
  const { lanes, allDown, lengthNs, figures } = timeline;
  const laneHeight = lanes.length <= 8 ? 26 : lanes.length <= 24 ? 18 : 13;
  const top = 6;
  const first = top + laneHeight + 4;
  const bottom = first + lanes.length * laneHeight;
  const x = scale(lengthNs);
  const spans = allDown.length + lanes.reduce((count, lane) => count + lane.blocked.length, 0);
  const tooltips = spans <= MOST_TOOLTIPS;
  const texts = (y: number, name: string, ns: number): string => {
    const attributes = { class: "lane-label", "font-size": Math.min(12, laneHeight - 2) };
    const base = y + laneHeight * 0.7;
    const share = label(PLOT.right + 8, base, `${((ns / lengthNs) * 100).toFixed(1)} %`, attributes);
    return label(PLOT.left - 8, base, name, { ...attributes, "text-anchor": "end" }) + share;
  };
  const parts = [
    ...timeAxis(lengthNs, top, bottom),
    ...spanShapes(allDown, { x, top: first, height: bottom - first, tooltips: false, kind: "all-down-band" }),
    ...spanShapes(allDown, { x, top: top + 2, height: laneHeight - 4, tooltips, kind: "all-down" }),
    texts(top, "all", figures.totalBlocktimeNs),
    ...lanes.flatMap((lane, vcpu) => {
      const y = first + vcpu * laneHeight;
      const middle = y + laneHeight / 2;
      return [
        texts(y, `vCPU ${vcpu}`, figures.vcpuBlocktimeNs[vcpu] ?? 0),
        element("line", { class: "lane", x1: PLOT.left, x2: PLOT.right, y1: middle, y2: middle }),
        ...drawLane(lane, { x, top: y + 2, height: laneHeight - 4, tooltips }),
      ];
    }),
  ];
  return svg(bottom + AXIS_HEIGHT, "Blocked intervals of each vCPU", parts);
}

/** How many pages had arrived by when. */
export function drawPages({ pageTimes, lengthNs }: Timeline): string {
  const [top, bottom] = [10, 190];
  const x = scale(lengthNs);
  const y = (count: number): number => bottom - (count / Math.max(1, pageTimes.length)) * (bottom - top);
  const every = Math.max(1, Math.ceil(pageTimes.length / MOST_POINTS));
  const points = pageTimes.flatMap((time, index) => {
    const isLast = index === pageTimes.length - 1;
    return index % every === 0 || isLast ? [`${x(time).toFixed(1)},${y(index + 1).toFixed(1)}`] : [];
  });
  const line = [`${PLOT.left},${bottom}`, ...points].join(" ");
  const lastX = x(pageTimes.at(-1) ?? 0).toFixed(1);
  return svg(bottom + AXIS_HEIGHT, "Pages that have arrived", [
    ...timeAxis(lengthNs, top, bottom),
    ...ticks(pageTimes.length, 4).map((count) => countLine(count, y(count))),
    element("polygon", { class: "pages-area", points: `${line} ${lastX},${bottom}` }),
    element("polyline", { class: "pages-line", points: line }),
  ]);
}

/** Faults by the time that each took. */
export function drawLatencies({ figures }: Timeline): string {
  const counts = figures.latencyBuckets;
  const [top, bottom] = [22, 180];
  const most = Math.max(1, ...counts);
  const width = (PLOT.right - PLOT.left) / counts.length;
  const y = (count: number): number => bottom - (count / most) * (bottom - top);
  const bars = counts.flatMap((count, bucket) => {
    const left = PLOT.left + bucket * width;
    const title = element("title", {}, `${bucketTime(bucket)} - ${bucketTime(bucket + 1)}: ${count}`);
    const bar = { class: "latency", x: left + 1.5, width: width - 3, y: y(count), height: bottom - y(count), rx: 2 };
    const edge = bucketTime(bucket).split(" ");
    return [
      ...(count > 0 ? [element("rect", bar, title)] : []),
      ...(count > 0
        ? [label(left + width / 2, y(count) - 5, String(count), { class: "value", "text-anchor": "middle" })]
        : []),
      label(left, bottom + 16, edge[0] ?? "", { class: "tick", "text-anchor": "middle" }),
      label(left, bottom + 29, edge[1] ?? "", { class: "tick", "text-anchor": "middle" }),
    ];
  });
  const base = element("line", { class: "axis", x1: PLOT.left, x2: PLOT.right, y1: bottom, y2: bottom });
  return svg(bottom + 34, "Latency of the faults", [...bars, base]);
}

type LanePlace = {
  readonly x: (ns: number) => number;
  readonly top: number;
  readonly height: number;
  readonly tooltips: boolean;
};

/** The blocked spans, and below them a thin line where the vCPU's thread itself saw it stand still. */
function drawLane(lane: Lane, place: LanePlace): string[] {
  const seenHeight = lane.seen.length > 0 ? Math.max(2, place.height * 0.16) : 0;
  const height = place.height - (seenHeight > 0 ? seenHeight + 1 : 0);
  const seenTop = place.top + place.height - seenHeight;
  return [
    ...spanShapes(lane.blocked, { ...place, height, kind: "blocked" }),
    ...spanShapes(lane.seen, { ...place, top: seenTop, height: seenHeight, tooltips: false, kind: "seen" }),
  ];
}

function spanShapes(spans: readonly Span[], place: LanePlace & { readonly kind: string }): string[] {
  const { x, top, height, tooltips, kind } = place;
  const box = ({ from, to }: Span): { left: number; width: number } => ({
    left: x(from),
    width: Math.max(0.6, x(to) - x(from)),
  });
  if (!tooltips) {
    const path = spans.map((span) => {
      const { left, width } = box(span);
      return `M${left.toFixed(1)} ${top.toFixed(1)}h${width.toFixed(1)}v${height.toFixed(1)}h${(-width).toFixed(1)}z`;
    });
    return path.length === 0 ? [] : [element("path", { class: kind, d: path.join("") })];
  }
  return spans.map((span) => {
    const { left, width } = box(span);
    const title = element("title", {}, `${timeText(span.to - span.from)} from ${timeText(span.from)}`);
    return element("rect", { class: kind, x: left, y: top, width, height }, title);
  });
}

function timeAxis(lengthNs: number, top: number, bottom: number): string[] {
  const x = scale(lengthNs);
  return ticks(lengthNs, 10).flatMap((ns) => [
    element("line", { class: "grid", x1: x(ns), x2: x(ns), y1: top, y2: bottom + 4 }),
    label(x(ns), bottom + 18, timeText(ns), { class: "tick", "text-anchor": "middle" }),
  ]);
}

function countLine(count: number, y: number): string {
  const line = element("line", { class: "grid", x1: PLOT.left, x2: PLOT.right, y1: y, y2: y });
  return line + label(PLOT.left - 8, y + 4, count.toLocaleString("en"), { class: "tick", "text-anchor": "end" });
}

function scale(lengthNs: number): (ns: number) => number {
  return (ns) => PLOT.left + (ns / lengthNs) * (PLOT.right - PLOT.left);
}

function svg(height: number, title: string, parts: readonly string[]): string {
  const attributes = { viewBox: `0 0 ${WIDTH} ${Math.ceil(height)}`, role: "img", "aria-label": title };
  return element("svg", attributes, `\n${parts.join("\n")}\n`);
}
