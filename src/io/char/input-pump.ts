/**
 * Bytes on their way from a host source (terminal, socket, file) to a frontend, held back while it has no room.
 *
 * source -> push -> [held] -> frontend.receive, at most `canReceive()` bytes at a time.
 * Thread: machine.
 */
import type { CharFrontend } from "#core/host.ts";

export class InputPump {
  readonly #onDrained: () => void;
  #frontend: CharFrontend | undefined;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #flushing = false;
  #ended = false;

  /** `onDrained` is called when held bytes have all been taken: the source may go on. */
  constructor(onDrained: () => void = () => {}) {
    this.#onDrained = onDrained;
  }

  /** Bytes that the frontend has not taken yet; while it is not 0, the source had better pause. */
  get heldBytes(): number {
    return this.#heldBytes;
  }
  get frontend(): CharFrontend | undefined {
    return this.#frontend;
  }

  attach(frontend: CharFrontend): void {
    this.#frontend = frontend;
    this.flush();
    this.#closeIfDrained();
  }

  /** Takes `bytes` over; the caller does not change them afterwards. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    this.flush();
  }

  /** Nothing more will come: the frontend gets "closed" after the last byte. */
  end(): void {
    this.#ended = true;
    this.#closeIfDrained();
  }

  /** Delivers what fits. A frontend that calls back in from `receive` is served by the outer call. */
  flush(): void {
    const frontend = this.#frontend;
    if (!frontend || this.#flushing || this.#heldBytes === 0) return;
    this.#flushing = true;
    try {
      for (let first = this.#held[0]; first; first = this.#held[0]) {
        const room = frontend.canReceive();
        if (room <= 0) return;
        const part = first.subarray(0, room);
        if (part.length === first.length) this.#held.shift();
        else this.#held[0] = first.subarray(room);
        this.#heldBytes -= part.length;
        frontend.receive(part);
      }
    } finally {
      this.#flushing = false;
    }
    this.#onDrained();
    this.#closeIfDrained();
  }

  /** Forgets what is held. */
  clear(): void {
    this.#held = [];
    this.#heldBytes = 0;
    this.#closeIfDrained();
  }

  #closeIfDrained(): void {
    if (!this.#ended || this.#heldBytes > 0 || !this.#frontend) return;
    this.#ended = false;
    this.#frontend.event("closed");
  }
}
