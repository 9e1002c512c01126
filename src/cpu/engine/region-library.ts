/**
 * Regions that other vCPUs have translated: all run the same kernel, and each has code pages of its own. A region's code
 * holds no address and no vCPU, so its module serves all; V8 also optimises it once for all threads that have it.
 *
 *   translated -> its module and the bytes of its guest pages -> every other vCPU -> code pages with the same bytes
 *
 * Thread: the vCPU's own.
 */
import type { CodePages } from "#cpu/engine/code-pages.ts";

/** A module with where its regions start, in the order of its exports; plain data. */
export type SharedRegions = {
  readonly module: WebAssembly.Module;
  /** By host address, the bytes of the pages that they lie in. */
  readonly pages: ReadonlyMap<number, Uint8Array>;
  /** Undefined: of no use to others. */
  readonly places: readonly ({ readonly host: number; readonly offset: number } | undefined)[];
};

/** The way to the other vCPUs' threads, and from them. */
export type RegionExchange = {
  offer(regions: SharedRegions): void;
  /** The next that another vCPU has offered. */
  take(): SharedRegions | undefined;
};

/** So many places are remembered; then it starts over. */
const MOST_PLACES = 2048;

export class RegionLibrary {
  readonly #byPage = new Map<number, Set<SharedRegions>>();
  #places = 0;

  add(regions: SharedRegions): void {
    this.#places += regions.places.length;
    if (this.#places > MOST_PLACES) {
      this.#byPage.clear();
      this.#places = regions.places.length;
    }
    for (const host of regions.pages.keys()) {
      const known = this.#byPage.get(host);
      if (known) known.add(regions);
      else this.#byPage.set(host, new Set([regions]));
    }
  }

  /** What may hold regions of the guest page at `host`. */
  of(host: number): Iterable<SharedRegions> {
    return this.#byPage.get(host) ?? [];
  }
}

/** What other vCPUs need to use a module with regions at these offsets of code pages. */
export function sharedRegions(
  module: WebAssembly.Module,
  pages: CodePages,
  regions: readonly ({ readonly page: number; readonly offset: number } | undefined)[],
): SharedRegions {
  const contents = new Map<number, Uint8Array>();
  const places = regions.map((region) => {
    if (!region) return undefined;
    const { page, offset } = region;
    const host = pages.hostOf(page);
    if (!contents.has(host)) contents.set(host, pages.content(page).slice());
    return { host, offset };
  });
  return { module, pages: contents, places };
}
