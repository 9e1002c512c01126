/** Character devices. */
import { hmpCommand, type MonitorModule, qmpCommand } from "#control/monitor/command.ts";
import { array, bool, object, str } from "#control/monitor/schema.ts";

const BACKENDS = ["file", "null", "pty", "socket", "stdio", "vc"];

export const CHARDEV: MonitorModule = {
  title: "Character devices",
  commands: [
    qmpCommand({
      name: "query-chardev",
      help: "The character devices.",
      returns: array(object("ChardevInfo", { label: str, filename: str, "frontend-open": bool })),
      run: ({ host }) =>
        host.chardevs().map(({ label, filename, isOpen }) => ({ "frontend-open": isOpen, filename, label })),
    }),
    qmpCommand({
      name: "query-chardev-backends",
      help: "The kinds of `-chardev`.",
      returns: array(object("ChardevBackendInfo", { name: str })),
      run: () => BACKENDS.map((name) => ({ name })),
    }),
    qmpCommand({
      name: "query-yank",
      help: "Connections that can be broken off: those of character devices that are sockets.",
      oob: true,
      returns: array(object("YankInstance", { type: str, id: str })),
      run: ({ config }) =>
        config.chardevs
          .filter(({ kind }) => ["unix", "tcp", "fd"].includes(kind))
          .map(({ id }) => ({ type: "chardev", id })),
    }),
  ],
  info: [
    hmpCommand({
      name: "chardev",
      help: "the character devices",
      run: ({ host }) =>
        host
          .chardevs()
          .map(({ label, filename }) => `${label}: filename=${filename}\n`)
          .join(""),
    }),
  ],
};
