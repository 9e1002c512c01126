/** What the machine's thread does when the migration's answers, and when it is gone. */
import { expect, test } from "vitest";
import { Migration, type MigrationThread } from "#control/migration/migration.ts";
import type { Machine } from "#machine/machine.ts";

type Message = { readonly call: number; readonly name: string; readonly args: readonly unknown[] };

/** A machine whose migration's thread is the test. */
function withThread() {
  const posted: Message[] = [];
  let receive: (message: unknown) => void = () => {};
  let calls = 1000;
  const thread: MigrationThread = {
    port: {
      post: (message) => void ("call" in (message as Message) && posted.push(message as Message)),
      listen: (listener) => (receive = listener),
    },
    onEnd: () => {},
    terminate: async () => void (ends += 1),
  };
  let ends = 0;
  const machine = {
    on: () => () => {},
    migration: { isLoading: false, ram: { faults: { missingCount: 0 } } },
    config: {},
  };
  const migration = new Migration(machine as unknown as Machine, { startMigration: () => thread });
  return {
    migration,
    posted,
    ends: () => ends,
    tell: (name: string, ...args: unknown[]) => receive({ call: calls++, name, args }),
    answer: (name: string, value?: unknown) =>
      receive({ reply: posted.find((message) => message.name === name)?.call, value }),
    refuse: (name: string, error: string) =>
      receive({ reply: posted.find((message) => message.name === name)?.call, error, code: "migration" }),
  };
}

test("what is asked of a migration that ends just then is answered all the same", async () => {
  const { migration, tell, answer, posted } = withThread();
  migration.migrate({ uri: "unix:/there" });
  tell("status", "postcopy-active", { status: "postcopy-active" });
  const info = migration.query();
  const [paused, resumed] = [migration.pause(), migration.resume({ uri: "unix:/again" })];
  const cancelled = migration.cancel();
  expect(posted.map(({ name }) => name)).toEqual(["send", "info", "pause", "resume", "cancel"]);
  tell("status", "completed", { status: "completed" });
  answer("send");
  expect(await info).toEqual({ status: "completed" });
  await expect(paused).rejects.toThrow("migrate-pause is currently only supported");
  await expect(resumed).rejects.toThrow("Cannot resume if there is no paused migration");
  await cancelled;
  expect(migration.isActive).toBe(false);
});

test("migrate_cancel: nothing without a migration; in postcopy it is refused", async () => {
  const { migration, tell, refuse } = withThread();
  await migration.cancel();
  migration.migrate({ uri: "unix:/there" });
  tell("status", "postcopy-active", { status: "postcopy-active" });
  const cancelled = migration.cancel();
  refuse("cancel", "Postcopy migration in progress, cannot cancel.");
  await expect(cancelled).rejects.toThrow("Postcopy migration in progress, cannot cancel.");
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a thread that has got a descriptor is not ended before it has used or closed it", async () => {
  const { migration, tell, answer, refuse, ends } = withThread();
  const taken: string[] = [];
  const descriptors = { take: (name: string) => taken.push(name) + 6, inSet: () => undefined };
  migration.migrate({ uri: "unix:/there" });
  tell("status", "postcopy-paused", { status: "postcopy-paused" });
  const resumed = migration.resume({ uri: "fd:a", descriptors });
  resumed.catch(() => {});
  tell("status", "completed", { status: "completed" });
  answer("send");
  await turn();
  expect([taken, ends()]).toEqual([["a"], 0]);
  refuse("resume", "Cannot resume if there is no paused migration");
  await expect(resumed).rejects.toThrow("Cannot resume if there is no paused migration");
  await turn();
  expect(ends()).toBe(1);
  // Nobody is there to take one.
  await expect(migration.resume({ uri: "fd:b", descriptors })).rejects.toThrow("no paused migration");
  await expect(migration.recover({ uri: "fd:b", descriptors })).rejects.toThrow("postcopy is paused");
  expect(taken).toEqual(["a"]);
});

test("end: the thread is gone, and the migration has failed", async () => {
  const { migration, ends } = withThread();
  migration.migrate({ uri: "unix:/there" });
  await migration.end();
  expect(ends()).toBeGreaterThan(0);
  expect(await migration.untilOver()).toMatchObject({ status: "failed" });
  await migration.end();
});
