/** Descriptors that a client passes over a unix socket. */
import type { PassedDescriptor } from "#core/host.ts";
import { type Caller, hmpCommand, type MonitorModule, qmpCommand } from "#control/monitor/command.ts";
import { DESCRIPTOR_SETS } from "#control/monitor/descriptor-sets.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import { array, int, object, optional, str } from "#control/monitor/schema.ts";

/** What came with the command, which is the command's then. Throws `QmpError`. */
function passed({ passed: bound, whyNoDescriptors: why }: Caller): PassedDescriptor {
  const descriptor = bound?.take();
  if (descriptor) return descriptor;
  throw new QmpError(`No file descriptor supplied via SCM_RIGHTS${why === undefined ? "" : `; ${why}`}`);
}

/** Closes the descriptor and says why it is not kept. */
function refuse(descriptor: PassedDescriptor, why: string): never {
  descriptor.close();
  throw new QmpError(why);
}

function getfd(fdname: string, caller: Caller): void {
  const descriptor = passed(caller);
  if (/^\d/.test(fdname)) refuse(descriptor, "Parameter 'fdname' expects a name not starting with a digit");
  if (!caller.descriptors?.keep(fdname, descriptor)) {
    refuse(descriptor, "too many descriptors are kept; closefd closes one");
  }
}

function closefd(fdname: string, { descriptors }: Caller): void {
  const descriptor = descriptors?.takeNamed(fdname);
  if (!descriptor) throw new QmpError(`File descriptor named '${fdname}' not found`);
  descriptor.close();
}

const FDNAME = { name: "fdname", kind: "word" } as const;

export const DESCRIPTORS: MonitorModule = {
  title: "File descriptors",
  commands: [
    qmpCommand({
      name: "getfd",
      help: "Keeps the descriptor that came with the command under a name, for a migration's `fd:NAME`.",
      args: { fdname: str },
      takesDescriptor: true,
      run: (_context, { fdname }, caller) => getfd(fdname, caller),
    }),
    qmpCommand({
      name: "closefd",
      help: "Closes a descriptor of `getfd`.",
      args: { fdname: str },
      run: (_context, { fdname }, caller) => closefd(fdname, caller),
    }),
    qmpCommand({
      name: "add-fd",
      help: "Adds the descriptor that came with the command to a set, for a migration's `file:/dev/fdset/SET`.",
      args: { "fdset-id": optional(int), opaque: optional(str) },
      returns: object("AddfdInfo", { "fdset-id": int, fd: int }),
      takesDescriptor: true,
      run(context, args, caller) {
        const descriptor = passed(caller);
        const id = args["fdset-id"];
        if (id !== undefined && id < 0) {
          refuse(descriptor, "Parameter 'fdset-id' expects a non-negative value");
        }
        const set = context.part(DESCRIPTOR_SETS).add(id, descriptor, args.opaque);
        if (set === undefined) return refuse(descriptor, "too many descriptors are kept; remove-fd closes some");
        return { "fdset-id": set, fd: descriptor.fd };
      },
    }),
    qmpCommand({
      name: "remove-fd",
      help: "Removes descriptors from a set.",
      args: { "fdset-id": int, fd: optional(int) },
      run(context, { "fdset-id": id, fd }) {
        if (context.part(DESCRIPTOR_SETS).remove(id, fd)) return;
        throw new QmpError(`File descriptor named 'fdset-id:${id}${fd === undefined ? "" : `, fd:${fd}`}' not found`);
      },
    }),
    qmpCommand({
      name: "query-fdsets",
      help: "The sets of descriptors.",
      returns: array(
        object("FdsetInfo", {
          "fdset-id": int,
          fds: array(object("FdsetFdInfo", { fd: int, opaque: optional(str) })),
        }),
      ),
      run: (context) => context.part(DESCRIPTOR_SETS).list(),
    }),
  ],
  hmp: [
    hmpCommand({
      name: "getfd",
      parameters: [FDNAME],
      takesDescriptor: true,
      help: "keeps the descriptor that came with the line under a name, for a migration's fd:NAME",
      run: (_context, args, caller) => getfd(args.text("fdname") ?? "", caller),
    }),
    hmpCommand({
      name: "closefd",
      parameters: [FDNAME],
      help: "closes a descriptor of getfd",
      run: (_context, args, caller) => closefd(args.text("fdname") ?? "", caller),
    }),
  ],
};
