import { expect, test } from "vitest";
import { ByteReader } from "#core/bytes.ts";
import { Ns16550a, SERIAL_STATE } from "#hw/devices/ns16550a.ts";
import { NS16550A_RECORDED } from "#hw/devices/ns16550a.recorded.ts";
import type { MmioRegion } from "#hw/bus/types.ts";

const [RBR, THR, IER, IIR, FCR, LCR, MCR, LSR, MSR, SCR] = [0, 0, 1, 2, 2, 3, 4, 5, 6, 7] as const;

function makeUart(memory = new SharedArrayBuffer(SERIAL_STATE.sizeBytes)) {
  const sent: number[] = [];
  let room = Number.POSITIVE_INFINITY;
  let irq = false;
  let roomMade = 0;
  const uart = new Ns16550a(
    { memory, offset: 0 },
    {
      irq: {
        set: (level) => {
          irq = level;
        },
      },
      out: {
        push: (byte) => {
          if (room === 0) return false;
          room -= 1;
          sent.push(byte);
          return true;
        },
      },
      roomMade: () => {
        roomMade += 1;
      },
    },
  );
  uart.reset();
  const region = uart.regions[0] as MmioRegion;
  return {
    uart,
    memory,
    region,
    sent,
    read: (offset: number) => region.read(offset, 1),
    write: (offset: number, value: number) => region.write(offset, 1, value),
    irq: () => irq,
    roomMade: () => roomMade,
    setRoom: (bytes: number) => {
      room = bytes;
    },
  };
}

test("power-on values are QEMU's", () => {
  const { read, irq } = makeUart();
  expect([0, 1, 2, 3, 4, 5, 6, 7].map(read)).toEqual([0, 0, 1, 0, 8, 0x60, 0xb0, 0]);
  expect(irq()).toBe(false);
});

test("DLAB switches offsets 0 and 1 to the divisor latch", () => {
  const { read, write, sent } = makeUart();
  write(LCR, 0x83);
  expect([read(0), read(1)]).toEqual([12, 0]);
  write(0, 0x34);
  write(1, 0x12);
  expect([read(0), read(1)]).toEqual([0x34, 0x12]);
  write(LCR, 0x03);
  expect(read(IER)).toBe(0);
  write(THR, 0x41);
  expect(sent).toEqual([0x41]);
});

test("a polling transmitter sees THR empty after every byte", () => {
  const { read, write, sent } = makeUart();
  for (const byte of [0x68, 0x69, 0x0a]) {
    expect(read(LSR) & 0x60).toBe(0x60);
    write(THR, byte);
  }
  expect(sent).toEqual([0x68, 0x69, 0x0a]);
});

test("an interrupt-driven transmitter: THRI raises at once, IIR resets it, THR raises it again, IER raises it again", () => {
  const { read, write, irq } = makeUart();
  write(IER, 2);
  expect(irq()).toBe(true);
  expect(read(IIR)).toBe(2);
  expect(irq()).toBe(false);
  expect(read(IIR)).toBe(1);
  write(THR, 0x41);
  expect(irq()).toBe(true);
  expect(read(IIR)).toBe(2);
  // Nothing more to send: the driver masks it, and unmasks it for the next message.
  write(IER, 0);
  expect(irq()).toBe(false);
  write(IER, 2);
  expect(irq()).toBe(true);
  // Writing IER without a change of THRI raises nothing.
  read(IIR);
  write(IER, 3);
  expect(irq()).toBe(false);
});

test("a full port: THR empties into the shift register only, and everything goes out in order later", () => {
  const { uart, read, write, irq, sent, setRoom } = makeUart();
  setRoom(1);
  write(IER, 2);
  for (const [byte, lsr] of [
    [0x41, 0x60],
    [0x42, 0x20],
    [0x43, 0x00],
  ] as const) {
    write(THR, byte);
    expect([read(LSR), irq()]).toEqual([lsr, lsr !== 0]);
  }
  setRoom(1);
  uart.transmitRoomMade();
  expect([read(LSR), read(IIR), sent.length]).toEqual([0x20, 2, 2]);
  uart.transmitRoomMade();
  expect([read(LSR), sent.length]).toEqual([0x20, 2]);
  setRoom(9);
  uart.transmitRoomMade();
  expect([read(LSR), ...sent]).toEqual([0x60, 0x41, 0x42, 0x43]);
});

