/**
 * Connections that two threads have, over real sockets, where koffi is. Both ends are on this thread: what is between them
 * is the same.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import { ChannelShares, SharedChannels, type ShareFunctions } from "#control/migration/shared-channels.ts";
import type { ByteChannel, ChannelAddress } from "#core/host.ts";
import { ThreadCalls, type ThreadPort } from "#core/thread-calls.ts";
import { nodeChannels, sharedChannel } from "#platform/node/channels.ts";
import { openDuplicate } from "#platform/node/descriptors.ts";

const duplicate = await openDuplicate();
const STREAM_BYTES = 24 << 20;
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

/** The two ends of one side, and how many connections the second one has. */
function side(): { channels: SharedChannels; shares: ChannelShares; told: () => Promise<void> } {
  const { port1, port2 } = new MessageChannel();
  cleanups.push(() => port1.close());
  const end = (port: MessagePort): ThreadPort => ({
    post: (message) => port.postMessage(message),
    listen: (receive) => void port.on("message", receive),
  });
  const shares = new ChannelShares(sharedChannel);
  void new ThreadCalls(end(port2), { ...shares.functions, told: () => {} });
  const calls = new ThreadCalls<ShareFunctions & { told(): void }>(end(port1), {});
  const channels = new SharedChannels(nodeChannels(), (descriptor) => duplicate?.(descriptor), calls);
  return { channels, shares, told: () => calls.call("told") };
}

function unixAddress(): ChannelAddress {
  const folder = mkdtempSync(join(tmpdir(), "tinamou-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return { kind: "unix", path: join(folder, "stream") };
}
const TCP: ChannelAddress = { kind: "tcp", host: "127.0.0.1", port: 0 };
const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

/** Pieces of a few bytes and of many, some of them after a while, several of them at a time. */
async function send(channel: ByteChannel, stream: Uint8Array): Promise<void> {
  let random = 1;
  const underWay: Promise<void>[] = [];
  for (let at = 0; at < stream.length; ) {
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
    const piece = stream.slice(at, at + 1 + ((random >>> 8) % (random % 3 === 0 ? 50 : 300_000)));
    // What has been written may be used again.
    underWay.push(channel.write(piece).then(() => void piece.fill(0)));
    at += piece.length;
    if (underWay.length === 4) await Promise.all(underWay.splice(0));
    if (random % 7 === 0) await sleep(2);
  }
  await Promise.all(underWay);
  await channel.close();
}

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

test.skipIf(!duplicate).each(["tcp", "unix"])(
  "over %s one end has the stream, the other what comes back",
  async (kind) => {
    const [source, destination] = [side(), side()];
    const listener = await destination.channels.listen(kind === "tcp" ? TCP : unixAddress());
    const [sender, receiver] = await Promise.all([source.channels.connect(listener.address), listener.accept()]);
    const [hears, says] = [source.channels.share(sender), destination.channels.share(receiver)];
    // It is the same one each time.
    expect([source.channels.share(sender), destination.channels.share(receiver)]).toEqual([hears, says]);
    await Promise.all([source.told(), destination.told()]);
    const answers: number[] = [];
    const hearing = (async () => {
      const channel = source.shares.channel(hears);
      while (answers.length < 500) answers.push(...((await channel.read()) ?? [-1]));
    })();
    const saying = (async () => {
      const channel = destination.shares.channel(says);
      for (let i = 0; i < 500; i++) {
        await channel.write(Uint8Array.of(i & 255));
        if (i % 50 === 0) await sleep(1);
      }
    })();
    const stream = new Uint8Array(randomBytes(STREAM_BYTES));
    const sending = send(sender, stream);
    await Promise.all([hearing, saying]);
    expect(answers).toEqual(Array.from({ length: 500 }, (_, i) => i & 255));
    expect(await sum(receiver)).toBe(createHash("sha256").update(stream).digest("hex"));
    await sending;
    receiver.abort();
    // The second descriptors are closed with the first.
    await Promise.all([source.told(), destination.told()]);
    await expect(source.shares.channel(hears).write(Uint8Array.of(1))).rejects.toThrow("the connection is closed");
    await expect(destination.shares.channel(says).read()).rejects.toThrow("the connection is closed");
  },
);

test.skipIf(!duplicate)(
  "the other end hears of an abort, and a channel that was closed is shared as closed",
  async () => {
    const { channels, shares, told } = side();
    const listener = await nodeChannels().listen(unixAddress());
    const [sender, receiver] = await Promise.all([channels.connect(listener.address), listener.accept()]);
    const id = channels.share(sender);
    await told();
    const read = shares.channel(id).read();
    sender.abort();
    await expect(read).rejects.toThrow("the connection was closed");
    expect(await receiver.read()).toBeUndefined();
    receiver.abort();
    const again = await nodeChannels().listen(unixAddress());
    void again.accept().then((channel) => cleanups.push(() => channel.abort()));
    const late = await channels.connect(again.address);
    late.abort();
    const closed = channels.share(late);
    await told();
    await expect(shares.channel(closed).read()).rejects.toThrow("the connection is closed");
  },
);

test("a channel that is not a socket goes its way; errors come over", async () => {
  const { channels } = side();
  const command = await channels.connect({ kind: "exec", command: "cat >/dev/null; exit 3" });
  await command.write(Uint8Array.of(1, 2, 3));
  await expect(command.close()).rejects.toThrow("ended with 3");
  await expect(channels.connect({ kind: "unix", path: "/nowhere/at/all" })).rejects.toMatchObject({ code: "channel" });
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
