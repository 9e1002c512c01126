/** Descriptors over a unix socket into a character device. Skipped where koffi cannot be loaded. */
import { closeSync, fstatSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import type { CharFrontend, PassedDescriptor } from "#core/host.ts";
import { openSocketChardev } from "#platform/node/chardev-socket.ts";
import { descriptorSender } from "#platform/node/testing/descriptor-sender.ts";

const folder = mkdtempSync(join(tmpdir(), "tinamou-passing-"));
afterAll(() => rmSync(folder, { recursive: true }));
const sender = await descriptorSender();
const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 3000, interval: 5 });
let sockets = 0;

/** Remembers, in their order, bytes and how many descriptors came. */
class Client implements CharFrontend {
  got = "";
  readonly descriptors: PassedDescriptor[] = [];
  readonly events: string[] = [];
  room = 100_000;
  canReceive(): number {
    return this.room;
  }
  passed(descriptors: readonly PassedDescriptor[]): void {
    this.descriptors.push(...descriptors);
    this.got += `[${descriptors.length}]`;
  }
  receive(bytes: Uint8Array): void {
    this.room -= bytes.length;
    expect(this.room).toBeGreaterThanOrEqual(0);
    this.got += Buffer.from(bytes).toString("latin1");
  }
  event(event: string): void {
    this.events.push(event);
  }
}

async function open() {
  const path = join(folder, `s${sockets++}`);
  const chardev = await openSocketChardev({ id: "c", target: { path }, server: true, reconnectSeconds: 0 });
  const client = new Client();
  chardev.attach(client);
  return { path, chardev, client };
}

async function dial(path: string): Promise<Socket> {
  const socket = connect(path);
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

function file(name: string): number {
  writeFileSync(join(folder, name), name);
  return openSync(join(folder, name), "r");
}

test.skipIf(!sender)(
  "they come before the byte that they were sent with, and the bytes before that without",
  async () => {
    const { path, chardev, client } = await open();
    const [a, b] = [file("a"), file("b")];
    const peer = await dial(path);
    client.room = 0;
    await until(() => expect(client.events).toEqual(["opened"]));
    sender?.send(peer, "before", []);
    sender?.send(peer, "with a", [a]);
    sender?.send(peer, "with both", [b, a]);
    sender?.send(peer, "after", []);
    client.room = 100_000;
    chardev.poke();
    await until(() => expect(client.got).toContain("after"));
    expect(client.got).toBe("before[1]with a[2]with bothafter");
    expect(client.descriptors.map(({ fd }) => readFileSync(fd, "utf8"))).toEqual(["a", "b", ""]);
    for (const { fd, close } of client.descriptors) {
      // FD_CLOEXEC: no program that this one starts has it.
      const [, flags = "0"] = /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")) ?? [];
      expect(Number.parseInt(flags, 8) & 0o200_0000).not.toBe(0);
      close();
    }
    peer.end("last");
    await until(() => expect(client.events).toEqual(["opened", "closed"]));
    expect(client.got).toMatch(/last$/);
    for (const fd of [a, b]) closeSync(fd);
    chardev.close();
  },
);

test.skipIf(!sender)("no more than sixteen of a message; the others are closed", async () => {
  const { path, chardev, client } = await open();
  const one = file("many");
  const peer = await dial(path);
  const before = readdirSync("/proc/self/fd").length;
  sender?.send(
    peer,
    "x",
    Array.from({ length: 200 }, () => one),
  );
  await until(() => expect(client.got).toBe("[16]x"));
  expect(client.descriptors).toHaveLength(16);
  for (const { fd, close } of client.descriptors) {
    expect(fstatSync(fd).ino).toBe(fstatSync(one).ino);
    close();
  }
  expect(readdirSync("/proc/self/fd").length).toBe(before);
  closeSync(one);
  peer.destroy();
  chardev.close();
});

test.skipIf(!sender)("a frontend without room leaves the bytes in the socket; nobody is busy meanwhile", async () => {
  const { path, chardev, client } = await open();
  client.room = 3;
  const receive = vi.spyOn(client, "canReceive");
  const peer = await dial(path);
  peer.write("y".repeat(200_000));
  await until(() => expect(client.got).toBe("yyy"));
  receive.mockClear();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(receive.mock.calls.length).toBeLessThan(3);
  client.room = 1e6;
  chardev.poke();
  await until(() => expect(client.got).toHaveLength(200_000));
  // What it is sent still comes, whole, when it leaves at once.
  let answer = "";
  peer.on("data", (chunk) => (answer += String(chunk)));
  chardev.write(Buffer.from("z".repeat(100_000)));
  peer.end();
  await until(() => expect(answer).toHaveLength(100_000));
  await until(() => expect(client.events).toEqual(["opened", "closed"]));
  // The next one is read like the first.
  const next = await dial(path);
  next.write("again");
  await until(() => expect(client.got).toMatch(/again$/));
  next.destroy();
  chardev.close();
});

test.skipIf(!sender)("a peer that is there before the frontend loses nothing", async () => {
  const path = join(folder, `s${sockets++}`);
  const chardev = await openSocketChardev({ id: "c", target: { path }, server: true, reconnectSeconds: 0 });
  const peer = await dial(path);
  await chardev.connected;
  const one = file("early");
  sender?.send(peer, "early", [one]);
  closeSync(one);
  const client = new Client();
  chardev.attach(client);
  await until(() => expect(client.got).toBe("[1]early"));
  chardev.attach(client);
  peer.write("!");
  await until(() => expect(client.got).toBe("[1]early!"));
  for (const { fd, close } of client.descriptors) {
    expect(readFileSync(fd, "utf8")).toBe("early");
    close();
  }
  peer.destroy();
  chardev.close();
});

test("a frontend that takes none is read as ever", async () => {
  const { path, chardev } = await open();
  const got: string[] = [];
  chardev.attach({
    canReceive: () => 10,
    receive: (bytes) => void got.push(Buffer.from(bytes).toString()),
    event: () => {},
  });
  const peer = await dial(path);
  peer.write("z");
  await until(() => expect(got).toEqual(["z"]));
  expect(chardev.whyNoDescriptors).toBeUndefined();
  peer.destroy();
  chardev.close();
});
