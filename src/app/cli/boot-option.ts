/**
 * Options with small grammars of their own: `-boot`, `-rtc`, `-name`, `-uuid`, `-action`, and the checked lists of
 * options that have no effect here (`-msg`, `-overcommit`, `-sandbox`).
 */

import type { Draft } from "./draft.ts";
import { parseNested, splitPairs } from "./key-values.ts";
import { OptionError } from "./option-error.ts";
import { checkProperty, type PropertyType, type Scalar } from "./properties.ts";

const BOOT: Readonly<Record<string, PropertyType>> = {
  order: "str",
  once: "str",
  menu: "bool",
  splash: "str",
  "splash-time": "uint16",
  "reboot-timeout": "int32",
  strict: "bool",
};

/** Text of `-boot help`. */
export function bootHelp(): string {
  const lines = Object.entries(BOOT)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, type]) => `  ${name}=<${String(type)}>\n`);
  return `boot-opts options:\n${lines.join("")}`;
}

const HIGHEST_REBOOT_TIMEOUT = 0xffff;

/** Reads `-boot`: menu and reboot-timeout go to the firmware; the others are checked and change nothing here. */
export function readBoot(draft: Draft, text: string): void {
  for (const [key, value] of parseNested(text, "order")) {
    const type = Object.hasOwn(BOOT, key) ? BOOT[key] : undefined;
    if (type === undefined) throw new OptionError("unknown-name", `Parameter 'boot.${key}' is unexpected`);
    const checked = checkProperty({ name: `boot.${key}`, type, help: "" }, value, false);
    if (key === "order" || key === "once") checkBootOrder(String(checked));
    if (key === "menu") draft.bootMenu = checked === true;
    if (key === "reboot-timeout") draft.rebootTimeoutMs = requireTimeout(Number(checked));
  }
}

function requireTimeout(ms: number): number {
  if (ms >= -1 && ms <= HIGHEST_REBOOT_TIMEOUT) return ms;
  throw new OptionError(
    "bad-value",
    `reboot-timeout expects milliseconds from -1 (never) to ${HIGHEST_REBOOT_TIMEOUT}`,
  );
}

function checkBootOrder(order: string): void {
  const seen = new Set<string>();
  for (const letter of order) {
    if (letter < "a" || letter > "p") throw new OptionError("bad-value", `Invalid boot device '${letter}'`);
    if (seen.has(letter)) throw new OptionError("bad-value", `Boot device '${letter}' was given twice`);
    seen.add(letter);
  }
}

/** `-rtc base=,clock=,driftfix=`. */
export function readRtc(draft: Draft, text: string): void {
  for (const { key, value } of splitPairs(text)) {
    switch (key) {
      case "base":
        draft.rtcBase = readRtcBase(value);
        break;
      case "clock":
        if (value !== "host" && value !== "rt" && value !== "vm") {
          throw new OptionError("bad-value", `invalid option value '${value}'; clock is host, rt or vm`);
        }
        draft.rtcClock = value;
        break;
      case "driftfix":
        if (value !== "none" && value !== "slew") {
          throw new OptionError("bad-value", `invalid option value '${value}'; driftfix is none or slew`);
        }
        break;
      default:
        throw new OptionError("unknown-name", `Invalid parameter '${key}'`);
    }
  }
}

function readRtcBase(text: string): "utc" | "localtime" | number {
  if (text === "utc" || text === "localtime") return text;
  const parts = /^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:T([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2}))?$/.exec(text);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = (parts ?? [])
    .slice(1)
    .map((part) => Number(part ?? 0));
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  const isReal =
    parts !== null &&
    year >= 1970 &&
    new Date(ms).getUTCMonth() === month - 1 &&
    hour < 24 &&
    minute < 60 &&
    second < 60;
  if (!isReal) {
    throw new OptionError("bad-value", "invalid datetime format; valid formats: '2006-06-17T16:01:21' or '2006-06-17'");
  }
  return ms / 1000;
}

/** `-name [guest=]NAME,process=,debug-threads=`. */
export function readName(draft: Draft, text: string): void {
  const options = readFlat(text, "guest", { guest: "str", process: "str", "debug-threads": "bool" });
  draft.name = (options.get("guest") as string | undefined) ?? draft.name;
  draft.processName = (options.get("process") as string | undefined) ?? draft.processName;
}

/** A UUID in lower case. */
export function readUuid(text: string): string {
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text)) return text.toLowerCase();
  throw new OptionError("bad-value", "failed to parse UUID string: wrong format");
}

/** `-watchdog-action`: there is no watchdog whose action it could be. */
export function checkWatchdogAction(action: string): void {
  if (WATCHDOG_ACTIONS.some((name) => name === action)) return;
  throw new OptionError("bad-value", `Parameter 'watchdog' does not accept value '${action}'`);
}

const WATCHDOG_ACTIONS = ["reset", "shutdown", "poweroff", "inject-nmi", "pause", "debug", "none"] as const;

/** `-action reboot=,shutdown=,panic=,watchdog=`; there is no panic device and no watchdog. */
export function readAction(draft: Draft, text: string): void {
  const options = readFlat(text, undefined, {
    reboot: ["reset", "shutdown"],
    shutdown: ["poweroff", "pause"],
    panic: ["pause", "shutdown", "exit-failure", "none"],
    watchdog: WATCHDOG_ACTIONS,
  });
  const reboot = options.get("reboot");
  const shutdown = options.get("shutdown");
  if (reboot !== undefined) draft.onReboot = reboot === "reset" ? "reset" : "shutdown";
  if (shutdown !== undefined) draft.onShutdown = shutdown === "pause" ? "pause" : "poweroff";
}

/** A flat list of typed parameters. Throws `OptionError` for others. */
export function readFlat(
  text: string,
  impliedKey: string | undefined,
  types: Readonly<Record<string, PropertyType>>,
): ReadonlyMap<string, Scalar> {
  const values = new Map<string, Scalar>();
  for (const { key, value } of splitPairs(text, impliedKey)) {
    const type = Object.hasOwn(types, key) ? types[key] : undefined;
    if (type === undefined) throw new OptionError("unknown-name", `Invalid parameter '${key}'`);
    values.set(key, checkProperty({ name: key, type, help: "" }, value, false));
  }
  return values;
}
