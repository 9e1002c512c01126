/**
 * What the timer's thread does: raises timer interrupts, and ticks while a vCPU runs.
 */
import { CONTROL, Request, VCPU } from "#cpu/vcpu/layout.ts";
import { Irq } from "#cpu/isa/riscv/constants.ts";
import { requestVcpu, vcpuBlock, vcpuLine } from "#machine/interrupt-lines.ts";
import { Deadlines, MachineClock } from "#machine/shared-words.ts";
import type { ThreadData, ThreadHost } from "#machine/vcpu-thread.ts";
import { makeSharedDevices } from "#machine/virt/shared-devices.ts";
import { virtLayout } from "#machine/virt/virt-layout.ts";

/** V8 replaces code only when it is entered anew, so vCPUs leave and re-enter guest code this often. */
export const TICK_MS = 4;
const IDLE_CAP_MS = 1000;

/** Raises timer interrupts when they are due, and ticks while somebody runs. Thread: its own. */
export function runTimer(data: ThreadData, { clock }: ThreadHost): void {
  const { memory, config } = data;
  const layout = virtLayout(config);
  const words = new Int32Array(memory.buffer);
  const machineClock = new MachineClock(clock, memory.buffer);
  const deadlines = new Deadlines(memory.buffer, layout.vcpuCount);
  const { mtimer, lock } = makeSharedDevices(memory.buffer, layout, config.machineOptions, machineClock, deadlines);
  const harts = Array.from({ length: layout.vcpuCount }, (_, hart) => vcpuBlock(layout, hart));
  const supervisorLines = harts.map((block) => vcpuLine(words, block, Irq.SupervisorTimer));
  for (;;) {
    const busy = Atomics.load(words, CONTROL.runningVcpus) > 0;
    if (Atomics.load(words, CONTROL.running) === 0) Atomics.wait(words, CONTROL.running, 0);
    else deadlines.sleep(lock, () => machineClock.ticks(), busy ? TICK_MS : IDLE_CAP_MS);
    const now = machineClock.ticks();
    // Under the lock, so that a comparator that is written meanwhile is not lost.
    lock.with(() =>
      harts.forEach((_block, hart) => {
        if (now >= deadlines.stimecmp(hart)) {
          deadlines.setStimecmp(hart, Number.POSITIVE_INFINITY);
          supervisorLines[hart]?.set(true);
        }
        if (now >= deadlines.mtimecmp(hart)) {
          deadlines.setMtimecmp(hart, Number.POSITIVE_INFINITY);
          mtimer.update(hart);
        }
      }),
    );
    for (const block of harts) {
      if (Atomics.load(words, (block + VCPU.park) >>> 2) === 0) requestVcpu(words, block, Request.Tick);
    }
  }
}
