/** Starts the thread that brings a snapshot's pages in; it waits for its work. */
import { Worker } from "node:worker_threads";
import { distFile } from "#app/dist-files.ts";
import type { PageThread } from "#control/snapshot/page-thread.ts";

type Answer = "done" | { readonly failed: string };

export type StartedPageThread = PageThread & { close(): Promise<void> };

/** The thread starts at once, so that it is there when the machine is. `close` ends it, whatever it does. */
export function startPageThread(): StartedPageThread {
  const worker = new Worker(distFile("start-thread.cjs"), { workerData: "pages" });
  const close = async (): Promise<void> => void (await worker.terminate());
  return {
    async serve(work) {
      const answer = new Promise<void>((resolve, reject) => {
        worker.once("message", (said: Answer) =>
          said === "done"
            ? resolve()
            : reject(new Error(`a page of the machine's memory cannot be read: ${said.failed}`)),
        );
        worker.once("error", reject);
        worker.once("exit", () => reject(new Error("the thread that brings the machine's memory in has ended")));
      });
      worker.postMessage(work);
      await answer;
      await close();
    },
    close,
  };
}
