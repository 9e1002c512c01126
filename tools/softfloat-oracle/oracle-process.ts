/**
 * The oracles as child processes: built on demand into a temporary directory, fed and read batch by batch.
 */

import { type ChildProcessByStdio, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { FloatFormatIndex, FloatOp } from "#cpu/softfloat/dispatch.ts";
import type { CaseBatch } from "./cases.ts";

export const ANSWER_BYTES = 16;
/** In an answer's flags: this oracle has no instruction for the case. */
export const UNANSWERED = 0xffn;

type OracleRecipe = {
  readonly source: string;
  readonly compiler: string;
  readonly options: readonly string[];
  /** Commands to put before the program's path; the first that works is used. */
  readonly runners: readonly (readonly string[])[];
};

const RECIPES = {
  qemu: {
    source: "oracle.c",
    compiler: "riscv64-linux-gnu-gcc",
    options: ["-march=rv64gc_zfh", "-mabi=lp64d", "-static"],
    // The property was capitalised up to QEMU 7.2.
    runners: ["zfh", "Zfh"].map((property) => ["qemu-riscv64", "-cpu", `rv64,${property}=true`]),
  },
  host: { source: "host-oracle.c", compiler: "gcc", options: ["-mavx", "-mfma"], runners: [[]] },
} as const satisfies Record<string, OracleRecipe>;

export type OracleName = keyof typeof RECIPES;

export function isOracleName(name: string): name is OracleName {
  return name in RECIPES;
}

/** Why the oracle cannot be built and run here, or undefined if it can. */
export function missingForOracle(name: OracleName): string | undefined {
  const recipe: OracleRecipe = RECIPES[name];
  if (name === "host" && process.arch !== "x64") return "the host oracle needs an x86-64 processor";
  const runner = recipe.runners[0]?.[0];
  for (const tool of runner === undefined ? [recipe.compiler] : [recipe.compiler, runner]) {
    if (spawnSync(tool, ["--version"], { stdio: "ignore" }).status !== 0) return `${tool} is not installed`;
  }
  return undefined;
}

/** With no input the program ends at once, so a failure is the runner's. */
function workingCommand(name: OracleName, recipe: OracleRecipe, program: string): [string, ...string[]] {
  for (const runner of recipe.runners) {
    const [command, ...args] = [...runner, program];
    if (command !== undefined && spawnSync(command, args, { stdio: "ignore" }).status === 0) return [command, ...args];
  }
  throw new Error(
    `the ${name} oracle does not start with any of: ${recipe.runners.map((r) => r.join(" ")).join("; ")}`,
  );
}

export class Oracle {
  readonly #directory: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  /** Compiles and starts the oracle. Throws if a tool is missing or fails. */
  constructor(name: OracleName) {
    const recipe: OracleRecipe = RECIPES[name];
    this.#directory = mkdtempSync(join(tmpdir(), "softfloat-oracle-"));
    const program = join(this.#directory, name);
    const numbers = [
      ...Object.entries(FloatOp).map(([op, number]) => `-DOP_${op}=${number}`),
      ...Object.entries(FloatFormatIndex).map(([format, number]) => `-DFORMAT_${format}=${number}`),
    ];
    const source = fileURLToPath(new URL(recipe.source, import.meta.url));
    try {
      execFileSync(recipe.compiler, ["-O2", ...recipe.options, ...numbers, source, "-o", program]);
      const [command, ...args] = workingCommand(name, recipe, program);
      this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    } catch (error) {
      this.#removeProgram();
      throw error;
    }
    // A dead child shows as the end of its answers, in receive().
    this.#child.stdin.on("error", () => {});
    this.#chunks = this.#child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** Queues a batch. The batch must not be refilled before its answers were received. */
  send(batch: CaseBatch): void {
    this.#child.stdin.write(batch.bytes.subarray(0, batch.count * (batch.bytes.length / batch.capacity)));
  }

  /** The answers of the oldest batch not yet received: bits and flags in turn. */
  async receive(count: number): Promise<BigUint64Array> {
    const answers = new Uint8Array(count * ANSWER_BYTES);
    let filled = 0;
    while (filled < answers.length) {
      if (this.#rest.length === 0) {
        const chunk = await this.#chunks.next();
        if (chunk.done === true) throw new Error("the oracle ended before it answered every case");
        this.#rest = chunk.value;
      }
      const part = this.#rest.subarray(0, answers.length - filled);
      answers.set(part, filled);
      filled += part.length;
      this.#rest = this.#rest.subarray(part.length);
    }
    return new BigUint64Array(answers.buffer);
  }

  /** Ends the process and removes the program. */
  close(): void {
    this.#child.stdin.end();
    this.#removeProgram();
  }

  #removeProgram(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
