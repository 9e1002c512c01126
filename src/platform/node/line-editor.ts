/**
 * Line editing with Node's readline, over bytes that come and go anywhere: a terminal, a socket, a shared terminal.
 * Keys that would end readline or this process (Ctrl-C, Ctrl-D, Ctrl-Z) only drop the line, or do nothing.
 */
import { createInterface, type Interface } from "node:readline";
import { PassThrough, Writable } from "node:stream";
import type { LineEditor, LineEditorOptions } from "#core/host.ts";

const HISTORY_LINES = 200;

export function openLineEditor(options: LineEditorOptions): LineEditor {
  let history: string[] = [];
  let isClosed = false;
  let current = open();

  function open(): { readonly input: PassThrough; readonly editor: Interface } {
    const input = new PassThrough();
    const output = new Writable({
      write(chunk: Uint8Array, _encoding, done) {
        options.output.write(chunk);
        done();
      },
    });
    const editor = createInterface({
      input,
      output,
      terminal: true,
      prompt: options.prompt,
      history: [...history],
      historySize: HISTORY_LINES,
      removeHistoryDuplicates: true,
      completer: (line: string): [string[], string] => {
        const { words, replaces } = options.complete(line);
        return [[...words], replaces];
      },
    });
    editor.on("line", (line) => options.line(line));
    editor.on("history", (lines: string[]) => (history = lines));
    editor.on("SIGINT", () => {
      editor.write(null, { ctrl: true, name: "u" });
    });
    editor.on("SIGTSTP", () => {});
    editor.on("close", () => {
      if (isClosed) return;
      current = open();
      current.editor.prompt();
    });
    return { input, editor };
  }

  return {
    receive: (bytes) => void current.input.write(bytes.slice()),
    prompt: () => current.editor.prompt(true),
    clear: () => current.editor.write(null, { ctrl: true, name: "u" }),
    close() {
      isClosed = true;
      current.editor.close();
    },
  };
}
