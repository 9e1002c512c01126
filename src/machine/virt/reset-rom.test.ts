import { expect, test } from "vitest";
import { resetRom } from "#machine/virt/reset-rom.ts";

test("the ROM has the code, the two addresses and fw_dynamic's information", () => {
  const rom = resetRom({ startAddress: 0x8000_0000n, fdtAddress: 0x1_9fe0_0000n, kernelEntry: 0x8020_0000n });
  const words = new Uint32Array(rom.buffer);
  // As the ROM of qemu-system-riscv64 7.2 has them.
  expect([...words.subarray(0, 6)]).toEqual([
    0x0000_0297, // auipc t0, 0
    0x0282_8613, // addi  a2, t0, 0x28
    0xf140_2573, // csrr  a0, mhartid
    0x0202_b583, // ld    a1, 0x20(t0)
    0x0182_b283, // ld    t0, 0x18(t0)
    0x0002_8067, // jr    t0
  ]);
  expect([...new BigUint64Array(rom.buffer).subarray(3)]).toEqual([
    0x8000_0000n,
    0x1_9fe0_0000n,
    0x4942_534fn,
    2n,
    0x8020_0000n,
    1n,
    0n,
    0n,
  ]);
});

test("without a kernel firmware is told of none", () => {
  const rom = resetRom({ startAddress: 0x2000_0000n, fdtAddress: 0x9fe0_0000n });
  expect(new BigUint64Array(rom.buffer)[7]).toBe(0n);
});
