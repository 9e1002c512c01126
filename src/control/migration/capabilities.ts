/**
 * What a migration can do, by the names and in the order of QEMU 7.2, then those of 11.1. Without 11.1's `switchover-ack`:
 * managers switch it on wherever it is listed, and wait for a message that nothing here sends.
 */
import { MigrationError } from "#control/migration/migration-error.ts";

/** True for those that can be switched on. */
const ROWS = {
  xbzrle: false,
  "rdma-pin-all": false,
  "auto-converge": true,
  "zero-blocks": false,
  compress: false,
  events: true,
  "postcopy-ram": true,
  "x-colo": false,
  "release-ram": false,
  block: false,
  "return-path": true,
  "pause-before-switchover": true,
  multifd: false,
  "dirty-bitmaps": false,
  "postcopy-blocktime": true,
  // Nothing to do: disks are not locked, and nothing is written before the machine runs.
  "late-block-activate": true,
  "x-ignore-shared": false,
  "validate-uuid": false,
  "background-snapshot": false,
  "zero-copy-send": false,
  "postcopy-preempt": true,
  "dirty-limit": false,
  "mapped-ram": false,
} as const satisfies Record<string, boolean>;

export type CapabilityName = keyof typeof ROWS;
export const CAPABILITY_NAMES = Object.keys(ROWS) as CapabilityName[];
export type Capability = { readonly capability: string; readonly state: boolean };

export class Capabilities {
  readonly #on = new Set<string>();

  has(name: CapabilityName): boolean {
    return this.#on.has(name);
  }

  /** Throws `MigrationError`; nothing is changed then. */
  set(changes: readonly Capability[]): void {
    for (const { capability, state } of changes) {
      const isAvailable = (ROWS as Readonly<Record<string, boolean>>)[capability];
      if (isAvailable === undefined)
        throw new MigrationError(`Parameter 'capability' does not accept value '${capability}'`);
      if (state && !isAvailable) throw new MigrationError(`migration capability '${capability}' is not available`);
    }
    for (const { capability, state } of changes) {
      if (state) this.#on.add(capability);
      else this.#on.delete(capability);
    }
  }

  list(): readonly Capability[] {
    return Object.keys(ROWS).map((capability) => ({ capability, state: this.#on.has(capability) }));
  }
}
