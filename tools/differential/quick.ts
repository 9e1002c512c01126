import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import { Random, randomFloat, randomInteger } from "#cpu/isa/riscv/random.ts";
import { BareMachine } from "#cpu/testing/bare-machine.ts";
import { buildImage, type Case, elfOf, IMAGE_BASE, RECORD } from "./image.ts";
import { assemble, BUFFER, SequenceGenerator, type Sequence } from "./sequence.ts";

const count = Number(process.argv[2] ?? 1000), seed0 = Number(process.argv[3] ?? 1), repeats = Number(process.argv[4] ?? 1), hot = Number(process.argv[5] ?? 0);
const dir = mkdtempSync("/tmp/diff-");
const extensions = resolveExtensions({ zfh: true });
const machine = new BareMachine({ ramBytes: 64 << 20, extensions, hotThreshold: hot });

function makeCase(sequence: Sequence, limit: number | undefined, dataSeed: number): Case {
  return {
    code: (address) => assemble(sequence, address, limit),
    fill: (view, bytes) => {
      const r = new Random(dataSeed);
      for (let i = 1; i < 32; i++) view.setBigUint64(RECORD.x + 8 * i, sequence.bases.has(i) ? BigInt(sequence.bases.get(i)!) : i === 4 ? 0n : randomInteger(r), true);
      for (let i = 0; i < 32; i++) view.setBigUint64(RECORD.f + 8 * i, randomFloat(r), true);
      view.setUint32(RECORD.fcsr, (r.below(5) << 5) | (r.oneIn(2) ? r.below(32) : r.pick([0, 1])), true);
      for (let i = 0; i < BUFFER.bytes; i += 8) view.setBigUint64(RECORD.buffer + i, r.oneIn(2) ? randomFloat(r) : randomInteger(r), true);
    },
  };
}
function qemu(cases: Case[]): Uint8Array {
  const image = buildImage(cases, "exit", repeats);
  writeFileSync(`${dir}/t.elf`, elfOf(image), { mode: 0o755 });
  const r = spawnSync("qemu-riscv64", ["-cpu", "rv64,zba=true,zbb=true,zbc=true,zbs=true,Zfh=true", `${dir}/t.elf`], { maxBuffer: 1 << 30, timeout: 60000 });
  if (r.status !== 0) throw new Error(`qemu: ${r.status} ${r.signal} ${r.stderr} ${r.error}`);
  return r.stdout;
}
function ours(cases: Case[]): Uint8Array {
  const image = buildImage(cases, "wfi", repeats);
  machine.load(IMAGE_BASE, image.bytes);
  machine.reset(IMAGE_BASE);
  machine.run();
  return machine.bytes(image.records, cases.length * RECORD.bytes).slice();
}
function diff(a: Uint8Array, b: Uint8Array, i: number): string[] {
  const out: string[] = [];
  const va = new DataView(a.buffer, a.byteOffset), vb = new DataView(b.buffer, b.byteOffset);
  for (let o = 0; o < RECORD.bytes; o += 8) {
    const x = va.getBigUint64(i * RECORD.bytes + o, true), y = vb.getBigUint64(i * RECORD.bytes + o, true);
    if (x !== y) out.push(`${o < 256 ? "x" + o / 8 : o < 512 ? "f" + (o - 256) / 8 : o < 520 ? "fcsr" : o < 528 ? "entry" : "buf+" + (o - 528)}: qemu ${x.toString(16)} ours ${y.toString(16)}`);
  }
  return out;
}
const t0 = performance.now();
const BATCH = 5000;
let bad = 0, done = 0;
for (let seed = seed0; done < count; seed++) {
  const n = Math.min(BATCH, count - done);
  const g = new SequenceGenerator(new Random(seed));
  const sequences = Array.from({ length: n }, () => g.next());
  const cases = sequences.map((s, i) => makeCase(s, undefined, seed * 1e6 + i));
  const q = qemu(cases), o = ours(cases);
  done += n;
  for (let i = 0; i < n; i++) {
    if (!diff(q, o, i).length) continue;
    if (++bad > 12) continue;
    const s = sequences[i]!;
    for (let limit = 1; limit <= s.blocks.length; limit++) {
      const one = [makeCase(s, limit, seed * 1e6 + i)];
      const d = diff(qemu(one), ours(one), 0);
      if (!d.length && limit < s.blocks.length) continue;
      const code = assemble(s, 0x80010004, limit);
      writeFileSync(`${dir}/c.bin`, code);
      const dis = spawnSync("riscv64-linux-gnu-objdump", ["-D", "-b", "binary", "-m", "riscv:rv64", "--adjust-vma=0x80010004", `${dir}/c.bin`]).stdout.toString().split("\n").slice(7).join("\n");
      console.log(`seed ${seed} case ${i} block ${limit - 1}: ${s.blocks[limit - 1]!.map((x) => x.name).join("; ")}\n${dis}`, d.slice(0, 8).join("\n  "), d.length ? "" : "(only in a batch)");
      break;
    }
  }
}
console.log(`${done} cases, ${bad} different, ${((performance.now() - t0) / 1000).toFixed(1)} s`);
