/**
 * The accounting of blocktime as it was long done, to measure beside: one slot a vCPU for the page that it waits for,
 * and every slot looked at for every page that arrives. Wrong when a vCPU has two open faults: the slot is overwritten.
 */
export class ArrayAccounting {
  readonly #pages: Int32Array;
  readonly #starts: Float64Array;
  readonly #blocktimes: Float64Array;
  #down = 0;
  #lastBegin = 0;
  totalBlocktimeNs = 0;

  constructor(vcpus: number) {
    this.#pages = new Int32Array(vcpus).fill(-1);
    this.#starts = new Float64Array(vcpus);
    this.#blocktimes = new Float64Array(vcpus);
  }

  begin(page: number, vcpu: number, nowNs: number): void {
    if (this.#pages[vcpu] === -1) this.#down++;
    this.#pages[vcpu] = page;
    this.#starts[vcpu] = nowNs;
    this.#lastBegin = nowNs;
  }

  end(page: number, nowNs: number): void {
    const vcpus = this.#pages.length;
    const allDown = this.#down === vcpus;
    let woken = 0;
    for (let vcpu = 0; vcpu < vcpus; vcpu++) {
      if (this.#pages[vcpu] !== page) continue;
      this.#pages[vcpu] = -1;
      this.#blocktimes[vcpu] = (this.#blocktimes[vcpu] as number) + nowNs - (this.#starts[vcpu] as number);
      woken++;
    }
    this.#down -= woken;
    if (woken > 0 && allDown) this.totalBlocktimeNs += nowNs - this.#lastBegin;
  }
}
