/** Sections of devices: found by name and instance, and loaded from what has come of the stream. */
import { ByteReader, TruncatedError } from "#core/bytes.ts";
import { StateError } from "#core/vmstate.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import type { MigrationPort } from "#machine/migration-port.ts";

/** What a section says before its body. */
export type SectionHead = { readonly name: string; readonly instanceId: number; readonly version: number };

/**
 * Loads a section whose body `bytes` begin with; returns the length of the body, or undefined when that is not all of
 * it: it is loaded anew when more has come. Throws `MigrationError`. Thread: machine.
 */
export function loadSection(
  port: Pick<MigrationPort, "sections" | "bytesToSkip">,
  { name, instanceId, version }: SectionHead,
  bytes: Uint8Array,
): number | undefined {
  const found = port.sections.find((one) => one.name === name && one.instanceId === instanceId);
  if (!found) {
    const lengthBytes = port.bytesToSkip(name);
    if (lengthBytes === undefined) throw unknown(name, instanceId);
    return bytes.length < lengthBytes ? undefined : lengthBytes;
  }
  const from = new ByteReader(bytes);
  try {
    found.section.take(from, version);
    return from.position;
  } catch (cause) {
    if (cause instanceof TruncatedError) return undefined;
    if (!(cause instanceof StateError)) throw cause;
    throw new MigrationError(
      `error while loading state for instance ${instanceId} of device '${name}': ${cause.message}`,
      { cause },
    );
  }
}

function unknown(name: string, instanceId: number): MigrationError {
  return new MigrationError(
    `unknown section '${name}' instance ${instanceId}; give the machine the same devices as the source's`,
  );
}
