/** A channel to or from a shell command. */
import { spawn } from "node:child_process";
import type { ByteChannel } from "#core/host.ts";
import { streamChannel } from "#platform/node/channel-socket.ts";

/** "write": what is written is the command's input; "read": its output is read. */
export async function commandChannel(command: string, direction: "read" | "write"): Promise<ByteChannel> {
  const isWrite = direction === "write";
  const child = spawn("/bin/sh", ["-c", command], {
    stdio: [isWrite ? "pipe" : "ignore", isWrite ? "inherit" : "pipe", "inherit"],
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  const exited = new Promise<void>((resolve, reject) => {
    child.once("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`the command '${command}' ended with ${code ?? "a signal"}`));
    });
  });
  exited.catch(() => {});
  return streamChannel(child.stdout ?? undefined, child.stdin ?? undefined, () => exited);
}
