/** The thread that brings the pages of a snapshot in while the machine runs. */
import { parentPort } from "node:worker_threads";
import type { PageWork } from "#control/snapshot/page-thread.ts";
import { SnapshotPages } from "#control/snapshot/snapshot-pages.ts";
import type { Futex } from "#core/host.ts";
import { PageFaults } from "#machine/page-faults.ts";
import { servePages } from "#machine/page-server.ts";
import { openFutex } from "#platform/node/futex.ts";
import { readFully } from "#platform/node/snapshot-files.ts";

function start(work: PageWork, futex: Futex | undefined): void {
  const { memory, layout, descriptor } = work;
  const faults = new PageFaults(memory, layout, { futex });
  const source = new SnapshotPages({
    ...work,
    ramStart: layout.ramStart,
    isMissing: (page) => faults.isMissing(page),
    read: (at, into) => readFully(descriptor, at, into),
  });
  try {
    servePages(memory, faults, source);
    parentPort?.postMessage("done");
  } catch (error) {
    parentPort?.postMessage({ failed: (error as Error).message });
  }
}

// vCPUs of a machine that comes from elsewhere sleep by it. Messages wait until somebody listens.
void openFutex().then((futex) => parentPort?.once("message", (work: PageWork) => start(work, futex)));
