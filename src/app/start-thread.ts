/** A worker's file: loads the thread's program, whose name is the worker's data. */
import { workerData } from "node:worker_threads";
import { loadProgram } from "#app/load-program.ts";

loadProgram(import.meta.url, String(workerData));
