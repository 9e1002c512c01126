/** A rehearsal over connections of this process, where koffi is. */
import { expect, test } from "vitest";
import { rehearse } from "#control/migration/rehearsal.ts";
import type { ByteChannel } from "#core/host.ts";
import { nodeChannels } from "#platform/node/channels.ts";
import { nodeClock } from "#platform/node/clock.ts";
import { socketPair } from "#platform/node/socket-pair.ts";

const sockets = await socketPair();
for (const socket of sockets ?? []) socket.destroy();

/** How many messages went over its connections, and how urgent its thread was in between. */
async function rehearsal(isOver: () => boolean) {
  let messages = 0;
  const urgency: string[] = [];
  const counted = (channel: ByteChannel): ByteChannel => ({
    ...channel,
    write(bytes) {
      messages += 1;
      return channel.write(bytes);
    },
  });
  const pair = async (): Promise<readonly [ByteChannel, ByteChannel] | undefined> => {
    const ends = await nodeChannels().pair?.();
    return ends && [counted(ends[0]), counted(ends[1])];
  };
  await rehearse(
    {
      clock: nodeClock(),
      sleep: async () => {},
      urgency: { raise: () => void urgency.push("raised"), lower: () => void urgency.push("lowered") },
      channels: { ...nodeChannels(), pair },
    },
    isOver,
  );
  return { messages, urgency };
}

test.skipIf(!sockets)("a rehearsal asks for each page and sends it, and does not go before other threads", async () => {
  const { messages, urgency } = await rehearsal(() => false);
  // Requests, pages, and what else the destination says.
  expect(messages).toBe(2 * 40 * 256 + 2 * 40);
  expect(urgency).toEqual(["lowered", "raised"]);
});

test.skipIf(!sockets)("it ends when it is in the way", async () => {
  let looks = 0;
  const { messages, urgency } = await rehearsal(() => (looks += 1) > 100);
  expect(messages).toBeGreaterThan(50);
  expect(messages).toBeLessThan(200);
  expect(urgency).toEqual(["lowered", "raised"]);
});

test("where there are no such connections it is over at once", async () => {
  const pair = async (): Promise<undefined> => undefined;
  const host = { clock: nodeClock(), sleep: async () => {}, channels: { ...nodeChannels(), pair } };
  await expect(rehearse(host, () => false)).resolves.toBeUndefined();
});