test("a full port with FIFOs: 16 bytes and one wait; more lose the oldest; the FIFO reset drops them", () => {
  const { uart, read, write, irq, sent, setRoom } = makeUart();
  setRoom(0);
  write(FCR, 1);
  write(IER, 2);
  for (let i = 0; i < 18; i++) write(THR, i);
  expect([read(LSR), irq()]).toEqual([0, false]);
  setRoom(16);
  uart.transmitRoomMade();
  expect([read(LSR), irq(), sent]).toEqual([0x20, true, [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]]);
  for (let i = 20; i < 24; i++) write(THR, i);
  write(FCR, 5);
  expect(read(LSR)).toBe(0x20);
  setRoom(99);
  uart.transmitRoomMade();
  expect([read(LSR), ...sent.slice(16)]).toEqual([0x60, 17]);
});

test("reading IIR does not reset the THR interrupt when it shows another one", () => {
  const { uart, read, write, irq } = makeUart();
  write(IER, 3);
  uart.receive(0x61);
  expect(read(IIR) & 0xf).toBe(4);
  expect(read(RBR)).toBe(0x61);
  expect(irq()).toBe(true);
  expect(read(IIR) & 0xf).toBe(2);
});

test("without FIFOs: one byte, overrun, and the rest waits outside", () => {
  const { uart, read, write, irq } = makeUart();
  write(IER, 5);
  expect(uart.canReceive()).toBe(1);
  uart.receive(0x61);
  expect(uart.canReceive()).toBe(0);
  uart.receive(0x62);
  expect(read(IIR) & 0xf).toBe(6);
  expect(read(LSR)).toBe(0x63);
  expect(read(LSR)).toBe(0x61);
  expect(read(RBR)).toBe(0x62);
  expect(read(LSR)).toBe(0x60);
  expect(irq()).toBe(false);
});

test("with FIFOs: trigger levels, time-out, 16 bytes in order, overrun keeps the old ones", () => {
  for (const [fcr, trigger] of [
    [0x01, 1],
    [0x41, 4],
    [0x81, 8],
    [0xc1, 14],
  ] as const) {
    const { uart, read, write, irq } = makeUart();
    write(FCR, fcr);
    expect(read(IIR)).toBe(0xc1);
    write(IER, 1);
    expect(uart.canReceive()).toBe(trigger);
    for (let i = 0; i < 16; i++) {
      expect(uart.canReceive()).toBeGreaterThan(0);
      uart.receive(0x30 + i);
      expect(read(IIR)).toBe(i + 1 >= trigger ? 0xc4 : 0xcc);
      expect(irq()).toBe(true);
    }
    expect(uart.canReceive()).toBe(0);
    uart.receive(0xff);
    expect(read(LSR)).toBe(0x63);
    for (let i = 0; i < 16; i++) expect(read(RBR)).toBe(0x30 + i);
    expect(read(LSR)).toBe(0x60);
    expect(read(RBR)).toBe(0);
    expect(irq()).toBe(false);
  }
});

test("FCR resets: the receive FIFO empties, bits 1 and 2 do not stay, and a mode change clears both", () => {
  const { uart, read, write, irq } = makeUart();
  write(FCR, 0x81);
  write(IER, 1);
  uart.receive(1);
  uart.receive(2);
  write(FCR, 0x83);
  expect([read(LSR), irq(), uart.canReceive()]).toEqual([0x60, false, 8]);
  uart.receive(3);
  write(FCR, 0);
  expect([read(LSR), read(IIR), irq()]).toEqual([0x60, 1, false]);
  write(IER, 0);
  write(IER, 2);
  read(IIR);
  expect(irq()).toBe(false);
  write(FCR, 4);
  expect(irq()).toBe(true);
});

