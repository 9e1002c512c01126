/**
 * Loaded before the command by `make-code-caches.mjs`, in every thread: writes what V8 has compiled of the program that
 * RECORD_CODE_OF names. A worker never ends by itself, so it writes whenever it is about to wait; the last one counts.
 */
const { renameSync, writeFileSync } = require("node:fs");
const path = require("node:path");
const { setFlagsFromString } = require("node:v8");
const vm = require("node:vm");
const { isMainThread } = require("node:worker_threads");

/** What the command has switched on since it loaded the program. A cache has to be made with the flags of its loading. */
const LATE_FLAGS = process.env.RECORD_WITHOUT_FLAGS.split(",").filter((flag) => flag !== "");

const { Script } = vm;
vm.Script = class extends Script {
  constructor(source, options) {
    super(source, options);
    const file = options?.filename;
    if (file === undefined || path.basename(file) !== process.env.RECORD_CODE_OF) return;
    if (isMainThread) process.on("exit", () => write(this, file));
    else writeBeforeWaits(this, file);
  }
};

function writeBeforeWaits(script, file) {
  const { wait } = Atomics;
  Atomics.wait = (...args) => {
    if (args[0].length > 1) write(script, file);
    return wait(...args);
  };
}

function write(script, file) {
  for (const flag of LATE_FLAGS) setFlagsFromString(`--no-${flag}`);
  const code = script.createCachedData();
  for (const flag of LATE_FLAGS) setFlagsFromString(`--${flag}`);
  // Whoever starts meanwhile sees all of it or nothing.
  writeFileSync(`${file}.new`, code);
  renameSync(`${file}.new`, `${file}.cache`);
}
