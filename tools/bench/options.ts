/** The command line of `npm run bench`. */
import { parseArgs } from "node:util";
import { BenchError } from "./bench-error.ts";
import { PEER_NAMES, type PeerName } from "./peers.ts";
import { SUITES } from "./suites.ts";

export type BenchOptions = {
  /** Names of suites, in the order in which they run. */
  readonly suites: readonly string[];
  /** Names of programs to run; all when empty. */
  readonly programs: readonly string[];
  readonly rounds: number;
  /** Every program's amount of work is multiplied by this, on all sides. */
  readonly scale: number;
  /** The first is what the others are compared with. */
  readonly peers: readonly PeerName[];
  /** Node.js programs, or versions, to run Tinamou with; the first is the one of the peer `tinamou`. */
  readonly nodes: readonly string[];
  readonly json: string;
  readonly svg: string | undefined;
  /** Of one run of one program, or one boot. */
  readonly timeoutMs: number;
  readonly help: boolean;
};

export const USAGE = `npm run bench [-- SUITE... [OPTION...]]

Runs the same programs in the same guest under Tinamou and QEMU in turn and prints how their times compare.
Suites: ${SUITES.map((suite) => suite.name).join(", ")} (all but v86 unless named)

  --rounds N       turns of each (3)
  --quick          one round with 1/25 of the work: to see that everything runs
  --scale X        multiplies every program's amount of work (1)
  --programs A,B   only these programs
  --peers A,B      of ${PEER_NAMES.join(", ")} (tinamou,qemu); times are compared with those
                   of the first; qemu-user and native run the programs of the cpu suite
  --nodes A,B      Node.js programs to run Tinamou with (this one); a version as 24 is got through npm
  --json FILE      where the results go (build/bench.json)
  --svg FILE       draws the ratios as bars, too
  --timeout S      seconds for one run of one program (600)
Exits with 1 when checksums differ, a program fails, or an emulator dies or hangs.`;

const QUICK = { rounds: 1, scale: 0.04 };

/** Throws a {@link BenchError} with code "usage". */
export function parseOptions(args: readonly string[], thisNode: string): BenchOptions {
  const { values, positionals } = parse(args);
  const list = (text: string | undefined): string[] => (text ?? "").split(",").filter((word) => word !== "");
  const usual = values.quick === true ? QUICK : { rounds: 3, scale: 1 };
  const options = {
    suites: positionals.length > 0 ? positionals : SUITES.filter(({ kind }) => kind !== "v86").map(({ name }) => name),
    programs: list(values.programs),
    rounds: number("--rounds", values.rounds) ?? usual.rounds,
    scale: number("--scale", values.scale) ?? usual.scale,
    peers: peerNames(list(values.peers ?? "tinamou,qemu")),
    nodes: list(values.nodes ?? thisNode),
    json: values.json ?? "build/bench.json",
    svg: values.svg,
    timeoutMs: 1000 * (number("--timeout", values.timeout) ?? 600),
    help: values.help ?? false,
  };
  check(options);
  return options;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        rounds: { type: "string" },
        scale: { type: "string" },
        quick: { type: "boolean" },
        programs: { type: "string" },
        peers: { type: "string" },
        nodes: { type: "string" },
        json: { type: "string" },
        svg: { type: "string" },
        timeout: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (cause) {
    throw new BenchError("usage", (cause as Error).message, { cause });
  }
}

function peerNames(words: readonly string[]): PeerName[] {
  return words.map((word) => {
    const name = PEER_NAMES.find((known) => known === word);
    if (name !== undefined) return name;
    throw new BenchError("usage", `no peer is named ${word}; there are: ${PEER_NAMES.join(", ")}`);
  });
}

function number(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new BenchError("usage", `${name} is a number above 0, not ${text}`);
}

function check(options: BenchOptions): void {
  const known = SUITES.map((suite) => suite.name);
  const suite = options.suites.find((name) => !known.includes(name));
  if (suite !== undefined) throw new BenchError("usage", `no suite is named ${suite}; there are: ${known.join(", ")}`);
  const programs = SUITES.flatMap((suite) => suite.rows.map((row) => row.name));
  const program = options.programs.find((name) => !programs.includes(name));
  if (program !== undefined) {
    throw new BenchError("usage", `no program is named ${program}; there are: ${programs.join(", ")}`);
  }
  if (new Set(options.peers).size < options.peers.length) throw new BenchError("usage", "--peers names each once");
  if (options.peers.length === 0) throw new BenchError("usage", "--peers names at least one peer");
  if (options.nodes.length === 0) throw new BenchError("usage", "--nodes names at least one Node.js program");
  if (!Number.isInteger(options.rounds)) {
    throw new BenchError("usage", `--rounds is a whole number, not ${options.rounds}`);
  }
}
