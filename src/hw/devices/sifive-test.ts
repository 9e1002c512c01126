/**
 * SiFive's test finisher: a guest ends the machine by one store.
 *
 * Spec: device tree binding "sifive,test0" and the `syscon-poweroff` and `syscon-reboot` nodes of the virt board: the low
 * half of the word at offset 0 says what to do, the high half is an exit code.
 * Thread: machine.
 */
import type { Device, MigrationSection, MmioRegion } from "#hw/bus/types.ts";

export type FinisherPort = {
  /** The guest is done; `code` is 0 to 65535, 0 for success. */
  shutdown(code: number): void;
  reset(): void;
};

const FINISHER_FAIL = 0x3333;
const FINISHER_PASS = 0x5555;
const FINISHER_RESET = 0x7777;

export class SifiveTest implements Device {
  readonly typeName = "riscv.sifive.test";
  readonly regions: readonly MmioRegion[];
  readonly migration: readonly MigrationSection[] = [];

  constructor(port: FinisherPort) {
    this.regions = [
      {
        sizeBytes: 0x1000,
        accessSizes: [2, 4],
        read: () => 0,
        write: (offset, _size, value) => {
          if (offset !== 0) return;
          const status = value & 0xffff;
          if (status === FINISHER_PASS) port.shutdown(0);
          else if (status === FINISHER_FAIL) port.shutdown((value >>> 16) & 0xffff);
          else if (status === FINISHER_RESET) port.reset();
        },
      },
    ];
  }

  reset(): void {}
}
