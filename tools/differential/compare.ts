/** Compares an engine with QEMU over batches of random cases, and narrows what differs to the block that does it. */
import { disassemble } from "#cpu/isa/riscv/disassembler.ts";
import { riscvIsa } from "#cpu/isa/riscv/riscv.ts";
import { differences, randomCases, type SequenceCase, sameRecord, toCase } from "./cases.ts";
import { Engine, type EngineName, EXTENSIONS, REPEATS } from "./engine.ts";
import { buildImage, type Case, RECORD } from "./image.ts";
import { QemuUser } from "./qemu-user.ts";
import { assemble } from "./sequence.ts";

export type Comparison = {
  cases: number;
  /** Instructions in the cases, as generated. */
  instances: number;
  differences: number;
  /** A text for each of the first few. */
  readonly examples: string[];
  /** Instances by row. */
  readonly coverage: Map<string, number>;
};

const BATCH_CASES = 4000;
const MAX_EXAMPLES = 10;

export class Comparer {
  readonly #engine: Engine;
  readonly #qemu = new QemuUser();
  readonly #repeats: number;

  constructor(name: EngineName) {
    this.#engine = new Engine(name);
    this.#repeats = REPEATS[name];
  }

  /** Compares until `instances` instructions have been; batch i has seed `seed` + i. */
  async compare(
    instances: number,
    seed: number,
    progress: (sofar: Comparison) => void = () => {},
  ): Promise<Comparison> {
    const result: Comparison = { cases: 0, instances: 0, differences: 0, examples: [], coverage: new Map() };
    for (let batch = seed; result.instances < instances; batch++) {
      const cases = randomCases(batch, BATCH_CASES);
      const [expected, actual] = await this.#runBoth(cases.map((c) => toCase(c)));
      for (const [i, c] of cases.entries()) {
        count(result, c);
        const [e, a] = [recordOf(expected, i), recordOf(actual, i)];
        if (sameRecord(e, a)) continue;
        result.differences++;
        if (result.examples.length >= MAX_EXAMPLES) continue;
        result.examples.push(`seed ${batch}, case ${i}: ${await this.#narrow(c, differences(e, a))}`);
      }
      progress(result);
    }
    return result;
  }

  async #runBoth(cases: readonly Case[]): Promise<[Uint8Array, Uint8Array]> {
    const expected = this.#qemu.run(buildImage(cases, "exit", this.#repeats));
    const actual = this.#engine.run(buildImage(cases, "wfi", this.#repeats));
    return [await expected, actual];
  }

  /** Cuts the case to the shortest one that differs; its code and what differs as text. */
  async #narrow(c: SequenceCase, inBatch: readonly string[]): Promise<string> {
    for (let limit = 1; limit <= c.sequence.blocks.length; limit++) {
      const [expected, actual] = await this.#runBoth([toCase(c, limit)]);
      const found = differences(expected, actual);
      if (found.length > 0) return `${listing(c, limit)}\n  ${found.join("\n  ")}`;
    }
    return `differs only in its batch\n${listing(c, c.sequence.blocks.length)}\n  ${inBatch.join("\n  ")}`;
  }

  close(): void {
    this.#engine.close();
    this.#qemu.close();
  }
}

const recordOf = (records: Uint8Array, index: number): Uint8Array =>
  records.subarray(index * RECORD.bytes, (index + 1) * RECORD.bytes);

function count(result: Comparison, { sequence }: SequenceCase): void {
  result.cases++;
  for (const item of sequence.blocks.flat()) {
    result.instances++;
    result.coverage.set(item.name, (result.coverage.get(item.name) ?? 0) + 1);
  }
}

/** Code of the first `limit` blocks as text; the last block is the one that makes the difference. */
function listing({ sequence }: SequenceCase, limit: number): string {
  const ADDRESS = 0x8001_0004;
  const { decoder } = riscvIsa(EXTENSIONS);
  const code = assemble(sequence, ADDRESS, limit);
  const view = new DataView(code.buffer);
  const lines = [`block ${limit - 1}`];
  for (let at = 0; at < code.length; ) {
    const low = view.getUint16(at, true);
    const bits = (low & 3) === 3 ? view.getUint32(at, true) : low;
    lines.push(`  ${(ADDRESS + at).toString(16)}: ${disassemble(decoder, bits, BigInt(ADDRESS + at))}`);
    at += (low & 3) === 3 ? 4 : 2;
  }
  return lines.join("\n");
}
