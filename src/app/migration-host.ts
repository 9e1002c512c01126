/**
 * Starts the threads of migrations in Node: one for the stream, one for what must not wait behind it.
 */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { distFile } from "#app/dist-files.ts";
import { nodePort } from "#app/node-port.ts";
import type { LogTarget, MigrationMessage } from "#app/thread-host.ts";
import type { MigrationHost } from "#control/migration/migration.ts";
import type { LogConfig } from "#core/log.ts";
import { rememberHelpers } from "#platform/node/priority.ts";

/** `log` is where the log goes that `logConfig` asks for. */
export function migrationHost(log: LogTarget | undefined, logConfig: LogConfig | undefined): MigrationHost {
  return {
    startMigration(thread) {
      const { port1, port2 } = new MessageChannel();
      // The link's thread may be ended while they are raised.
      const restoreHelpers = rememberHelpers();
      const start = (program: string, port: MessagePort): Worker => {
        const worker = new Worker(distFile("start-thread.cjs"), {
          workerData: program,
          // Descriptors come from elsewhere, and are closed by their channels.
          trackUnmanagedFds: false,
        });
        worker.postMessage({ thread, log, logConfig, port } satisfies MigrationMessage, [port]);
        return worker;
      };
      const workers = [start("migration", port1), start("migration-link", port2)] as const;
      let isWanted = true;
      return {
        port: nodePort(workers[0]),
        onEnd(listener) {
          for (const worker of workers) {
            worker.on("error", (error) => listener(`internal error in a thread of the migration: ${error.message}`));
            worker.on("exit", () => {
              if (isWanted) listener("a thread of the migration has ended");
            });
          }
        },
        async terminate() {
          isWanted = false;
          await Promise.all(workers.map((worker) => worker.terminate()));
          restoreHelpers();
        },
      };
    },
  };
}
