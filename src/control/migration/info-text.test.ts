import { expect, test } from "vitest";
import { migrationText, parametersText } from "#control/migration/info-text.ts";
import { DEFAULT_PARAMETERS } from "#control/migration/parameters.ts";

const BLOCKTIME = {
  "postcopy-blocktime": 12,
  "postcopy-vcpu-blocktime": [12, 30],
  "postcopy-latency": 1000,
  "postcopy-vcpu-latency": [900, 1100],
  "postcopy-non-vcpu-latency": 0,
  "postcopy-latency-dist": [2, ...Array.from({ length: 23 }, () => 0)],
};

test("a source that is under way", () => {
  const ram = {
    total: 1 << 20,
    remaining: 4096,
    transferred: 3000,
    normal: 1,
    "normal-bytes": 4096,
    duplicate: 2,
    skipped: 0,
    mbps: 1.239,
    "page-size": 4096,
    "pages-per-second": 5,
    "dirty-pages-rate": 0,
    "dirty-sync-count": 1,
    "precopy-bytes": 3000,
    "downtime-bytes": 0,
    "postcopy-bytes": 0,
    "postcopy-requests": 7,
    "multifd-bytes": 0,
    "dirty-sync-missed-zero-copy": 0,
  };
  const text = migrationText(
    { status: "active", "setup-time": 3, "total-time": 40, "expected-downtime": 9, ram },
    { all: false },
  );
  expect(text.split("\n").slice(0, 7)).toEqual([
    "Migration status: active",
    "total time: 40 ms",
    "expected downtime: 9 ms",
    "setup: 3 ms",
    "transferred ram: 2 kbytes",
    "throughput: 1.24 mbps",
    "remaining ram: 4 kbytes",
  ]);
  expect(text).toMatch(/postcopy request count: 7\nprecopy ram: 2 kbytes\n$/);
});

test("a destination with blocktime, and one that failed", () => {
  const info = { status: "completed" as const, ...BLOCKTIME };
  expect(migrationText(info, { all: false })).toMatch(
    /^Migration status: completed\ntotal time: 0 ms\nPostcopy Blocktime \(ms\): 12\nPostcopy vCPU Blocktime \(ms\):\n \[12, 30\]\n/,
  );
  expect(migrationText(info, { all: true })).toMatch(/^globals:\n[^]*1 us - {5}2 us \]: {10}2\n/);
  expect(migrationText({ status: "failed", "error-desc": "gone" }, { all: false })).toMatch(
    /^Migration status: failed \(gone\)\n/,
  );
  expect(migrationText({}, { all: false })).toBe("");
});

test("parameters have their units", () => {
  const text = parametersText({ ...DEFAULT_PARAMETERS, "cpu-throttle-tailslow": true });
  expect(text).toMatch(/^announce-initial: 50 ms\nannounce-max: 550 ms\nannounce-rounds: 5\n/);
  expect(text).toContain("\ncpu-throttle-tailslow: on\nmax-cpu-throttle: 99\ntls-creds: ''\ntls-hostname: ''\n");
  expect(text).toContain("\nmax-bandwidth: 134217728 bytes/second\ndowntime-limit: 300 ms\n");
  expect(text).toMatch(/\nvcpu-dirty-limit: 1 MB\/s\nmode: normal\n[^]*\ncpr-exec-command:\n$/);
});
