/**
 * Writes `recorded-cases.json`: what qemu-riscv64 makes of the first cases of a seed.
 *
 *   npx tsx tools/differential/record.ts
 */
import { writeFileSync } from "node:fs";
import { randomCases, toCase } from "./cases.ts";
import { buildImage } from "./image.ts";
import { missingQemu, QemuUser } from "./qemu-user.ts";
import { recordAt, recordCase } from "./recorded.ts";

const SEED = 20_240_411;
const CASES = 600;
/** Bytes of a case before its code: the counter of its rounds. */
const PROLOGUE_BYTES = 4;

const missing = missingQemu();
if (missing !== undefined) throw new Error(missing);
const cases = randomCases(SEED, CASES);
const image = buildImage(
  cases.map((c) => toCase(c)),
  "exit",
);
const qemu = new QemuUser();
const records = await qemu.run(image);
qemu.close();
const lines = cases.map((c, i) =>
  JSON.stringify(recordCase(c, (image.entries[i] as number) + PROLOGUE_BYTES, recordAt(records, i))),
);
writeFileSync(new URL("recorded-cases.json", import.meta.url), `[\n${lines.join(",\n")}\n]\n`);
