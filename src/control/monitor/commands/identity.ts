/** What this is: version, name, target, machines, processors. */
import { hmpCommand, type MonitorModule, qmpCommand } from "#control/monitor/command.ts";
import type { MonitorContext } from "#control/monitor/context.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import { any, array, bool, enumeration, int, object, optional, str, union } from "#control/monitor/schema.ts";
import { CpuFeatureError, EXTENSION_NAMES, type Extensions, resolveExtensions } from "#cpu/isa/riscv/extensions.ts";
import { MAX_VCPUS } from "#machine/shared-words.ts";
import { cpuExtensions } from "#machine/virt/virt-layout.ts";

const NO_UUID = "00000000-0000-0000-0000-000000000000";
const TARGET = enumeration("SysEmuTarget", ["riscv64"]);
const CPU_TYPE = "rv64-riscv-cpu";
const CPU_MODELS = ["rv64", "max"];

const MACHINE_INFO = object("MachineInfo", {
  name: str,
  alias: optional(str),
  "is-default": optional(bool),
  "cpu-max": int,
  "hotpluggable-cpus": bool,
  "numa-mem-supported": bool,
  deprecated: bool,
  "default-cpu-type": optional(str),
  "default-ram-id": optional(str),
});
const CPU_MODEL = object("CpuModelInfo", { name: str, props: optional(any) });

const threadId = ({ host }: MonitorContext): number => host.processId;

function cpuExtensionsOf(name: string, props: unknown): Extensions {
  if (!CPU_MODELS.includes(name)) throw new QmpError(`The CPU type '${name}-riscv-cpu' is not a known RISC-V CPU type`);
  const features: Record<string, boolean> = {};
  for (const [key, value] of Object.entries((props ?? {}) as Record<string, unknown>)) {
    if (typeof value === "boolean") features[key] = value;
    else if (value === "on" || value === "off") features[key] = value === "on";
    else throw new QmpError(`Invalid parameter type for '${key}', expected: boolean`);
  }
  try {
    return cpuExtensions({ model: name, features });
  } catch (error) {
    if (error instanceof CpuFeatureError) throw new QmpError(error.message, "GenericError", { cause: error });
    throw error;
  }
}

