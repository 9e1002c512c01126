/** Binds a declared state to its place in shared memory and gives its migration section. */
import { ByteWriter } from "#core/bytes.ts";
import type { Fields, VmState } from "#core/vmstate.ts";
import { migrationSection } from "#hw/bus/migration-section.ts";
import type { BoundState, StatePlace } from "#hw/bus/types.ts";

/** `afterLoad` re-arms what depends on the state (lines, timers). */
export function bindState<F extends Fields>(
  schema: VmState<F>,
  place: StatePlace,
  afterLoad: () => void = () => {},
): BoundState<F> {
  return {
    schema,
    state: schema.bind(place.memory, place.offset),
    reset: () => schema.reset(place.memory, place.offset),
    section: migrationSection({
      name: schema.name,
      version: schema.version,
      save() {
        const out = new ByteWriter();
        schema.save(place.memory, place.offset, out);
        return out.finish();
      },
      describe: () => schema.describe(place.memory, place.offset),
      take(from, version) {
        schema.load(place.memory, place.offset, from, version);
        afterLoad();
      },
    }),
  };
}
