/** What `query-block` says of each drive's errors: of the first that stopped the machine, until it is told to go on. */
import type { MonitorContext, Part } from "#control/monitor/context.ts";

export const IO_STATUSES = ["ok", "failed", "nospace"] as const;
export type IoStatusName = (typeof IO_STATUSES)[number];

export class IoStatus {
  readonly #failed = new Map<string, IoStatusName>();

  constructor({ machine }: Pick<MonitorContext, "machine">) {
    machine?.on((event) => {
      if (event.kind !== "io-error" || event.action !== "stop" || this.#failed.has(event.drive)) return;
      this.#failed.set(event.drive, event.isOutOfSpace ? "nospace" : "failed");
    });
  }

  of(drive: string): IoStatusName {
    return this.#failed.get(drive) ?? "ok";
  }
  clear(): void {
    this.#failed.clear();
  }
}

export const IO_STATUS: Part<IoStatus> = { name: "io status", make: (context) => new IoStatus(context) };
