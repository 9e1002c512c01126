/** Channels of another thread, over real sockets: what is sent arrives, whichever way it goes. */
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import type { ByteChannel, ChannelAddress } from "#core/host.ts";
import { type ChannelFunctions, ChannelServer, RemoteChannels } from "#core/remote-channels.ts";
import { ThreadCalls, type ThreadPort } from "#core/thread-calls.ts";
import { nodeChannels } from "#platform/node/channels.ts";
import { openDirect } from "#platform/node/direct-socket.ts";

const STREAM_BYTES = 24 << 20;
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

/** The owner's end is on this thread, too: what is between them is the same. */
function remote(counts = { direct: 0 }): RemoteChannels {
  const { port1, port2 } = new MessageChannel();
  cleanups.push(() => port1.close());
  const end = (port: MessagePort): ThreadPort => ({
    post: (message, given = []) => port.postMessage(message, given as ArrayBuffer[]),
    listen: (receive) => void port.on("message", receive),
  });
  const channels = nodeChannels();
  void new ThreadCalls(end(port2), new ChannelServer(channels).functions);
  return new RemoteChannels(new ThreadCalls<ChannelFunctions>(end(port1), {}), {
    openDirect(access) {
      const direct = openDirect(access);
      return {
        read(into) {
          const lengthBytes = direct.read(into);
          counts.direct += lengthBytes ?? 0;
          return lengthBytes;
        },
      };
    },
    turn: () => channels.turn(),
  });
}

function unixAddress(): ChannelAddress {
  const folder = mkdtempSync(path.join(tmpdir(), "tinamou-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return { kind: "unix", path: path.join(folder, "stream") };
}

/** Pieces of a few bytes and of many, some of them after a while. */
async function send(channel: ByteChannel, stream: Uint8Array): Promise<void> {
  const shared = new Uint8Array(new SharedArrayBuffer(stream.length));
  shared.set(stream);
  let random = 1;
  for (let at = 0; at < stream.length; ) {
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
    const piece = shared.subarray(at, at + 1 + ((random >>> 8) % (random % 3 === 0 ? 50 : 300_000)));
    await channel.write(piece);
    at += piece.length;
    // What has been written may be used again.
    piece.fill(0);
    if (random % 7 === 0) await sleep(2);
  }
  await channel.close();
}
const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

/** Now and then the receiver has something else to do. */
async function sum(channel: ByteChannel): Promise<string> {
  const hash = createHash("sha256");
  let pieces = 0;
  for (let bytes = await channel.read(); bytes; bytes = await channel.read()) {
    hash.update(bytes);
    if (++pieces % 50 === 0) await sleep(3);
  }
  return hash.digest("hex");
}

test.each(["tcp", "unix"])("a long stream over %s arrives as it was sent, most of it past the owner", async (kind) => {
  const counts = { direct: 0 };
  const [here, there] = [remote(counts), remote()];
  const address: ChannelAddress = kind === "tcp" ? { kind: "tcp", host: "127.0.0.1", port: 0 } : unixAddress();
  const listener = await here.listen(address);
  const [sender, receiver] = await Promise.all([there.connect(listener.address), listener.accept()]);
  expect([sender.isDuplex, receiver.isDuplex]).toEqual([true, true]);
  const stream = randomBytes(STREAM_BYTES);
  const sending = send(sender, stream);
  expect(await sum(receiver)).toBe(createHash("sha256").update(stream).digest("hex"));
  await sending;
  expect(counts.direct).toBeGreaterThan(STREAM_BYTES / 4);
  receiver.abort();
});

test("the owner reads on when it was full, and the other end has not", async () => {
  const channels = nodeChannels();
  const listener = await channels.listen(unixAddress());
  const [sender, receiver] = await Promise.all([remote().connect(listener.address), listener.accept()]);
  const stream = randomBytes(STREAM_BYTES / 4);
  const sending = send(sender, stream);
  await sleep(50);
  expect(await sum(receiver)).toBe(createHash("sha256").update(stream).digest("hex"));
  await sending;
});

test("a channel that is not a socket goes by calls alone; errors and ends come over", async () => {
  const channels = remote();
  const reader = await channels.connect({ kind: "exec", command: "cat >/dev/null; exit 3" });
  await reader.write(Uint8Array.of(1, 2, 3));
  await expect(reader.close()).rejects.toThrow("ended with 3");
  await expect(channels.connect({ kind: "unix", path: "/nowhere/at/all" })).rejects.toMatchObject({ code: "channel" });
});

test("behind abort() nothing is read: not the descriptor, which may be another's by then", async () => {
  const channels = nodeChannels();
  const listener = await channels.listen(unixAddress());
  const [sender, receiver] = await Promise.all([channels.connect(listener.address), listener.accept()]);
  expect(receiver.direct).toBeDefined();
  const direct = openDirect(receiver.direct as NonNullable<typeof receiver.direct>);
  expect(direct.read(new Uint8Array(16))).toBeUndefined();
  const readable = receiver.readable?.();
  await sender.write(Uint8Array.of(7, 8));
  await readable;
  expect(direct.read(new Uint8Array(16))).toBe(2);
  await sender.write(Uint8Array.of(9));
  receiver.abort();
  expect(direct.read(new Uint8Array(16))).toBeUndefined();
  await expect(receiver.readable?.()).rejects.toThrow("the connection was closed");
  sender.abort();
});

test("all who wait for the next piece hear of the end", async () => {
  const channels = nodeChannels();
  const listener = await channels.listen(unixAddress());
  const [sender, receiver] = await Promise.all([channels.connect(listener.address), listener.accept()]);
  const reads = [receiver.read(), receiver.read(), receiver.read()];
  await sender.write(Uint8Array.of(5));
  await sender.close();
  const pieces = await Promise.all(reads);
  expect(pieces.filter((piece) => piece !== undefined)).toEqual([Uint8Array.of(5)]);
  receiver.abort();
});
