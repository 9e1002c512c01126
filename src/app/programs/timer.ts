/** The thread that raises timer interrupts. */
import { parentPort } from "node:worker_threads";
import { type StartMessage, threadHost } from "#app/thread-host.ts";
import { runTimer } from "#machine/timer-thread.ts";

parentPort?.once("message", ({ thread, log }: StartMessage) => runTimer(thread, threadHost(log)));
parentPort?.postMessage("loaded");
