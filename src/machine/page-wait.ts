/**
 * A vCPU waits for a page that has not come: it asks for it, sleeps, and keeps account of how long it was blocked.
 * Thread: the vCPU's.
 */
import type { Clock, Futex, Urgency } from "#core/host.ts";
import { NO_TRACE, type Trace } from "#core/trace.ts";
import { CONTROL, layoutMemory, type MemoryLayout, PAGE_BYTES, VCPU } from "#cpu/vcpu/layout.ts";
import { vcpuBlock } from "#machine/interrupt-lines.ts";
import { type AskBy, PageFaults } from "#machine/page-faults.ts";
import { VcpuPark } from "#machine/vcpu-park.ts";

export type PageWaitHost = {
  readonly clock: Clock;
  /** For `PageFaults`; absent where who waits for a page does not ask for it. */
  askBy?(layout: MemoryLayout): AskBy;
  readonly futex?: Futex | undefined;
  /** So that it asks and runs on without waiting for a processor; absent where there is none. */
  readonly urgency?: Urgency | undefined;
};
/** Of one vCPU. */
export type PageWaitPlace = {
  readonly memory: ArrayBufferLike;
  readonly layout: MemoryLayout;
  readonly vcpu: number;
  readonly park: VcpuPark;
  readonly trace: Trace;
};

export class PageWait {
  readonly #place: PageWaitPlace;
  readonly #host: PageWaitHost;
  readonly #faults: PageFaults;
  readonly #blocked: DataView;

  constructor(place: PageWaitPlace, host: PageWaitHost) {
    this.#place = place;
    this.#host = host;
    const { memory, layout } = place;
    this.#faults = new PageFaults(memory, layout, { ask: host.askBy?.(layout), futex: host.futex });
    this.#blocked = new DataView(memory, vcpuBlock(layout, place.vcpu));
  }

  /** Returns when the page at a host address is there. */
  at(host: number): void {
    this.page(this.#faults.pageOf(host));
  }
  page(page: number): void {
    const { vcpu, park, trace } = this.#place;
    const { clock, urgency } = this.#host;
    const sinceNs = clock.nowNs();
    urgency?.raise();
    park.enter("page");
    let waited = false;
    let untilNs = sinceNs;
    try {
      waited = this.#faults.wait(vcpu, page, sinceNs, () => park.untilRunning());
      untilNs = clock.nowNs();
    } finally {
      park.leave();
      urgency?.lower();
    }
    if (!waited) return;
    const blocked = this.#blocked;
    blocked.setFloat64(VCPU.blockedNs, blocked.getFloat64(VCPU.blockedNs, true) + untilNs - sinceNs, true);
    blocked.setInt32(VCPU.blockedCount, blocked.getInt32(VCPU.blockedCount, true) + 1, true);
    trace.postcopy_vcpu_down?.(vcpu, Math.floor(sinceNs));
    trace.postcopy_vcpu_up?.(vcpu, Math.floor(untilNs));
  }
}

const PAGES = 64;
const ROUNDS = 12;
/** Each takes 10 ms of a processor when the machine is made; with more of them it is left. */
const MOST_VCPUS = 8;

/**
 * Waits for pages that come at once, in a machine of its own, so that the engine has compiled it when the first one is
 * missing. `nowhere` is a descriptor that takes requests; `pause` is called now and then, and says whether to go on. Throws
 * `RangeError` when the host has no room for it.
 */
export function rehearsePageWaits(host: PageWaitHost, vcpus: number, nowhere: number, pause: () => boolean): void {
  const { futex } = host;
  // Without it nobody could place a page: the thread sleeps in the engine.
  if (!futex || vcpus > MOST_VCPUS) return;
  const layout = layoutMemory(1, [{ name: "rehearsal", sizeBytes: PAGES * PAGE_BYTES }]);
  // Nearly nothing of it is touched.
  const memory = new SharedArrayBuffer(layout.totalBytes);
  const words = new Int32Array(memory);
  Atomics.store(words, CONTROL.running, 1);
  const placer = new PageFaults(memory, layout, { futex });
  placer.setRequests(nowhere);
  let page = 0;
  const placing: Futex = {
    ...futex,
    wait(word, value) {
      placer.placed(page);
      futex.wait(word, value);
    },
  };
  const park = new VcpuPark(words, vcpuBlock(layout, 0), 0, NO_TRACE);
  const wait = new PageWait({ memory, layout, vcpu: 0, park, trace: NO_TRACE }, { ...host, futex: placing });
  for (let round = 0; round < ROUNDS && pause(); round++) {
    placer.expect(0, PAGES);
    for (page = 0; page < PAGES; page++) wait.page(page);
  }
}
