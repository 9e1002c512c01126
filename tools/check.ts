/**
 * `npm run check [NAME...]`: runs the checks of checks.ts, two at a time, prints a table of results and times, then
 * the output of those that failed. Exits 1 if one failed.
 */
import { spawn } from "node:child_process";
import { type Check, CHECKS } from "./checks.ts";

type Result = { readonly check: Check; readonly passed: boolean; readonly seconds: number; readonly output: string };

/** The unit tests take one place for most of the time; the others pass through the second. */
const PLACES = 2;

function run(check: Check): Promise<Result> {
  const start = performance.now();
  return new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0" };
    const child = spawn(check.command, check.args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const finish = (passed: boolean): void =>
      resolve({ check, passed, seconds: (performance.now() - start) / 1000, output });
    child.stdout.on("data", (chunk) => (output += String(chunk)));
    child.stderr.on("data", (chunk) => (output += String(chunk)));
    child.on("error", (error) => {
      output += `${error.message}\n`;
      finish(false);
    });
    child.on("close", (status) => finish(status === 0));
  });
}

async function runAll(checks: readonly Check[]): Promise<Result[]> {
  const waiting = [...checks];
  const results: Result[] = [];
  const place = async (): Promise<void> => {
    for (let check = waiting.shift(); check; check = waiting.shift()) {
      const result = await run(check);
      results.push(result);
      console.log(`${result.passed ? "ok    " : "FAILED"}  ${check.name.padEnd(12)} ${result.seconds.toFixed(1)} s`);
    }
  };
  await Promise.all(Array.from({ length: PLACES }, place));
  return results;
}

async function main(): Promise<void> {
  const names = process.argv.slice(2);
  const unknown = names.filter((name) => !CHECKS.some((check) => check.name === name));
  if (unknown.length > 0) {
    console.error(`no check is named ${unknown.join(", ")}; there are: ${CHECKS.map((c) => c.name).join(", ")}`);
    process.exitCode = 1;
    return;
  }
  const results = await runAll(CHECKS.filter((check) => names.length === 0 || names.includes(check.name)));
  const failed = results.filter((result) => !result.passed);
  for (const { check, output } of failed) console.log(`\n=== ${check.name}\n${output.trimEnd()}`);
  if (failed.length > 0) process.exitCode = 1;
}

await main();
