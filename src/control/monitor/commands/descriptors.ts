/** Descriptors that a client passes over a unix socket. */
import { type MonitorModule, qmpCommand } from "#control/monitor/command.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import { array, int, object, optional, str } from "#control/monitor/schema.ts";

/** Node does not receive descriptors, so none ever comes with a command. */
const NONE_CAME = "No file descriptor supplied via SCM_RIGHTS";

function refuse(): never {
  throw new QmpError(NONE_CAME);
}

export const DESCRIPTORS: MonitorModule = {
  title: "File descriptors",
  commands: [
    qmpCommand({
      name: "getfd",
      help: "Keeps the descriptor that came with the command under a name. Node receives none, so this fails.",
      args: { fdname: str },
      run: refuse,
    }),
    qmpCommand({
      name: "closefd",
      help: "Closes a descriptor of `getfd`.",
      args: { fdname: str },
      run(_context, { fdname }) {
        throw new QmpError(`File descriptor named '${fdname}' not found`);
      },
    }),
    qmpCommand({
      name: "add-fd",
      help: "Adds the descriptor that came with the command to a set. Node receives none, so this fails.",
      args: { "fdset-id": optional(int), opaque: optional(str) },
      returns: object("AddfdInfo", { "fdset-id": int, fd: int }),
      run: refuse,
    }),
    qmpCommand({
      name: "remove-fd",
      help: "Removes descriptors from a set.",
      args: { "fdset-id": int, fd: optional(int) },
      run(_context, args) {
        const fd = args.fd === undefined ? "" : `, fd:${args.fd}`;
        throw new QmpError(`File descriptor named 'fdset-id:${args["fdset-id"]}${fd}' not found`);
      },
    }),
    qmpCommand({
      name: "query-fdsets",
      help: "The sets of descriptors: none.",
      returns: array(object("FdsetInfo", { "fdset-id": int, fds: array(object("FdsetFdInfo", { fd: int })) })),
      run: () => [],
    }),
  ],
};
