/** Lines as the programs print them, with the driver's underscores. */
import { expect, test } from "vitest";
import { readRate } from "./readings.ts";

test("bytes and signatures a second of openssl speed -mr", () => {
  expect(readRate("openssl-bytes", "+F:25:AES-256-GCM:4186346057.14")).toBe(4186346057.14);
  expect(readRate("openssl-bytes", "+F:8:sha256:36872192.00_")).toBe(36872192);
  expect(readRate("openssl-operations", "+F2:2:2048:4950.000000:58172.727273")).toBe(4950);
  expect(readRate("openssl-operations", "+F4:3:256:45610.000000:16533.333333")).toBe(45610);
});

test("the total rating of 7z b", () => {
  expect(readRate("7z", "Tot:______________61___1710___1038")).toBe(1038);
});

test("operations a second of stress-ng --metrics-brief", () => {
  const line =
    "stress-ng:_metrc:_[112]_qsort________________10______4.05______3.90______0.10_________2.47___________2.50";
  expect(readRate("stress-ng", line)).toBe(2.47);
});

test.each([
  ["openssl-bytes", ""],
  ["openssl-bytes", "+F2:2:2048:4950.0:58172.7"],
  ["openssl-operations", "+F2:2:2048:nan:1"],
  ["7z", "Tot:___61"],
  ["stress-ng", "stress-ng:_metrc:_[112]_qsort___0_____0.00______0.00______0.00_________0.00___________0.00"],
] as const)("%s: no rate in %j", (reading, output) => {
  expect(readRate(reading, output)).toBeUndefined();
});
