/** A way between two threads in Node. */
import type { MessagePort, Worker } from "node:worker_threads";
import type { ThreadPort } from "#core/thread-calls.ts";

export function nodePort(end: MessagePort | Worker): ThreadPort {
  return {
    post: (message) => end.postMessage(message),
    listen: (receive) => void end.on("message", receive),
  };
}
