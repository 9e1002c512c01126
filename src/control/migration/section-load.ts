/** Sections of devices: found by name and instance, and loaded from what has come of the stream. */
import { ByteReader, TruncatedError } from "#core/bytes.ts";
import { StateError } from "#core/vmstate.ts";
import { MigrationError } from "#control/migration/migration-error.ts";
import { Mark } from "#control/migration/wire.ts";
import type { MigrationPort } from "#machine/migration-port.ts";

/** What a section says before its body. */
export type SectionHead = { readonly name: string; readonly instanceId: number; readonly version: number };
/** Its number in the stream, which its footer repeats. */
export type NumberedHead = SectionHead & { readonly id: number };
/** Where the last body ends, counted from the beginning of the first, and whose it is. */
export type LoadedSections = { readonly lengthBytes: number; readonly id: number };

/**
 * Loads the section whose body `bytes` begin with, and those behind it that are whole there: a machine that stands waits for
 * them. Undefined when that is not all of the first: it is loaded anew when more has come. Throws `MigrationError`.
 * Thread: machine.
 */
export function loadSections(
  port: Pick<MigrationPort, "sections" | "bytesToSkip">,
  head: NumberedHead,
  bytes: Uint8Array,
): LoadedSections | undefined {
  let loaded: LoadedSections | undefined;
  for (let next: NextSection | undefined = { head, at: 0 }; next; next = loaded && nextSection(bytes, loaded)) {
    const lengthBytes = loadSection(port, next.head, bytes.subarray(next.at));
    if (lengthBytes === undefined) break;
    loaded = { lengthBytes: next.at + lengthBytes, id: next.head.id };
  }
  return loaded;
}

type NextSection = { readonly head: NumberedHead; readonly at: number };

/** The section behind one; undefined when something else is there, or its head is not whole. */
function nextSection(bytes: Uint8Array, { lengthBytes, id }: LoadedSections): NextSection | undefined {
  const from = new ByteReader(bytes.subarray(lengthBytes));
  try {
    if (from.u8() !== Mark.Footer || from.u32() !== id || from.u8() !== Mark.Full) return undefined;
    const head = { id: from.u32(), name: from.shortString(), instanceId: from.u32(), version: from.u32() };
    return { head, at: lengthBytes + from.position };
  } catch (error) {
    if (error instanceof TruncatedError) return undefined;
    throw error;
  }
}

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
