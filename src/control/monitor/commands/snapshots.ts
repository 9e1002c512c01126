/** Snapshots of the machine. */
import { hmpCommand, type MonitorModule, qmpCommand } from "#control/monitor/command.ts";
import type { MonitorContext } from "#control/monitor/context.ts";
import { JOBS } from "#control/monitor/jobs.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import { array, str } from "#control/monitor/schema.ts";
import { SnapshotError } from "#control/snapshot/snapshot-error.ts";
import { snapshotTable, tagOfNow } from "#control/snapshot/snapshot-table.ts";
import { NO_DIRECTORY, type Snapshots } from "#control/snapshot/snapshots.ts";

/** What the directory of snapshots is called where QEMU takes a disk for the state. */
const VMSTATE_NODE = "snapshot-dir";

function snapshotsOf({ host }: MonitorContext): Snapshots {
  if (!host.snapshots) throw new QmpError("there is no machine that could be saved");
  return host.snapshots;
}

/** Runs a command of a person. Throws `QmpError` for what has gone wrong. */
async function run<T>(context: MonitorContext, work: (snapshots: Snapshots) => T | Promise<T>): Promise<T> {
  try {
    return await work(snapshotsOf(context));
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new QmpError(error.message, "GenericError", { cause: error });
  }
}

/** A machine that had ended can run again. */
async function load(context: MonitorContext, tag: string, devices?: readonly string[]): Promise<void> {
  await context.run.during("restore-vm", () => snapshotsOf(context).load({ tag }, devices));
  if (context.run.needsReset) context.run.set("paused");
}

function checkVmstate(vmstate: string): void {
  if (vmstate === VMSTATE_NODE) return;
  throw new SnapshotError(
    `vmstate block device '${vmstate}' does not exist; the directory for snapshots is called '${VMSTATE_NODE}'`,
  );
}

const JOB_ARGUMENTS = { "job-id": str, tag: str, devices: array(str) };

export const SNAPSHOTS: MonitorModule = {
  title: "Snapshots",
  commands: [
    qmpCommand({
      name: "snapshot-save",
      help: "Starts a job that saves the machine; `vmstate` is `snapshot-dir`, `devices` may be empty.",
      args: { ...JOB_ARGUMENTS, vmstate: str },
      run(context, { "job-id": id, tag, vmstate, devices }) {
        const snapshots = snapshotsOf(context);
        context.part(JOBS).start(id, "snapshot-save", async () => {
          checkVmstate(vmstate);
          await context.run.during("save-vm", () => snapshots.save({ tag }, { overwrite: false, devices }));
        });
      },
    }),
    qmpCommand({
      name: "snapshot-load",
      help: "Starts a job that puts the machine back to a snapshot; arguments as for `snapshot-save`.",
      args: { ...JOB_ARGUMENTS, vmstate: str },
      run(context, { "job-id": id, tag, vmstate, devices }) {
        context.part(JOBS).start(id, "snapshot-load", async () => {
          checkVmstate(vmstate);
          await load(context, tag, devices);
        });
      },
    }),
    qmpCommand({
      name: "snapshot-delete",
      help: "Starts a job that removes a snapshot, if it is there.",
      args: JOB_ARGUMENTS,
      run(context, { "job-id": id, tag, devices }) {
        const snapshots = snapshotsOf(context);
        context.part(JOBS).start(id, "snapshot-delete", async () => void snapshots.remove(tag, devices));
      },
    }),
  ],
  hmp: [
    hmpCommand({
      name: "savevm",
      parameters: [{ name: "tag", kind: "word", isOptional: true }],
      help: "saves the machine as tag, over one that is there; without a tag one is made of the time",
      run: (context, args) =>
        run(context, (snapshots) => {
          const tag = args.text("tag") ?? tagOfNow(context.host.wallUs() / 1000);
          return context.run.during("save-vm", () => snapshots.save({ tag }, { overwrite: true }));
        }),
    }),
    hmpCommand({
      name: "loadvm",
      parameters: [{ name: "tag", kind: "word" }],
      help: "puts the machine back to a snapshot",
      run: (context, args) => run(context, () => load(context, args.text("tag") ?? "")),
    }),
    hmpCommand({
      name: "delvm",
      parameters: [{ name: "tag", kind: "word" }],
      help: "removes a snapshot, if it is there",
      run: (context, args) => run(context, (snapshots) => void snapshots.remove(args.text("tag") ?? "")),
    }),
  ],
  info: [
    hmpCommand({
      name: "snapshots",
      help: "the snapshots that there are",
      run: (context) =>
        run(context, (snapshots) => (snapshots.hasDirectory ? snapshotTable(snapshots.list()) : `${NO_DIRECTORY}\n`)),
    }),
  ],
};
