/**
 * When the main thread has come how far while the command starts, for `-trace startup_step`: kept until there is a log.
 */
import type { Trace } from "#core/trace.ts";
import { nodeClock } from "#platform/node/clock.ts";

const marks: { readonly step: string; readonly atMs: number }[] = [];

/** The step is done. */
export function markStep(step: string): void {
  marks.push({ step, atMs: performance.now() });
}

/** Says when what was marked happened, after Node's own start. */
export function traceSteps(trace: Trace): void {
  const event = trace.startup_step;
  if (!event) return;
  const clock = nodeClock();
  const originNs = clock.nowNs() - performance.now() * 1e6;
  const node = { step: "node", atMs: performance.nodeTiming.bootstrapComplete };
  for (const { step, atMs } of [node, ...marks]) event("main", step, originNs + atMs * 1e6);
}
