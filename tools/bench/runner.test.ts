/** Shell scripts that answer as the guest's driver does stand in for the emulators. */
import { expect, test } from "vitest";
import { createProgress } from "../support/progress.mjs";
import type { SystemPeer } from "./peers.ts";
import { runSuite } from "./runner.ts";
import type { RunPlan } from "./run-plan.ts";
import type { BootSuite, ProgramSuite } from "./suites.ts";

const FILES = { kernel: "k", initrd: "i", firmware: "f" };

const CPU: ProgramSuite = {
  kind: "programs",
  name: "cpu",
  title: "Programs",
  smp: 1,
  rows: [
    { name: "one", program: "one.c", work: 100 },
    { name: "two", program: "two.c", work: 100, prepare: { program: "file.c", work: 10 } },
  ],
  scalings: [{ name: "two against one", one: "one", many: "two", copies: 2, bar: 1.7 }],
};

const BOOT: BootSuite = { kind: "boot", name: "boot", title: "Boot", smp: 2, rows: [{ name: "boot", append: "" }] };

/** Answers each command by `answer`, shell code that knows the command as $name, $file and $work. */
function peer(name: string, answer: string): SystemPeer {
  const script = `
    printf 'Tinamou guest ready: Linux\\r\\n\\r\\n~ # '
    read line; echo BENCH-READY
    while read command name file work; do
      [ "$command" = quit ] && exit 0
      ${answer}
    done`;
  return { kind: "system", name, version: "1", command: { program: "sh", args: ["-c", script] } };
}

function plan(...peers: SystemPeer[]): RunPlan {
  const log = createProgress({ write: () => true });
  return { peers, plainGuest: FILES, programGuest: FILES, rounds: 2, scale: 0.5, timeoutMs: 10_000, log };
}

test("rounds, scaled work, and figures of emulators that agree", async () => {
  const result = await runSuite(
    CPU,
    plan(peer("tinamou", 'echo "BENCH $name 1000 $file-$work"'), peer("qemu", 'echo "BENCH $name 2000 $file-$work"')),
  );
  expect(result.failures).toEqual([]);
  expect(result.warnings).toEqual([]);
  expect(result.samples.map(({ row, peer, round }) => `${row} ${peer} ${round}`)).toEqual([
    "one tinamou 0",
    "one qemu 0",
    "two tinamou 0",
    "two qemu 0",
    "one tinamou 1",
    "one qemu 1",
    "two tinamou 1",
    "two qemu 1",
  ]);
  expect(result.samples[0]).toMatchObject({ timeNs: 1000, checksum: "/bench/one-50" });
  expect(result.figures.map(({ peer, bar }) => ({ peer, bar }))).toEqual([
    { peer: "tinamou", bar: 1.7 },
    { peer: "qemu", bar: undefined },
  ]);
});

test("a checksum that differs is a failure", async () => {
  const result = await runSuite(
    CPU,
    plan(peer("tinamou", 'echo "BENCH $name 1000 aa"'), peer("qemu", 'echo "BENCH $name 2000 $name"')),
  );
  expect(result.failures).toEqual([
    "one: the checksums differ: aa (tinamou), one (qemu)",
    "two: the checksums differ: aa (tinamou), two (qemu)",
  ]);
});

test("a program that fails is a failure, and the others are measured", async () => {
  const answer = '[ "$name" = prepare_two ] && echo "BENCH-FAILED $name status 1" || echo "BENCH $name 1000 aa"';
  const result = await runSuite(CPU, plan(peer("qemu", answer)));
  expect(result.failures).toEqual([
    "two failed in qemu: status 1",
    "two failed in qemu: status 1",
    "two: it was not measured",
  ]);
  expect(result.samples.map((sample) => sample.row)).toEqual(["one", "one"]);
});

test("an emulator that dies, or that hangs, ends the suite with a failure", async () => {
  const dead = await runSuite(CPU, plan(peer("qemu", "echo no room >&2; exit 4")));
  expect(dead.failures[0]).toMatch(/^cpu: qemu ended with code 4; its errors:\nno room/);
  const hanging = await runSuite(CPU, { ...plan(peer("qemu", "exec sleep 1000")), timeoutMs: 300 });
  expect(hanging.failures[0]).toMatch(/^cpu: qemu printed no result of one in 0\.3 s/);
});

test("one that does not switch itself off is a failure", async () => {
  const result = await runSuite(CPU, plan(peer("qemu", 'echo "BENCH $name 1 a"; [ "$name" = two ] && exit 5')));
  expect(result.failures).toContain("cpu: qemu did not switch itself off");
});

test("a guest's clock that goes slowly is told", async () => {
  const result = await runSuite(CPU, { ...plan(peer("tinamou", 'sleep 0.5; echo "BENCH $name 1000 aa"')), rounds: 1 });
  expect(result.warnings[0]).toMatch(
    /^one in tinamou, round 1: 0\.00 s by the guest's clock, \d\.\d\d s by the host's$/,
  );
});

test("boots are timed by the host, and the ready line is compared", async () => {
  const other: SystemPeer = {
    kind: "system",
    name: "qemu",
    version: "1",
    command: { program: "sh", args: ["-c", "echo Tinamou guest ready: BSD"] },
  };
  const result = await runSuite(BOOT, plan(peer("tinamou", ""), other));
  expect(result.samples).toHaveLength(4);
  expect(result.samples[0]?.timeNs).toBeGreaterThan(0);
  expect(result.failures[0]).toMatch(/^boot: the checksums differ: .*Linux \(tinamou\), .*BSD \(qemu\)$/);
});
