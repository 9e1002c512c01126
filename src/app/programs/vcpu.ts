/** The thread of a vCPU. */
import { openSync } from "node:fs";
import { devNull } from "node:os";
import { BroadcastChannel, type MessagePort, parentPort, receiveMessageOnPort } from "node:worker_threads";
import { type StartMessage, threadHost } from "#app/thread-host.ts";
import { makeLog } from "#core/log.ts";
import type { RegionExchange } from "#cpu/engine/region-library.ts";
import { runVcpu } from "#machine/vcpu-thread.ts";
import { openFutex } from "#platform/node/futex.ts";
import { openUrgency, Urgent } from "#platform/node/priority.ts";

async function start({ thread, log, engine, exchange }: StartMessage): Promise<void> {
  const toldMs = performance.now();
  const { incoming } = thread.config;
  const [urgency, futex] = incoming ? await Promise.all([openUrgency(Urgent.Waiter), openFutex()]) : [];
  // Node closes it with the thread.
  const nowhere = incoming === "stream" ? openSync(devNull, "w") : undefined;
  const host = { ...threadHost(log), urgency, futex, nowhere };
  runVcpu(thread, { ...host, ...engine, exchange: exchange === undefined ? undefined : openExchange(exchange) }, () => {
    const event = makeLog(thread.config.log, host.log).trace.startup_step;
    if (event) {
      const [name, nowNs, nowMs] = [`vcpu${thread.vcpu}`, host.clock.nowNs(), performance.now()];
      event(name, "booted", nowNs - (nowMs - bootedMs) * 1e6);
      event(name, "told", nowNs - (nowMs - toldMs) * 1e6);
      event(name, "ready", nowNs);
    }
    parentPort?.postMessage("ready");
  });
}

parentPort?.once("message", (message: StartMessage) => void start(message));
const bootedMs = performance.now();
parentPort?.postMessage("loaded");

/** The thread never comes back to its event loop, so it looks for messages when it is told. */
function openExchange(name: string): RegionExchange {
  const channel = new BroadcastChannel(name);
  return {
    offer: (regions) => channel.postMessage(regions),
    take: () => receiveMessageOnPort(channel as unknown as MessagePort)?.message,
  };
}
