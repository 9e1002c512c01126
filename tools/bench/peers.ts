/** The emulators that are compared, and how each is started with a machine. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import path from "node:path";
import { qemu11 } from "../peers/qemu.ts";
import { CACHE, ROOT } from "../setup.mjs";
import { BenchError } from "./bench-error.ts";
import type { Command } from "./emulator.ts";

/** An emulator of a whole machine. */
export type SystemPeer = {
  readonly kind: "system";
  readonly name: string;
  readonly version: string;
  /** Program and first arguments; the machine's options follow. */
  readonly command: Command;
};

/** Programs as processes of the host. */
export type HostPeer = {
  readonly kind: "host";
  readonly name: string;
  readonly version: string;
  readonly target: "riscv64" | "native";
  /** What starts the program; empty for the host itself. */
  readonly through: readonly string[];
};

export type Peer = SystemPeer | HostPeer;

/** The same for all peers. */
export type MachineFiles = { readonly kernel: string; readonly initrd: string; readonly firmware: string };
export type MachineOptions = MachineFiles & { readonly smp: number; readonly append: string };

const TINAMOU = path.join(ROOT, "dist", "tinamou-system-riscv64.js");
const QEMU = "qemu-system-riscv64";
const QEMU_USER = "qemu-riscv64";

/** What `--peers` may name. */
export const PEER_NAMES = ["tinamou", "qemu", "qemu11", "qemu-user", "native"] as const;
export type PeerName = (typeof PEER_NAMES)[number];

/** Those that are left out, with the reason, when they are not here; the others must be. */
const OPTIONAL: ReadonlySet<PeerName> = new Set(["qemu11", "qemu-user", "native"]);

export type FoundPeers = { readonly peers: readonly Peer[]; readonly skipped: readonly string[] };

/**
 * In the order of `names`; each further Node.js is a peer of its own. Throws a {@link BenchError} if one is missing that
 * has to be there.
 */
export function findPeers(names: readonly PeerName[], nodes: readonly string[]): FoundPeers {
  const peers: Peer[] = [];
  const skipped: string[] = [];
  for (const name of names) {
    try {
      if (name === "tinamou") peers.push(...nodes.map(tinamou));
      else peers.push(FINDERS[name]());
    } catch (error) {
      if (!(error instanceof BenchError) || !OPTIONAL.has(name)) throw error;
      skipped.push(`${name}: ${error.message}`);
    }
  }
  return { peers, skipped };
}

const FINDERS: Readonly<Record<Exclude<PeerName, "tinamou">, () => Peer>> = {
  qemu: findQemu,
  qemu11: findQemu11,
  "qemu-user": findQemuUser,
  native: findNative,
};

/** The machine's options are the same for every peer. */
export function startCommand(peer: SystemPeer, machine: MachineOptions, extra: readonly string[] = []): Command {
  const { smp, append, kernel, initrd, firmware } = machine;
  const board = ["-M", "virt", "-smp", String(smp), "-m", "512", "-nographic"];
  const files = ["-bios", firmware, "-kernel", kernel, "-initrd", initrd];
  const line = ["-append", `console=ttyS0 ${append}`.trim()];
  return { program: peer.command.program, args: [...peer.command.args, ...board, ...files, ...line, ...extra] };
}

function tinamou(node: string, index: number): SystemPeer {
  const version = versionOf(node, ["--version"], `${node} is not a Node.js program; give a path with --nodes`);
  const name = index === 0 ? "tinamou" : `tinamou${index + 1}`;
  return { kind: "system", name, version: `Node.js ${version}`, command: { program: node, args: [TINAMOU] } };
}

/** Throws a {@link BenchError} when it is not here. */
export function findQemu(): SystemPeer {
  const program = findTool(QEMU, "qemu-system-misc");
  const version = versionOf(program, ["--version"], `${QEMU} does not start`);
  return { kind: "system", name: "qemu", version, command: { program, args: [] } };
}

function findQemu11(): SystemPeer {
  const found = qemu11();
  if ("missing" in found) throw new BenchError("missing-tool", found.missing);
  const { program, args, name: version } = found;
  return { kind: "system", name: "qemu11", version, command: { program, args } };
}

function findQemuUser(): HostPeer {
  const program = findTool(QEMU_USER, "qemu-user");
  const version = versionOf(program, ["--version"], `${QEMU_USER} does not start`);
  return { kind: "host", name: "qemu-user", version, target: "riscv64", through: [program] };
}

function findNative(): HostPeer {
  const version = versionOf(findTool("gcc", "gcc"), ["--version"], "gcc does not start");
  return { kind: "host", name: "native", version, target: "native", through: [] };
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
