/** Monitors of the built command over real sockets and a terminal. */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { COMMAND, LIMIT_MS, startCommand, testFolder, writeFirmware } from "./firmware.ts";
import { QmpClient } from "./qmp-client.ts";
import type { Terminal } from "./terminal.ts";

const folder = testFolder();
const MACHINE = ["-M", "virt", "-m", "16", "-display", "none", "-nodefaults", "-bios", writeFirmware(folder)];
let sockets = 0;

type Machine = { readonly terminal: Terminal; readonly path: string; readonly client: QmpClient };

async function start(...args: string[]): Promise<Machine> {
  const path = join(folder, `qmp${sockets++}`);
  const terminal = startCommand([...MACHINE, "-qmp", `unix:${path},server=on,wait=off`, ...args]);
  const client = await QmpClient.connect(path);
  await client.execute("qmp_capabilities");
  return { terminal, path, client };
}

test("a session: status, go, stop, reset, quit, with the events of each", async () => {
  const { terminal, client } = await start("-S", "-serial", "stdio", "-smp", "2", "-name", "m1");
  expect(await client.result("query-status")).toEqual({ status: "prelaunch", singlestep: false, running: false });
  expect(await client.result("query-name")).toEqual({ name: "m1" });
  expect(await client.execute("cont")).toEqual({ return: {} });
  await client.event("RESUME");
  await terminal.waitFor(/ready/, LIMIT_MS);
  expect(await client.result("query-status")).toEqual({ status: "running", singlestep: false, running: true });
  await client.execute("system_reset");
  expect(await client.event("RESET")).toEqual({ guest: false, reason: "host-qmp-system-reset" });
  await terminal.waitFor(/ready/, LIMIT_MS);
  terminal.type("r");
  expect(await client.event("RESET")).toEqual({ guest: true, reason: "guest-reset" });
  await client.execute("stop");
  await client.event("STOP");
  expect(await client.result("query-status")).toMatchObject({ status: "paused", running: false });
  await client.execute("system_reset");
  expect(await client.result("query-status")).toMatchObject({ status: "prelaunch" });
  await client.execute("system_powerdown");
  await client.event("POWERDOWN");
  await client.execute("cont");
  expect(await client.execute("quit")).toEqual({ return: {} });
  expect(await client.event("SHUTDOWN")).toEqual({ guest: false, reason: "host-qmp-quit" });
  expect(await terminal.exit(LIMIT_MS)).toBe(0);
});

test("a guest that powers off: with -no-shutdown the machine stays and must be reset", async () => {
  const { terminal, client } = await start("-serial", "stdio", "-no-shutdown");
  terminal.type("q");
  expect(await client.event("SHUTDOWN")).toEqual({ guest: true, reason: "guest-shutdown" });
  await client.event("STOP");
  expect(await client.result("query-status")).toMatchObject({ status: "shutdown" });
  expect(await client.execute("cont")).toEqual({
    error: { class: "GenericError", desc: "Resetting the Virtual Machine is required" },
  });
  await client.execute("system_reset");
  await client.execute("cont");
  await terminal.waitFor(/ready[^]*ready/, LIMIT_MS);
  await client.result("set-action", { shutdown: "poweroff" });
  terminal.type("q");
  expect(await terminal.exit(LIMIT_MS)).toBe(0);
  expect(client.events.map(({ event }) => event)).not.toContain("STOP");
});

test("-no-reboot: the reset button ends the process", async () => {
  const { terminal, client } = await start("-serial", "null", "-no-reboot");
  await client.execute("system_reset");
  expect(await client.event("SHUTDOWN")).toEqual({ guest: false, reason: "host-qmp-system-reset" });
  expect(await terminal.exit(LIMIT_MS)).toBe(0);
});

test("a signal tells the clients", async () => {
  const { terminal, client } = await start("-serial", "null");
  process.kill(terminal.pid, "SIGTERM");
  expect(await client.event("SHUTDOWN")).toEqual({ guest: false, reason: "host-signal" });
  expect(await terminal.exit(LIMIT_MS)).toBe(0);
});

