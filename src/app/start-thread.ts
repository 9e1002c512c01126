/** A worker's file: loads the thread's program, whose name is the worker's data. */
import { fileURLToPath } from "node:url";
import { workerData } from "node:worker_threads";
import { loadProgram } from "#app/load-program.ts";

loadProgram(fileURLToPath(new URL(`./programs/${String(workerData)}.cjs`, import.meta.url)));
