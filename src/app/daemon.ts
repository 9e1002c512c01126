/**
 * `-daemonize`: the command goes to the background once the machine is up.
 *
 *   first process: starts itself again, detached, and waits;  second process: builds the machine -> "ready" -> runs on
 *
 * The first process ends with 0 at "ready", or with the code of the second one, which has said what is wrong.
 */
import { closeSync, openSync } from "node:fs";

/** Set for the second process. */
const MARK = "TINAMOU_DAEMON";
const READY = "ready";
/** Standard output and error. */
const OUTPUTS = [1, 2] as const;
/** As QEMU: nothing that a daemon makes is for everybody. */
const UMASK = 0o027;

/** True in the process that was started to go to the background. */
export function isDaemon(): boolean {
  return process.env[MARK] === "1" && process.send !== undefined;
}

/** Starts this command once more as a daemon. Resolves with the code that this process is to exit with. */
export async function startDaemon(argv: readonly string[]): Promise<number> {
  const { spawn } = await import("node:child_process");
  const script = process.argv[1] ?? "";
  const child = spawn(process.execPath, [...process.execArgv, script, ...argv], {
    detached: true,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    env: { ...process.env, [MARK]: "1" },
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
    child.on("message", (message) => {
      if (message === READY) resolve(0);
    });
  });
}

/** Called first in the daemon. Without the process that waits for it, it gives up. */
export function beginDaemon(): void {
  delete process.env[MARK];
  process.umask(UMASK);
  process.once("disconnect", giveUp);
}

const giveUp = (): void => process.exit(1);

/** The machine is up: lets the waiting process go, and with it the terminal and the folder. */
export function daemonReady(): void {
  process.off("disconnect", giveUp);
  process.chdir("/");
  for (const descriptor of OUTPUTS) {
    // The lowest free number is taken, so what is written there goes nowhere from here on.
    closeSync(descriptor);
    openSync("/dev/null", "w");
  }
  process.send?.(READY, () => {
    if (process.connected) process.disconnect();
  });
}
