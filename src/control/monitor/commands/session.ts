/** The protocol itself: negotiation and what can be asked. */
import { type MonitorModule, qmpCommand } from "#control/monitor/command.ts";
import { array, enumeration, optional } from "#control/monitor/schema.ts";

export const SESSION: MonitorModule = {
  title: "The protocol",
  commands: [
    qmpCommand({
      name: "qmp_capabilities",
      help: "Ends the negotiation; nothing else is answered before.",
      args: { enable: optional(array(enumeration("QMPCapability", ["oob"]))) },
      // The session does it.
      run() {},
    }),
  ],
};
