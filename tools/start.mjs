/**
 * `npm start`: from a fresh clone to a shell in the guest.
 *
 *     npm ci -> build -> guest from Debian -> dist/tinamou-system-riscv64.js        each step only if it is needed
 *
 * Needs Node alone to begin with. What it says goes to stderr: stdout is the guest's. Arguments are handed on after its
 * own (`npm start -- -m 1G`), so they win. TINAMOU_EMULATOR names another program with the same options to start instead.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { buildIfNeeded } from "./build.mjs";
import { fetchGuest } from "./guest/fetch-guest.mjs";
import { ensureNodeModules, ROOT } from "./setup.mjs";
import { typeWhenReady } from "./support/piped-input.mjs";
import { createProgress } from "./support/progress.mjs";

/** With one of these the guest is not the one that our `init` runs in, and its shell cannot be waited for. */
const OWN_GUEST_OPTIONS = new Set(["-kernel", "-initrd", "-append", "-bios", "-serial", "-S", "-daemonize"]);

const log = createProgress();
const userArgs = process.argv.slice(2);

try {
  const [program, programArgs] = await prepareEmulator();
  const guest = await fetchGuest({ log });
  log.note(`Linux ${guest.version} from Debian ${guest.suite}; Ctrl-A X quits, Ctrl-A H helps.`);
  start(program, programArgs.concat(machineArgs(guest), userArgs));
} catch (error) {
  log.fail(error.message);
  process.exitCode = 1;
}

async function prepareEmulator() {
  const other = process.env["TINAMOU_EMULATOR"];
  if (other !== undefined && other !== "") return [other, []];
  ensureNodeModules();
  await buildIfNeeded(ROOT, log);
  return [process.execPath, [join(ROOT, "dist/tinamou-system-riscv64.js")]];
}

function machineArgs(guest) {
  const machine = ["-M", "virt", "-smp", "2", "-m", "512", "-nographic"];
  const append = ["console=ttyS0", ...terminalParameters()].join(" ");
  return [...machine, "-bios", guest.firmware, "-kernel", guest.kernel, "-initrd", guest.initrd, "-append", append];
}

/** The terminal's size and kind: the kernel hands what it does not know to `init` as variables. */
function terminalParameters() {
  if (!process.stdout.isTTY) return [];
  const { columns, rows } = process.stdout;
  const kind = /^[\w.+-]+$/.exec(process.env["TERM"] ?? "")?.[0] ?? "linux";
  return [`COLUMNS=${columns}`, `LINES=${rows}`, `TERM=${kind}`];
}

function start(program, args) {
  const waits = !process.stdin.isTTY && !userArgs.some((arg) => OWN_GUEST_OPTIONS.has(arg));
  const child = spawn(program, args, { stdio: waits ? ["pipe", "pipe", "inherit"] : "inherit" });
  if (waits) typeWhenReady(child);
  // A terminal sends Ctrl-C to the child as well: it is the child's to act on. The others are for us alone.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    log.fail(`${program} could not be started (${error.message})`);
    process.exit(1);
  });
  child.on("close", (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
