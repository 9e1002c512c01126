/** A pipe that wakes, where koffi is. */
import { fstatSync } from "node:fs";
import { expect, test } from "vitest";
import { openWakePipe, wakeByPipe } from "#platform/node/wake-pipe.ts";

const pipe = await openWakePipe();

test.skipIf(!pipe)("who is woken several times wakes once; then it sleeps again, until the end", async () => {
  if (!pipe) return;
  let woken = 0;
  const sleep = (): Promise<void> => pipe.untilWoken().then(() => void woken++);
  for (let i = 0; i < 3; i++) wakeByPipe(pipe.descriptor);
  await sleep();
  const second = sleep();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(woken).toBe(1);
  // More than it holds: nobody waits for it.
  for (let i = 0; i < 100_000; i++) wakeByPipe(pipe.descriptor);
  await second;
  for (let i = 0; i < 200; i++) await sleep();
  expect(woken).toBeGreaterThan(100);
  pipe.close();
  await sleep();
  expect(() => fstatSync(pipe.descriptor)).toThrow("EBADF");
});
