/**
 * Where a migration goes to or comes from: QEMU's URI, or the `channels` of its newer commands.
 *
 *   tcp:HOST:PORT   unix:PATH   exec:COMMAND   fd:NUMBER   fd:NAME   file:PATH[,offset=BYTES]
 */
import type { ChannelAddress } from "#core/host.ts";
import { MigrationError } from "#control/migration/migration-error.ts";

/** With names in place of descriptors, which whoever passed those has given them. */
export type MigrationAddress = ChannelAddress | { readonly kind: "named"; readonly name: string };

/** Throws `MigrationError`. */
export function parseUri(uri: string): MigrationAddress {
  const [, kind, rest = ""] = /^([a-z]+):([^]*)$/.exec(uri) ?? [];
  switch (kind) {
    case "tcp":
      return parseTcp(rest);
    case "unix":
      return { kind: "unix", path: present(rest, uri) };
    case "exec":
      return { kind: "exec", command: present(rest, uri) };
    case "fd":
      return parseFd(rest);
    case "file":
      return parseFile(rest, uri);
    default:
      throw new MigrationError(`unknown migration protocol: ${uri}`);
  }
}

function present(text: string, uri: string): string {
  if (text === "") throw new MigrationError(`nothing follows the protocol in '${uri}'`);
  return text;
}

/** HOST may be empty, and an IPv6 address in brackets. Options of QEMU's sockets behind a comma are refused. */
function parseTcp(text: string): ChannelAddress {
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:,]*)):(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535) {
    throw new MigrationError(`'${text}' is not HOST:PORT; an example is tcp:127.0.0.1:4444`);
  }
  return { kind: "tcp", host: bracketed ?? plain ?? "", port: Number(port) };
}

/** A name does not begin with a digit. */
function parseFd(text: string): MigrationAddress {
  if (!/^\d/.test(text)) return { kind: "named", name: text };
  if (!/^\d{1,9}$/.test(text)) throw new MigrationError(`Invalid file descriptor number '${text}'`);
  return { kind: "fd", fd: Number(text) };
}

function parseFile(text: string, uri: string): ChannelAddress {
  const [, path = "", offset = "0"] = /^([^]*?)(?:,offset=(\w+))?$/.exec(text) ?? [];
  const bytes = /^(?:0x[0-9a-f]{1,13}|\d{1,15})$/i.test(offset) ? Number(offset) : Number.NaN;
  if (!Number.isSafeInteger(bytes)) throw new MigrationError(`offset=${offset} is not a number of bytes`);
  return { kind: "file", path: present(path, uri), offset: bytes };
}

/** One of QMP's `channels`: `{"channel-type": "main", "addr": {"transport": ...}}`. */
export type MigrationChannel = {
  readonly "channel-type": string;
  readonly addr: Readonly<Record<string, unknown>>;
};

/** The main channel of a list. Throws `MigrationError`. */
export function parseChannels(channels: readonly MigrationChannel[]): MigrationAddress {
  const [channel] = channels;
  if (!channel || channels.length > 1 || channel["channel-type"] !== "main") {
    throw new MigrationError("the list of channels needs exactly one of channel-type 'main'");
  }
  const { addr } = channel;
  const text = (name: string): string => {
    const value = addr[name];
    if (typeof value !== "string") throw new MigrationError(`the channel's address has no text '${name}'`);
    return value;
  };
  switch (addr["transport"]) {
    case "socket":
      return parseSocket(text);
    case "exec":
      return parseExec(addr["args"]);
    case "file":
      return { kind: "file", path: text("filename"), offset: Number(addr["offset"] ?? 0) };
    default:
      throw new MigrationError(`unknown migration transport '${String(addr["transport"])}'`);
  }
}

function parseSocket(text: (name: string) => string): MigrationAddress {
  switch (text("type")) {
    case "inet":
      return parseTcp(`[${text("host")}]:${text("port")}`);
    case "unix":
      return { kind: "unix", path: text("path") };
    case "fd":
      return parseFd(text("str"));
    default:
      throw new MigrationError(`unknown type of socket '${text("type")}'`);
  }
}

/** Descriptors that somebody has passed, by their names and in sets. */
export type DescriptorNames = {
  /** The descriptor, which belongs to the caller then. */
  take(name: string): number | undefined;
  /** One of a set's; it stays the set's. */
  inSet(id: number): number | undefined;
};

/** The address with descriptors in place of names. Throws `MigrationError`. */
export function resolveNames(address: MigrationAddress, names: DescriptorNames | undefined): ChannelAddress {
  if (address.kind === "named") {
    const fd = names?.take(address.name);
    if (fd === undefined) throw new MigrationError(`File descriptor named '${address.name}' has not been found`);
    return { kind: "fd", fd };
  }
  const [, set] = (address.kind === "file" && names && /^\/dev\/fdset\/(\d{1,9})$/.exec(address.path)) || [];
  if (set === undefined || address.kind !== "file") return address;
  const fd = names?.inSet(Number(set));
  if (fd === undefined) throw new MigrationError(`Failed to open file '${address.path}'`);
  return { ...address, path: `/proc/self/fd/${fd}` };
}

/** A program and its arguments, for the shell. */
function parseExec(args: unknown): ChannelAddress {
  if (!Array.isArray(args) || args.length === 0 || !args.every((one) => typeof one === "string")) {
    throw new MigrationError("the channel's 'args' are not a list of texts");
  }
  const quoted = args.map((one: string) => `'${one.replaceAll("'", "'\\''")}'`);
  return { kind: "exec", command: quoted.join(" ") };
}
