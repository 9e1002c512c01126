/** The texts of the human monitor's `info migrate` and `info migrate_parameters`, in QEMU's layout. */
import type { BlocktimeMembers } from "#control/migration/blocktime-figures.ts";
import { blocktimeText } from "#control/migration/blocktime-text.ts";
import { describeParameters, type Parameters } from "#control/migration/parameters.ts";
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

/** In the order of QEMU 7.2, then of 11.1, with the units that they write. */
const PARAMETERS: readonly (readonly [name: string, unit?: string])[] = [
  ["announce-initial", " ms"],
  ["announce-max", " ms"],
  ["announce-rounds"],
  ["announce-step", " ms"],
  ["compress-level"],
  ["compress-threads"],
  ["compress-wait-thread"],
  ["decompress-threads"],
  ["throttle-trigger-threshold"],
  ["cpu-throttle-initial"],
  ["cpu-throttle-increment"],
  ["cpu-throttle-tailslow"],
  ["max-cpu-throttle"],
  ["tls-creds"],
  ["tls-hostname"],
  ["max-bandwidth", " bytes/second"],
  ["downtime-limit", " ms"],
  ["x-checkpoint-delay", " ms"],
  ["block-incremental"],
  ["multifd-channels"],
  ["multifd-compression"],
  ["xbzrle-cache-size", " bytes"],
  ["max-postcopy-bandwidth"],
  ["tls-authz"],
  ["avail-switchover-bandwidth", " bytes/second"],
  ["zero-page-detection"],
  ["x-vcpu-dirty-limit-period", " ms"],
  ["vcpu-dirty-limit", " MB/s"],
  ["mode"],
  ["direct-io"],
  ["x-rdma-chunk-size", " bytes"],
  ["cpr-exec-command"],
];

export function parametersText(parameters: Parameters): string {
  const all = describeParameters(parameters);
  const shown = (name: string): string => {
    const value = all[name];
    if (typeof value === "boolean") return value ? "on" : "off";
    if (typeof value === "object") return value.join(" ");
    return name.startsWith("tls-") ? `'${value}'` : String(value);
  };
  return text(PARAMETERS.map(([name, unit = ""]) => `${name}: ${shown(name)}${unit}`.trimEnd()));
}

function hasBlocktime(info: MigrationInfo): info is MigrationInfo & BlocktimeMembers {
  return info["postcopy-blocktime"] !== undefined;
}

function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}
