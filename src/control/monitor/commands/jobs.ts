/** Background jobs. */
import { type MonitorModule, qmpCommand, type QmpCommand, qmpEvent } from "#control/monitor/command.ts";
import { JOB_STATUSES, JOB_TYPES, JOBS } from "#control/monitor/jobs.ts";
import { array, enumeration, int, object, optional, str } from "#control/monitor/schema.ts";

const STATUS = enumeration("JobStatus", JOB_STATUSES);
const JOB_INFO = object("JobInfo", {
  id: str,
  type: enumeration("JobType", JOB_TYPES),
  status: STATUS,
  "current-progress": int,
  "total-progress": int,
  error: optional(str),
});

function refused(verb: "cancel" | "pause" | "resume" | "complete" | "finalize", help: string): QmpCommand {
  return qmpCommand({
    name: `job-${verb}`,
    help,
    args: { id: str },
    run: (context, { id }) => context.part(JOBS).refuse(id, verb),
  });
}

export const JOB_COMMANDS: MonitorModule = {
  title: "Jobs",
  commands: [
    qmpCommand({
      name: "query-jobs",
      help: "The jobs, the newest first; those that are over, too, until they are dismissed.",
      returns: array(JOB_INFO),
      run: (context) => context.part(JOBS).list(),
    }),
    qmpCommand({
      name: "job-dismiss",
      help: "Forgets a job that is over.",
      args: { id: str },
      run: (context, { id }) => context.part(JOBS).dismiss(id),
    }),
    refused("cancel", "Gives a job up; those of this program run to their end."),
    refused("pause", "Interrupts a job; those of this program run to their end."),
    refused("resume", "Lets an interrupted job go on; none of this program's can be interrupted."),
    refused("complete", "Ends a job that waits for it; none of this program's does."),
    refused("finalize", "Puts a job's results in place; this program's jobs do so themselves."),
  ],
  events: [qmpEvent("JOB_STATUS_CHANGE", "A job has a new state.", { id: str, status: STATUS })],
};
