/** The thread of a vCPU. */
import { parentPort, workerData } from "node:worker_threads";
import { threadHost, type WorkerData } from "#app/thread-host.ts";
import { runVcpu } from "#machine/vcpu-thread.ts";

const { thread, log } = workerData as WorkerData;
runVcpu(thread, threadHost(log), () => parentPort?.postMessage("ready"));
