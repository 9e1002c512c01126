/**
 * A guest of a few instructions that drives a legacy virtio disk at the board's last slot, for tests of what fails on the
 * host. It says "ready", then answers each key:
 *
 *   r, w  reads or writes sectors 0 and 1, each by a request of its own, under way together; says for each the status as a
 *         digit and the first byte of its data
 *   q     powers off
 *   .     any other key comes back
 *
 * What it writes are the characters "0" and "1".
 */
import { A0, FINISHER, type FirmwareCode, makeFirmware, S0, T0, UART } from "./firmware-code.ts";

const ROOM_BYTES = 0x800;
const DISK = 0x1000_8000;
/** Offsets of legacy registers. Spec: virtio 1.2, 4.2.4. */
const REGISTER = {
  pageSize: 0x28,
  queueNum: 0x38,
  queueAlign: 0x3c,
  queuePfn: 0x40,
  notify: 0x50,
  status: 0x70,
} as const;
const QUEUE_SIZE = 8;
/** Descriptors, then the available ring; the used ring is in the next page. */
const QUEUE = 0x8010_0000;
const AVAILABLE = QUEUE + 16 * QUEUE_SIZE;
const USED = QUEUE + 0x1000;
const NEXT = 1;
const WRITE = 2;
const [T1, T2, T3, S2] = [6, 7, 28, 18] as const;

/** Header, data and status of the request for `sector`, and the first of its three descriptors. */
const request = (sector: number) => ({
  header: 0x8011_0000 + 0x1000 * sector,
  data: 0x8012_0000 + 0x1000 * sector,
  status: 0x8013_0000 + 0x1000 * sector,
  head: 3 * sector,
});
const REQUESTS = [request(0), request(1)] as const;

/** The firmware for `-bios`. */
export const diskFirmware = (): Uint8Array => makeFirmware(ROOM_BYTES, emit);

function emit(code: FirmwareCode): void {
  const { a } = code;
  /** T1 := address, zero-extended. */
  const place = (address: number): void => {
    a.value(T1, address | 0);
    a.op("slli", { rd: T1, rs1: T1, imm: 32 });
    a.op("srli", { rd: T1, rs1: T1, imm: 32 });
  };
  const store = (op: string, value: number, address: number): void => {
    place(address);
    a.value(T0, value | 0);
    a.op(op, { rs1: T1, rs2: T0, imm: 0 });
  };
  const load = (op: string, rd: number, address: number): void => {
    place(address);
    a.op(op, { rd, rs1: T1, imm: 0 });
  };
  const descriptor = (index: number, address: number, lengthBytes: number, flags: number): void => {
    const at = QUEUE + 16 * index;
    store("sw", address, at);
    store("sw", lengthBytes, at + 8);
    store("sw", flags | ((index + 1) << 16), at + 12);
  };
  /** Says the byte at `address`, plus `offset`. */
  const say = (address: number, offset = 0): void => {
    load("lbu", T0, address);
    a.op("addi", { rd: T0, rs1: T0, imm: offset });
    code.say();
  };
  a.op("csrrs", { rd: T0, rs1: 0, csr: 0xf14 });
  code.label("park");
  code.branch("bne", T0, 0, "park");
  a.value(S0, UART);
  store("sw", 3, DISK + REGISTER.status);
  store("sw", 4096, DISK + REGISTER.pageSize);
  store("sw", QUEUE_SIZE, DISK + REGISTER.queueNum);
  store("sw", 4096, DISK + REGISTER.queueAlign);
  store("sw", QUEUE / 4096, DISK + REGISTER.queuePfn);
  store("sw", 7, DISK + REGISTER.status);
  a.value(S2, 0);
  code.print("ready\n");

  code.label("next");
  a.op("lbu", { rd: T0, rs1: S0, imm: 5 });
  a.op("andi", { rd: T0, rs1: T0, imm: 1 });
  code.branch("beq", T0, 0, "next");
  a.op("lbu", { rd: A0, rs1: S0, imm: 0 });
  code.onKey("q", "not q");
  store("sw", 0x5555, FINISHER);
  code.jump("park");
  code.label("not q");
  for (const [key, type, flags] of [
    ["r", 0, NEXT | WRITE],
    ["w", 1, NEXT],
  ] as const) {
    code.onKey(key, `not ${key}`);
    for (const [sector, { header, data, status, head }] of REQUESTS.entries()) {
      store("sw", type, header);
      store("sw", sector, header + 8);
      if (type === 1) store("sb", 0x30 + sector, data);
      store("sb", 0xff, status);
      descriptor(head, header, 16, NEXT);
      descriptor(head + 1, data, 512, flags);
      descriptor(head + 2, status, 1, WRITE);
    }
    code.jump("send");
    code.label(`not ${key}`);
  }
  a.op("sb", { rs1: S0, rs2: A0, imm: 0 });
  code.jump("next");

  code.label("send");
  for (const { head } of REQUESTS) {
    a.op("andi", { rd: T2, rs1: S2, imm: QUEUE_SIZE - 1 });
    a.op("slli", { rd: T2, rs1: T2, imm: 1 });
    place(AVAILABLE + 4);
    a.op("add", { rd: T2, rs1: T2, rs2: T1 });
    a.value(T0, head);
    a.op("sh", { rs1: T2, rs2: T0, imm: 0 });
    a.op("addi", { rd: S2, rs1: S2, imm: 1 });
  }
  place(AVAILABLE + 2);
  a.op("sh", { rs1: T1, rs2: S2, imm: 0 });
  store("sw", 0, DISK + REGISTER.notify);
  a.op("slli", { rd: T3, rs1: S2, imm: 48 });
  a.op("srli", { rd: T3, rs1: T3, imm: 48 });
  code.label("wait");
  load("lhu", T0, USED + 2);
  code.branch("bne", T0, T3, "wait");
  for (const { status, data } of REQUESTS) {
    say(status, 0x30);
    say(data);
  }
  code.print("\n");
  code.jump("next");
}
