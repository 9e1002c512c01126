/**
 * Character devices: `-chardev kind,id=...`, and the short forms of `-serial` and `-monitor` (`stdio`, `file:PATH`,
 * `tcp:HOST:PORT,...`, `mon:stdio`, `chardev:ID`).
 */

import type { ChardevConfig } from "#machine/config.ts";
import { type Pair, splitPairs } from "./key-values.ts";
import { OptionError } from "./option-error.ts";
import { parseInteger, requireBool, requireIdentifier } from "./properties.ts";
import { suggestion } from "./suggest.ts";

/** What a short form means. */
export type CharSpec =
  | { readonly kind: "none" }
  /** A chardev that another option defines. */
  | { readonly kind: "reference"; readonly id: string }
  | { readonly kind: "define"; readonly chardev: ChardevConfig; readonly withMonitor: boolean };

const KINDS = ["file", "null", "pty", "socket", "stdio", "vc"] as const;

/** Kinds of QEMU that are not here. */
const ABSENT_KINDS: readonly string[] = [
  ..."braille console dbus memory msmouse mux parallel parport pipe qemu-vdagent ringbuf serial".split(" "),
  ..."spiceport spicevmc testdev tty udp wctablet".split(" "),
];

/** Parameters of all kinds in QEMU; a kind ignores those of another, as in QEMU. */
const PARAMETERS: readonly string[] = [
  ..."abstract append backend chardev clipboard cols debug delay fd height host id input-path ipv4 ipv6 localaddr".split(
    " ",
  ),
  ..."localport logappend logfile mouse mux name nodelay path port reconnect rows server signal size telnet tight".split(
    " ",
  ),
  ..."tls-authz tls-creds tn3270 to wait websocket width".split(" "),
];

/** Text of `-chardev help`. */
export function chardevHelp(): string {
  return `Available chardev backend types:\n${KINDS.map((kind) => `  ${kind}\n`).join("")}`;
}

/** Reads a `-chardev`. Throws `OptionError`. */
export function readChardev(text: string): ChardevConfig {
  const options = new CharOptions(splitPairs(text, "backend"));
  const id = options.text("id");
  if (id === undefined) throw new OptionError("missing-parameter", "chardev: no id specified");
  requireIdentifier(id);
  const backend = options.text("backend");
  if (backend === undefined) throw new OptionError("missing-parameter", `chardev: "${id}" missing backend`);
  const chardev = make(backend, id, options);
  return options.flag("mux", false) ? { ...chardev, mux: true } : chardev;
}

/** Reads a short form; `id` is the id that a new chardev gets. Throws `OptionError`. */
export function readCharSpec(text: string, id: string): CharSpec {
  if (text === "none") return { kind: "none" };
  if (text.startsWith("chardev:")) return { kind: "reference", id: text.slice("chardev:".length) };
  const withMonitor = text.startsWith("mon:");
  const spec = withMonitor ? text.slice("mon:".length) : text;
  const chardev = readShort(spec, id);
  if (!withMonitor) return { kind: "define", chardev, withMonitor };
  const shared = chardev.kind === "stdio" ? { ...chardev, mux: true, signal: false } : { ...chardev, mux: true };
  return { kind: "define", chardev: shared, withMonitor };
}

function readShort(spec: string, id: string): ChardevConfig {
  const [, scheme = spec, rest = ""] = /^([a-z0-9]+):(.*)$/s.exec(spec) ?? [];
  switch (scheme) {
    case "stdio":
    case "null":
    case "pty":
      if (rest !== "" || spec.endsWith(":")) break;
      return make(scheme, id, new CharOptions([]));
    case "vc":
      return make(scheme, id, new CharOptions([]));
    case "file":
      // The whole rest is the name, commas and all.
      return make(scheme, id, new CharOptions([pair("path", rest)]));
    case "unix": {
      const [path, options] = splitOnce(rest, ",");
      return make("socket", id, new CharOptions([pair("path", path), ...splitPairs(options ?? "")]));
    }
    case "tcp":
    case "telnet":
    case "websocket": {
      const [address, options] = splitOnce(rest, ",");
      const [host, port] = splitAddress(address);
      const pairs = [pair("host", host), pair("port", port), ...splitPairs(options ?? "")];
      if (scheme !== "tcp") pairs.push(pair(scheme, "on"));
      return make("socket", id, new CharOptions(pairs));
    }
    default:
      if (ABSENT_KINDS.includes(scheme)) return notAvailable(`character device '${scheme}'`);
      if (spec.startsWith("/dev/")) return notAvailable("a host terminal as character device");
  }
  throw new OptionError("unknown-name", `'${spec}' is not a valid char driver`);
}

