/** The emulators that are compared, and how each is started with a machine. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import path from "node:path";
import { CACHE, ROOT } from "../setup.mjs";
import { BenchError } from "./bench-error.ts";
import type { Command } from "./emulator.ts";

export type Peer = {
  readonly name: string;
  readonly version: string;
  /** Program and first arguments; the machine's options follow. */
  readonly command: Command;
};

/** The same for all peers. */
export type MachineFiles = { readonly kernel: string; readonly initrd: string; readonly firmware: string };
export type MachineOptions = MachineFiles & { readonly smp: number; readonly append: string };

const TINAMOU = path.join(ROOT, "dist", "tinamou-system-riscv64.js");
const QEMU = "qemu-system-riscv64";

/** In the order of `names`; each further Node.js is a peer of its own. Throws a {@link BenchError} if one is missing. */
export function findPeers(names: readonly string[], nodes: readonly string[]): Peer[] {
  return names.flatMap((name) => (name === "qemu" ? [qemu()] : nodes.map(tinamou)));
}

/** The machine's options are the same for every peer. */
export function startCommand(peer: Peer, machine: MachineOptions, extra: readonly string[] = []): Command {
  const { smp, append, kernel, initrd, firmware } = machine;
  const board = ["-M", "virt", "-smp", String(smp), "-m", "512", "-nographic"];
  const files = ["-bios", firmware, "-kernel", kernel, "-initrd", initrd];
  const line = ["-append", `console=ttyS0 ${append}`.trim()];
  return { program: peer.command.program, args: [...peer.command.args, ...board, ...files, ...line, ...extra] };
}

function tinamou(node: string, index: number): Peer {
  const version = versionOf(node, ["--version"], `${node} is not a Node.js program; give a path with --nodes`);
  const name = index === 0 ? "tinamou" : `tinamou${index + 1}`;
  return { name, version: `Node.js ${version}`, command: { program: node, args: [TINAMOU] } };
}

function qemu(): Peer {
  const program = findTool(QEMU, "qemu-system-misc");
  return {
    name: "qemu",
    version: versionOf(program, ["--version"], `${QEMU} does not start`),
    command: { program, args: [] },
  };
}

function versionOf(program: string, args: readonly string[], failure: string): string {
  const { error, status, stdout } = spawnSync(program, args, { encoding: "utf8", timeout: 20_000 });
  if (error !== undefined || status !== 0) throw new BenchError("missing-tool", failure, { cause: error });
  return stdout.split("\n")[0] ?? "";
}

/** A program of PATH, or one that tools/peers has unpacked. */
export function findTool(name: string, debianPackage: string): string {
  const folders = [...(process.env["PATH"] ?? "").split(path.delimiter), path.join(CACHE, "peers", "bin")];
  const found = folders.map((folder) => path.join(folder, name)).find(isExecutable);
  if (found !== undefined) return found;
  throw new BenchError(
    "missing-tool",
    `${name} is not here; run \`node tools/peers/install-peers.mjs\`, or install the package ${debianPackage}`,
  );
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
