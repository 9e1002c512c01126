/** The migration's thread, asked for what it cannot do. */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { expect, test } from "vitest";
import type { Link } from "#control/migration/link.ts";
import { type MigrationFunctions, runMigrationThread } from "#control/migration/thread.ts";
import type { ByteChannel, ChannelAddress } from "#core/host.ts";
import { ThreadCalls, type ThreadPort } from "#core/thread-calls.ts";
import { NO_TRACE } from "#core/trace.ts";
import { layoutMemory } from "#cpu/vcpu/layout.ts";
import { nodeClock, nodeTimers } from "#platform/node/clock.ts";

const end = (port: MessagePort): ThreadPort => ({
  post: (message) => port.postMessage(message),
  listen: (receive) => void port.on("message", receive),
});

test.each([
  ["resume", "Cannot resume if there is no paused migration"],
  ["recover", "can only be run when postcopy is paused"],
] as const)("%s closes a descriptor that nothing goes over", async (name, why) => {
  const layout = layoutMemory(1, [{ name: "ram", sizeBytes: 4096 }]);
  const pages = layout.totalBytes / 65_536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const closed: ChannelAddress[] = [];
  const connect = async (address: ChannelAddress): Promise<ByteChannel> =>
    ({ abort: () => void closed.push(address) }) as unknown as ByteChannel;
  const clock = nodeClock();
  const host = {
    clock,
    timers: nodeTimers(clock),
    link: { channels: { connect } } as unknown as Link,
    turn: async () => {},
    hurry: () => {},
    trace: NO_TRACE,
  };
  const { port1, port2 } = new MessageChannel();
  runMigrationThread({ memory, layout }, host, end(port2));
  const calls = new ThreadCalls<Pick<MigrationFunctions, "resume" | "recover">>(end(port1), {});
  const address = { kind: "fd", fd: 77 } as const;
  await expect(calls.call(name, address)).rejects.toThrow(why);
  expect(closed).toEqual([address]);
  port1.close();
});
