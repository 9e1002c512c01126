/** virtio-blk over the raw format over a real file, driven through the registers. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { GuestDriver } from "#hw/bus/virtio/guest-driver.ts";
import { VirtioBlk } from "#hw/devices/virtio-blk.ts";
import { openRawDisk } from "#io/block/raw.ts";
import { openDiskFile } from "#platform/node/files-disk.ts";

const folder = mkdtempSync(join(tmpdir(), "tinamou-blk-"));
afterAll(() => rmSync(folder, { recursive: true }));

const [IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES] = [0, 1, 4, 8, 11, 13] as const;
const [OK, IOERR] = [0, 1] as const;

async function setUp(legacy: boolean, readOnly = false) {
  const path = join(folder, `${legacy}-${readOnly}.img`);
  writeFileSync(
    path,
    Buffer.alloc(64 * 512).map((_, i) => i >> 9),
  );
  const disk = openRawDisk(await openDiskFile(path, { readOnly }), { readOnly });
  const device = new VirtioBlk(disk, { serial: "SN-1" });
  const guest = new GuestDriver(device, legacy);
  guest.start(1, 16);
  /** One request; data in `ram` at 0x10000. Returns the status byte. */
  const request = async (type: number, sector: number, outBytes: number, inBytes: number): Promise<number> => {
    guest.view.setUint32(0xc000, type, true);
    guest.view.setBigUint64(0xc008, BigInt(sector), true);
    guest.ram[0xc100] = 0xff;
    guest.offer(0, [
      { at: 0xc000, lengthBytes: 16 },
      ...(outBytes ? [{ at: 0x10000, lengthBytes: outBytes }] : []),
      ...(inBytes ? [{ at: 0x10000, lengthBytes: inBytes, write: true }] : []),
      { at: 0xc100, lengthBytes: 1, write: true },
    ]);
    guest.kick(0);
    await device.drain();
    return guest.view.getUint8(0xc100);
  };
  return { path, disk, guest, request };
}

describe.each([true, false])("legacy: %s", (legacy) => {
  test("reads, writes, flushes, clears and names itself", async () => {
    const { path, disk, guest, request } = await setUp(legacy);
    expect(guest.read(0x100)).toBe(64);
    expect(await request(IN, 3, 0, 1024)).toBe(OK);
    expect([guest.ram[0x10000], guest.ram[0x10200]]).toEqual([3, 4]);
    guest.ram.fill(0xab, 0x10000, 0x10400);
    expect(await request(OUT, 10, 1024, 0)).toBe(OK);
    expect(await request(FLUSH, 0, 0, 0)).toBe(OK);
    expect(await request(GET_ID, 0, 0, 20)).toBe(OK);
    expect(Buffer.from(guest.ram.slice(0x10000, 0x10005)).toString()).toBe("SN-1\0");
    guest.view.setBigUint64(0x10000, 20n, true);
    guest.view.setUint32(0x10008, 2, true);
    guest.view.setUint32(0x1000c, 0, true);
    expect(await request(WRITE_ZEROES, 0, 16, 0)).toBe(OK);
    expect(await request(DISCARD, 0, 16, 0)).toBe(OK);
    expect(await request(IN, 63, 0, 1024)).toBe(IOERR);
    expect(await request(OUT, 64, 512, 0)).toBe(IOERR);
    await disk.close();
    const content = readFileSync(path);
    expect(content).toHaveLength(64 * 512);
    expect(Array.from({ length: 24 }, (_, sector) => content[sector * 512 + 100])).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xab, 0xab, 12, 13, 14, 15, 16, 17, 18, 19, 0, 0, 22, 23,
    ]);
  });

  test("a read-only disk says so and refuses writes", async () => {
    const { path, disk, guest, request } = await setUp(legacy, true);
    guest.write(0x14, 0);
    expect(guest.read(0x10) & (1 << 5)).not.toBe(0);
    const before = readFileSync(path);
    expect(await request(OUT, 0, 512, 0)).toBe(IOERR);
    guest.view.setUint32(0x10008, 1, true);
    expect(await request(WRITE_ZEROES, 0, 16, 0)).toBe(IOERR);
    expect(await request(IN, 1, 0, 512)).toBe(OK);
    await disk.close();
    expect(readFileSync(path)).toEqual(before);
  });
});
