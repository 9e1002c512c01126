#!/usr/bin/env node
/** The command's file: loads the program. */
import { fileURLToPath } from "node:url";
import { loadProgram } from "#app/load-program.ts";

loadProgram(fileURLToPath(new URL("./programs/command.cjs", import.meta.url)));
