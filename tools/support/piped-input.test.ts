import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const MODULE = new URL("./piped-input.mjs", import.meta.url).href;

/** Runs `guest`, a shell script, as the child of a process that types its own input to it; gives what it printed. */
function typeTo(guest: string, input: string): string {
  const code = `
    import { spawn } from "node:child_process";
    import { typeWhenReady } from ${JSON.stringify(MODULE)};
    const child = spawn("sh", ["-c", ${JSON.stringify(guest)}], { stdio: ["pipe", "pipe", "inherit"] });
    typeWhenReady(child);
    child.on("close", (code) => process.exit(code));`;
  const args = ["--input-type=module", "-e", code];
  return spawnSync(process.execPath, args, { input, encoding: "utf8", timeout: 20_000 }).stdout;
}

const PROMPT = String.raw`printf 'Tinamou guest ready: Linux\r\n\r\nBusyBox\r\n~ # '`;

test("input waits for the shell's prompt, then arrives whole", () => {
  const output = typeTo(`early=$(timeout 0.3 cat); ${PROMPT}; read a; read b; echo "[$early] [$a] [$b]"`, "one\ntwo\n");
  expect(output).toContain("[] [one] [two]");
});

test("a prompt that comes in pieces counts, a # before it does not", () => {
  const pieces = `printf '# Tinamou gu'; sleep 0.1; printf 'est ready # 2\\n~ '; early=$(timeout 0.3 cat); printf '# '`;
  expect(typeTo(`${pieces}; read a; echo "[$early] [$a]"`, "one\n")).toContain("[] [one]");
});

test("a guest that ends without reading ends the wait", () => {
  expect(typeTo("echo gone", "one\n")).toBe("gone\n");
  expect(typeTo(`${PROMPT}; exit 0`, "x\n".repeat(100_000))).toContain("Tinamou guest ready");
});
