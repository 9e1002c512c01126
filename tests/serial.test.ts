/** Where the serial port can go: each form of `-serial` and `-chardev` of the built command. */
import { constants, openSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { ReadStream, WriteStream } from "node:tty";
import { expect, test } from "vitest";
import { LIMIT_MS, runToEnd, startCommand, testFolder, until, writeFirmware } from "./firmware.ts";
import type { Terminal } from "./terminal.ts";

const folder = testFolder();
const MACHINE = ["-M", "virt", "-bios", writeFirmware(folder), "-m", "16", "-display", "none"];

/** The other side of the serial port. */
type Line = { write(text: string): void; readonly seen: () => string };

function lineOf(stream: Socket): Line {
  let seen = "";
  stream.on("data", (chunk) => (seen += String(chunk)));
  stream.on("error", () => {});
  return { write: (text) => void stream.write(text), seen: () => seen };
}

/** Types keys one by one as they come back, then ends the machine. */
async function expectConversation(terminal: Terminal, line: Line): Promise<void> {
  line.write("h");
  await until(() => line.seen().endsWith("h"));
  line.write("i");
  await until(() => line.seen().endsWith("hi"));
  line.write("q");
  expect(await terminal.exit(LIMIT_MS)).toBe(0);
  expect(terminal.errors).toBe("");
}

function listen(where: string | number): Promise<{ server: Server; peer: Promise<Socket>; port: number }> {
  const server = createServer();
  const peer = new Promise<Socket>((resolve) => server.once("connection", resolve));
  return new Promise((resolve) =>
    server.listen(typeof where === "string" ? { path: where } : { port: where, host: "127.0.0.1" }, () => {
      const address = server.address();
      resolve({ server, peer, port: typeof address === "string" ? 0 : (address as AddressInfo).port });
    }),
  );
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const { server, port } = await listen(0);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function connected(where: string | number): Promise<Socket> {
  const end = Date.now() + LIMIT_MS;
  for (;;) {
    const socket = typeof where === "string" ? connect(where) : connect(where, "127.0.0.1");
    const isUp = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    if (isUp) return socket;
    if (Date.now() > end) throw new Error(`nobody listens on ${where}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test.each([
  ["-serial stdio", ["-serial", "stdio"]],
  ["-serial mon:stdio", ["-serial", "mon:stdio"]],
  ["-chardev stdio", ["-chardev", "stdio,id=c,signal=off", "-serial", "chardev:c"]],
  ["-chardev stdio,mux=on with a monitor", ["-chardev", "stdio,id=c,mux=on", "-serial", "chardev:c", "-mon", "c"]],
  ["-nographic", ["-nographic"]],
])("%s", async (_name, args) => {
  expect(await runToEnd([...MACHINE, ...args], "xq")).toMatchObject({ exitCode: 0, output: "ready\nx", errors: "" });
});

test.each([
  ["file", (path: string) => ["-serial", `file:${path}`], "ready\n"],
  ["-chardev file", (path: string) => ["-chardev", `file,id=c,path=${path}`, "-serial", "chardev:c"], "ready\n"],
  [
    "-chardev file,append=on",
    (path: string) => {
      writeFileSync(path, "before\n");
      return ["-chardev", `file,id=c,path=${path},append=on`, "-serial", "chardev:c"];
    },
    "before\nready\n",
  ],
])("%s", async (name, args, content) => {
  const path = join(folder, name.replaceAll(/\W/g, "-"));
  const terminal = startCommand([...MACHINE, ...args(path)]);
  await until(() => {
    try {
      return readFileSync(path, "utf8") === content;
    } catch {
      return false;
    }
  });
  process.kill(terminal.pid, "SIGTERM");
  expect(await terminal.exit(LIMIT_MS)).toBe(0);
});

test("-chardev file with input: what is in it is typed", async () => {
  const [path, input] = [join(folder, "typed"), join(folder, "input")];
  writeFileSync(input, "xyz\nq");
  const chardev = `file,id=c,path=${path},input-path=${input}`;
  const { exitCode } = await runToEnd([...MACHINE, "-chardev", chardev, "-serial", "chardev:c"], "");
  expect([exitCode, readFileSync(path, "utf8")]).toEqual([0, "ready\nxyz\n"]);
});

test.each([["null"], ["none"], ["vc"]])("-serial %s: the machine runs, and says nothing", async (kind) => {
  const terminal = startCommand([...MACHINE, "-serial", kind, "-trace", "riscv_trap", "-trace", "vcpu_park"]);
  await until(() => terminal.errors.includes("vcpu_park hart 0 for wfi"));
  process.kill(terminal.pid, "SIGTERM");
  expect(await terminal.exit(LIMIT_MS)).toBe(0);
  expect(terminal.output).toBe("");
});

test.each([
  ["-serial unix", (path: string) => ["-serial", `unix:${path},server=on,wait=off`]],
  ["-serial unix, the old words", (path: string) => ["-serial", `unix:${path},server,nowait`]],
  [
    "-chardev socket",
    (path: string) => ["-chardev", `socket,id=c,path=${path},server=on,wait=off`, "-serial", "chardev:c"],
  ],
])("%s as server", async (name, args) => {
  const path = join(folder, name.replaceAll(/\W/g, "-"));
  const terminal = startCommand([...MACHINE, ...args(path)]);
  await expectConversation(terminal, lineOf(await connected(path)));
});

test("a server waits for its peer unless told otherwise, and says so", async () => {
  const path = join(folder, "waits");
  const terminal = startCommand([...MACHINE, "-serial", `unix:${path},server=on`]);
  await until(() => terminal.errors.includes(`waiting for a connection on unix:${path}`));
  const line = lineOf(await connected(path));
  // The machine starts only now, so nothing is missed.
  await until(() => line.seen() === "ready\n");
  line.write("q");
  expect(await terminal.exit(LIMIT_MS)).toBe(0);
});

test.each([
  ["-serial unix", (path: string) => ["-serial", `unix:${path}`]],
  ["-chardev socket", (path: string) => ["-chardev", `socket,id=c,path=${path}`, "-serial", "chardev:c"]],
])("%s as client", async (name, args) => {
  const path = join(folder, `client${name.replaceAll(/\W/g, "-")}`);
  const { server, peer } = await listen(path);
  const terminal = startCommand([...MACHINE, ...args(path)]);
  await expectConversation(terminal, lineOf(await peer));
  server.close();
});

test.each([
  ["-serial tcp", (port: number) => ["-serial", `tcp:127.0.0.1:${port},server=on,wait=off`]],
  [
    "-chardev socket",
    (port: number) => [
      "-chardev",
      `socket,id=c,host=127.0.0.1,port=${port},server=on,wait=off`,
      "-serial",
      "chardev:c",
    ],
  ],
])("%s as TCP server", async (_name, args) => {
  const port = await freePort();
  const terminal = startCommand([...MACHINE, ...args(port)]);
  await expectConversation(terminal, lineOf(await connected(port)));
});

test("tcp as client", async () => {
  const { server, peer, port } = await listen(0);
  const terminal = startCommand([...MACHINE, "-serial", `tcp:127.0.0.1:${port}`]);
  await expectConversation(terminal, lineOf(await peer));
  server.close();
});

test("pty: its name is on standard output, as QEMU says it, and a program can open it", async () => {
  const terminal = startCommand([...MACHINE, "-serial", "pty"]);
  await until(() => terminal.output.includes("\n") || terminal.errors.includes("\n"));
  if (terminal.errors !== "") return expect(terminal.errors).toContain("a pty needs perl or python3 on this host");
  const path = /^char device redirected to (\/dev\/pts\/\d+) \(label serial0\)\n/.exec(terminal.output)?.[1] ?? "";
  const descriptor = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  const [input, output] = [new ReadStream(descriptor), new WriteStream(descriptor)];
  let seen = "";
  input.on("data", (chunk) => (seen += String(chunk))).on("error", () => {});
  output.write("x");
  await until(() => seen.endsWith("x"));
  output.write("q");
  expect(await terminal.exit(LIMIT_MS)).toBe(0);
  input.destroy();
});

test.each([
  [["-serial", "foo"], "-serial foo: 'foo' is not a valid char driver"],
  [["-serial", "udp::1"], "-serial udp::1: character device 'udp' is not available in this version"],
  [["-serial", "/dev/ttyS0"], "-serial /dev/ttyS0: a host terminal as character device is not available"],
  [["-serial", "telnet:127.0.0.1:1,server=on"], "telnet=on is not available in this version"],
  [["-serial", "chardev:foo"], '-serial chardev:foo: chardev "foo" not found'],
  [["-serial", "file:/nonexistent/file"], "chardev file /nonexistent/file cannot be opened: ENOENT"],
  [["-serial", "unix:/nonexistent"], "chardev serial0 cannot connect to unix:/nonexistent: "],
  [["-serial", "tcp:127.0.0.1:1"], "chardev serial0 cannot connect to tcp:127.0.0.1:1: "],
  [["-chardev", "socket,id=c,path=/nonexistent/c,server=on"], "chardev c cannot listen on unix:/nonexistent/c: "],
  [["-chardev", "socket,id=m,fd=77,server=on,wait=off", "-mon", "m"], "chardev m cannot listen on fd:77: "],
])("%j: one line and exit 1", async (args, message) => {
  const { exitCode, errors } = await runToEnd([...MACHINE, ...args], "");
  expect(exitCode).toBe(1);
  expect(errors).toContain(message);
  expect(errors.trim().split("\n")).toHaveLength(1);
});