test("loopback: sent bytes come back, nothing goes out or comes in, modem outputs are the inputs", () => {
  const { uart, read, write, sent, roomMade } = makeUart();
  write(MCR, 0x1f);
  expect(read(MSR)).toBe(0xf0);
  for (const [mcr, msr] of [
    [0x11, 0x20],
    [0x12, 0x10],
    [0x14, 0x40],
    [0x18, 0x80],
  ] as const) {
    write(MCR, mcr);
    expect(read(MSR)).toBe(msr);
  }
  write(THR, 0x55);
  expect(sent).toEqual([]);
  expect(uart.canReceive()).toBe(0);
  uart.receive(0x66);
  expect(read(RBR)).toBe(0x55);
  expect(roomMade()).toBe(0);
  write(MCR, 0xe3);
  expect(read(MCR)).toBe(3);
  expect([roomMade(), uart.canReceive()]).toEqual([1, 1]);
});

test("Linux's autoconfiguration and THRE bug probes see a 16550A", () => {
  const { read, write } = makeUart();
  // IER keeps four bits.
  write(IER, 0);
  expect(read(IER)).toBe(0);
  write(IER, 0x0f);
  expect(read(IER)).toBe(0x0f);
  write(IER, 0);
  write(MCR, 0x1a);
  expect(read(MSR) & 0xf0).toBe(0x90);
  write(MCR, 8);
  write(FCR, 1);
  expect(read(IIR) >> 6).toBe(3);
  write(FCR, 0);
  // size_fifo: fill in loopback, count until DR clears.
  write(FCR, 7);
  write(MCR, 0x10);
  for (let i = 0; i < 256; i++) write(THR, i);
  let count = 0;
  while (read(LSR) & 1 && count < 300) expect(read(RBR)).toBe(count++);
  expect(count).toBe(16);
  // The THRE test: enabling THRI twice with an IIR read between.
  write(MCR, 0);
  write(IER, 2);
  read(IIR);
  write(IER, 0);
  write(IER, 2);
  expect(read(IIR) & 1).toBe(0);
});

test("a break is a zero byte with BI, which reading LSR clears", () => {
  const { uart, read, write } = makeUart();
  write(FCR, 1);
  write(IER, 4);
  uart.receiveBreak();
  expect(read(IIR)).toBe(0xc6);
  expect(read(LSR)).toBe(0x71);
  expect(read(LSR)).toBe(0x61);
  expect(read(RBR)).toBe(0);
});

test("scratch keeps a byte; LSR and MSR ignore writes; wide accesses are one register", () => {
  const { region, read, write, sent } = makeUart();
  write(SCR, 0xa5);
  expect(read(SCR)).toBe(0xa5);
  write(LSR, 0);
  write(MSR, 0);
  expect([read(LSR), read(MSR)]).toEqual([0x60, 0xb0]);
  expect(region.read(4, 4)).toBe(8);
  region.write(0, 4, 0x12345678);
  region.write64?.(0, 0xffff_ffff_ffff_ff42n);
  expect(sent).toEqual([0x78, 0x42]);
  expect(region.read64?.(0)).toBe(0n);
});

test("two objects over one state are one device", () => {
  const first = makeUart();
  first.write(FCR, 0x81);
  const memory = first.memory;
  let irq = false;
  const line = {
    set: (level: boolean) => {
      irq = level;
    },
  };
  const second = new Ns16550a({ memory, offset: 0 }, { irq: line, out: { push: () => {} } });
  second.receive(0x7a);
  expect(first.read(RBR)).toBe(0x7a);
  second.regions[0]?.write(IER, 1, 2);
  expect(irq).toBe(true);
  expect(first.read(IIR)).toBe(0xc2);
});

