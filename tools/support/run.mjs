/** Runs a program of the host and gives back what it printed. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const OUTPUT_LIMIT_BYTES = 64 << 20;
/** Enough for a slow line; a program that hangs is not waited for longer. */
const TIMEOUT_MS = 15 * 60_000;

/**
 * `onStatus` gets the lines that the program writes to file descriptor 3. Rejects only when the program cannot be
 * started: what an exit code means is the caller's to say. `code` is -1 after a signal or a time-out.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, onStatus?: (line: string) => void }} [options]
 * @returns {Promise<{ code: number, stdout: string, stderr: string }>}
 */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, LC_ALL: "C", ...options.env },
      stdio: ["ignore", "pipe", "pipe", options.onStatus ? "pipe" : "ignore"],
    });
    // Not spawn's own time-out: it keeps this process alive when the program cannot be started.
    const timer = setTimeout(() => child.kill(), TIMEOUT_MS);
    const outputs = ["", ""];
    [child.stdout, child.stderr].forEach((stream, index) => {
      stream.setEncoding("utf8");
      stream.on("data", (text) => {
        if (outputs[index].length < OUTPUT_LIMIT_BYTES) outputs[index] += text;
      });
    });
    if (options.onStatus) createInterface({ input: child.stdio[3] }).on("line", options.onStatus);
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? -1, stdout: outputs[0], stderr: outputs[1] });
    });
  });
}
