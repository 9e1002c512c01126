/** The real thing: a child process with a pipe, and one on a pseudo terminal made by script(1). */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "tinamou-stdio-"));
const program = join(folder, "child.mjs");
const SOURCE = `
import { openStdio } from "#platform/node/chardev-stdio.ts";
const stdio = openStdio({ id: "stdio0", signal: process.argv[2] === "signal" });
let room = 4;
stdio.attach({
  canReceive: () => room,
  receive(bytes) {
    room -= bytes.length;
    stdio.write(Uint8Array.from([...bytes, 0x2e]));
    if (bytes.includes(0x71)) { stdio.close(); process.exit(7); }
  },
  event: (event) => stdio.write(Buffer.from("<" + event + ">")),
});
setInterval(() => { room = 4; stdio.poke(); }, 5);
`;

beforeAll(async () => {
  writeFileSync(join(folder, "child.ts"), SOURCE);
  await build({
    stdin: { contents: SOURCE, resolveDir: process.cwd(), loader: "ts" },
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

test("a pipe: input comes in pieces that fit, and its end does not end the process", () => {
  const run = spawnSync(process.execPath, [program], { input: "abcdefghij", timeout: 1500, encoding: "utf8" });
  expect(run.stdout).toBe("<opened>abcd.efgh.ij.<closed>");
  expect(run.signal).toBe("SIGTERM"); // it went on until the time was up
});

const hasScript = spawnSync("script", ["--version"]).status === 0;

test.skipIf(!hasScript)("a terminal is raw while open and as before afterwards", async () => {
  const command = `stty -a | grep -o -- '-*icanon'; ${process.execPath} ${program}; echo "status $?"; stty -a | grep -o -- '-*icanon'`;
  const output = await onTerminal(command, ["\x03", "q"]);
  expect(output).toMatch(/^icanon[^]*<opened>\x03\.q\.status 7\r\nicanon/);
});

test.skipIf(!hasScript)("with signal=on, Ctrl-C at a terminal is a signal and the terminal is restored", async () => {
  const command = `${process.execPath} ${program} signal; echo "status $?"; stty -a | grep -o -- '-*icanon'`;
  const output = await onTerminal(command, ["a", "\x03"]);
  expect(output).toMatch(/<opened>a\.[^]*status 130\r\nicanon/);
});

/** Runs a shell command on a pseudo terminal and types each key after the output has grown. */
function onTerminal(command: string, keys: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("script", ["-qec", command, "/dev/null"], { stdio: ["pipe", "pipe", "ignore"] });
    let output = "";
    const limit = setTimeout(() => child.kill(), 8_000);
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString("latin1");
      if (!output.includes("<opened>")) return;
      const key = keys.shift();
      if (key) child.stdin.write(key);
    });
    child.on("error", reject);
    child.on("close", () => {
      clearTimeout(limit);
      resolve(output);
    });
  });
}
