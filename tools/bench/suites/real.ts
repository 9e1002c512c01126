import type { ProgramSuite, Row } from "../suites.ts";

/** AMOUNT bytes, or signatures, by openssl's own measurement of two seconds. */
const openssl = (name: string, unit: "bytes" | "operations", amount: number, ...args: readonly string[]): Row => ({
  name,
  program: "openssl.sh",
  work: 2,
  args,
  needs: "openssl",
  measures: { reading: `openssl-${unit}`, amount },
});

/** OPERATIONS of a stressor. */
const stress = (stressor: string, operations: number, ...options: readonly string[]): Row => ({
  name: `stress_${stressor}`,
  program: "stress.sh",
  work: operations,
  args: [stressor, ...options],
  needs: "stress-ng",
  measures: { reading: "stress-ng", amount: operations },
});

export const REAL: ProgramSuite = {
  kind: "programs",
  name: "real",
  title: "Programs of Debian's packages",
  smp: 1,
  guest: { kind: "packages" },
  rows: [
    openssl("openssl_sha256", "bytes", 100e6, "-bytes", "16384", "-evp", "sha256"),
    openssl("openssl_aes", "bytes", 100e6, "-bytes", "16384", "-evp", "aes-256-ctr"),
    openssl("openssl_rsa", "operations", 100, "rsa2048"),
    openssl("openssl_ecdsa", "operations", 1000, "ecdsap256"),
    {
      name: "7z",
      program: "7z.sh",
      work: 1,
      needs: "7zip",
      measures: { reading: "7z", amount: 1000 },
    },
    { name: "xz", program: "xz.sh", work: 1, needs: "xz-utils", prepare: { program: "make_text.c", work: 1500 } },
    { name: "sqlite", program: "sqlite.sh", work: 40, needs: "sqlite3" },
    { name: "python", program: "python.sh", work: 60, needs: "python3-minimal" },
    stress("cpu", 100, "--cpu-method", "all"),
    stress("matrix", 1000),
    stress("qsort", 4),
    stress("switch", 15_000),
    stress("fork", 500),
  ],
};

/** The packages of the rows; of Python's, those with its program and its library. */
export const REAL_PACKAGES = [
  { name: "openssl" },
  { name: "7zip" },
  { name: "xz-utils" },
  { name: "sqlite3" },
  { name: "python3-minimal", follow: /^(lib)?python3(\.\d+)?-minimal$/ },
  { name: "stress-ng" },
];
