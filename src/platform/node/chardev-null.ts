/** The `null` character device: output goes nowhere, and nothing comes in. It is never "opened", as in QEMU. */
import type { CharBackend } from "#core/host.ts";

export function openNull(id: string): CharBackend {
  return { name: id, filename: "null", attach() {}, poke() {}, write() {}, close() {} };
}
