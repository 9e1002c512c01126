/**
 * Asynchronous operations one after the other, in the order in which they were asked for.
 * Thread: one; the promises are its own.
 */
export class OperationQueue {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `operation` when all earlier ones have ended, well or not. An operation must not wait for a later one. */
  run<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.#last.then(operation);
    this.#last = result.catch(() => {});
    return result;
  }
}
