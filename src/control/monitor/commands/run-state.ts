/** Start, stop, reset, the end, and the events of them. */
import { hmpCommand, type MonitorModule, qmpCommand, qmpEvent } from "#control/monitor/command.ts";
import type { MonitorContext, ShutdownReason } from "#control/monitor/context.ts";
import { IO_STATUS } from "#control/monitor/io-status.ts";
import { QmpError } from "#control/monitor/qmp-error.ts";
import { bool, enumeration, object, optional } from "#control/monitor/schema.ts";
import type { MachineEvent } from "#machine/machine.ts";
import { RUN_STATES } from "#machine/run-states.ts";

const SHUTDOWN_CAUSE = enumeration("ShutdownCause", [
  "none",
  "host-error",
  "host-qmp-quit",
  "host-qmp-system-reset",
  "host-signal",
  "host-ui",
  "guest-shutdown",
  "guest-reset",
  "guest-panic",
  "subsystem-reset",
]);
const CAUSE = { guest: bool, reason: SHUTDOWN_CAUSE };

async function resume(context: MonitorContext): Promise<void> {
  const { machine, run, host } = context;
  if (run.needsReset) throw new QmpError("Resetting the Virtual Machine is required");
  if (run.name === "finish-migrate") throw new QmpError("Migration is not finalized yet");
  context.part(IO_STATUS).clear();
  if (machine?.migration.isLoading) host.migration?.startWhenLoaded();
  else if (machine) await machine.start();
  else run.set("running");
}

async function pause({ machine, run, host }: MonitorContext): Promise<void> {
  if (machine?.migration.isLoading && run.name === "inmigrate") host.migration?.stayWhenLoaded();
  else if (machine) await machine.stop();
  else if (run.isRunning) run.set("paused");
}

async function reset({ machine }: MonitorContext): Promise<void> {
  await machine?.pressReset();
}

function shutdownReason({ byGuest, isReset, exitCode }: MachineEvent & { kind: "shutdown" }): ShutdownReason {
  if (!byGuest) return "host-qmp-system-reset";
  if (isReset) return "guest-reset";
  // The test finisher's failure, which is what a kernel does that has panicked.
  return exitCode === 0 ? "guest-shutdown" : "guest-panic";
}

export const RUN_STATE: MonitorModule = {
  title: "Running and stopping",
  start(context) {
    let hasEnded = false;
    context.machine?.on((event) => {
      switch (event.kind) {
        case "resume":
          return context.emit("RESUME");
        case "stop":
          // A process that is about to end says no more.
          return hasEnded ? undefined : context.emit("STOP");
        case "reset":
          hasEnded = false;
          return context.emit("RESET", {
            guest: event.byGuest,
            reason: event.byGuest ? "guest-reset" : "host-qmp-system-reset",
          });
        case "balloon":
        case "io-error":
        case "loaded":
          return undefined;
        default: {
          hasEnded = context.machine?.actions.onShutdown === "poweroff";
          context.emit("SHUTDOWN", { guest: event.byGuest, reason: shutdownReason(event) });
        }
      }
    });
  },
  commands: [
    qmpCommand({
      name: "query-status",
      help: "Whether the machine runs, and why not.",
      returns: object("StatusInfo", {
        running: bool,
        singlestep: bool,
        status: enumeration("RunState", RUN_STATES),
      }),
      run: ({ run }) => ({ status: run.name, singlestep: false, running: run.isRunning }),
    }),
    qmpCommand({ name: "cont", help: "Lets the vCPUs run.", run: resume }),
    qmpCommand({ name: "stop", help: "Stops the vCPUs.", run: pause }),
    qmpCommand({ name: "system_reset", help: "Presses the reset button.", run: reset }),
    qmpCommand({
      name: "system_powerdown",
      help: "Presses the power button. The board has none, so the guest does not notice.",
      run: (context) => context.emit("POWERDOWN"),
    }),
    qmpCommand({
      name: "system_wakeup",
      help: "Wakes a sleeping guest; this board's cannot sleep.",
      run() {
        throw new QmpError("wake-up from suspend is not supported by this guest");
      },
    }),
    qmpCommand({
      name: "quit",
      help: "Ends the process.",
      run: ({ host }) => host.end("host-qmp-quit"),
    }),
    qmpCommand({
      name: "set-action",
      help: "Says what a reset or a poweroff of the guest does. There is no panic device and no watchdog.",
      args: {
        reboot: optional(enumeration("RebootAction", ["reset", "shutdown"])),
        shutdown: optional(enumeration("ShutdownAction", ["poweroff", "pause"])),
        panic: optional(enumeration("PanicAction", ["pause", "shutdown", "exit-failure", "none"])),
        watchdog: optional(
          enumeration("WatchdogAction", ["reset", "shutdown", "poweroff", "pause", "debug", "none", "inject-nmi"]),
        ),
      },
      run({ machine }, { reboot, shutdown }) {
        if (machine && reboot) machine.actions.onReboot = reboot;
        if (machine && shutdown) machine.actions.onShutdown = shutdown;
      },
    }),
  ],
  events: [
    qmpEvent("SHUTDOWN", "The guest has powered off, or the process is about to end.", CAUSE),
    qmpEvent("POWERDOWN", "The power button was pressed."),
    qmpEvent("RESET", "The machine was reset.", CAUSE),
    qmpEvent("STOP", "The vCPUs have stopped."),
    qmpEvent("RESUME", "The vCPUs run."),
  ],
  hmp: [
    hmpCommand({ name: "cont|c", help: "lets the vCPUs run", run: resume }),
    hmpCommand({ name: "stop|s", help: "stops the vCPUs", run: pause }),
    hmpCommand({ name: "system_reset", help: "presses the reset button", run: reset }),
    hmpCommand({
      name: "system_powerdown",
      help: "presses the power button",
      run: (context) => context.emit("POWERDOWN"),
    }),
    hmpCommand({ name: "quit|q", help: "ends the emulator", run: ({ host }) => host.end("host-qmp-quit") }),
  ],
  info: [
    hmpCommand({
      name: "status",
      help: "whether the machine runs",
      run: ({ run }) =>
        `VM status: ${run.isRunning ? "running" : "paused"}${run.isRunning || run.name === "paused" ? "" : ` (${run.name})`}\n`,
    }),
  ],
};
