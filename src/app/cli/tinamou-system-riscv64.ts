#!/usr/bin/env node
/** The command's file: loads the program. */
import { loadProgram } from "#app/load-program.ts";

loadProgram(import.meta.url, "command");
