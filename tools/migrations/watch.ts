/** Looks at a guest that compares its memory: it goes on, and has found nothing wrong. */
import { checkLines } from "../guest/memory-check.ts";
import type { Side } from "./side.ts";

const LIMIT_MS = 90_000;
const TROUBLE = /check: page[^\n]*|BUG[^\n]*|Oops[^\n]*|rcu[^\n]*stall[^\n]*|Kernel panic[^\n]*/;

/** Resolves when every thread of the guest has gone through its memory once more from now on. Rejects if it does not. */
export async function goesOn(side: Side): Promise<void> {
  const from = side.console.length;
  for (const end = Date.now() + LIMIT_MS; ; ) {
    const trouble = TROUBLE.exec(side.console);
    if (trouble) throw new Error(`the guest says: ${trouble[0]}`);
    const lines = checkLines(side.console.slice(from));
    const wrong = lines.find(({ errors }) => errors > 0);
    if (wrong) throw new Error(`the guest found ${wrong.errors} wrong words in its memory`);
    const [first, last] = [lines.at(0)?.rounds ?? [], lines.at(-1)?.rounds ?? []];
    if (last.length > 0 && last.every((rounds, i) => rounds > (first[i] ?? Infinity))) return;
    if (Date.now() > end) {
      throw new Error(`the guest makes no progress in ${LIMIT_MS} ms; its last words: ${side.console.slice(-500)}`);
    }
    await sleep(100);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Resolves with the first of `look`'s results that is not undefined. Rejects after `limitMs`. */
export async function until<T>(what: string, limitMs: number, look: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + limitMs; ; ) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`${what}: nothing in ${limitMs} ms`);
    await sleep(20);
  }
}