test("clients come one after the other, and bad ones do no harm", async () => {
  const { terminal, path, client } = await start("-serial", "stdio");
  await terminal.waitFor(/ready/, LIMIT_MS);
  client.close();
  const junk = connect(path);
  junk.on("error", () => {});
  junk.write(Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7919) & 0xff)));
  junk.write('{"execute":"qmp_capabilities"} {"execute":"query-qmp-schema"} {"execute":"half');
  await new Promise((resolve) => setTimeout(resolve, 200));
  junk.destroy();
  const huge = connect(path);
  huge.on("error", () => {});
  huge.write(`"${"x".repeat(3 << 20)}`);
  await new Promise((resolve) => setTimeout(resolve, 200));
  huge.destroy();
  // One that asks for much and reads nothing.
  const lazy = connect(path);
  lazy.on("error", () => {}).pause();
  lazy.write('{"execute":"qmp_capabilities"}');
  for (let i = 0; i < 300; i++) lazy.write('{"execute":"query-qmp-schema"}');
  await new Promise((resolve) => setTimeout(resolve, 500));
  lazy.destroy();
  const next = await QmpClient.connect(path);
  expect(await next.execute("query-status")).toMatchObject({ error: { class: "CommandNotFound" } });
  await next.execute("qmp_capabilities");
  expect(await next.result("query-status")).toMatchObject({ running: true });
  terminal.type("x");
  await terminal.waitFor(/x/, LIMIT_MS);
  await next.execute("quit");
  expect(await terminal.exit(LIMIT_MS)).toBe(0);
});

test("QMP on a TCP socket, and on a descriptor that the process was started with, as libvirt does", async () => {
  const port = await freePort();
  const tcp = startCommand([...MACHINE, "-S", "-qmp", `tcp:127.0.0.1:${port},server=on,wait=off`]);
  const client = await QmpClient.connect(port);
  await client.execute("qmp_capabilities");
  const [chardev] = (await client.result("query-chardev")) as { filename: string }[];
  expect(chardev?.filename).toMatch(/^tcp:127\.0\.0\.1:\d+,server=on <-> 127\.0\.0\.1:\d+$/);
  await client.execute("quit");
  expect(await tcp.exit(LIMIT_MS)).toBe(0);

  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port: inheritedPort } = server.address() as { port: number };
  const fd = (server as unknown as Record<string, { fd: number }>)["_handle"]?.fd;
  const monitor = ["-chardev", "socket,id=charmonitor,fd=3,server=on,wait=off"];
  const control = ["-mon", "chardev=charmonitor,id=monitor,mode=control"];
  const child = spawn(process.execPath, [COMMAND, ...MACHINE, "-S", ...monitor, ...control], {
    stdio: ["ignore", "inherit", "inherit", fd],
  });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  // Connections go to whoever holds the socket, so this process lets go of it.
  await new Promise((resolve) => server.close(resolve));
  const inherited = await QmpClient.connect(inheritedPort);
  await inherited.execute("qmp_capabilities");
  expect(await inherited.result("query-status")).toMatchObject({ status: "prelaunch" });
  await inherited.execute("quit");
  expect(await ended).toBe(0);
});

