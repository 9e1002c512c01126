/** Writes the parts of a migration stream around the pages: header, sections, description. */
import type { SectionDescription } from "#core/vmstate.ts";
import type { SavedSection } from "#control/migration/machine-functions.ts";
import type { RamSaver } from "#control/migration/ram-save.ts";
import type { StreamWriter } from "#control/migration/stream-writer.ts";
import { MAGIC, Mark, PAGE_BYTES, RAM_SECTION, RamFlag, STREAM_VERSION } from "#control/migration/wire.ts";

const MACHINE_NAME = "virt";
export const RAM_ID = 1;
const FIRST_DEVICE_ID = 2;

export function writeHeader(out: StreamWriter): void {
  out.u32(MAGIC);
  out.u32(STREAM_VERSION);
  out.u8(Mark.Configuration);
  out.u32(MACHINE_NAME.length);
  out.bytes(new TextEncoder().encode(MACHINE_NAME));
}

export function writeCommand(out: StreamWriter, command: number, data: Uint8Array = new Uint8Array(0)): void {
  out.u8(Mark.Command);
  out.u16(command);
  out.u16(data.length);
  out.bytes(data);
}

export function writeRamStart(out: StreamWriter, ram: RamSaver): void {
  begin(out, Mark.Start, RAM_ID, RAM_SECTION.name, 0, RAM_SECTION.version);
  ram.writeList(out);
  end(out, RAM_ID);
}

/** A section of pages, as many as there is room for. As `writePages`; `out` has been flushed. */
export function writeRamPart(out: StreamWriter, ram: RamSaver, mostPages: number, mostBytes?: number): void {
  out.u8(Mark.Part);
  out.u32(RAM_ID);
  ram.writePages(out, mostPages, mostBytes);
  out.u64(RamFlag.Eos);
  end(out, RAM_ID);
}
export function writeRamEnd(out: StreamWriter): void {
  out.u8(Mark.End);
  out.u32(RAM_ID);
  out.u64(RamFlag.Eos);
  end(out, RAM_ID);
}

/** All devices. */
export async function writeSections(out: StreamWriter, sections: readonly SavedSection[]): Promise<void> {
  let id = FIRST_DEVICE_ID;
  for (const { name, instanceId, version, body } of sections) {
    await out.need(512);
    begin(out, Mark.Full, id, name, instanceId, version);
    await out.longBytes(body);
    await out.need(16);
    end(out, id);
    id += 1;
  }
}

/** The end of a precopy stream, and its description. */
export async function writeEnd(out: StreamWriter, sections: readonly SavedSection[]): Promise<void> {
  await out.need(16);
  out.u8(Mark.Eof);
  const description = new TextEncoder().encode(describe(sections));
  out.u8(Mark.VmDescription);
  out.u32(description.length);
  await out.longBytes(description);
}

function describe(sections: readonly SavedSection[]): string {
  const configuration: SectionDescription = {
    vmsd_name: "configuration",
    version: 1,
    fields: [
      { name: "len", type: "uint32", size: 4 },
      { name: "name", type: "buffer", size: MACHINE_NAME.length },
    ],
  };
  const devices = sections.map(({ name, instanceId, description }) => ({
    name,
    instance_id: instanceId,
    ...description,
  }));
  return JSON.stringify({ page_size: PAGE_BYTES, configuration, devices });
}

function begin(out: StreamWriter, mark: number, id: number, name: string, instanceId: number, version: number): void {
  out.u8(mark);
  out.u32(id);
  out.shortString(name);
  out.u32(instanceId);
  out.u32(version);
}
export function end(out: StreamWriter, id: number): void {
  out.u8(Mark.Footer);
  out.u32(id);
}
