import { expect, test } from "vitest";
import { Jobs } from "#control/monitor/jobs.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";

function makeJobs() {
  const events: string[] = [];
  const jobs = new Jobs((_event, data) => {
    const { id, status } = data as { readonly id: string; readonly status: string };
    events.push(`${id} ${status}`);
  });
  return { events, jobs };
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a job's life, as QEMU's events tell it", async () => {
  const { jobs, events } = makeJobs();
  let end = (): void => {};
  jobs.start("j0", "snapshot-save", () => new Promise((resolve) => (end = resolve)));
  expect(jobs.list()).toEqual([
    { id: "j0", type: "snapshot-save", status: "running", "current-progress": 0, "total-progress": 1 },
  ]);
  expect(() => jobs.dismiss("j0")).toThrow("Job 'j0' in state 'running' cannot accept command verb 'dismiss'");
  expect(() => jobs.start("j0", "snapshot-load", async () => {})).toThrow("Job ID 'j0' already in use");
  end();
  await turn();
  jobs.dismiss("j0");
  expect(events).toEqual(["created", "running", "waiting", "pending", "concluded", "null"].map((one) => `j0 ${one}`));
  expect(jobs.list()).toEqual([]);
});

test("a job that fails keeps its error; ids are QEMU's", async () => {
  const { jobs, events } = makeJobs();
  jobs.start("a", "snapshot-load", () => Promise.reject(new QmpError("no")));
  jobs.start("b", "snapshot-delete", async () => {});
  await turn();
  expect(events.filter((one) => one.startsWith("a")).slice(2)).toEqual(["a aborting", "a concluded"]);
  expect(jobs.list().map(({ id, error }) => [id, error])).toEqual([
    ["b", undefined],
    ["a", "no"],
  ]);
  expect(() => jobs.start("1 bad", "snapshot-save", async () => {})).toThrow("Invalid job ID '1 bad'");
  expect(() => jobs.dismiss("c")).toThrow("Job not found");
  expect(() => jobs.refuse("b", "cancel")).toThrow("Job 'b' in state 'concluded' cannot accept command verb 'cancel'");
});
