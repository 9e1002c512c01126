/** The character devices against real files, loopback sockets and a real pseudo terminal. */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import type { CharBackend, CharFrontend } from "#core/host.ts";
import { ChardevError } from "#platform/node/chardev-error.ts";
import { openChardev } from "#platform/node/chardev-open.ts";
import { openPty } from "#platform/node/chardev-pty.ts";
import type { SocketChardev } from "#platform/node/chardev-socket.ts";
import { openSocketChardev } from "#platform/node/chardev-socket.ts";

const folder = mkdtempSync(join(tmpdir(), "tinamou-chardev-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A guest that takes `room` bytes and remembers everything. */
class Guest implements CharFrontend {
  got = "";
  readonly events: string[] = [];
  room = Number.POSITIVE_INFINITY;
  constructor(backend: CharBackend) {
    backend.attach(this);
  }
  canReceive(): number {
    return Math.min(this.room, 16);
  }
  receive(bytes: Uint8Array): void {
    expect(bytes.length).toBeLessThanOrEqual(this.canReceive());
    this.room -= bytes.length;
    this.got += Buffer.from(bytes).toString("latin1");
  }
  event(event: string): void {
    this.events.push(event);
  }
}

/** The peer's side of a socket. */
function dial(port: number): { socket: Socket; got: () => string } {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("error", () => {});
  return { socket, got: () => text };
}
const portOf = (chardev: SocketChardev): number => Number(chardev.address.split(":").at(-1));
const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 3000, interval: 5 });
const bytes = (text: string): Uint8Array => Buffer.from(text);
const SERVER = { id: "c0", target: { host: "127.0.0.1", port: 0 }, server: true, reconnectSeconds: 0 };

test("a file takes output, from the start or at the end, and gives input with its end", async () => {
  const path = join(folder, "out.txt");
  const input = join(folder, "in.txt");
  writeFileSync(input, "x".repeat(50));
  const first = await openChardev({ kind: "file", id: "f", path, append: false, input });
  const guest = new Guest(first);
  guest.room = 20;
  first.write(bytes("one"));
  await until(() => expect(guest.got).toHaveLength(20));
  guest.room = 1000;
  first.poke();
  await until(() => expect(guest.events).toEqual(["opened", "closed"]));
  expect(guest.got).toHaveLength(50);
  first.close();
  const second = await openChardev({ kind: "file", id: "f", path, append: true });
  second.write(bytes("two"));
  second.close();
  expect(readFileSync(path, "utf8")).toBe("onetwo");
  await expect(openChardev({ kind: "file", id: "f", path: `${folder}/no/x`, append: false })).rejects.toMatchObject({
    code: "missing",
  });
});

test("a server: both directions, input held back, a killed peer, the next peer", async () => {
  const server = await openSocketChardev(SERVER);
  const guest = new Guest(server);
  server.write(bytes("nobody hears this"));
  const first = dial(portOf(server));
  await until(() => expect(guest.events).toEqual(["opened"]));
  server.write(bytes("login: "));
  await until(() => expect(first.got()).toBe("login: "));
  guest.room = 5;
  first.socket.write("0123456789");
  await until(() => expect(guest.got).toBe("01234"));
  // The second peer waits until the first one is gone, and what that one left unread is not the second one's.
  const second = dial(portOf(server));
  second.socket.write("hello");
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(guest.events).toEqual(["opened"]);
  first.socket.resetAndDestroy();
  guest.room = 0;
  await until(() => expect(guest.events).toEqual(["opened", "closed", "opened"]));
  guest.room = 100;
  server.poke();
  await until(() => expect(guest.got).toBe("01234hello"));
  second.socket.end();
  await until(() => expect(guest.events.at(-1)).toBe("closed"));
  const third = dial(portOf(server));
  await until(() => expect(guest.events.at(-1)).toBe("opened"));
  third.socket.destroy();
  server.close();
});

test("wait=on waits for the first peer and says so", async () => {
  const path = join(folder, "wait.sock");
  writeFileSync(`${path}.txt`, "");
  const lines: string[] = [];
  const notices = { say: (line: string) => lines.push(line) };
  let opened = false;
  const request = { kind: "unix", id: "u", path, server: true, wait: true, reconnectSeconds: 0 } as const;
  const pending = openChardev(request, notices).then((chardev) => {
    opened = true;
    return chardev;
  });
  await until(() => expect(lines).toEqual([`waiting for a connection on unix:${path}`]));
  expect(opened).toBe(false);
  const peer = connect(path);
  const chardev = await pending;
  expect(new Guest(chardev).events).toEqual(["opened"]);
  peer.destroy();
  chardev.close();
  // The path of a server that is gone can be used again; any other file there stays.
  const again = await openChardev({ ...request, wait: false });
  again.close();
  await expect(openChardev({ ...request, path: `${path}.txt`, wait: false })).rejects.toMatchObject({ code: "in-use" });
});

test("a client connects, and with reconnect comes back after its server did", async () => {
  const peers: Socket[] = [];
  const listen = (port: number) =>
    new Promise<ReturnType<typeof createServer>>((resolve) => {
      const server = createServer((socket) => {
        socket.on("error", () => {});
        peers.push(socket);
      });
      server.listen(port, "127.0.0.1", () => resolve(server));
    });
  let server = await listen(0);
  const { port } = server.address() as AddressInfo;
  const options = { id: "c1", target: { host: "127.0.0.1", port }, server: false };
  const client = await openSocketChardev({ ...options, reconnectSeconds: 0.05 });
  const guest = new Guest(client);
  await until(() => expect(peers).toHaveLength(1));
  peers[0]?.destroy();
  server.close();
  await until(() => expect(guest.events).toEqual(["opened", "closed"]));
  await expect(openSocketChardev({ ...options, reconnectSeconds: 0 })).rejects.toBeInstanceOf(ChardevError);
  server = await listen(port);
  await until(() => expect(guest.events).toEqual(["opened", "closed", "opened"]));
  client.close();
  for (const peer of peers) peer.destroy();
  server.close();
});

const canUnlock = ["perl", "python3"].some((program) => spawnSync(program, ["--version"]).status === 0);

test.skipIf(process.platform !== "linux" || !canUnlock)(
  "a pty: raw bytes both ways, and nobody need read",
  async () => {
    const pty = openPty("p0");
    const guest = new Guest(pty);
    const terminal = openSync(pty.path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
    writeSync(terminal, "ls\r\x03\n");
    await until(() => expect(guest.got).toBe("ls\r\x03\n"));
    pty.write(bytes("a\nb"));
    const answer = Buffer.alloc(10);
    expect(answer.toString("latin1", 0, readSync(terminal, answer))).toBe("a\nb");
    const start = performance.now();
    for (let i = 0; i < 100; i++) pty.write(new Uint8Array(10_000).fill(0x2e));
    pty.write(bytes("end"));
    expect(performance.now() - start).toBeLessThan(1000);
    let last = "";
    await until(() => {
      const chunk = Buffer.alloc(4096);
      last = chunk.toString("latin1", 0, readSync(terminal, chunk));
      expect(last.endsWith("end")).toBe(true);
    });
    closeSync(terminal);
    pty.close();
  },
);
