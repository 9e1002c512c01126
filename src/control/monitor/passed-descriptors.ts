/**
 * The descriptors of one monitor.
 *
 *   arrived with bytes -> bound to the command that they came for -> kept under a name -> handed to a migration
 *
 * What nobody has taken is closed when others arrive, and when the client leaves; names outlive the client, as in QEMU.
 * Thread: machine.
 */
import type { PassedDescriptor } from "#core/host.ts";

/** Names that a monitor keeps; QEMU has no limit but the process's. */
const MAX_NAMED = 64;

/** The descriptor that came with one command. */
export type BoundDescriptor = {
  /** It is the caller's then. Undefined when there is none, or none any more. */
  take(): PassedDescriptor | undefined;
};

export class PassedDescriptors {
  #arrived: readonly PassedDescriptor[] = [];
  readonly #bound = new Set<Bound>();
  readonly #named = new Map<string, PassedDescriptor>();

  arrive(descriptors: readonly PassedDescriptor[]): void {
    for (const one of this.#arrived) one.close();
    this.#arrived = descriptors;
  }
  /** Gives a command what has arrived: the first one, as in QEMU. {@link release} ends that. */
  bind(): Bound {
    const [first, ...others] = this.#arrived;
    for (const one of others) one.close();
    this.#arrived = [];
    const bound = new Bound(first);
    this.#bound.add(bound);
    return bound;
  }
  release(bound: Bound): void {
    bound.take()?.close();
    this.#bound.delete(bound);
  }
  /** The client is gone. */
  leave(): void {
    this.arrive([]);
    for (const bound of this.#bound) this.release(bound);
  }

  /** False when too many are kept. What had the name before is closed. */
  keep(name: string, descriptor: PassedDescriptor): boolean {
    if (this.#named.size >= MAX_NAMED && !this.#named.has(name)) return false;
    this.#named.get(name)?.close();
    this.#named.set(name, descriptor);
    return true;
  }
  /** It is the caller's then. */
  takeNamed(name: string): PassedDescriptor | undefined {
    const found = this.#named.get(name);
    this.#named.delete(name);
    return found;
  }
}

class Bound implements BoundDescriptor {
  #descriptor: PassedDescriptor | undefined;
  constructor(descriptor: PassedDescriptor | undefined) {
    this.#descriptor = descriptor;
  }
  take(): PassedDescriptor | undefined {
    const taken = this.#descriptor;
    this.#descriptor = undefined;
    return taken;
  }
}