test("-machine none answers a tool's probe", async () => {
  const path = join(folder, "probe");
  const probe = ["-S", "-no-user-config", "-nodefaults", "-nographic", "-machine", "none,accel=kvm:tcg"];
  const terminal = startCommand([...probe, "-qmp", `unix:${path},server=on,wait=off`]);
  const client = await QmpClient.connect(path);
  expect(await client.execute("qmp_capabilities")).toEqual({ return: {} });
  expect(await client.result("query-target")).toEqual({ arch: "riscv64" });
  expect(await client.result("query-kvm")).toEqual({ enabled: false, present: false });
  const version = (await client.result("query-version")) as { qemu: { major: number }; package: string };
  expect(version.qemu.major).toBeGreaterThanOrEqual(5);
  for (const name of ["query-qmp-schema", "query-commands", "query-command-line-options"]) {
    expect(((await client.result(name)) as unknown[]).length).toBeGreaterThan(10);
  }
  const types = ((await client.result("qom-list-types")) as { name: string }[]).map(({ name }) => name);
  for (const name of ["tcg-accel", "virtio-mmio", "virtio-rng-pci", "rng-random"]) expect(types).toContain(name);
  // All PCIe types or none: a client that sees some of them asks for the rest.
  expect(types).not.toContain("pcie-root-port");
  for (const typename of ["virtio-blk-pci", "scsi-hd", "ide-hd", "PIIX4_PM", "kvm-pit", "usb-host"]) {
    expect(await client.execute("device-list-properties", { typename })).toMatchObject({
      error: { class: "DeviceNotFound" },
    });
  }
  expect(await client.result("device-list-properties", { typename: "virtio-balloon-device" })).not.toEqual([]);
  // An error here ends libvirt 9.
  expect(await client.result("qom-list-properties", { typename: "memory-backend-memfd" })).toEqual([]);
  expect(await client.result("qom-list-properties", { typename: "virt-machine" })).not.toEqual([]);
  const machines = (await client.result("query-machines")) as { name: string; "cpu-max": number }[];
  expect(machines.map(({ name }) => name)).toContain("virt");
  expect(await client.result("query-tpm-models")).toEqual([]);
  const capabilities = await client.result("query-migrate-capabilities");
  for (const capability of ["events", "return-path"]) expect(capabilities).toContainEqual({ capability, state: false });
  expect(await client.result("query-migrate-parameters")).toMatchObject({ "tls-creds": "", "downtime-limit": 300 });
  expect(await client.result("query-migrate")).toEqual({});
  expect(await client.execute("migrate", { uri: "tcp:h:1" })).toMatchObject({
    error: { desc: "this machine cannot be moved" },
  });
  await client.execute("quit");
  expect(await terminal.exit(LIMIT_MS)).toBe(0);
});

test("the questions of a tool that starts a machine", async () => {
  const disk = join(folder, "disk");
  writeFileSync(disk, Buffer.alloc(4096));
  const { terminal, client } = await start(
    ..."-S -serial null -device virtio-balloon-device,id=balloon0 -object iothread,id=io1".split(" "),
    ..."-object rng-random,id=r0,filename=/dev/urandom -device virtio-rng-device,rng=r0,id=rng0".split(" "),
    ...`-drive if=none,id=d0,format=raw,file=${disk} -smp 2`.split(" "),
  );
  expect(await client.result("query-cpus-fast")).toMatchObject([
    { "cpu-index": 0, "qom-path": "/machine/soc0/harts[0]", target: "riscv64" },
    { "cpu-index": 1, "qom-path": "/machine/soc0/harts[1]", target: "riscv64" },
  ]);
  expect(await client.result("query-iothreads")).toMatchObject([{ id: "io1" }]);
  expect(await client.result("balloon", { value: 8 << 20 })).toEqual({});
  expect(await client.result("query-balloon")).toEqual({ actual: 16 << 20 });
  expect(await client.result("query-named-block-nodes", { flat: true })).toHaveLength(2);
  const devices = await client.result("qom-list", { path: "/machine/peripheral" });
  expect(devices).toContainEqual({ name: "balloon0", type: "child<virtio-balloon-device>" });
  const balloon = { path: "/machine/peripheral/balloon0" };
  expect(await client.result("qom-list", balloon)).toContainEqual({ name: "guest-stats", type: "guest statistics" });
  await client.result("qom-set", { ...balloon, property: "guest-stats-polling-interval", value: 5 });
  expect(await client.result("qom-get", { ...balloon, property: "guest-stats-polling-interval" })).toBe(5);
  expect(await client.result("query-block")).toMatchObject([{ device: "d0" }]);
  await client.execute("quit");
  await terminal.exit(LIMIT_MS);
});

