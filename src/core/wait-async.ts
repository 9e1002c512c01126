/** `Atomics.waitAsync`, ECMAScript 2024, 25.4.15: in every engine that this project supports. */
type WaitResult = { readonly async: true; readonly value: Promise<string> } | { readonly async: false };
type WithWaitAsync = { waitAsync(words: Int32Array, index: number, value: number, timeoutMs: number): WaitResult };

/** Waits without blocking while the word is `value`, `timeoutMs` at most. */
export function waitAsync(words: Int32Array, index: number, value: number, timeoutMs = Infinity): WaitResult {
  return (Atomics as unknown as WithWaitAsync).waitAsync(words, index, value, timeoutMs);
}
