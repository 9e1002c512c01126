/**
 * virtio-console: QEMU's `virtio-serial-device` bus with its ports (`virtconsole`, `virtserialport`).
 *
 * chardev -> port -> receive queue -> guest; guest -> transmit queue -> port -> chardev; ports are announced and
 * opened by messages over the control queues when the driver takes MULTIPORT, else port 0 works alone.
 *
 * Spec: virtio 1.2, 5.3 "Console Device".
 * Thread: machine.
 * Not modelled: resizing, adding and removing ports while the guest runs.
 */
import type { ByteReader, ByteWriter } from "#core/bytes.ts";
import type { CharBackend } from "#core/host.ts";
import { StateError } from "#core/vmstate.ts";
import { gather, scatter } from "#hw/bus/virtio/buffers.ts";
import type { VirtioDevice, VirtioHost } from "#hw/bus/virtio/virtio-device.ts";
import { DRIVER_OK, UNCONNECTED } from "#hw/bus/virtio/virtio-device.ts";

const DEVICE_ID = 3;
const PORT_QUEUE_SIZE = 128;
const CONTROL_QUEUE_SIZE = 32;
const CONTROL_TO_GUEST = 2;
const CONTROL_FROM_GUEST = 3;

const VIRTIO_CONSOLE_F_MULTIPORT = 1n << 1n;
const VIRTIO_CONSOLE_F_EMERG_WRITE = 1n << 2n;

const VIRTIO_CONSOLE_DEVICE_READY = 0;
const VIRTIO_CONSOLE_PORT_ADD = 1;
const VIRTIO_CONSOLE_PORT_READY = 3;
const VIRTIO_CONSOLE_CONSOLE_PORT = 4;
const VIRTIO_CONSOLE_PORT_OPEN = 6;
const VIRTIO_CONSOLE_PORT_NAME = 7;

const CONTROL_BYTES = 8;
/** Of one buffer from the guest; the rest is dropped, as no driver sends that much at once. */
const MAX_WRITE_BYTES = 1 << 20;
/** What a port takes from its chardev at a time. */
const RECEIVE_BYTES = 4096;
/** Control messages that wait for the driver to offer buffers. */
const MAX_CONTROL_MESSAGES = 1024;

export type ConsolePort = {
  /** `nr`: 0 to `maxPorts` - 1, every one once. */
  readonly number: number;
  /** A `virtconsole`, which the guest may use as its console; otherwise a `virtserialport`. */
  readonly console: boolean;
  /** What the guest sees under /sys and /dev/virtio-ports. */
  readonly name?: string;
  readonly chardev: CharBackend;
};

export type VirtioConsoleOptions = {
  /** `max_ports`, 1 to 31. */
  readonly maxPorts?: number;
  readonly ports: readonly ConsolePort[];
};

type Port = ConsolePort & {
  guestConnected: boolean;
  hostConnected: boolean;
  /** Came from the chardev and found no buffer of the guest. */
  held: Uint8Array;
};

type ControlMessage = { readonly id: number; readonly event: number; readonly value: number; readonly text?: string };

export class VirtioConsole implements VirtioDevice {
  readonly typeName = "virtio-serial-device";
  readonly sectionName = "virtio-console";
  readonly sectionVersion = 3;
  readonly deviceId = DEVICE_ID;
  readonly queueSizes: readonly number[];
  readonly configBytes = 12;
  readonly #maxPorts: number;
  readonly #ports = new Map<number, Port>();
  #host: VirtioHost = UNCONNECTED;
  #outbox: ControlMessage[] = [];

