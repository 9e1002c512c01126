/**
 * Boots in a row, to find what goes wrong once in many: each to the shell, which must answer, and off again.
 *
 *   npm run boots -- [--count 60] [--smp 1,2,4] [-- EMULATOR-ARGUMENTS]
 *
 * The numbers of vCPUs take turns. What a failed boot printed is kept in build/boots/. Exits 1 when one failed.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bootGuest, type Guest } from "../../tests/guest.ts";
import { buildIfNeeded } from "../build.mjs";
import { ROOT } from "../setup.mjs";
import { createProgress } from "../support/progress.mjs";

const LOGS = join(ROOT, "build", "boots");

const { values, positionals } = parseArgs({
  options: { count: { type: "string", default: "60" }, smp: { type: "string", default: "1,2,4" } },
  allowPositionals: true,
});

/** Throws an error that says what is not as it must be. */
async function boot(smp: number, started: (guest: Guest) => void): Promise<void> {
  const guest = await bootGuest(positionals, { smp, started });
  try {
    const { text, status } = await guest.ask("uname -m; nproc; echo $((6*7))");
    if (text !== `riscv64\n${smp}\n42\n` || status !== 0) {
      throw new Error(`the guest answered ${JSON.stringify(text)} with status ${status}`);
    }
    const code = await guest.powerOff();
    if (code !== 0) throw new Error(`the process ended with ${code}`);
    if (guest.errors !== "") throw new Error(`it said: ${guest.errors}`);
  } finally {
    guest.kill();
  }
}

function numbers(name: string, text: string): number[] {
  const all = text.split(",").map(Number);
  if (all.some((value) => !Number.isInteger(value) || value < 1)) throw new Error(`--${name} ${text}: not a number`);
  return all;
}

async function main(): Promise<number> {
  const [count = 0] = numbers("count", values.count);
  const turns = numbers("smp", values.smp);
  await buildIfNeeded(ROOT, createProgress());
  rmSync(LOGS, { recursive: true, force: true });
  mkdirSync(LOGS, { recursive: true });
  let failed = 0;
  const seconds: number[] = [];
  for (let i = 0; i < count; i++) {
    const smp = turns[i % turns.length] as number;
    const startedAtMs = performance.now();
    let guest: Guest | undefined;
    let outcome = "ok";
    try {
      await boot(smp, (one) => (guest = one));
    } catch (error) {
      failed++;
      const log = join(LOGS, `${i + 1}-smp${smp}.log`);
      writeFileSync(log, `${guest?.transcript ?? ""}\n--- standard error\n${guest?.errors ?? ""}`);
      outcome = `FAILED: ${(error as Error).message.split("; the end was:")[0]}; see ${log}`;
    }
    const took = (performance.now() - startedAtMs) / 1000;
    seconds.push(took);
    console.log(`${i + 1}/${count}  -smp ${smp}  ${took.toFixed(1)} s  ${outcome}`);
  }
  seconds.sort((a, b) => a - b);
  const median = (seconds[Math.floor(count / 2)] ?? 0).toFixed(1);
  console.log(`${count} boots, ${failed} failed; ${median} s in the middle, ${seconds.at(-1)?.toFixed(1)} s at most`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
