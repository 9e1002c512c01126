/**
 * A mutual exclusion lock in one shared word: 0 free, 1 held, 2 held with waiters.
 * Thread: any that may block (not a browser page's main thread). Not re-entrant.
 */
export class SharedLock {
  readonly #words: Int32Array;
  readonly #index: number;

  /** `index` is the word's index in `words`, an Int32Array over shared memory. */
  constructor(words: Int32Array, index: number) {
    this.#words = words;
    this.#index = index;
  }

  acquire(): void {
    const words = this.#words;
    const index = this.#index;
    for (let spin = 0; spin < 200; spin++) {
      if (Atomics.compareExchange(words, index, 0, 1) === 0) return;
    }
    while (Atomics.exchange(words, index, 2) !== 0) Atomics.wait(words, index, 2);
  }

  release(): void {
    if (Atomics.exchange(this.#words, this.#index, 0) === 2) Atomics.notify(this.#words, this.#index, 1);
  }

  /** Runs `body` with the lock held. */
  with<T>(body: () => T): T {
    this.acquire();
    try {
      return body();
    } finally {
      this.release();
    }
  }
}
