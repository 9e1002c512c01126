/** The report as one HTML file that refers to nothing outside itself. */
import { blocktimeMembers } from "#control/migration/blocktime-figures.ts";
import { blocktimeText } from "#control/migration/blocktime-text.ts";
import { escapeMarkup } from "../support/svg.ts";
import { timeText } from "./axis.ts";
import { drawLanes, drawLatencies, drawPages } from "./draw.ts";
import { STYLE } from "./style.ts";
import type { Timeline } from "./timeline.ts";

export function makePage(timeline: Timeline): string {
  const { lanes, lengthNs, openFaults } = timeline;
  const open = openFaults > 0 ? ` ${openFaults} faults were still open at its end.` : "";
  const hasSeen = lanes.some((lane) => lane.seen.length > 0);
  const seen = hasSeen ? `<i class="seen"></i>the vCPU's own thread stood still` : "";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Postcopy migration: blocktime</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Postcopy migration: blocktime</h1>
<p>${lanes.length} vCPU${lanes.length === 1 ? "" : "s"}, ${timeText(lengthNs)} from the first event to the last.${open}</p>
${cards(timeline)}
<h2>Blocked vCPUs</h2>
<p class="key"><i class="blocked"></i>blocked on a page that has not arrived<i class="all-down"></i>all vCPUs blocked at once${seen}</p>
${drawLanes(timeline)}
<h2>Pages received</h2>
${drawPages(timeline)}
<h2>Latency of the faults</h2>
<p>Faults by the time from the fault to the end of its record; each bucket is twice as wide as the one before.</p>
${drawLatencies(timeline)}
<details${lanes.length <= 16 ? " open" : ""}><summary>Each vCPU</summary>${table(timeline)}</details>
<details><summary>As the monitor says it</summary><pre>${escapeMarkup(monitorText(timeline))}</pre></details>
</body>
</html>
`;
}

function cards({ figures, lengthNs, pageTimes, awaitedPages, lanes }: Timeline): string {
  const members = blocktimeMembers(figures);
  const faults = figures.vcpuFaults.reduce((sum, count) => sum + count, 0);
  const blocked = figures.vcpuBlocktimeNs.reduce((sum, ns) => sum + ns, 0) / lanes.length;
  const cells = [
    [timeText(figures.totalBlocktimeNs), "all vCPUs blocked at once"],
    [`${((100 * blocked) / lengthNs).toFixed(1)} %`, "of its time a vCPU was blocked, on average"],
    [timeText(members["postcopy-latency"]), "average latency of a fault"],
    [faults.toLocaleString("en"), `vCPU faults; ${figures.nonVcpuFaults.toLocaleString("en")} of other threads`],
    [pageTimes.length.toLocaleString("en"), `pages received; ${awaitedPages.toLocaleString("en")} were waited for`],
  ];
  return `<div class="cards">${cells.map(([value, what]) => `<div class="card"><b>${value}</b><span>${what}</span></div>`).join("")}</div>`;
}

function table({ figures, lanes, lengthNs }: Timeline): string {
  const hasSeen = lanes.some((lane) => lane.seen.length > 0);
  const head = [
    "vCPU",
    "blocked",
    "of the time",
    "faults",
    "average latency",
    ...(hasSeen ? ["thread stood still"] : []),
  ];
  const latencies = blocktimeMembers(figures)["postcopy-vcpu-latency"];
  const rows = lanes.map(({ seen }, vcpu) => {
    const blockedNs = figures.vcpuBlocktimeNs[vcpu] ?? 0;
    const seenNs = seen.reduce((sum, { from, to }) => sum + to - from, 0);
    return [
      vcpu,
      timeText(blockedNs),
      `${((100 * blockedNs) / lengthNs).toFixed(1)} %`,
      figures.vcpuFaults[vcpu] ?? 0,
      timeText(latencies[vcpu] ?? 0),
      ...(hasSeen ? [timeText(seenNs)] : []),
    ];
  });
  const row = (cells: readonly (string | number)[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join("")}</tr>`;
  return `<table>${row(head, "th")}${rows.map((cells) => row(cells, "td")).join("")}</table>`;
}

function monitorText({ figures }: Timeline): string {
  return blocktimeText(blocktimeMembers(figures), { all: true });
}
