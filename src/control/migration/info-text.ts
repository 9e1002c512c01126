/** The texts of the human monitor's `info migrate` and `info migrate_parameters`, in QEMU's layout. */
import type { BlocktimeMembers } from "#control/migration/blocktime-figures.ts";
import { blocktimeText } from "#control/migration/blocktime-text.ts";
import type { Parameters } from "#control/migration/parameters.ts";
import type { MigrationInfo, RamInfo } from "#control/migration/status.ts";

/** What QEMU calls the globals: they are fixed here. */
const GLOBALS = ["store-global-state: on", "only-migratable: off", "send-configuration: on", "send-section-footer: on"];

/** Whole lines. `all` (`-a`) adds the globals and the distribution of the latencies. */
export function migrationText(info: MigrationInfo, options: { readonly all: boolean }): string {
  const lines: string[] = options.all ? ["globals:", ...GLOBALS] : [];
  const { status, ram } = info;
  if (status === undefined) return text(lines);
  const why = info["error-desc"];
  lines.push(`Migration status: ${status}${why === undefined ? "" : ` (${why})`}`);
  lines.push(`total time: ${info["total-time"] ?? 0} ms`);
  for (const [name, label] of [
    ["expected-downtime", "expected downtime"],
    ["downtime", "downtime"],
    ["setup-time", "setup"],
  ] as const) {
    if (info[name] !== undefined) lines.push(`${label}: ${info[name]} ms`);
  }
  if (ram) lines.push(...ramLines(ram));
  const slowed = info["cpu-throttle-percentage"];
  if (slowed !== undefined) lines.push(`cpu throttle percentage: ${slowed}`);
  return text(lines) + (hasBlocktime(info) ? blocktimeText(info, options) : "");
}

function ramLines(ram: RamInfo): string[] {
  const kbytes = (bytes: number): string => `${Math.floor(bytes / 1024)} kbytes`;
  const lines = [
    `transferred ram: ${kbytes(ram.transferred)}`,
    `throughput: ${ram.mbps.toFixed(2)} mbps`,
    `remaining ram: ${kbytes(ram.remaining)}`,
    `total ram: ${kbytes(ram.total)}`,
    `duplicate: ${ram.duplicate} pages`,
    `skipped: ${ram.skipped} pages`,
    `normal: ${ram.normal} pages`,
    `normal bytes: ${kbytes(ram["normal-bytes"])}`,
    `dirty sync count: ${ram["dirty-sync-count"]}`,
    `page size: ${kbytes(ram["page-size"])}`,
    `multifd bytes: ${kbytes(ram["multifd-bytes"])}`,
    `pages-per-second: ${ram["pages-per-second"]}`,
  ];
  const some = (label: string, value: number, shown: string): void => {
    if (value > 0) lines.push(`${label}: ${shown}`);
  };
  some("dirty pages rate", ram["dirty-pages-rate"], `${ram["dirty-pages-rate"]} pages`);
  some("postcopy request count", ram["postcopy-requests"], String(ram["postcopy-requests"]));
  some("precopy ram", ram["precopy-bytes"], kbytes(ram["precopy-bytes"]));
  some("downtime ram", ram["downtime-bytes"], kbytes(ram["downtime-bytes"]));
  some("postcopy ram", ram["postcopy-bytes"], kbytes(ram["postcopy-bytes"]));
  return lines;
}

const UNITS: Readonly<Record<string, string>> = { "max-bandwidth": " bytes/second", "downtime-limit": " ms" };

export function parametersText(parameters: Parameters): string {
  return text(Object.entries(parameters).map(([name, value]) => `${name}: ${value}${UNITS[name] ?? ""}`));
}

function hasBlocktime(info: MigrationInfo): info is MigrationInfo & BlocktimeMembers {
  return info["postcopy-blocktime"] !== undefined;
}

function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}