test("memory goes to a file, physical and virtual; registers of a machine that runs", async () => {
  const { terminal, client } = await start("-serial", "stdio");
  await terminal.waitFor(/ready/, LIMIT_MS);
  const files = [join(folder, "p"), join(folder, "v")] as const;
  await client.result("pmemsave", { val: 0x8000_0000, size: 5000, filename: files[0] });
  await client.result("memsave", { val: 0x8000_0000, size: 5000, filename: files[1] });
  const firmware = readFileSync(MACHINE.at(-1) as string);
  expect(readFileSync(files[0]).subarray(0, firmware.length)).toEqual(firmware);
  expect(readFileSync(files[1])).toEqual(readFileSync(files[0]));
  expect(await client.execute("pmemsave", { val: 0, size: 1, filename: "/nonexistent/x" })).toEqual({
    error: { class: "GenericError", desc: "Could not open '/nonexistent/x': No such file or directory" },
  });
  const hmp = (line: string): Promise<unknown> => client.result("human-monitor-command", { "command-line": line });
  expect(await hmp("info registers")).toMatch(/^\r\nCPU#0\r\n pc {7}000000008000[0-9a-f]{4}\r\n mhartid /);
  expect(await hmp("x/2i 0x80000000")).toMatch(/^0x0000000080000000: {2}[0-9a-f]{8} .*\r\n0x0000000080000004: /);
  expect(await hmp("info mem")).toBe("No translation or protection\r\n");
  expect(await hmp("info mtree")).toContain("0000000080000000-0000000080ffffff (prio 0, ram): riscv_virt_board.ram");
  expect(await hmp("info qtree")).toContain("bus: virtio-mmio-bus.7");
  expect(await hmp("info jit")).toMatch(/^Translated code: regions\r\nmodules +\d+\r\n/);
  expect(await hmp("info irq")).toContain("enabled: machine external");
  expect(await client.result("query-status")).toMatchObject({ running: true });
  terminal.type("x");
  await terminal.waitFor(/x/, LIMIT_MS);
  await client.execute("quit");
  await terminal.exit(LIMIT_MS);
});

test("HMP on a terminal, on a socket, and on the serial port's terminal behind Ctrl-A C", async () => {
  const path = join(folder, "hmp");
  const terminal = startCommand([...MACHINE, "-S", "-monitor", "stdio", "-serial", `unix:${path},server=on,wait=off`]);
  await terminal.waitFor(/monitor - type 'help' for more information\r\n.*\(qemu\) /, LIMIT_MS);
  terminal.type("info status\n");
  await terminal.waitFor(/VM status: paused \(prelaunch\)\r\n/, LIMIT_MS);
  terminal.type("info nam");
  await terminal.waitFor(/info nam/, LIMIT_MS);
  terminal.type("\t");
  await terminal.waitFor(/e /, LIMIT_MS);
  terminal.type("\x03");
  terminal.type("\x04");
  await terminal.waitFor(/\(qemu\) .*\(qemu\) /, LIMIT_MS);
  terminal.type(`${"x".repeat(8000)}\n`);
  await terminal.waitFor(/the line is too long/, LIMIT_MS);
  terminal.type("quit\n");
  expect(await terminal.exit(LIMIT_MS)).toBe(0);

  const shared = startCommand([...MACHINE.filter((word) => word !== "-nodefaults"), "-nographic"]);
  shared.type("ab");
  await shared.waitFor(/ready\nab/, LIMIT_MS);
  shared.type("\x01cinfo status\n");
  await shared.waitFor(/VM status: running\r\n/, LIMIT_MS);
  shared.type("\x01cxyz");
  await shared.waitFor(/xyz/, LIMIT_MS);
  shared.type("\x01cquit\n");
  expect(await shared.exit(LIMIT_MS)).toBe(0);
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
