import { Random } from "#cpu/isa/riscv/random.ts";
import { BareMachine } from "#cpu/testing/bare-machine.ts";
import { buildPrivilegedImage, RECORD_DWORDS, slotName } from "./privileged-image.ts";
import { PRIVILEGED_EXTENSIONS, PrivilegedGenerator } from "./privileged-cases.ts";
import { runQemuSystem } from "./qemu-system.ts";
const g = new PrivilegedGenerator(new Random(Number(process.argv[3] ?? 1)));
const cases = process.argv[2] === "csr" ? g.everyCsr() : g.batch(Number(process.argv[2] ?? 100));
let t = performance.now();
const q = await runQemuSystem(buildPrivilegedImage(cases, "exit"));
console.log("qemu ms", performance.now() - t); t = performance.now();
const m = new BareMachine({ ramBytes: 64 << 20, extensions: PRIVILEGED_EXTENSIONS });
const im = buildPrivilegedImage(cases, "wfi");
m.load(0x80000000, im.bytes); m.reset(0x80000000); m.run();
const o = m.bytes(im.records, im.recordBytes);
console.log("ours ms", performance.now() - t);
const vq = new DataView(q.buffer), vo = new DataView(o.buffer, o.byteOffset);
let bad = 0; const filter = process.argv[4] ? new RegExp(process.argv[4]) : /./;
cases.forEach((c, i) => {
  const d: string[] = [];
  for (let s = 0; s < RECORD_DWORDS; s++) { const a = vq.getBigUint64((i * RECORD_DWORDS + s) * 8, true), b = vo.getBigUint64((i * RECORD_DWORDS + s) * 8, true); if (a !== b && s !== 4) d.push(`${slotName(s)}: q ${a.toString(16)} o ${b.toString(16)}`); }
  if (d.length && filter.test(c.text)) { bad++; if (bad <= Number(process.argv[5] ?? 40)) console.log(i, c.text, "|", d.join(" | ")); }
});
console.log(cases.length, "cases", bad, "different");
