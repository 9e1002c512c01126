import { MessageChannel, type MessagePort } from "node:worker_threads";
import { expect, test } from "vitest";
import { CallError, ThreadCalls, type ThreadPort } from "#core/thread-calls.ts";

const end = (port: MessagePort): ThreadPort => ({
  post: (message) => port.postMessage(message),
  listen: (receive) => void port.on("message", receive),
});

test("both ends call each other; errors come over with their code; an end that is gone answers nobody", async () => {
  const { port1, port2 } = new MessageChannel();
  const functions = {
    add: (a: number, b: number) => a + b,
    fail: (): never => {
      throw Object.assign(new Error("no"), { code: "migration" });
    },
    never: () => new Promise<void>(() => {}),
  };
  const other = new ThreadCalls<{ twice: (text: string) => Promise<string> }>(end(port2), functions);
  const calls = new ThreadCalls<typeof functions>(end(port1), { twice: async (text: string) => text + text });
  expect(await calls.call("add", 1, 2)).toBe(3);
  expect(await other.call("twice", "ab")).toBe("abab");
  await expect(calls.call("fail")).rejects.toMatchObject({ message: "no", code: "migration" });
  const never = calls.call("never");
  calls.end("the thread has ended");
  await expect(never).rejects.toThrow(CallError);
  await expect(calls.call("add", 1, 2)).rejects.toThrow("the thread has ended");
  port1.close();
});