function make(kind: string, id: string, options: CharOptions): ChardevConfig {
  if (options.text("logfile") !== undefined) notAvailable("logfile=");
  switch (kind) {
    case "null":
    case "vc": // a text window, and there are none
      return { kind: "null", id };
    case "pty":
      return { kind: "pty", id };
    case "stdio":
      return { kind: "stdio", id, mux: options.flag("mux", false), signal: options.flag("signal", true) };
    case "file": {
      const path = options.text("path");
      if (path === undefined || path === "")
        throw new OptionError("missing-parameter", "chardev: file: no filename given");
      const input = options.text("input-path");
      const file = { kind: "file", id, path, append: options.flag("append", false) } as const;
      return input === undefined ? file : { ...file, input };
    }
    case "socket":
      return makeSocket(id, options);
    default:
      if (ABSENT_KINDS.includes(kind)) return notAvailable(`character device '${kind}'`);
      throw new OptionError("unknown-name", `'${kind}' is not a valid char driver name${suggestion(kind, KINDS)}`);
  }
}

function makeSocket(id: string, options: CharOptions): ChardevConfig {
  for (const name of ["telnet", "tn3270", "websocket", "abstract"]) {
    if (options.flag(name, false)) notAvailable(`${name}=on`);
  }
  for (const name of ["tls-creds", "tls-authz"]) if (options.text(name) !== undefined) notAvailable(`${name}=`);
  const server = options.flag("server", false);
  const isWaitGiven = options.text("wait") !== undefined;
  const reconnectSeconds = options.number("reconnect", 0, 0xffff_ffff);
  if (!server && isWaitGiven) {
    throw new OptionError("conflict", "'wait' option is incompatible with socket in client connect mode");
  }
  if (server && reconnectSeconds > 0) {
    throw new OptionError("conflict", "'reconnect' option is incompatible with socket in server listen mode");
  }
  const wait = server && options.flag("wait", true);
  const path = options.text("path");
  const host = options.text("host");
  const fd = options.text("fd");
  if ([path, host, fd].filter((one) => one !== undefined).length > 1) {
    throw new OptionError("conflict", "None or one of 'path', 'fd' or 'host' option required.");
  }
  if (fd !== undefined) {
    if (!/^[0-9]{1,9}$/.test(fd)) throw new OptionError("bad-value", `File descriptor named '${fd}' not found`);
    return { kind: "fd", id, fd: Number(fd), server, wait, reconnectSeconds };
  }
  if (path !== undefined) {
    if (path === "") throw new OptionError("missing-parameter", "chardev: socket: no path given");
    return { kind: "unix", id, path, server, wait, reconnectSeconds };
  }
  if (host === undefined && options.text("port") === undefined) {
    throw new OptionError("missing-parameter", "chardev: socket: give path=, or host= and port=");
  }
  if (options.text("port") === undefined) throw new OptionError("missing-parameter", "chardev: socket: no port given");
  for (const name of ["ipv4", "ipv6", "nodelay", "delay"]) options.flag(name, true);
  return { kind: "tcp", id, host: host ?? "", port: options.number("port", 0, 65535), server, wait, reconnectSeconds };
}

class CharOptions {
  readonly #values = new Map<string, string>();

  constructor(pairs: readonly Pair[]) {
    for (const { key, value } of pairs) {
      if (!PARAMETERS.includes(key)) throw new OptionError("unknown-name", `Invalid parameter '${key}'`);
      this.#values.set(key, value);
    }
  }

  text(name: string): string | undefined {
    return this.#values.get(name);
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.#values.get(name);
    return value === undefined ? fallback : requireBool(name, value);
  }

  number(name: string, fallback: number, highest: number): number {
    const text = this.#values.get(name);
    if (text === undefined) return fallback;
    const value = parseInteger(text);
    if (value === undefined || value < 0n || value > BigInt(highest)) {
      throw new OptionError("bad-value", `Parameter '${name}' expects a number from 0 to ${highest}`);
    }
    return Number(value);
  }
}

/** `host:port`, `:port` or `[v6]:port`. */
function splitAddress(address: string): [string, string] {
  const [, bracketed, plain = "", port = ""] = /^(?:\[([^\]]*)\]|([^:[\]]*)):([0-9]+)$/.exec(address) ?? [];
  if (port === "") throw new OptionError("syntax", `address '${address}' is not host:port`);
  return [bracketed ?? plain, port];
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function pair(key: string, value: string): Pair {
  return { key, value, short: false };
}

function notAvailable(what: string): never {
  throw new OptionError("not-available", `${what} is not available in this version`);
}
