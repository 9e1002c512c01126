import { expect, test } from "vitest";
import { registerBank } from "#hw/bus/register-bank.ts";

test("a row answers its offset; unnamed offsets and missing directions read 0 and ignore writes", () => {
  const written: number[] = [];
  const bank = registerBank({ width: 4 }, [
    [0x00, "ID", { read: () => -1 }],
    [0x10, "CMD", { write: (value) => void written.push(value) }],
  ]);
  expect([bank.read(0), bank.read(3), bank.read(4), bank.read(0x10), bank.read(0x1000)]).toEqual([
    0xffff_ffff, 0xffff_ffff, 0, 0, 0,
  ]);
  bank.write(0, 1);
  bank.write(0x10, 2);
  bank.write(0x1000, 3);
  expect(written).toEqual([2]);
  expect([bank.nameAt(0x12), bank.nameAt(0x14)]).toEqual(["CMD", undefined]);
});

test("a table with two rows at one place, or between two registers, is a bug", () => {
  expect(() =>
    registerBank({ width: 4 }, [
      [0, "A", {}],
      [0, "B", {}],
    ]),
  ).toThrow("B lies on");
  expect(() => registerBank({ width: 2 }, [[1, "A", {}]])).toThrow("not aligned");
});
