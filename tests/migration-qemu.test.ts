/** A Linux that runs in QEMU 7.2 moves here while it runs. Skipped where QEMU is missing. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { CPU, missingQemuSystem } from "../tools/differential/qemu-system.ts";
import { fetchGuest } from "../tools/guest/fetch-guest.mjs";
import { COMMAND, Guest } from "./guest.ts";

const folder = mkdtempSync(join(tmpdir(), "tinamou-migration-"));
const open: { kill(): void }[] = [];
afterAll(() => {
  for (const one of open) one.kill();
  rmSync(folder, { recursive: true, force: true });
});
const missing = missingQemuSystem();

/** Sends QMP commands one after the other; resolves with the last answer. */
function qmp(path: string, commands: readonly object[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const left = [{ execute: "qmp_capabilities" }, ...commands];
    let text = "";
    socket.on("error", reject);
    socket.on("data", (bytes: Buffer) => {
      text += bytes.toString();
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        const line = text.slice(0, end);
        text = text.slice(end + 1);
        if (!/"(?:QMP|return|error)":/.test(line)) continue;
        const next = left.shift();
        if (next) socket.write(`${JSON.stringify(next)}\n`);
        else {
          socket.end();
          resolve(line);
        }
      }
    });
  });
}

test.skipIf(missing !== undefined)(
  `QEMU 7.2 -> here: Linux goes on at its shell${missing === undefined ? "" : ` (${missing})`}`,
  async () => {
    const { firmware, kernel, initrd } = await fetchGuest({});
    const machine = ["-M", "virt", "-smp", "2", "-m", "192M", "-bios", firmware];
    const control = join(folder, "qmp");
    const stream = join(folder, "stream");
    const serial = ["-cpu", CPU, "-display", "none", "-serial", "stdio", "-monitor", "none", "-nic", "none"];
    const boot = ["-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet COLUMNS=1000"];
    const monitor = ["-qmp", `unix:${control},server=on,wait=off`];
    const qemu = new Guest("qemu-system-riscv64", [...machine, ...serial, ...boot, ...monitor]);
    open.push(qemu);
    await qemu.untilReady();
    expect((await qemu.ask("seq 1 100000 >/tmp/data; KEPT='from before'")).status).toBe(0);
    const { text: sum } = await qemu.ask("md5sum </tmp/data");

    const here = new Guest(process.execPath, [COMMAND, ...machine, "-nographic", "-incoming", `unix:${stream}`]);
    open.push(here);
    const started = Date.now();
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      const answer = await qmp(control, [{ execute: "migrate", arguments: { uri: `unix:${stream}` } }]);
      if (
        !answer.includes("error") &&
        /completed|active|setup/.test(await qmp(control, [{ execute: "query-migrate" }]))
      )
        break;
      if (Date.now() - started > 30_000) throw new Error(answer);
    }
    expect(await here.ask("nproc; md5sum </tmp/data; sleep 1; echo $KEPT")).toMatchObject({
      text: `2\n${sum}from before\n`,
    });
    expect(await here.powerOff()).toBe(0);
  },
  120_000,
);
