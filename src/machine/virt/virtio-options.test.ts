import { expect, test } from "vitest";
import type { CharBackend } from "#core/host.ts";
import type { DeviceConfig, DriveConfig } from "#machine/config.ts";
import { blkOptions, consoleOptions, DeviceError, rngOptions } from "#machine/virt/virtio-options.ts";

test("a disk's properties reach the device, and what is not given keeps its default", () => {
  expect(blkOptions({ drive: "d0" })).toEqual({});
  const properties = {
    drive: "d0",
    serial: "abc",
    "queue-size": 64,
    logical_block_size: 4096,
    physical_block_size: 0,
    "config-wce": false,
    discard: false,
    "write-zeroes": true,
    "write-cache": "off",
  };
  expect(blkOptions(properties)).toEqual({
    serial: "abc",
    queueSize: 64,
    logicalBlockBytes: 4096,
    configWce: false,
    discard: false,
    writeZeroes: true,
    writeCache: false,
  });
  expect(blkOptions({ "write-cache": "auto" })).toEqual({});
});

test("a device's own error policies go before its drive's", () => {
  const drive = { readErrors: "ignore", writeErrors: "stop" } as DriveConfig;
  expect(blkOptions({ rerror: "auto" }, drive)).toEqual({ readErrors: "ignore", writeErrors: "stop" });
  expect(blkOptions({ rerror: "stop", werror: "report" }, drive)).toEqual({
    readErrors: "stop",
    writeErrors: "report",
  });
});

test.each([
  [{ "queue-size": 0 }, "queue-size=0 is not a power of two"],
  [{ "queue-size": 100 }, "queue-size=100"],
  [{ "queue-size": 2048 }, "queue-size=2048"],
  [{ logical_block_size: 4096, physical_block_size: 512 }, "physical_block_size=512 is less"],
])("%o is refused", (properties, message) => {
  expect(() => blkOptions(properties)).toThrow(DeviceError);
  expect(() => blkOptions(properties)).toThrow(message);
});

test("an entropy source may be limited, but not to nothing", () => {
  expect(rngOptions({})).toEqual({});
  expect(rngOptions({ "max-bytes": 1024, period: 1000 })).toEqual({ maxBytes: 1024, periodMs: 1000 });
  expect(() => rngOptions({ "max-bytes": 0 })).toThrow(DeviceError);
});

test("consoles sit on the bus and have the number that they name", () => {
  const chardev = (name: string): CharBackend => ({ name, attach() {}, write() {}, poke() {}, close() {} });
  const chardevs = new Map(["a", "b", "c", "d"].map((name) => [name, chardev(name)] as const));
  const bus = (id?: string, maxPorts?: number): DeviceConfig => ({
    driver: "virtio-serial-device",
    ...(id === undefined ? {} : { id }),
    properties: maxPorts === undefined ? {} : { max_ports: maxPorts },
  });
  const port = (name: string, properties: DeviceConfig["properties"] = {}): DeviceConfig => ({
    driver: "virtconsole",
    properties: { chardev: name, ...properties },
  });
  const [first, second] = [bus(), bus("s", 4)];
  const all = [first, second, port("a", { nr: 1 }), port("b"), port("c", { bus: "s.0", name: "log" }), port("d")];
  const summary = (device: DeviceConfig) => {
    const { maxPorts, ports } = consoleOptions(device, all, chardevs);
    return { maxPorts, ports: ports.map((p) => [p.chardev.name, p.number, p.name]) };
  };
  expect(summary(first)).toEqual({
    maxPorts: undefined,
    ports: [
      ["a", 1, undefined],
      ["b", 0, undefined],
      ["d", 2, undefined],
    ],
  });
  expect(summary(second)).toEqual({ maxPorts: 4, ports: [["c", 0, "log"]] });
});
