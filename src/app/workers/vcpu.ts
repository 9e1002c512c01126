/** The thread of a vCPU. */
import { parentPort, workerData } from "node:worker_threads";
import { runVcpu, type ThreadData } from "#machine/vcpu-thread.ts";
import { nodeClock } from "#platform/node/clock.ts";

runVcpu(workerData as ThreadData, nodeClock(), () => parentPort?.postMessage("ready"));