export const IDENTITY: MonitorModule = {
  title: "What this is",
  commands: [
    qmpCommand({
      name: "query-version",
      help: "The version of QEMU whose protocol this is, and ours as the package.",
      returns: object("VersionInfo", {
        qemu: object("VersionTriple", { major: int, minor: int, micro: int }),
        package: str,
      }),
      run({ host }) {
        const { major, minor, micro, package: name } = host.version;
        return { qemu: { micro, minor, major }, package: name };
      },
    }),
    qmpCommand({
      name: "query-name",
      help: "The machine's name (`-name`).",
      returns: object("NameInfo", { name: optional(str) }),
      run: ({ config }) => (config.name === undefined ? {} : { name: config.name }),
    }),
    qmpCommand({
      name: "query-uuid",
      help: "The machine's UUID (`-uuid`).",
      returns: object("UuidInfo", { UUID: str }),
      run: ({ config }) => ({ UUID: config.uuid ?? NO_UUID }),
    }),
    qmpCommand({
      name: "query-kvm",
      help: "Whether KVM is used: never.",
      returns: object("KvmInfo", { enabled: bool, present: bool }),
      run: () => ({ enabled: false, present: false }),
    }),
    qmpCommand({
      name: "query-target",
      help: "The guest's architecture.",
      returns: object("TargetInfo", { arch: TARGET }),
      run: () => ({ arch: "riscv64" as const }),
    }),
    qmpCommand({
      name: "query-machines",
      help: "The boards.",
      returns: array(MACHINE_INFO),
      run: () => [
        {
          "hotpluggable-cpus": false,
          name: "none",
          "numa-mem-supported": false,
          "cpu-max": 1,
          deprecated: false,
          "default-ram-id": "ram",
        },
        {
          "hotpluggable-cpus": false,
          name: "virt",
          "numa-mem-supported": false,
          "default-cpu-type": CPU_TYPE,
          "is-default": true,
          "cpu-max": MAX_VCPUS,
          deprecated: false,
          "default-ram-id": "riscv_virt_board.ram",
        },
      ],
    }),
    qmpCommand({
      name: "query-current-machine",
      help: "What this board can do.",
      returns: object("CurrentMachineParams", { "wakeup-suspend-support": bool }),
      run: () => ({ "wakeup-suspend-support": false }),
    }),
    qmpCommand({
      name: "query-cpus-fast",
      help: "The vCPUs. All are threads of one process, whose id stands for them.",
      returns: array(
        union(
          "CpuInfoFast",
          {
            "cpu-index": int,
            "qom-path": str,
            "thread-id": int,
            props: optional(
              object("CpuInstanceProperties", {
                "node-id": optional(int),
                "socket-id": optional(int),
                "die-id": optional(int),
                "cluster-id": optional(int),
                "core-id": optional(int),
                "thread-id": optional(int),
              }),
            ),
            target: TARGET,
          },
          "target",
          { riscv64: {} },
        ),
      ),
      run: (context) =>
        Array.from({ length: context.cpuCount }, (_, index) => ({
          "thread-id": threadId(context),
          props: { "core-id": index },
          "qom-path": `/machine/soc0/harts[${index}]`,
          "cpu-index": index,
          target: "riscv64" as const,
        })),
    }),
    qmpCommand({
      name: "query-cpu-definitions",
      help: "The CPU models of `-cpu`.",
      returns: array(object("CpuDefinitionInfo", { name: str, static: bool, typename: str, deprecated: bool })),
      run: () => CPU_MODELS.map((name) => ({ name, static: false, typename: `${name}-riscv-cpu`, deprecated: false })),
    }),
    qmpCommand({
      name: "query-cpu-model-expansion",
      help: "All properties of a CPU model, with those given changed.",
      args: { type: enumeration("CpuModelExpansionType", ["static", "full"]), model: CPU_MODEL },
      returns: object("CpuModelExpansionInfo", { model: CPU_MODEL }),
      run(_context, { type, model }) {
        if (type === "static") throw new QmpError("The requested expansion type is not supported");
        const extensions = cpuExtensionsOf(model.name, model.props);
        return { model: { name: model.name, props: { ...extensions } } };
      },
    }),
  ],
  info: [
    hmpCommand({
      name: "version",
      help: "the version of QEMU whose protocol this is, and ours",
      run({ host }) {
        const { major, minor, micro, package: name } = host.version;
        return `${major}.${minor}.${micro}${name}\n`;
      },
    }),
    hmpCommand({
      name: "name",
      help: "the machine's name",
      run: ({ config }) => (config.name === undefined ? "" : `${config.name}\n`),
    }),
    hmpCommand({ name: "uuid", help: "the machine's UUID", run: ({ config }) => `${config.uuid ?? NO_UUID}\n` }),
    hmpCommand({ name: "kvm", help: "whether KVM is used", run: () => "kvm support: not compiled\n" }),
    hmpCommand({
      name: "cpus",
      help: "the vCPUs; a star marks the one that 'cpu' has chosen",
      run: (context, _args, caller) =>
        Array.from(
          { length: context.cpuCount },
          (_, index) => `${index === caller.cpuIndex ? "*" : " "} CPU #${index}: thread_id=${threadId(context)}\n`,
        ).join(""),
    }),
    hmpCommand({
      name: "extensions",
      help: "the extensions of the vCPUs",
      run({ config }) {
        const extensions = resolveExtensions(cpuExtensions(config.cpu));
        return `${EXTENSION_NAMES.filter((name) => extensions[name]).join(" ")}\n`;
      },
    }),
  ],
};
