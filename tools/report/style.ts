/** The report's style sheet: light or dark as the reader's system is. */
export const STYLE = `
:root { color-scheme: light dark; --paper: #ffffff; --card: #f6f7f9; --ink: #1c2430; --soft: #5d6878; --grid: #dfe3e8;
  --blocked: #d9822b; --all-down: #c62f3b; --seen: #3b4656; --pages: #2f6fc4; --latency: #3a8a63; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14181e; --card: #1d232b; --ink: #e6e9ee; --soft: #98a3b3; --grid: #323b47;
    --blocked: #e59a4a; --all-down: #f0616d; --seen: #c3ccd8; --pages: #6aa5f2; --latency: #5fb98c; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 24px 28px 40px; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 24px; margin: 0 0 2px; }
h2 { font-size: 16px; margin: 30px 0 4px; }
p { margin: 0 0 8px; color: var(--soft); }
svg { display: block; width: 100%; height: auto; font-size: 12px; }
text { fill: var(--ink); }
.tick, .lane-label, .value { fill: var(--soft); }
.tick, .value { font-size: 11px; }
.grid { stroke: var(--grid); }
.axis, .lane { stroke: var(--grid); }
.blocked { fill: var(--blocked); }
.all-down { fill: var(--all-down); }
.all-down-band { fill: var(--all-down); opacity: 0.25; }
.seen { fill: var(--seen); }
.pages-line { fill: none; stroke: var(--pages); stroke-width: 2; }
.pages-area { fill: var(--pages); opacity: 0.14; }
.latency { fill: var(--latency); }
.cards { display: flex; flex-wrap: wrap; gap: 10px; margin: 18px 0 0; }
.card { flex: 1 1 150px; background: var(--card); border-radius: 8px; padding: 10px 14px; }
.card b { display: block; font-size: 21px; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: 13px; }
.key i { display: inline-block; width: 12px; height: 12px; margin: 0 5px -1px 14px; border-radius: 2px; }
.key i:first-child { margin-left: 0; }
i.blocked { background: var(--blocked); } i.all-down { background: var(--all-down); }
i.seen { background: var(--seen); height: 4px; margin-bottom: 3px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin-top: 8px; }
th, td { text-align: right; padding: 2px 18px 2px 0; }
th { color: var(--soft); font-weight: 500; font-size: 13px; border-bottom: 1px solid var(--grid); }
details summary { cursor: pointer; margin-top: 26px; font-weight: 600; }
pre { background: var(--card); border-radius: 8px; padding: 12px 14px; overflow-x: auto; font-size: 13px; }
`;
