/**
 * The command: QEMU's command line in, a machine on this terminal or in the background out.
 */
import { parseCommandLine } from "#app/cli/command-line.ts";
import { firmwareDirectories } from "#app/boot-files.ts";
import { beginDaemon, isDaemon, startDaemon } from "#app/daemon.ts";
import { say } from "#app/messages.ts";
import { expandArguments } from "#app/read-config.ts";
import { runCommand } from "#app/run-command.ts";
import { markStep } from "#app/startup-steps.ts";
import { lowerHelpers } from "#platform/node/priority.ts";

async function main(argv: readonly string[]): Promise<void> {
  markStep("modules");
  const command = parseCommandLine(expandArguments(argv), { dataDirectories: firmwareDirectories([]) });
  if (command.kind === "print") {
    process.stdout.write(command.text);
    process.exitCode = command.exitCode;
  } else if (command.host.daemonize && !isDaemon()) {
    process.exitCode = await startDaemon(argv);
    // The daemon goes on; its channel must not hold this process.
    process.exit();
  } else {
    if (command.host.daemonize) beginDaemon();
    lowerHelpers();
    await runCommand(command);
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  // Errors with a code are sentences for the user; others are bugs.
  say(error instanceof Error && "code" in error ? error.message : String((error as Error).stack));
  process.exit(1);
});
