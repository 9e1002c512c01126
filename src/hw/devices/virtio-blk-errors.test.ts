/** A disk that fails: what `rerror=` and `werror=` say becomes of the requests. */
import { expect, test } from "vitest";
import type { Disk } from "#core/host.ts";
import { GuestDriver } from "#hw/bus/virtio/guest-driver.ts";
import { VirtioBlk } from "#hw/devices/virtio-blk.ts";
import type { BlockFailure, ErrorPolicy } from "#io/block/block-failure.ts";

const READ = 0;
const WRITE = 1;
const FLUSH = 4;

/** Fails with that error code while it has one. */
class FailingDisk implements Disk {
  readonly name = "failing";
  readonly sizeBytes = 8192;
  readonly readOnly = false;
  readonly bytes = new Uint8Array(8192).fill(0x2a);
  errorCode: string | undefined = "EIO";
  read = (offset: number, into: Uint8Array): Promise<void> =>
    this.#do(() => into.set(this.bytes.subarray(offset, offset + into.length)));
  write = (offset: number, from: Uint8Array): Promise<void> => this.#do(() => this.bytes.set(from, offset));
  flush = (): Promise<void> => this.#do();
  discard = (): Promise<void> => this.#do();
  writeZeroes = (): Promise<void> => this.#do();
  close = (): Promise<void> => Promise.resolve();
  async #do(work = (): void => {}): Promise<void> {
    if (this.errorCode !== undefined) throw Object.assign(new Error("node's words"), { code: this.errorCode });
    work();
  }
}

type Policies = { readonly readErrors?: ErrorPolicy; readonly writeErrors?: ErrorPolicy };

/** A guest with a disk; `ask` makes a request of one sector. */
function scene(policies: Policies, legacy = true) {
  const disk = new FailingDisk();
  const failures: BlockFailure[] = [];
  const device = new VirtioBlk(disk, { ...policies, failed: (failure) => void failures.push(failure) });
  const guest = new GuestDriver(device, legacy);
  const ask = (type: number, slot = 0): void => {
    const header = 0x8000 + 0x20 * slot;
    guest.view.setUint32(header, type, true);
    guest.view.setBigUint64(header + 8, BigInt(slot), true);
    const data = { at: 0x9000 + 0x200 * slot, lengthBytes: 512, write: type === READ };
    guest.offer(0, [
      { at: header, lengthBytes: 16 },
      ...(type === FLUSH ? [] : [data]),
      { at: 0x8800 + slot, lengthBytes: 1, write: true },
    ]);
  };
  return { disk, failures, device, guest, ask };
}

test.each<[string, Policies, number, string, BlockFailure["action"], number]>([
  ["a read by default", {}, READ, "EIO", "report", 1],
  ["a write by default", {}, WRITE, "EIO", "report", 1],
  ["a write without space by default", {}, WRITE, "ENOSPC", "stop", 0xcc],
  ["a read without space by default", {}, READ, "ENOSPC", "report", 1],
  ["rerror=enospc", { readErrors: "enospc" }, READ, "ENOSPC", "stop", 0xcc],
  ["rerror=ignore", { readErrors: "ignore" }, READ, "EIO", "ignore", 0],
  ["rerror=stop", { readErrors: "stop" }, READ, "EIO", "stop", 0xcc],
  ["rerror=stop, a write", { readErrors: "stop" }, WRITE, "EIO", "report", 1],
  ["werror=stop", { writeErrors: "stop" }, WRITE, "EIO", "stop", 0xcc],
  ["werror=stop, a flush", { writeErrors: "stop" }, FLUSH, "EIO", "stop", 0xcc],
  ["werror=ignore", { writeErrors: "ignore" }, WRITE, "ENOSPC", "ignore", 0],
  ["werror=report", { writeErrors: "report" }, WRITE, "ENOSPC", "report", 1],
])("%s", async (_, policies, type, code, action, status) => {
  const { disk, failures, device, guest, ask } = scene(policies);
  disk.errorCode = code;
  guest.start(1, 8);
  guest.ram[0x8800] = 0xcc;
  ask(type);
  guest.kick(0);
  await device.drain();
  const isOutOfSpace = code === "ENOSPC";
  const reason = isOutOfSpace ? "No space left on device" : "Input/output error";
  expect(failures).toEqual([{ operation: type === READ ? "read" : "write", action, isOutOfSpace, reason }]);
  expect([guest.ram[0x8800], guest.used(0).length]).toEqual([status, action === "stop" ? 0 : 1]);
});

test("requests that failed are done again when the machine runs on, and wait again when they fail again", async () => {
  const { disk, failures, device, guest, ask } = scene({ readErrors: "stop", writeErrors: "stop" });
  guest.start(1, 16);
  guest.ram.fill(0x77, 0x9200, 0x9400);
  ask(READ, 0);
  ask(WRITE, 1);
  guest.kick(0);
  await device.drain();
  expect([failures.length, guest.used(0).length]).toEqual([2, 0]);
  guest.transport.machineRuns(true);
  await device.drain();
  guest.transport.machineRuns(false);
  expect([failures.length, guest.used(0).length]).toEqual([4, 0]);
  disk.errorCode = undefined;
  guest.transport.machineRuns(true);
  await device.drain();
  expect([failures.length, guest.used(0).length]).toEqual([4, 2]);
  expect([guest.ram[0x9000], disk.bytes[512], guest.ram[0x8800], guest.ram[0x8801]]).toEqual([0x2a, 0x77, 0, 0]);
  guest.transport.machineRuns(true);
  await device.drain();
  expect(guest.used(0).length).toBe(2);
});

test("a reset forgets the requests that wait", async () => {
  const { disk, device, guest, ask } = scene({ readErrors: "stop" });
  guest.start(1, 8);
  ask(READ);
  guest.kick(0);
  await device.drain();
  guest.start(1, 8);
  guest.ram.fill(0xcc, 0x9000, 0x9200);
  disk.errorCode = undefined;
  guest.transport.machineRuns(true);
  await device.drain();
  expect([guest.used(0), guest.ram[0x9000]]).toEqual([[], 0xcc]);
});

test.each([true, false])(
  "requests that wait migrate, from one machine that stands to the next (legacy: %s)",
  async (legacy) => {
    const source = scene({ readErrors: "stop", writeErrors: "stop" }, legacy);
    source.guest.start(1, 16);
    source.guest.ram.fill(0x77, 0x9200, 0x9400);
    source.ask(READ, 0);
    source.ask(WRITE, 1);
    source.guest.kick(0);
    await source.device.drain();
    const body = source.guest.transport.migration[0]?.save() ?? new Uint8Array();
    const between = scene({}, legacy);
    between.disk.errorCode = undefined;
    between.guest.ram.set(source.guest.ram);
    between.guest.transport.migration[0]?.load(body, 2);
    await between.device.drain();
    expect(between.guest.used(0)).toEqual([]);
    const again = between.guest.transport.migration[0]?.save() ?? new Uint8Array();
    expect(Buffer.compare(again, body)).toBe(0);

    const last = scene({}, legacy);
    last.disk.errorCode = undefined;
    last.guest.ram.set(between.guest.ram);
    last.guest.transport.migration[0]?.load(again, 2);
    last.guest.transport.machineRuns(true);
    await last.device.drain();
    expect([last.guest.used(0).length, last.guest.ram[0x9000], last.disk.bytes[512]]).toEqual([2, 0x2a, 0x77]);
  },
);