  constructor(options: VirtioConsoleOptions) {
    this.#maxPorts = options.maxPorts ?? 31;
    this.queueSizes = [
      PORT_QUEUE_SIZE,
      PORT_QUEUE_SIZE,
      CONTROL_QUEUE_SIZE,
      CONTROL_QUEUE_SIZE,
      ...Array.from({ length: 2 * (this.#maxPorts - 1) }, () => PORT_QUEUE_SIZE),
    ];
    for (const given of options.ports) {
      // A console is always connected, whatever its chardev does.
      const port: Port = { ...given, guestConnected: false, hostConnected: given.console, held: new Uint8Array(0) };
      this.#ports.set(port.number, port);
      this.#attach(port);
    }
  }

  offeredFeatures(common: bigint): bigint {
    return common | VIRTIO_CONSOLE_F_EMERG_WRITE | (this.#maxPorts > 1 ? VIRTIO_CONSOLE_F_MULTIPORT : 0n);
  }

  connect(host: VirtioHost): void {
    this.#host = host;
  }

  /** Columns and rows are not offered (F_SIZE), so they are 0. */
  readConfig(into: Uint8Array): void {
    const view = new DataView(into.buffer, into.byteOffset);
    view.setUint32(0, 0, true);
    view.setUint32(4, this.#maxPorts, true);
    view.setUint32(8, 0, true);
  }

  /** Spec: 5.3.4: an emergency write prints one character without any queue. */
  writeConfig(config: Uint8Array): void {
    const character = config[8] as number;
    if (character === 0) return;
    for (const port of this.#ports.values()) {
      if (port.console) return port.chardev.write(Uint8Array.of(character));
    }
  }

  statusChanged(status: number): void {
    // Without MULTIPORT nobody says that port 0 is open: it is as soon as the driver is there.
    const port = this.#ports.get(0);
    if (!port || this.#multiport) return;
    port.guestConnected = (status & DRIVER_OK) !== 0;
    if (port.guestConnected) port.chardev.poke();
  }

  handleQueue(index: number): void {
    if (index === CONTROL_TO_GUEST) return this.#sendControl();
    if (index === CONTROL_FROM_GUEST) return this.#takeAll(index, (readable) => this.#controlled(readable));
    const port = this.#ports.get(portOf(index));
    if (index % 2 === 0) {
      if (port) this.#fillReceiveQueue(port);
      return;
    }
    this.#takeAll(index, (readable, lengthBytes) => {
      const bytes = new Uint8Array(Math.min(lengthBytes, MAX_WRITE_BYTES));
      gather(readable, 0, bytes);
      if (port?.hostConnected) port.chardev.write(bytes);
    });
  }

  reset(): void {
    this.#outbox = [];
    for (const port of this.#ports.values()) {
      port.guestConnected = false;
      port.held = new Uint8Array(0);
    }
  }

  saveDevicePart(out: ByteWriter): void {
    out.u16(0); // columns
    out.u16(0); // rows
    out.u32(this.#maxPorts);
    for (let word = 0; word < Math.ceil(this.#maxPorts / 32); word++) out.u32(this.#portMap(word));
    out.u32(this.#ports.size);
    for (const port of this.#ports.values()) {
      out.u32(port.number);
      out.u8(port.guestConnected ? 1 : 0);
      out.u8(port.hostConnected ? 1 : 0);
      out.u32(0); // no buffer is half sent
    }
  }

  loadDevicePart(from: ByteReader): void {
    from.u16();
    from.u16();
    const maxPorts = from.u32();
    if (maxPorts !== this.#maxPorts) throw new StateError(`a virtio-console section has ${maxPorts} ports at most`);
    for (let word = 0; word < Math.ceil(maxPorts / 32); word++) {
      if (from.u32() !== this.#portMap(word))
        throw new StateError("a virtio-console section has other ports than this");
    }
    const count = from.u32();
    if (count !== this.#ports.size) throw new StateError(`a virtio-console section has ${count} active ports`);
    for (let i = 0; i < count; i++) {
      const number = from.u32();
      const port = this.#ports.get(number);
      if (!port) throw new StateError(`a virtio-console section has a port ${number}, which is not here`);
      port.guestConnected = from.u8() !== 0;
      from.u8(); // whether the source's chardev was open; ours is what it is
      if (from.u32() !== 0)
        throw new StateError("a virtio-console section has a half sent buffer, which is not supported");
    }
  }

  loaded(): void {
    for (const port of this.#ports.values()) port.chardev.poke();
  }

  get #multiport(): boolean {
    return (this.#host.features() & VIRTIO_CONSOLE_F_MULTIPORT) !== 0n;
  }

  #portMap(word: number): number {
    let map = 0;
    for (const number of this.#ports.keys()) if (number >> 5 === word) map |= 1 << (number & 31);
    return map >>> 0;
  }

  // From the chardev to the guest.

  #attach(port: Port): void {
    port.chardev.attach({
      canReceive: () => (this.#accepts(port) ? RECEIVE_BYTES : 0),
      receive: (bytes) => {
        port.held = bytes.slice();
        this.#host.attempt(
          `input of port ${port.number}`,
          () => this.#deliver(port),
          () => this.#fillReceiveQueue(port),
        );
      },
      event: (event) => {
        if (event === "break" || port.console) return;
        port.hostConnected = event === "opened";
        this.#post({ id: port.number, event: VIRTIO_CONSOLE_PORT_OPEN, value: port.hostConnected ? 1 : 0 });
      },
    });
  }

  #accepts(port: Port): boolean {
    if (!port.guestConnected || port.held.length > 0) return false;
    let hasBuffer = false;
    this.#host.attempt(
      `room of port ${port.number}`,
      () => {
        hasBuffer = this.#host.queues[receiveQueueOf(port.number)]?.hasAvailable() ?? false;
      },
      () => port.chardev.poke(),
    );
    return hasBuffer;
  }

  #fillReceiveQueue(port: Port): void {
    this.#deliver(port);
    if (port.held.length === 0) port.chardev.poke();
  }

  #deliver(port: Port): void {
    const queue = this.#host.queues[receiveQueueOf(port.number)];
    if (!queue) return;
    let pushed = false;
    try {
      for (let taken = 0; port.held.length > 0 && taken < queue.size; taken++) {
        const chain = queue.pop();
        if (!chain) break;
        const done = scatter(chain.writable, 0, port.held);
        port.held = port.held.subarray(done);
        queue.push(chain, done);
        pushed = true;
      }
    } finally {
      if (pushed) queue.notify();
    }
  }

  // From the guest.

  /** Gives every chain's readable part to `use`, up to a queueful; the rest later. */
  #takeAll(index: number, use: (readable: readonly Uint8Array[], lengthBytes: number) => void): void {
    const queue = this.#host.queues[index];
    if (!queue) return;
    let [taken, isEmpty] = [0, false];
    try {
      for (; taken < queue.size && !isEmpty; taken++) {
        const chain = queue.pop();
        isEmpty = chain === undefined;
        if (!chain) continue;
        use(chain.readable, chain.readableBytes);
        queue.push(chain, 0);
      }
    } finally {
      if (taken > 0) queue.notify();
    }
    if (!isEmpty) this.#host.handleLater(index);
  }

  /** Spec: 5.3.6.2 "Multiport Device Operation". */
  #controlled(readable: readonly Uint8Array[]): void {
    const message = new DataView(new ArrayBuffer(CONTROL_BYTES));
    if (gather(readable, 0, new Uint8Array(message.buffer)) < CONTROL_BYTES) return;
    const [id, event, value] = [message.getUint32(0, true), message.getUint16(4, true), message.getUint16(6, true)];
    if (event === VIRTIO_CONSOLE_DEVICE_READY) {
      if (value === 0) return;
      for (const port of this.#ports.values())
        this.#post({ id: port.number, event: VIRTIO_CONSOLE_PORT_ADD, value: 1 });
      return;
    }
    const port = this.#ports.get(id);
    if (!port) return;
    if (event === VIRTIO_CONSOLE_PORT_READY && value !== 0) this.#introduce(port);
    if (event === VIRTIO_CONSOLE_PORT_OPEN) {
      port.guestConnected = value !== 0;
      if (port.guestConnected) port.chardev.poke();
    }
  }

  #introduce(port: Port): void {
    const id = port.number;
    if (port.console) this.#post({ id, event: VIRTIO_CONSOLE_CONSOLE_PORT, value: 1 });
    if (port.name !== undefined) this.#post({ id, event: VIRTIO_CONSOLE_PORT_NAME, value: 1, text: port.name });
    if (port.hostConnected) this.#post({ id, event: VIRTIO_CONSOLE_PORT_OPEN, value: 1 });
  }

  #post(message: ControlMessage): void {
    if (!this.#multiport || this.#outbox.length >= MAX_CONTROL_MESSAGES) return;
    this.#outbox.push(message);
    this.#host.handle(CONTROL_TO_GUEST);
  }

  #sendControl(): void {
    const queue = this.#host.queues[CONTROL_TO_GUEST];
    if (!queue) return;
    for (let next = this.#outbox[0]; next; next = this.#outbox[0]) {
      const chain = queue.pop();
      if (!chain) return;
      this.#outbox.shift();
      queue.push(chain, scatter(chain.writable, 0, encodeControl(next)));
      queue.notify();
    }
  }
}

function encodeControl(message: ControlMessage): Uint8Array {
  const text = message.text === undefined ? "" : `${message.text}\0`;
  const bytes = new Uint8Array(CONTROL_BYTES + text.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, message.id, true);
  view.setUint16(4, message.event, true);
  view.setUint16(6, message.value, true);
  for (let i = 0; i < text.length; i++) bytes[CONTROL_BYTES + i] = text.charCodeAt(i);
  return bytes;
}

/** Spec: 5.3.2: port 0 has queues 0 and 1, the control queues are 2 and 3, port n has 2n + 2 and 2n + 3. */
function portOf(queueIndex: number): number {
  return queueIndex < 2 ? 0 : (queueIndex >> 1) - 1;
}
function receiveQueueOf(portNumber: number): number {
  return portNumber === 0 ? 0 : 2 * portNumber + 2;
}
