/**
 * `npm test`: sets everything up, then runs all tests. The last line is `N passed, N failed, N skipped`; what is
 * skipped is named with its reason before. Exits 1 when something failed or nothing ran.
 *
 *   npm test [-- VITEST-ARGUMENTS]     for example: npm test -- src/io, npm test -- --project unit
 *
 * Plain JavaScript, because it runs before anything is installed.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { fetchGuest } from "./guest/fetch-guest.mjs";
import { installQemu11 } from "./peers/install-qemu11.mjs";
import { installPeers } from "./peers/install-peers.mjs";
import { ensureNodeModules, ROOT, SetupError } from "./setup.mjs";
import { summarize } from "./test-summary.mjs";

const RESULTS = path.join(ROOT, "build", "test-results.json");

async function main() {
  ensureNodeModules();
  build();
  const peers = installPeers();
  for (const { name, reason } of peers.missing) {
    console.log(`Not here: ${name} (${reason}); the tests that compare with it are skipped.`);
  }
  const qemu11 = await installQemu11({ searchPath: peers.path });
  if ("missing" in qemu11) {
    console.log(`Not here: QEMU 11.1 (${qemu11.missing}); the tests that compare with it are skipped.`);
  }
  await getGuest();
  const status = await runVitest(process.argv.slice(2), { ...process.env, PATH: peers.path });
  report(status);
}

function build() {
  const script = path.join(ROOT, "tools/build.mjs");
  const { status } = spawnSync(process.execPath, [script], { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) throw new SetupError("the build (node tools/build.mjs) failed; see its messages above.");
}

/** The boot tests need the guest; without it they are skipped and say so. */
async function getGuest() {
  try {
    await fetchGuest();
  } catch (error) {
    console.log(`Not here: the guest (${error.message}); the tests that boot it are skipped.`);
  }
}

function runVitest(args, env) {
  mkdirSync(path.dirname(RESULTS), { recursive: true });
  rmSync(RESULTS, { force: true });
  const vitest = path.join(ROOT, "node_modules/vitest/vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${RESULTS}`];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [vitest, "run", ...reporters, ...args], { cwd: ROOT, env, stdio: "inherit" });
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}

function report(status) {
  if (!existsSync(RESULTS)) throw new SetupError("vitest ended without results; see its messages above.");
  const { passed, failed, skipped } = summarize(JSON.parse(readFileSync(RESULTS, "utf8")));
  for (const name of skipped) console.log(`skipped: ${name}`);
  if (passed === 0) console.log("No test ran: that is a failure, too.");
  if (status !== 0 && failed === 0)
    console.log(`vitest ended with status ${status} (an error outside the tests, see above).`);
  console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
  process.exitCode = status !== 0 || failed > 0 || passed === 0 ? 1 : 0;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(error.message);
  console.log("0 passed, 1 failed, 0 skipped");
  process.exitCode = 1;
}
