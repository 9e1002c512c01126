/** Sections of devices: found by name and instance, and loaded from the stream. */
import { TruncatedError } from "#core/bytes.ts";
import { StateError } from "#core/vmstate.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import type { StreamReader } from "#control/migration/stream-reader.ts";
import type { MigrationPort } from "#machine/migration-port.ts";

/** None of ours is near that. */
const LIMIT_BYTES = 1 << 20;

/** Reads the body of section `name`. Rejects with `MigrationError`. */
export async function loadSection(
  port: Pick<MigrationPort, "sections" | "bytesToSkip">,
  reader: StreamReader,
  name: string,
  instanceId: number,
  version: number,
): Promise<void> {
  const found = port.sections.find((one) => one.name === name && one.instanceId === instanceId);
  if (!found) {
    const bytes = port.bytesToSkip(name);
    if (bytes === undefined) throw unknown(name, instanceId);
    await reader.need(bytes);
    reader.bytes(bytes);
    return;
  }
  try {
    await reader.parse((from) => found.section.take(from, version), LIMIT_BYTES);
  } catch (cause) {
    if (cause instanceof StateError) {
      throw new MigrationError(
        `error while loading state for instance ${instanceId} of device '${name}': ${cause.message}`,
        {
          cause,
        },
      );
    }
    throw cause instanceof TruncatedError ? new MigrationError(cause.message, { cause }) : cause;
  }
}

function unknown(name: string, instanceId: number): MigrationError {
  return new MigrationError(
    `unknown section '${name}' instance ${instanceId}; give the machine the same devices as the source's`,
  );
}
