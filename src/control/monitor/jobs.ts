/**
 * Background jobs of QMP.
 *
 *   created -> running -> waiting -> pending -> concluded -> (job-dismiss) null
 *                      -> aborting ------------^  with an error
 *
 * Thread: machine. Spec: QEMU's qapi/job.json, as observed of 7.2.
 */
import type { MonitorContext, Part } from "#control/monitor/context.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";

export const JOB_TYPES = [
  "commit",
  "stream",
  "mirror",
  "backup",
  "create",
  "amend",
  "snapshot-load",
  "snapshot-save",
  "snapshot-delete",
] as const;
export const JOB_STATUSES = [
  "undefined",
  "created",
  "running",
  "paused",
  "ready",
  "standby",
  "waiting",
  "pending",
  "aborting",
  "concluded",
  "null",
] as const;
export type JobType = (typeof JOB_TYPES)[number];
export type JobStatus = (typeof JOB_STATUSES)[number];
export type JobInfo = {
  readonly id: string;
  readonly type: JobType;
  readonly status: JobStatus;
  readonly "current-progress": number;
  readonly "total-progress": number;
  readonly error?: string;
};

type Job = { readonly id: string; readonly type: JobType; status: JobStatus; error?: string };

const VALID_ID = /^[a-z][a-z0-9._-]*$/i;

export class Jobs {
  readonly #emit: (event: "JOB_STATUS_CHANGE", data: { readonly id: string; readonly status: JobStatus }) => void;
  readonly #jobs = new Map<string, Job>();

  constructor(emit: MonitorContext["emit"]) {
    this.#emit = emit;
  }

  /** Runs `work` as a job; a failure with a `code` is the job's error, any other is a bug. Throws `QmpError`. */
  start(id: string, type: JobType, work: () => Promise<void>): void {
    if (!VALID_ID.test(id)) throw new QmpError(`Invalid job ID '${id}'`);
    if (this.#jobs.has(id)) throw new QmpError(`Job ID '${id}' already in use`);
    const job: Job = { id, type, status: "undefined" };
    this.#jobs.set(id, job);
    this.#become(job, "created");
    this.#become(job, "running");
    void this.#run(job, work);
  }

  /** The newest first. */
  list(): readonly JobInfo[] {
    return [...this.#jobs.values()].toReversed().map(({ id, type, status, error }) => ({
      id,
      type,
      status,
      "current-progress": status === "running" ? 0 : 1,
      "total-progress": 1,
      ...(error !== undefined && { error }),
    }));
  }

  /** Forgets a job that is over. Throws `QmpError`. */
  dismiss(id: string): void {
    const job = this.#accepting(id, "dismiss", ["concluded"]);
    this.#jobs.delete(id);
    this.#become(job, "null");
  }

  /** What none of the jobs here can do. Throws `QmpError`. */
  refuse(id: string, verb: "cancel" | "pause" | "resume" | "complete" | "finalize"): never {
    const { status } = this.#accepting(id, verb, ["running"]);
    throw new QmpError(`Job '${id}' in state '${status}' cannot accept command verb '${verb}': it runs to its end`);
  }

  #accepting(id: string, verb: string, statuses: readonly JobStatus[]): Job {
    const job = this.#jobs.get(id);
    if (!job) throw new QmpError("Job not found");
    if (statuses.includes(job.status)) return job;
    throw new QmpError(`Job '${id}' in state '${job.status}' cannot accept command verb '${verb}'`);
  }

  async #run(job: Job, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#become(job, "waiting");
      this.#become(job, "pending");
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
      job.error = error.message;
      this.#become(job, "aborting");
    }
    this.#become(job, "concluded");
  }

  #become(job: Job, status: JobStatus): void {
    job.status = status;
    this.#emit("JOB_STATUS_CHANGE", { id: job.id, status });
  }
}

export const JOBS: Part<Jobs> = {
  name: "jobs",
  make: (context) => new Jobs((event, data) => context.emit(event, data)),
};
