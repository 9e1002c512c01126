/**
 * Tells on stderr what a long step is doing: one line that is rewritten on a terminal, a line for each step elsewhere.
 * stdout is never touched: it belongs to the guest.
 */

/**
 * @typedef {{ step(text: string): void, update(text: string): void, done(text?: string): void, note(text: string): void,
 *   fail(text: string): void }} Log
 *   `step` begins something, `update` adds how far it is, `done` ends it; `note` is a line by itself between steps;
 *   `fail` says why all is over
 */

/**
 * @param {NodeJS.WriteStream} stream
 * @returns {Log}
 */
export function createProgress(stream = process.stderr) {
  const rewrites = stream.isTTY;
  let current = "";
  let startedAtMs = 0;

  const draw = (text) => {
    const width = Math.max(20, (stream.columns ?? 80) - 1);
    stream.write(`\r\x1b[K${text.length > width ? `${text.slice(0, width - 1)}…` : text}`);
  };

  return {
    step(text) {
      if (current !== "") this.done();
      current = text;
      startedAtMs = Date.now();
      if (rewrites) draw(`${text} ...`);
      else stream.write(`tinamou: ${text} ...\n`);
    },
    update(text) {
      if (rewrites && current !== "") draw(`${current} ... ${text}`);
    },
    done(text = "done") {
      if (current === "") return;
      const seconds = ((Date.now() - startedAtMs) / 1000).toFixed(1);
      if (rewrites) stream.write(`\r\x1b[K${current}: ${text} (${seconds} s)\n`);
      else stream.write(`tinamou: ${current}: ${text} (${seconds} s)\n`);
      current = "";
    },
    note(text) {
      stream.write(`${text}\n`);
    },
    fail(text) {
      if (rewrites && current !== "") stream.write("\r\x1b[K");
      stream.write(`tinamou: ${text}\n`);
      current = "";
    },
  };
}
