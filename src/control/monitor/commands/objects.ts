/** Objects of `-object`. */
import { hmpCommand, type MonitorModule, qmpCommand } from "#control/monitor/command.ts";
import type { MonitorContext, Part } from "#control/monitor/context.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import { array, bool, enumeration, int, int64, object, optional, str, union } from "#control/monitor/schema.ts";
import type { ObjectConfig } from "#machine/config.ts";

const IOTHREAD = {
  "aio-max-batch": optional(int),
  "thread-pool-min": optional(int),
  "thread-pool-max": optional(int),
  "poll-max-ns": optional(int),
  "poll-grow": optional(int),
  "poll-shrink": optional(int),
};
const RNG = { opened: optional(bool) };
const CASES = {
  iothread: IOTHREAD,
  "memory-backend-ram": {
    size: int64,
    dump: optional(bool),
    merge: optional(bool),
    prealloc: optional(bool),
    reserve: optional(bool),
    share: optional(bool),
  },
  "rng-builtin": RNG,
  "rng-random": { ...RNG, filename: optional(str) },
  secret: {
    data: optional(str),
    file: optional(str),
    format: optional(enumeration("QCryptoSecretFormat", ["raw", "base64"])),
    iv: optional(str),
    keyid: optional(str),
  },
};
const OBJECT_OPTIONS = union(
  "ObjectOptions",
  {
    "qom-type": enumeration("ObjectType", Object.keys(CASES) as (keyof typeof CASES)[]),
    id: str,
  },
  "qom-type",
  CASES,
);
const POLL_MAX_NS = 32_768;
const RAM_ID = "riscv_virt_board.ram";

/** The objects by id, those of the command line among them. */
export const OBJECTS_PART: Part<Map<string, ObjectConfig>> = {
  name: "objects",
  make({ config, machine }) {
    const objects = new Map((config.objects ?? []).map((one) => [one.id, one]));
    const hasMemory = [...objects.values()].some(({ type }) => type.startsWith("memory-backend"));
    if (machine && !hasMemory) {
      objects.set(RAM_ID, { type: "memory-backend-ram", id: RAM_ID, properties: { size: config.memoryBytes } });
    }
    return objects;
  },
};

function addObject(context: MonitorContext, given: ObjectConfig): void {
  const objects = context.part(OBJECTS_PART);
  const { id } = given;
  if (!/^[A-Za-z][A-Za-z0-9._-]*$/.test(id)) throw new QmpError("Parameter 'id' expects an identifier");
  if (objects.has(id)) {
    throw new QmpError(`attempt to add duplicate property '${id}' to object (type 'container')`);
  }
  objects.set(id, given);
}

function deleteObject(context: MonitorContext, id: string): void {
  const objects = context.part(OBJECTS_PART);
  const found = objects.get(id);
  if (!found) throw new QmpError(`object '${id}' not found`);
  const isUsed = context.config.devices.some(({ properties }) => Object.values(properties).includes(id));
  if (isUsed || found.type.startsWith("memory-backend")) {
    throw new QmpError(`object '${id}' is in use, can not be deleted`);
  }
  objects.delete(id);
}

const threads = (context: MonitorContext): readonly ObjectConfig[] =>
  [...context.part(OBJECTS_PART).values()].filter(({ type }) => type === "iothread");
const setting = ({ properties }: ObjectConfig, name: string, fallback = 0): number =>
  Number(properties[name] ?? fallback);

export const OBJECTS: MonitorModule = {
  title: "Objects",
  commands: [
    qmpCommand({
      name: "object-add",
      help: "Makes an object, as `-object` does.",
      args: OBJECT_OPTIONS,
      run(context, args) {
        const { "qom-type": type, id, ...rest } = args as typeof args & Record<string, string | number | boolean>;
        addObject(context, { type, id, properties: rest });
      },
    }),
    qmpCommand({
      name: "object-del",
      help: "Removes an object that nothing refers to.",
      args: { id: str },
      run: (context, { id }) => deleteObject(context, id),
    }),
    qmpCommand({
      name: "query-iothreads",
      help: "The iothread objects. They are accepted and have no thread of their own: the process's id stands for it.",
      returns: array(
        object("IOThreadInfo", {
          id: str,
          "thread-id": int,
          "poll-max-ns": int,
          "poll-grow": int,
          "poll-shrink": int,
          "aio-max-batch": int,
        }),
      ),
      run: (context) =>
        threads(context).map((thread) => ({
          "poll-shrink": setting(thread, "poll-shrink"),
          "thread-id": context.host.processId,
          "aio-max-batch": setting(thread, "aio-max-batch"),
          "poll-grow": setting(thread, "poll-grow"),
          "poll-max-ns": setting(thread, "poll-max-ns", POLL_MAX_NS),
          id: thread.id,
        })),
    }),
  ],
  hmp: [
    hmpCommand({
      name: "object_del",
      parameters: [{ name: "id", kind: "word" }],
      help: "removes an object",
      run: (context, args) => deleteObject(context, args.text("id") ?? ""),
    }),
  ],
  info: [
    hmpCommand({
      name: "iothreads",
      help: "the iothread objects",
      run: (context) =>
        threads(context)
          .map((thread) => `${thread.id}:\n  thread_id=${context.host.processId}\n`)
          .join(""),
    }),
  ],
};
