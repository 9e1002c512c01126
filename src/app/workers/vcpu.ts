/** The thread of a vCPU. */
import { parentPort } from "node:worker_threads";
import { type StartMessage, threadHost } from "#app/thread-host.ts";
import { runVcpu } from "#machine/vcpu-thread.ts";

parentPort?.once("message", ({ thread, log, engine }: StartMessage) => {
  runVcpu(thread, { ...threadHost(log), ...engine }, () => parentPort?.postMessage("ready"));
});
