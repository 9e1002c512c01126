/** Numbers that a seed repeats. */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 1;
  }
  /** Below `limit`; xorshift32. */
  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }
  /** Below `limit`, small ones as often as large ones. */
  anyScale(limit: number): number {
    return this.below(2 + Math.floor(this.below(limit) ** (this.below(1000) / 1000)));
  }
  one<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }
}
