/** What every migration section can do, from what its state can do. */
import { ByteReader } from "#core/bytes.ts";
import { StateError } from "#core/vmstate.ts";
import type { MigrationSection } from "#hw/bus/types.ts";

/** Adds `load`, for a body that is known to its end. */
export function migrationSection(parts: Omit<MigrationSection, "load">): MigrationSection {
  return {
    ...parts,
    load(body, version) {
      const from = new ByteReader(body);
      parts.take(from, version);
      if (from.left > 0) throw new StateError(`section '${parts.name}' has ${from.left} bytes too many`);
    },
  };
}
