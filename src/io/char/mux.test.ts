import { expect, test } from "vitest";
import type { CharBackend, CharFrontend, Clock } from "#core/host.ts";
import { CharMux } from "#io/char/mux.ts";

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
const text = (parts: Iterable<number>): string => String.fromCharCode(...parts);

/** A terminal driven by the test. */
class Terminal implements CharBackend {
  readonly name = "terminal";
  readonly shown: number[] = [];
  frontend: CharFrontend | undefined;
  pokes = 0;
  attach(frontend: CharFrontend): void {
    this.frontend = frontend;
    frontend.event("opened");
  }
  type(keys: string): void {
    this.frontend?.receive(bytes(keys));
  }
  write(more: Uint8Array): void {
    this.shown.push(...more);
  }
  poke(): void {
    this.pokes++;
  }
  close(): void {}
}

/** A guest's port that takes `room` bytes. */
class Guest implements CharFrontend {
  readonly got: number[] = [];
  readonly events: string[] = [];
  room = Number.POSITIVE_INFINITY;
  canReceive(): number {
    return Math.min(this.room, 16);
  }
  receive(more: Uint8Array): void {
    expect(more.length).toBeLessThanOrEqual(this.canReceive());
    this.room -= more.length;
    this.got.push(...more);
  }
  event(event: string): void {
    this.events.push(event);
  }
}

function setUp() {
  const terminal = new Terminal();
  const calls: string[] = [];
  let nowNs = 0;
  const clock: Clock = { nowNs: () => nowNs, wallMs: () => 0 };
  const mux = new CharMux(terminal, clock, {
    exit: () => calls.push("exit"),
    sync: () => calls.push("sync"),
    focused: (index) => calls.push(`focus ${index}`),
  });
  const [serialPort, monitorPort] = [mux.port("serial0"), mux.port("monitor")];
  const [serial, monitor] = [new Guest(), new Guest()];
  serialPort.attach(serial);
  monitorPort.attach(monitor);
  const setNowMs = (ms: number): void => void (nowNs = ms * 1e6);
  return { terminal, calls, mux, serialPort, monitorPort, serial, monitor, setNowMs };
}

test("input goes to the focus, output comes from every port", () => {
  const { terminal, serial, monitor, serialPort, monitorPort, calls } = setUp();
  expect(serial.events).toEqual(["opened"]);
  terminal.type("ls\x01cinfo");
  expect([text(serial.got), text(monitor.got), calls]).toEqual(["ls", "info", ["focus 1"]]);
  terminal.type("\x01C!");
  expect(text(serial.got)).toBe("ls!");
  serialPort.write(bytes("out"));
  monitorPort.write(bytes("(mon)"));
  expect(text(terminal.shown)).toBe("out(mon)");
});

test("the escape commands, also when the two keys come apart", () => {
  const { terminal, serial, calls } = setUp();
  terminal.type("a\x01");
  terminal.type("xb\x01s\x01b\x01z\x01\x01c\x01\x01\x01\x01");
  expect(calls).toEqual(["exit", "sync"]);
  expect(serial.events).toEqual(["opened", "break"]);
  expect(text(serial.got)).toBe("ab\x01c\x01\x01");
  terminal.type("\x01h");
  expect(text(terminal.shown)).toContain("Ctrl-A x       ends the emulator\r\n");
});

test("a port without room holds input back; Ctrl-A still works until the limit", () => {
  const { terminal, serial, serialPort, calls } = setUp();
  serial.room = 3;
  terminal.type("abcdef");
  expect(text(serial.got)).toBe("abc");
  terminal.type("\x01s");
  expect(calls).toEqual(["sync"]);
  terminal.type("x".repeat(4093));
  expect(terminal.frontend?.canReceive()).toBe(0);
  const pokes = terminal.pokes;
  serial.room = 100;
  serialPort.poke();
  expect(text(serial.got)).toBe(`abcdef${"x".repeat(97)}`);
  expect(terminal.frontend?.canReceive()).toBe(100);
  expect(terminal.pokes).toBeGreaterThan(pokes);
});

test("timestamps stand before each line", () => {
  const { terminal, serialPort, setNowMs } = setUp();
  serialPort.write(bytes("a\n"));
  terminal.type("\x01t");
  setNowMs(3_723_004);
  serialPort.write(bytes("b\nc"));
  serialPort.write(bytes("d\n"));
  terminal.type("\x01t");
  serialPort.write(bytes("e\n"));
  expect(text(terminal.shown)).toBe("a\n[01:02:03.004] b\n[01:02:03.004] cd\ne\n");
});

test("as one character device it gives each frontend a port of its own", () => {
  const terminal = new Terminal();
  const clock: Clock = { nowNs: () => 0, wallMs: () => 0 };
  const device = new CharMux(terminal, clock, { exit() {} }).shared("c");
  const [first, second] = [new Guest(), new Guest()];
  device.attach(first);
  device.attach(second);
  expect([first.events, second.events]).toEqual([["opened"], ["opened"]]);
  terminal.type("a\x01cb");
  expect([text(first.got), text(second.got)]).toEqual(["a", "b"]);
  device.write(bytes("out"));
  expect(text(terminal.shown)).toBe("out");
});

test("a mux that is held takes no input until everybody has attached", () => {
  const { terminal, mux } = setUp();
  const pokes = terminal.pokes;
  mux.hold();
  expect(terminal.frontend?.canReceive()).toBe(0);
  mux.release();
  expect(terminal.frontend?.canReceive()).toBeGreaterThan(0);
  expect(terminal.pokes).toBe(pokes + 1);
});

test("a port hears whether the keyboard is its", () => {
  const { terminal, mux } = setUp();
  const heard: boolean[] = [];
  mux
    .port("late")
    .attach({ canReceive: () => 0, receive: () => {}, event: () => {}, focus: (isOurs) => heard.push(isOurs) });
  terminal.type("\x01c\x01c\x01c");
  expect(heard).toEqual([false, true, false]);
});
