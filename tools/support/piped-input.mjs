/**
 * Types what is piped in when the guest's shell is there to read it.
 *
 * A UART's driver empties the receiver when it starts, as it should, so bytes that were sent to the guest before that
 * are lost. A person waits for the prompt; so does this.
 */

/** What `tools/guest/init` says, then a line that begins with the shell's prompt. */
const PROMPT = /Tinamou guest ready[^]*\n[^\n]{0,10}# /;
/** More than lies between the two. */
const REMEMBERED_CHARS = 2048;

/** @param {import("node:child_process").ChildProcess} child its stdin and stdout are pipes */
export function typeWhenReady(child) {
  let recent = "";
  const watch = (chunk) => {
    recent = (recent + chunk.toString("latin1")).slice(-REMEMBERED_CHARS);
    if (!PROMPT.test(recent)) return;
    child.stdout.off("data", watch);
    process.stdin.pipe(child.stdin);
  };
  child.stdout.on("data", watch);
  child.stdout.pipe(process.stdout);
  // The guest may be gone before it has read everything.
  child.stdin.on("error", () => process.stdin.unpipe(child.stdin));
  child.on("exit", () => process.stdin.destroy());
}
