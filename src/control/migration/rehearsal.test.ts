import { expect, test } from "vitest";
import { rehearse } from "#control/migration/rehearsal.ts";
import { nodeChannels } from "#platform/node/channels.ts";
import { nodeClock } from "#platform/node/clock.ts";
import { openWakePipe, wakeByPipe } from "#platform/node/wake-pipe.ts";

test.each([
  ["goes through and ends", () => false],
  ["ends when it is in the way", () => true],
])("a rehearsal %s", async (_, isOver) => {
  const channels = nodeChannels();
  let pairs = 0;
  const pair = async (): ReturnType<NonNullable<typeof channels.pair>> => {
    pairs += 1;
    return channels.pair?.();
  };
  await rehearse({ clock: nodeClock(), openSignal: openWakePipe, wakeBy: wakeByPipe, channels: { pair } }, isOver);
  expect(pairs).toBe(2);
});
