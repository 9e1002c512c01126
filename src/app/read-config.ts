/**
 * `-readconfig FILE`: options in a file, as QEMU writes and reads them.
 *
 *   [device "net0"]            -> -device id=net0,driver="virtio-rng-device"
 *     driver = "virtio-rng-device"
 */
import { readFileSync } from "node:fs";
import { OptionError } from "#app/cli/option-error.ts";
import { findOption } from "#app/cli/options.ts";

/** Groups whose name is not the option's. */
const OPTION_OF_GROUP: Readonly<Record<string, string>> = { "boot-opts": "boot", memory: "m", "smp-opts": "smp" };
/** Groups whose name is the option's. */
const GROUPS: readonly string[] = [
  ..."accel action chardev device drive global machine mon msg name netdev object overcommit rtc sandbox trace".split(
    " ",
  ),
  ...Object.keys(OPTION_OF_GROUP),
];

type Group = { readonly option: string; readonly parameters: string[] };

/** The arguments with the options of every `-readconfig` in its place. Throws `OptionError`. */
export function expandArguments(argv: readonly string[]): string[] {
  const expanded: string[] = [];
  const rest = argv[Symbol.iterator]();
  for (const argument of rest) {
    if (/^--?readconfig$/.test(argument)) {
      const path = rest.next().value;
      if (path === undefined) throw new OptionError("missing-argument", `${argument}: requires an argument`);
      expanded.push(...configArguments(readConfigFile(argument, path), path));
      continue;
    }
    expanded.push(argument);
    const takesArgument = argument.startsWith("-") && findOption(argument.replace(/^--?/, ""))?.argument !== undefined;
    const next = takesArgument ? rest.next() : undefined;
    if (next && !next.done) expanded.push(next.value);
  }
  return expanded;
}

function readConfigFile(option: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new OptionError("bad-value", `${option} ${path}: Could not open '${path}': ${(error as Error).message}`);
  }
}

/** The options of a configuration file's text; `name` is the file's, for messages. Throws `OptionError`. */
export function configArguments(text: string, name: string): string[] {
  const groups: Group[] = [];
  text.split("\n").forEach((line, index) => {
    const fail = (why: string): never => {
      throw new OptionError("syntax", `${name}:${index + 1}: ${why}`);
    };
    if (/^\s*(?:#.*)?$/.test(line)) return;
    const head = /^\s*\[([^\s"\]]+)(?:\s+"([^"]*)")?\]\s*$/.exec(line);
    if (head) {
      const [, group = "", id] = head;
      if (!GROUPS.includes(group)) fail(`There is no option group '${group}'`);
      groups.push({
        option: OPTION_OF_GROUP[group] ?? group,
        parameters: id === undefined ? [] : [parameter("id", id)],
      });
      return;
    }
    const [, key, value] = /^\s*([^\s=]+)\s*=\s*"([^"]*)"\s*$/.exec(line) ?? fail(`expected NAME = "VALUE"`);
    const group = groups.at(-1) ?? fail("no group defined");
    group.parameters.push(parameter(key ?? "", value ?? ""));
  });
  return groups.flatMap(({ option, parameters }) => [`-${option}`, parameters.join(",")]);
}

function parameter(key: string, value: string): string {
  return `${key}=${value.replaceAll(",", ",,")}`;
}
