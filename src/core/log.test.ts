import { expect, test } from "vitest";
import { type LogSink, makeLog } from "./log.ts";
import { selectEvents, TRACE_EVENT_NAMES } from "./trace.ts";

function memorySink(stamp = ""): LogSink & { readonly text: () => string } {
  let text = "";
  return { write: (lines) => void (text += lines), stamp: () => stamp, text: () => text };
}

test("an item that is off has no writer", () => {
  const sink = memorySink();
  const log = makeLog({ items: ["int"], events: [] }, sink);
  expect(log.writer("exec")).toBeUndefined();
  log.writer("int")?.("one\n");
  expect(sink.text()).toBe("one\n");
  expect(makeLog(undefined, sink).writer("int")).toBeUndefined();
});

test("an event that is on writes its name and text; one that is off has no function", () => {
  const sink = memorySink();
  const { trace } = makeLog({ items: [], events: ["riscv_plic_claim", "system_reset_request"] }, sink);
  trace.riscv_plic_claim?.(1, 10);
  trace.system_reset_request?.();
  expect(trace.riscv_plic_complete).toBeUndefined();
  expect(sink.text()).toBe("riscv_plic_claim context 1 source 10\nsystem_reset_request from the guest\n");
});

test("the stamp stands before the name", () => {
  const sink = memorySink("42@1.000002:");
  makeLog({ items: [], events: ["serial_write"] }, sink).trace.serial_write?.(0, 0x41);
  expect(sink.text()).toBe("42@1.000002:serial_write write addr 0x0 val 0x41\n");
});

test.each<[string[], readonly string[], readonly string[]]>([
  [["serial_*"], ["serial_read", "serial_write"], []],
  [["serial_?rite", "vcpu_park"], ["vcpu_park", "serial_write"], []],
  [
    ["*", "-virtio_*", "-*_read"],
    TRACE_EVENT_NAMES.filter((n) => !n.startsWith("virtio_") && !n.endsWith("_read")),
    [],
  ],
  [["serial_*", "-serial_*", "serial_read"], ["serial_read"], []],
  [["foo", "foo*", "-bar"], [], ["foo", "bar"]],
  [["serial.read", "[a-z]*", "********************************x"], [], ["serial.read"]],
])("patterns %j", (patterns, events, unknown) => {
  expect(selectEvents(patterns)).toEqual({ events, unknown });
});
