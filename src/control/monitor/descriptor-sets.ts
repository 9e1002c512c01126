/**
 * Sets of descriptors (`add-fd`), which all monitors share. A migration's `file:/dev/fdset/N` opens the file of one.
 * Thread: machine.
 */
import type { PassedDescriptor } from "#core/host.ts";
import type { Part } from "#control/monitor/context.ts";

/** Descriptors in all sets; QEMU has no limit but the process's. */
const MAX_KEPT = 64;

type Entry = { readonly descriptor: PassedDescriptor; readonly opaque: string | undefined };
export type SetInfo = {
  readonly "fdset-id": number;
  readonly fds: readonly { readonly fd: number; readonly opaque?: string }[];
};

export class DescriptorSets {
  readonly #sets = new Map<number, Entry[]>();

  /** Adds to the set `id`, or to a new one; returns its number, or undefined when too many are kept. */
  add(id: number | undefined, descriptor: PassedDescriptor, opaque: string | undefined): number | undefined {
    const count = [...this.#sets.values()].reduce((sum, { length }) => sum + length, 0);
    if (count >= MAX_KEPT) return undefined;
    const chosen = id ?? this.#freeId();
    this.#sets.set(chosen, [...(this.#sets.get(chosen) ?? []), { descriptor, opaque }]);
    return chosen;
  }
  /** Closes one of the set `id`, or all of them. False when there is none. */
  remove(id: number, fd: number | undefined): boolean {
    const isMeant = (entry: Entry): boolean => fd === undefined || entry.descriptor.fd === fd;
    const entries = this.#sets.get(id) ?? [];
    const [removed, left] = [entries.filter(isMeant), entries.filter((entry) => !isMeant(entry))];
    for (const { descriptor } of removed) descriptor.close();
    if (left.length > 0) this.#sets.set(id, left);
    else this.#sets.delete(id);
    return removed.length > 0;
  }
  /** The first descriptor of a set; it stays the set's. */
  first(id: number): number | undefined {
    return this.#sets.get(id)?.[0]?.descriptor.fd;
  }
  list(): SetInfo[] {
    return [...this.#sets].map(([id, entries]) => ({
      "fdset-id": id,
      fds: entries.map(({ descriptor: { fd }, opaque }) => ({ fd, ...(opaque !== undefined && { opaque }) })),
    }));
  }

  #freeId(): number {
    let id = 0;
    while (this.#sets.has(id)) id++;
    return id;
  }
}

export const DESCRIPTOR_SETS: Part<DescriptorSets> = { name: "descriptor sets", make: () => new DescriptorSets() };
