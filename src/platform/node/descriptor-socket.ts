/**
 * Takes the reading of a unix socket over from Node, for the sake of the descriptors that come with the bytes.
 *
 *   libuv: readable -> recvmsg -> descriptors, bytes -> the sink, in their order
 *
 * Node reads into a buffer of ours that has no room: libuv then says that the socket is readable, and reads nothing.
 * Writing and closing stay with the socket. Thread: machine.
 */
import type { Socket } from "node:net";
import type { PassedDescriptor } from "#core/host.ts";
import type { DescriptorReceiver } from "#platform/node/descriptor-receiver.ts";
import { type SocketHandle, socketHandle } from "#platform/node/socket-handle.ts";

/** Undefined in a Node that has another kind of handle. */
export const pollableHandle = (socket: Socket): SocketHandle | undefined =>
  socketHandle(socket, "useUserBuffer", "readStart", "readStop");

export type DescriptorSink = {
  /** Bytes that can be taken now. With 0, {@link DescriptorSocket.poke} is called when there is room again. */
  canReceive(): number;
  /** `descriptors` came with the first of the bytes. */
  receive(bytes: Uint8Array, descriptors: readonly PassedDescriptor[]): void;
};

export class DescriptorSocket {
  readonly #socket: Socket;
  readonly #handle: SocketHandle;
  readonly #receiver: DescriptorReceiver;
  readonly #sink: DescriptorSink;
  #isReading = false;
  #isOver = false;

  /** `socket` has not been read. */
  constructor(socket: Socket, handle: SocketHandle, receiver: DescriptorReceiver, sink: DescriptorSink) {
    this.#socket = socket;
    this.#handle = handle;
    this.#receiver = receiver;
    this.#sink = sink;
    socket.once("close", () => (this.#isOver = true));
    handle.useUserBuffer(new Uint8Array(0));
    handle.onread = () => this.#readable();
    this.poke();
  }

  /** The sink may have room again. */
  poke(): void {
    const wants = !this.#isOver && !this.#socket.destroyed && this.#sink.canReceive() > 0;
    if (wants === this.#isReading || this.#socket.destroyed) return;
    this.#isReading = wants;
    if (wants) this.#handle.readStart();
    else this.#handle.readStop();
  }

  /** Reads once; libuv calls again while there is more, after everybody else. */
  #readable(): void {
    const room = this.#sink.canReceive();
    if (room > 0 && !this.#isOver) {
      try {
        const received = this.#receiver.receive(this.#handle.fd, room);
        if (received === "end") {
          this.#isOver = true;
          this.#socket.destroySoon(); // what was written goes out
        } else if (received !== "nothing") {
          for (const { bytes, descriptors } of received) this.#sink.receive(bytes, descriptors);
        }
      } catch (error) {
        this.#socket.destroy(error as Error);
      }
    }
    this.poke();
  }
}