test("the section is QEMU's: 11 bytes when idle, the receive FIFO and time-out as subsections", () => {
  const source = makeUart();
  const [section] = source.uart.migration;
  // The bytes of a bare QEMU 7.2.
  expect(hex(section?.save())).toBe("000c000001000860b00000");
  source.write(FCR, 0x81);
  source.write(IER, 3);
  source.read(IIR);
  source.uart.receive(0x61);
  source.read(RBR);
  source.uart.receive(0x62);
  source.uart.receive(0x63);
  source.write(THR, 1);
  const body = section?.save() as Uint8Array;
  const reader = new ByteReader(body);
  expect(hex(reader.bytes(11))).toBe("000c0003cc000861b00081");
  const names: string[] = [];
  const subsection = (lengthBytes: number) => {
    expect(reader.u8()).toBe(5);
    names.push(reader.shortString());
    expect(reader.u32()).toBe(1);
    return hex(reader.bytes(lengthBytes));
  };
  expect(subsection(4)).toBe("00000001");
  expect(subsection(24)).toBe("616263000000000000000000000000000000000100000002");
  expect(subsection(4)).toBe("00000001");
  expect(names).toEqual(["serial/thr_ipending", "serial/recv_fifo", "serial/timeout_ipending"]);
  expect(reader.left).toBe(0);

  const target = makeUart();
  target.uart.migration[0]?.load(body, 3);
  expect(target.irq()).toBe(true);
  expect([target.read(RBR), target.read(RBR), target.read(LSR)]).toEqual([0x62, 0x63, 0x60]);
  expect(target.read(IIR)).toBe(0xc2);
});

test("a stream with unsent bytes sends them; hostile FIFO counters stay inside", () => {
  const source = makeUart();
  source.setRoom(0);
  source.write(FCR, 1);
  for (const byte of [0x41, 0x42, 0x43]) source.write(THR, byte);
  const body = source.uart.migration[0]?.save() as Uint8Array;
  const target = makeUart();
  target.uart.migration[0]?.load(body, 3);
  expect(target.sent).toEqual([0x41, 0x42, 0x43]);
  expect(target.read(LSR)).toBe(0x60);

  const state = SERIAL_STATE.bind(source.memory);
  Object.assign(state, { recv_fifo_head: 0xffff_fff1, recv_fifo_num: 0xffff_ffff });
  Object.assign(state, { xmit_fifo_head: 0xffff_fff1, xmit_fifo_num: 0xffff_ffff });
  const hostile = makeUart();
  hostile.uart.migration[0]?.load(source.uart.migration[0]?.save() as Uint8Array, 3);
  expect([hostile.sent.length, hostile.read(LSR) & 0x60]).toEqual([17, 0x60]);
  for (let i = 0; i < 16; i++) hostile.read(RBR);
  expect(hostile.read(LSR) & 1).toBe(0);
  const garbage = makeUart();
  garbage.uart.migration[0]?.load(new Uint8Array(11).fill(0xff), 3);
  garbage.uart.migration[0]?.load(new Uint8Array(11), 3);
  expect(garbage.read(LSR) & 0x60).toBe(0x60);
});

test("a random walk recorded from QEMU 7.2 reads the same everywhere, and the line follows IIR", () => {
  const { read, write, irq } = makeUart();
  const steps = NS16550A_RECORDED.trim().split(/\s+/);
  expect(steps.length).toBeGreaterThan(1000);
  for (const [index, step] of steps.entries()) {
    const register = Number(step[1]);
    const value = Number.parseInt(step.slice(3), 16);
    if (step.startsWith("w")) {
      write(register, value);
    } else {
      const level = irq();
      expect(`${index}: ${read(register)}`).toBe(`${index}: ${value}`);
      if (register === IIR) expect(`${index}: ${level}`).toBe(`${index}: ${(value & 1) === 0}`);
    }
  }
});

function hex(bytes: Uint8Array | undefined): string {
  return Array.from(bytes ?? [], (b) => b.toString(16).padStart(2, "0")).join("");
}
