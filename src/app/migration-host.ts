/** Starts the threads of migrations in Node. */
import { Worker } from "node:worker_threads";
import { distFile } from "#app/dist-files.ts";
import type { LogTarget, MigrationMessage } from "#app/thread-host.ts";
import type { MigrationHost } from "#control/migration/migration.ts";
import type { LogConfig } from "#core/log.ts";

/** `log` is where the log goes that `logConfig` asks for. */
export function migrationHost(log: LogTarget | undefined, logConfig: LogConfig | undefined): MigrationHost {
  return {
    startMigration(thread) {
      const worker = new Worker(distFile("start-thread.cjs"), {
        workerData: "migration",
        // Descriptors come from elsewhere, and are closed by their channels.
        trackUnmanagedFds: false,
      });
      worker.postMessage({ thread, log, logConfig } satisfies MigrationMessage);
      let isWanted = true;
      return {
        port: {
          post: (message) => worker.postMessage(message),
          listen: (receive) => void worker.on("message", receive),
        },
        onEnd(listener) {
          worker.on("error", (error) => listener(`internal error in the migration's thread: ${error.message}`));
          worker.on("exit", () => {
            if (isWanted) listener("the migration's thread has ended");
          });
        },
        async terminate() {
          isWanted = false;
          await worker.terminate();
        },
      };
    },
  };
}
