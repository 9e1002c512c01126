/** Binds a declared state to its place in shared memory and gives its migration section. */
import { ByteReader, ByteWriter } from "#core/bytes.ts";
import type { Fields, VmState } from "#core/vmstate.ts";
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
    section: {
      name: schema.name,
      version: schema.version,
      save() {
        const out = new ByteWriter();
        schema.save(place.memory, place.offset, out);
        return out.finish();
      },
      load(body, version) {
        schema.load(place.memory, place.offset, new ByteReader(body), version);
        afterLoad();
      },
    },
  };
}
