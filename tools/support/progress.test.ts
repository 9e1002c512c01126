import { expect, test } from "vitest";
import { createProgress } from "./progress.mjs";

function record(isTTY: boolean) {
  const written: string[] = [];
  const stream = { isTTY, columns: 40, write: (text: string) => written.push(text) };
  return { log: createProgress(stream), written };
}

test("elsewhere than on a terminal, a line when a step begins and one when it ends", () => {
  const { log, written } = record(false);
  log.step("Building");
  log.update("50 %");
  log.step("Fetching");
  log.done("all there");
  log.done();
  log.fail("no room");
  expect(written.join("")).toMatch(
    /^tinamou: Building \.\.\.\ntinamou: Building: done \(\d+\.\d s\)\ntinamou: Fetching \.\.\.\ntinamou: Fetching: all there \(\d+\.\d s\)\ntinamou: no room\n$/,
  );
});

test("on a terminal one line is rewritten and never longer than the terminal", () => {
  const { log, written } = record(true);
  log.step("A very long step that does not fit in the terminal");
  log.update("50 %");
  for (const text of written) expect(text.replace("\r\x1b[K", "").length).toBeLessThan(40);
  log.done();
  expect(written.at(-1)).toMatch(/^\r\x1b\[KA very long step .*: done \(\d+\.\d s\)\n$/);
});
