/** Channels over descriptors that this process has been given. */
import { fstatSync, openSync } from "node:fs";
import { expect, test } from "vitest";
import { nodeChannels } from "#platform/node/channels.ts";

const isOpen = (fd: number): boolean => {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
};

test("a listener that is closed before anybody has asked for its channel closes the descriptor", async () => {
  const fd = openSync(import.meta.filename ?? import.meta.url.slice("file://".length), "r");
  const listener = await nodeChannels().listen({ kind: "fd", fd });
  expect(isOpen(fd)).toBe(true);
  listener.close();
  await expect.poll(() => isOpen(fd)).toBe(false);
});

test("one whose channel was asked for leaves it alone", async () => {
  const fd = openSync(import.meta.filename ?? import.meta.url.slice("file://".length), "r");
  const listener = await nodeChannels().listen({ kind: "fd", fd });
  const channel = await listener.accept();
  listener.close();
  expect((await channel.read())?.length).toBeGreaterThan(0);
  await channel.close();
  expect(isOpen(fd)).toBe(false);
});
