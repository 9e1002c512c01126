/** The thread that raises timer interrupts. */
import { parentPort, workerData } from "node:worker_threads";
import { threadHost, type WorkerData } from "#app/thread-host.ts";
import { runTimer } from "#machine/vcpu-thread.ts";

const { thread, log } = workerData as WorkerData;
parentPort?.postMessage("ready");
runTimer(thread, threadHost(log));
