#!/usr/bin/env node
/**
 * The command: QEMU's command line in, a machine on this terminal out.
 */
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { parseCommandLine } from "#app/cli/command-line.ts";
import { PROGRAM_NAME } from "#app/cli/version.ts";
import { openLog } from "#app/log-setup.ts";
import { nodeHost } from "#app/node-host.ts";
import { StartError } from "#app/start-error.ts";
import type { MachineConfig } from "#machine/config.ts";
import { type BootFiles, Machine, makeBootPlan } from "#machine/machine.ts";
import { nodeRandom } from "#platform/node/random.ts";

const say = (line: string): void => void process.stderr.write(`${PROGRAM_NAME}: ${line}\n`);

/** Where firmware lies by default: this project's guest cache, then where distributions put it. */
function defaultFirmware(): string | undefined {
  const cache = process.env["TINAMOU_CACHE"] ?? join(homedir(), ".cache", "tinamou");
  return [
    join(cache, "guest", "fw_dynamic.bin"),
    "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin",
    "/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin",
  ].find((path) => existsSync(path));
}

async function load(what: string, path: string | undefined): Promise<Uint8Array | undefined> {
  if (path === undefined) return undefined;
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : (error as Error).message;
    throw new StartError(`could not load ${what} '${path}': ${reason}`, { cause: error });
  }
}

async function bootFiles({ boot }: MachineConfig): Promise<BootFiles> {
  let bios: string | undefined = boot.bios;
  if (bios === "none") bios = undefined;
  else if (bios === "default") {
    bios = defaultFirmware();
    if (bios === undefined) {
      throw new StartError("no firmware was found; run 'npm run fetch-guest', or give -bios FILE or -bios none");
    }
  }
  return {
    firmware: await load("firmware", bios),
    kernel: await load("kernel", boot.kernel),
    initrd: await load("initrd", boot.initrd),
    dtb: await load("device tree", boot.dtb),
  };
}

async function main(): Promise<void> {
  const command = parseCommandLine(process.argv.slice(2));
  if (command.kind === "print") {
    process.stdout.write(command.text);
    process.exitCode = command.exitCode;
    return;
  }
  const { machine: config, host: options } = command;
  for (const warning of options.warnings) say(warning);
  if (config.machine === "none") throw new StartError("machine 'none' has nothing to run yet; use -M virt");
  if (config.accel.kind === "lockstep")
    throw new StartError("-accel lockstep is not available yet; use wasm or interp");
  if (options.daemonize)
    throw new StartError("-daemonize is not available yet; run it in the background with your shell");
  const files = await bootFiles(config);
  if (config.boot.dumpdtb !== undefined) {
    await writeFile(config.boot.dumpdtb, makeBootPlan(config, files, nodeRandom()).fdtBlob);
    say(`info: dtb dumped to ${config.boot.dumpdtb}. Exiting.`);
    return;
  }
  if (options.pidfile !== undefined) await writeFile(options.pidfile, `${process.pid}\n`);

  let quit = async (): Promise<void> => {};
  let ending = false;
  const end = async (exitCode: number): Promise<void> => {
    if (ending) return;
    ending = true;
    await quit();
    if (options.pidfile !== undefined) await rm(options.pidfile, { force: true });
    // The rest of the output goes out before the process ends.
    process.stdout.write("", () => process.exit(exitCode));
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    process.on(signal, () => {
      say(`terminating on signal ${signal}`);
      void end(0);
    });
  }
  const log = await openLog(options, say);
  const host = await nodeHost(config, { exit: () => void end(0), say, log: log?.target });
  const machine = await Machine.create({ ...config, ...(log && { log: log.config }) }, files, host);
  quit = () => machine.quit();
  machine.on((event) => {
    if (event.kind === "shutdown" && (config.onShutdown === "poweroff" || event.exitCode !== 0))
      void end(event.exitCode);
  });
  if (!config.startStopped) await machine.start();
}

main().catch((error: unknown) => {
  say(error instanceof Error && "code" in error ? error.message : String((error as Error).stack));
  process.exit(1);
});
