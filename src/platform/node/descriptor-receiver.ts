/**
 * Reads a unix socket with the descriptors that its peer passes, which Node's own reading loses.
 *
 * recvmsg(2) comes by koffi, a package that need not be there. `struct msghdr`, its one buffer and the control message
 * lie in one piece of memory outside V8's heap, in the layout of 64-bit Linux.
 * Spec: unix(7), cmsg(3). Thread: the one that made it.
 */
import { closeSync } from "node:fs";
import { constants } from "node:os";
import { getSystemErrorName } from "node:util";
import type { PassedDescriptor } from "#core/host.ts";

/** Where no descriptors can be received; the message says what to do. */
export class DescriptorsUnavailableError extends Error {
  readonly code = "no-descriptors";
}

export type Received = { readonly bytes: Uint8Array; readonly descriptors: readonly PassedDescriptor[] };
export type DescriptorReceiver = {
  /**
   * Some of what has come, at most `limitBytes` in all; descriptors came with the first of their bytes. "nothing":
   * nothing has come yet. Never waits. Throws the host's error.
   */
  receive(fd: number, limitBytes: number): readonly Received[] | "nothing" | "end";
};

const MAX_BYTES = 4096;
/** Read byte by byte before everybody else has a turn. */
const MAX_SLOW_BYTES = 256;
/** Those that one message may bring; the kernel closes the others. QEMU's limit. */
const MAX_DESCRIPTORS = 16;
const CMSG_HEADER_BYTES = 16;
const DESCRIPTOR_BYTES = 4;
const CONTROL_BYTES = CMSG_HEADER_BYTES + MAX_DESCRIPTORS * DESCRIPTOR_BYTES;
const [IOVEC, CONTROL, DATA] = [64, 128, 256] as const;
/** Offsets in `struct msghdr`. */
const MSG = { iov: 16, iovlen: 24, control: 32, controllen: 40, flags: 48, bytes: 56 } as const;
const [SOL_SOCKET, SCM_RIGHTS] = [1, 1] as const;
const [MSG_PEEK, MSG_CTRUNC, MSG_DONTWAIT, MSG_CMSG_CLOEXEC] = [0x2, 0x8, 0x40, 0x4000_0000] as const;
const NOTHING_YET = -constants.errno.EAGAIN;

let receiver: Promise<DescriptorReceiver> | undefined;

/** The one of this thread. Rejects with {@link DescriptorsUnavailableError}. */
export function descriptorReceiver(): Promise<DescriptorReceiver> {
  receiver ??= makeReceiver();
  return receiver;
}

async function makeReceiver(): Promise<DescriptorReceiver> {
  if (process.platform !== "linux" || !["x64", "arm64", "riscv64", "ppc64", "loong64"].includes(process.arch)) {
    throw new DescriptorsUnavailableError("descriptors can be received on 64-bit Linux only");
  }
  try {
    const { default: koffi } = await import("koffi");
    const recvmsg = koffi.load(null).func("long recvmsg(int, void *, int)");
    const memory = new ArrayBuffer(DATA + MAX_BYTES);
    const message = new Uint8Array(memory);
    const call = (fd: number, flags: number): number => {
      const count = Number(recvmsg(fd, message, flags));
      return count < 0 ? -koffi.errno() : count;
    };
    return new Recvmsg(memory, koffi.address(message), call);
  } catch (cause) {
    const why = "descriptors can be received with the package koffi only, which cannot be loaded: npm install koffi";
    throw new DescriptorsUnavailableError(why, { cause });
  }
}

class Recvmsg implements DescriptorReceiver {
  readonly #view: DataView;
  readonly #address: bigint;
  readonly #call: (fd: number, flags: number) => number;

  /** `call`: recvmsg with the message at the start of `memory`; a negative result is an error's number. */
  constructor(memory: ArrayBuffer, address: bigint, call: (fd: number, flags: number) => number) {
    this.#view = new DataView(memory);
    this.#address = address;
    this.#call = call;
  }

  receive(fd: number, limitBytes: number): readonly Received[] | "nothing" | "end" {
    const ready = this.#receive(fd, Math.min(limitBytes, MAX_BYTES), MSG_PEEK, 0);
    if (ready === NOTHING_YET) return "nothing";
    if (ready === 0) return "end";
    // The kernel says of a peek without room for descriptors that there are some, at these bytes or behind them.
    if ((this.#view.getInt32(MSG.flags, true) & MSG_CTRUNC) !== 0) return this.#receiveSlowly(fd, ready);
    return [{ bytes: this.#bytes(this.#receive(fd, ready, 0, 0)), descriptors: [] }];
  }

  /** Up to the next descriptors: byte by byte, since the kernel joins bytes without to bytes that have some. */
  #receiveSlowly(fd: number, ready: number): Received[] {
    const without = new Uint8Array(Math.min(ready, MAX_SLOW_BYTES));
    for (let count = 0; count < without.length; count++) {
      const bytes = this.#bytes(this.#receive(fd, 1, 0, CONTROL_BYTES));
      const descriptors = this.#descriptors();
      if (descriptors.length > 0) {
        const before = { bytes: without.subarray(0, count), descriptors: [] };
        return [...(count > 0 ? [before] : []), { bytes, descriptors }];
      }
      without.set(bytes, count);
    }
    return [{ bytes: without, descriptors: [] }];
  }

  #bytes(count: number): Uint8Array {
    return new Uint8Array(this.#view.buffer, DATA, count).slice();
  }

  #receive(fd: number, lengthBytes: number, flags: number, controlBytes: number): number {
    const view = this.#view;
    const pointer = (at: number, offset: number): void => view.setBigUint64(at, this.#address + BigInt(offset), true);
    new Uint8Array(view.buffer, 0, MSG.bytes).fill(0);
    pointer(MSG.iov, IOVEC);
    view.setBigUint64(MSG.iovlen, 1n, true);
    pointer(IOVEC, DATA);
    view.setBigUint64(IOVEC + 8, BigInt(lengthBytes), true);
    if (controlBytes > 0) pointer(MSG.control, CONTROL);
    view.setBigUint64(MSG.controllen, BigInt(controlBytes), true);
    const count = this.#call(fd, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count < 0 && count !== NOTHING_YET) throw new Error(`recvmsg: ${getSystemErrorName(count)}`);
    return count;
  }

  #descriptors(): PassedDescriptor[] {
    const view = this.#view;
    const end = CONTROL + Number(view.getBigUint64(MSG.controllen, true));
    const found: PassedDescriptor[] = [];
    for (let at = CONTROL; at + CMSG_HEADER_BYTES <= end; ) {
      const lengthBytes = Number(view.getBigUint64(at, true));
      if (lengthBytes < CMSG_HEADER_BYTES) break;
      if (view.getInt32(at + 8, true) === SOL_SOCKET && view.getInt32(at + 12, true) === SCM_RIGHTS) {
        for (let each = CMSG_HEADER_BYTES; each + DESCRIPTOR_BYTES <= lengthBytes; each += DESCRIPTOR_BYTES) {
          const fd = view.getInt32(at + each, true);
          found.push({ fd, close: () => closeSync(fd) });
        }
      }
      at += (lengthBytes + 7) & ~7;
    }
    return found;
  }
}
