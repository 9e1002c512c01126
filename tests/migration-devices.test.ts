/** A guest that writes to a virtio disk moves in the middle of it, with both layouts of the transport's registers. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type * as Api from "../src/app/api/index.ts";
import { fetchGuest } from "../tools/guest/fetch-guest.mjs";
import { GuestError } from "../tools/guest/guest-error.mjs";

const folder = mkdtempSync(join(tmpdir(), "tinamou-migration-"));
const open: Api.Machine[] = [];
afterAll(async () => {
  for (const machine of open) await machine.quit();
  rmSync(folder, { recursive: true, force: true });
});
const files = await fetchGuest({ withModules: true }).catch((error: unknown) => {
  if (!(error instanceof GuestError)) throw error;
  console.log(`tests/migration-devices.test.ts is skipped: ${error.message}`);
  return undefined;
});

test.skipIf(!files).each([true, false])(
  "disk, entropy and balloon, legacy transport: %s",
  async (legacy) => {
    if (!files) return;
    const bundle = new URL("../dist/index.js", import.meta.url).href;
    const { Machine } = (await import(bundle)) as typeof Api;
    const disk = join(folder, "disk");
    writeFileSync(disk, new Uint8Array(8 << 20));
    const drive = ["-global", `virtio-mmio.force-legacy=${legacy}`, "-drive", `if=virtio,file=${disk},format=raw`];
    const args = [...drive, "-device", "virtio-rng-device", "-device", "virtio-balloon-device"];
    const { firmware, kernel, initrd } = files;
    const options = { firmware, memory: "192M" };
    const create = async (more: Partial<Api.MachineOptions>): Promise<Api.Machine> => {
      const machine = await Machine.create({ ...options, ...more });
      open.push(machine);
      return machine;
    };
    const machine = await create({ kernel, initrd, append: "console=ttyS0 quiet COLUMNS=1000", args });
    const ask = async (asked: Api.Machine, command: string): Promise<string> => {
      asked.console.type(`echo B''EGIN; ${command}; echo E''ND\n`);
      const seen = await asked.console.waitFor(/BEGIN\r?\n[^]*END\r?\n/);
      return /BEGIN\r?\n([^]*)END\r?\n$/.exec(seen)?.[1]?.replaceAll("\r\n", "\n") ?? "";
    };
    await machine.start();
    await machine.console.waitFor(/Tinamou guest ready[^]*# /);
    expect(await ask(machine, "cat /sys/block/vda/size")).toBe("16384\n");
    const write = "for i in $(seq 40); do dd if=/tmp/data of=/dev/vda bs=64k count=100 conv=fsync 2>/dev/null; done";
    await ask(machine, `head -c 6553600 /dev/urandom >/tmp/data; { (${write}; echo fin''ished) & }`);
    const path = join(folder, `socket-${legacy}`);
    const next = await create({ args: [...args, "-incoming", `unix:${path}`] });
    machine.migration.migrate({ uri: `unix:${path}` });
    expect(await machine.migration.untilOver()).toMatchObject({ status: "completed" });
    await machine.quit();
    await next.arrived;
    await next.console.waitFor(/finished\r?\n/);
    const [one, two] = (
      await ask(next, "echo 3 >/proc/sys/vm/drop_caches; head -c 6553600 /dev/vda | md5sum; md5sum </tmp/data")
    ).split("\n");
    expect(one).toBe(two);
    expect(await ask(next, "head -c 16 /dev/hwrng | wc -c")).toBe("16\n");
    await next.quit();
  },
  120_000,
);
