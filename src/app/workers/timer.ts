/** The thread that raises timer interrupts. */
import { parentPort, workerData } from "node:worker_threads";
import { runTimer, type ThreadData } from "#machine/vcpu-thread.ts";
import { nodeClock } from "#platform/node/clock.ts";

parentPort?.postMessage("ready");
runTimer(workerData as ThreadData, nodeClock());
