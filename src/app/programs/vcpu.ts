/** The thread of a vCPU. */
import { parentPort } from "node:worker_threads";
import { type StartMessage, threadHost } from "#app/thread-host.ts";
import { makeLog } from "#core/log.ts";
import { runVcpu } from "#machine/vcpu-thread.ts";

parentPort?.once("message", ({ thread, log, engine }: StartMessage) => {
  const toldMs = performance.now();
  const host = threadHost(log);
  runVcpu(thread, { ...host, ...engine }, () => {
    const event = makeLog(thread.config.log, host.log).trace.startup_step;
    if (event) {
      const [name, nowNs, nowMs] = [`vcpu${thread.vcpu}`, host.clock.nowNs(), performance.now()];
      event(name, "booted", nowNs - (nowMs - bootedMs) * 1e6);
      event(name, "told", nowNs - (nowMs - toldMs) * 1e6);
      event(name, "ready", nowNs);
    }
    parentPort?.postMessage("ready");
  });
});
const bootedMs = performance.now();
parentPort?.postMessage("loaded");
