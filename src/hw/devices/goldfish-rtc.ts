/**
 * Goldfish real-time clock: nanoseconds since 1970 in two registers, and one alarm.
 *
 * The guest's time is the host's plus `tick_offset`, which the guest moves by writing the time. Reading TIME_LOW latches
 * the high half for TIME_HIGH.
 *
 * Spec: Android emulator, "Goldfish virtual hardware", goldfish_rtc; migration: QEMU section "goldfish_rtc" v3.
 * Thread: machine.
 */
import type { Clock, Timers } from "#core/host.ts";
import { u32, u64, vmstate } from "#core/vmstate.ts";
import { bindState } from "#hw/bus/bound-state.ts";
import { registerBank } from "#hw/bus/register-bank.ts";
import type { RegisterRow } from "#hw/bus/register-bank.ts";
import type { BoundState, Device, IrqLine, MigrationSection, MmioRegion } from "#hw/bus/types.ts";

export type GoldfishRtcPorts = { readonly irq: IrqLine; readonly clock: Clock; readonly timers: Timers };

const RTC_STATE = vmstate("goldfish_rtc", 3, {
  // What versions before 3 sent instead of tick_offset.
  tick_offset_vmstate: u64(),
  alarm_next: u64(),
  alarm_running: u32(),
  irq_pending: u32(),
  irq_enabled: u32(),
  time_high: u32(),
  tick_offset: u64(0n, 3),
});

const LOW = 0xffff_ffffn;
/** A host's timer may not reach further; the alarm is armed again then. */
const LONGEST_TIMER_NS = 3_600_000_000_000;
/** The host's wall clock is read to a microsecond: nothing is gained by a shorter wait. */
const SHORTEST_TIMER_NS = 1000;

export class GoldfishRtc implements Device {
  readonly typeName = "goldfish_rtc";
  readonly regions: readonly MmioRegion[];
  readonly migration: readonly MigrationSection[];
  readonly #ports: GoldfishRtcPorts;
  readonly #bound: BoundState<typeof RTC_STATE.fields>;
  #cancelTimer: () => void = () => {};

  /** `offsetNs` is the guest's time minus the host's at power-on. */
  constructor(ports: GoldfishRtcPorts, options: { readonly offsetNs?: bigint } = {}) {
    this.#ports = ports;
    const place = { memory: new ArrayBuffer(RTC_STATE.sizeBytes), offset: 0 };
    this.#bound = bindState(RTC_STATE, place, () => this.#afterLoad());
    this.#bound.reset();
    this.#bound.state.tick_offset = BigInt.asUintN(64, options.offsetNs ?? 0n);
    this.migration = [this.#bound.section];
    const bank = registerBank({ width: 4 }, this.#rows());
    this.regions = [
      {
        sizeBytes: 0x24,
        accessSizes: [4],
        read: (offset) => bank.read(offset),
        write: (offset, _size, value) => bank.write(offset, value >>> 0),
      },
    ];
  }

  /** Clears the alarm and the interrupt; the time goes on, as a battery keeps it. */
  reset(): void {
    const s = this.#bound.state;
    const tickOffset = s.tick_offset;
    this.#bound.reset();
    s.tick_offset = tickOffset;
    this.#cancelTimer();
    this.#updateIrq();
  }

  #rows(): readonly RegisterRow[] {
    const s = this.#bound.state;
    return [
      [
        0x00,
        "TIME_LOW",
        {
          read: () => {
            const now = this.#nowNs();
            s.time_high = Number(now >> 32n);
            return Number(now & LOW);
          },
          write: (value) => this.#setTime((now) => withLow(now, value)),
        },
      ],
      [0x04, "TIME_HIGH", { read: () => s.time_high, write: (value) => this.#setTime((now) => withHigh(now, value)) }],
      [
        0x08,
        "ALARM_LOW",
        {
          read: () => Number(s.alarm_next & LOW),
          // The low half comes last and arms the alarm.
          write: (value) => {
            s.alarm_next = withLow(s.alarm_next, value);
            this.#arm();
          },
        },
      ],
      [
        0x0c,
        "ALARM_HIGH",
        {
          read: () => Number(s.alarm_next >> 32n),
          write: (value) => {
            s.alarm_next = withHigh(s.alarm_next, value);
          },
        },
      ],
      [
        0x10,
        "IRQ_ENABLED",
        {
          read: () => s.irq_enabled,
          write: (value) => {
            s.irq_enabled = value & 1;
            this.#updateIrq();
          },
        },
      ],
      [
        0x14,
        "CLEAR_ALARM",
        {
          write: () => {
            this.#cancelTimer();
            s.alarm_running = 0;
          },
        },
      ],
      [0x18, "ALARM_STATUS", { read: () => s.alarm_running }],
      [
        0x1c,
        "CLEAR_INTERRUPT",
        {
          write: () => {
            s.irq_pending = 0;
            this.#updateIrq();
          },
        },
      ],
    ];
  }

  #nowNs(): bigint {
    // Milliseconds of a clock with a fraction: exact to a microsecond, which a double still holds.
    const hostNs = BigInt(Math.round(this.#ports.clock.wallMs() * 1000)) * 1000n;
    return BigInt.asUintN(64, hostNs + this.#bound.state.tick_offset);
  }

  #setTime(change: (nowNs: bigint) => bigint): void {
    const now = this.#nowNs();
    const s = this.#bound.state;
    s.tick_offset = BigInt.asUintN(64, s.tick_offset + change(now) - now);
  }

  /** Rings at once if the time has come, else sets the host's timer. */
  #arm(): void {
    const s = this.#bound.state;
    this.#cancelTimer();
    const leftNs = s.alarm_next - this.#nowNs();
    if (leftNs <= 0n) {
      s.alarm_running = 0;
      s.irq_pending = 1;
      this.#updateIrq();
      return;
    }
    s.alarm_running = 1;
    const delayNs = Math.min(Math.max(Number(leftNs), SHORTEST_TIMER_NS), LONGEST_TIMER_NS);
    this.#cancelTimer = this.#ports.timers.at(this.#ports.clock.nowNs() + delayNs, () => this.#arm());
  }

  #updateIrq(): void {
    const s = this.#bound.state;
    this.#ports.irq.set((s.irq_pending & s.irq_enabled & 1) !== 0);
  }

  #afterLoad(): void {
    this.#cancelTimer();
    if (this.#bound.state.alarm_running) this.#arm();
    this.#updateIrq();
  }
}

function withLow(value: bigint, low: number): bigint {
  return (value & ~LOW) | BigInt(low);
}
function withHigh(value: bigint, high: number): bigint {
  return (BigInt(high) << 32n) | (value & LOW);
}
