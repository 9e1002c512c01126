/**
 * The monitors of a command line: what they ask of Node, and a session on each character device.
 */
import { writeFile as write } from "node:fs/promises";
import { getSystemErrorMap } from "node:util";
import type { MonitorConfig } from "#app/cli/draft.ts";
import { VERSION } from "#app/cli/version.ts";
import { monitorOptions, monitorTypes } from "#app/monitor-types.ts";
import { say } from "#app/messages.ts";
import type { NodeHost } from "#app/node-host.ts";
import type { MonitorHost, ShutdownReason } from "#control/monitor/context.ts";
import { HmpSession } from "#control/monitor/hmp/hmp-session.ts";
import { MODULES } from "#control/monitor/modules.ts";
import { Monitor } from "#control/monitor/monitor.ts";
import { QmpSession } from "#control/monitor/qmp-session.ts";
import type { MachineConfig } from "#machine/config.ts";
import type { Machine } from "#machine/machine.ts";
import { openLineEditor } from "#platform/node/line-editor.ts";

/** The QEMU whose protocol this is: clients decide by it what they may ask. */
const QEMU_VERSION = { major: 7, minor: 2, micro: 0 };

/** How the process ends. */
export type ProcessEnd = { run(exitCode: number, reason: ShutdownReason): Promise<void> };

/** Puts a session on the character device of each of `monitors`. */
export function openMonitors(
  monitors: readonly MonitorConfig[],
  config: MachineConfig,
  machine: Machine | undefined,
  state: Pick<MonitorHost, "migration" | "snapshots">,
  host: NodeHost,
  end: ProcessEnd,
): Monitor {
  const monitor = new Monitor(MODULES, config, machine, {
    ...monitorHost(config, host, end),
    ...state,
  });
  for (const { chardev, mode, pretty } of monitors) {
    const backend = host.chardevs.get(chardev);
    if (!backend) continue;
    if (mode === "control") new QmpSession(monitor, backend, { pretty, bug }).attach();
    else new HmpSession(monitor, backend, { editors: openLineEditor, bug }).attach();
  }
  return monitor;
}

/** The name that the machine knows a drive's disk by. */
function diskName({ drives }: MachineConfig, id: string): string {
  const drive = drives.find((candidate) => candidate.id === id);
  return drive?.interface === "pflash" ? `pflash${drive.index ?? 0}` : id;
}

function bug(error: unknown): void {
  say(`internal error in a monitor's command: ${error instanceof Error ? error.stack : String(error)}`);
}

/** Rejects with the system's sentence alone, as other programs say it. */
async function writeFile(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    await write(path, chunks);
  } catch (cause) {
    const { errno } = cause as NodeJS.ErrnoException;
    const sentence = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1];
    if (sentence === undefined) throw cause;
    throw new Error(sentence.charAt(0).toUpperCase() + sentence.slice(1), { cause });
  }
}

function monitorHost(config: MachineConfig, host: NodeHost, end: ProcessEnd): MonitorHost {
  return {
    version: { ...QEMU_VERSION, package: ` (Tinamou ${VERSION})` },
    greeting: `Tinamou ${VERSION} monitor`,
    processId: process.pid,
    wallUs: () => Math.floor((performance.timeOrigin + performance.now()) * 1000),
    // Later, so that the reply goes out first.
    end: (reason, exitCode = 0) => void setImmediate(() => void end.run(exitCode, reason)),
    writeFile,
    chardevs: () =>
      config.chardevs.map(({ id }) => ({
        label: id,
        filename: host.chardevs.get(id)?.filename ?? "unknown",
        isOpen: true,
      })),
    drive(id) {
      const [disk, statistics] = [host.disks.get(diskName(config, id)), host.statistics.get(id)];
      return disk && statistics && { sizeBytes: disk.sizeBytes, allocatedBytes: disk.allocatedBytes?.(), statistics };
    },
    types: monitorTypes(),
    options: monitorOptions(),
  };
}
