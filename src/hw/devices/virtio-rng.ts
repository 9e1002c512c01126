/**
 * virtio-rng: gives the guest randomness of the host.
 *
 * Spec: virtio 1.2, 5.4 "Entropy Device".
 * Thread: machine.
 */
import type { Clock, Random, Timers } from "#core/host.ts";
import { scatter } from "#hw/bus/virtio/buffers.ts";
import type { VirtioDevice, VirtioHost } from "#hw/bus/virtio/virtio-device.ts";
import { UNCONNECTED } from "#hw/bus/virtio/virtio-device.ts";

const DEVICE_ID = 4;
const QUEUE_SIZE = 8;
/** Bytes for one request: the driver sees in the used length how many it got. */
const MAX_REQUEST_BYTES = 65_536;

export type VirtioRngPorts = { readonly random: Random; readonly clock: Clock; readonly timers: Timers };

export type VirtioRngOptions = {
  /** `max-bytes` in each `period`; absent: no limit. At least 1. */
  readonly maxBytes?: number;
  readonly periodMs?: number;
};

export class VirtioRng implements VirtioDevice {
  readonly typeName = "virtio-rng-device";
  readonly sectionName = "virtio-rng";
  readonly sectionVersion = 1;
  readonly deviceId = DEVICE_ID;
  readonly queueSizes = [QUEUE_SIZE];
  readonly configBytes = 0;
  readonly #ports: VirtioRngPorts;
  readonly #maxBytes: number;
  readonly #periodMs: number;
  #host: VirtioHost = UNCONNECTED;
  #quota: number;
  #cancelRefill: (() => void) | undefined;

  constructor(ports: VirtioRngPorts, options: VirtioRngOptions = {}) {
    this.#ports = ports;
    this.#maxBytes = options.maxBytes ?? Number.POSITIVE_INFINITY;
    this.#periodMs = options.periodMs ?? 65_536;
    this.#quota = this.#maxBytes;
  }

  offeredFeatures(common: bigint): bigint {
    return common;
  }
  connect(host: VirtioHost): void {
    this.#host = host;
  }
  readConfig(): void {}
  writeConfig(): void {}
  statusChanged(): void {}

  handleQueue(): void {
    const queue = this.#host.queues[0];
    if (!queue) return;
    const { random } = this.#ports;
    let served = 0;
    while (this.#quota > 0 && served++ < queue.size) {
      const chain = queue.pop();
      if (!chain) return;
      const bytes = new Uint8Array(Math.min(chain.writableBytes, MAX_REQUEST_BYTES, this.#quota));
      // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- not an array: the port's own fill
      random.fill(bytes);
      queue.push(chain, scatter(chain.writable, 0, bytes));
      queue.notify();
      this.#spend(bytes.length);
    }
    if (this.#quota > 0) this.#host.handleLater(0);
  }

  reset(): void {
    this.#cancelRefill?.();
    this.#cancelRefill = undefined;
    this.#quota = this.#maxBytes;
  }

  saveDevicePart(): void {}
  loadDevicePart(): void {}
  /** Requests that waited for quota on the source are served now. */
  loaded(): void {
    this.#host.handle(0);
  }

  #spend(lengthBytes: number): void {
    this.#quota -= lengthBytes;
    if (this.#maxBytes === Number.POSITIVE_INFINITY || this.#cancelRefill) return;
    this.#cancelRefill = this.#ports.timers.at(this.#ports.clock.nowNs() + this.#periodMs * 1e6, () => {
      this.#cancelRefill = undefined;
      this.#quota = this.#maxBytes;
      this.#host.handle(0);
    });
  }
}
