/**
 * Which shared libraries a 64-bit little-endian ELF file asks for.
 *
 * Spec: System V gABI, chapter 5, "Program Header" and "Dynamic Section".
 */
const MAGIC = 0x464c457f;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const HEADER_BYTES = 64;

/**
 * The names in the order of the file; none for what is no such ELF file, is linked statically, or is damaged.
 * @param {Buffer} file
 * @returns {string[]}
 */
export function neededLibraries(file) {
  if (file.length < HEADER_BYTES || file.readUInt32LE(0) !== MAGIC) return [];
  if (file[4] !== CLASS_64 || file[5] !== LITTLE_ENDIAN) return [];
  try {
    return readNeeded(file);
  } catch (error) {
    if (error instanceof RangeError) return [];
    throw error;
  }
}

function readNeeded(file) {
  const segments = programHeaders(file);
  const dynamic = segments.find((segment) => segment.type === PT_DYNAMIC);
  if (dynamic === undefined) return [];
  const names = [];
  let strings = 0;
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.sizeBytes; at += 16) {
    const [tag, value] = [number(file, at), number(file, at + 8)];
    if (tag === DT_NULL) break;
    if (tag === DT_NEEDED) names.push(value);
    if (tag === DT_STRTAB) strings = value;
  }
  const home = segments.find(
    ({ type, address, sizeBytes }) => type === PT_LOAD && strings >= address && strings < address + sizeBytes,
  );
  if (home === undefined) return [];
  const base = strings - home.address + home.offset;
  return names.map((name) => file.toString("latin1", base + name, file.indexOf(0, base + name)));
}

function programHeaders(file) {
  const [start, size, count] = [number(file, 32), file.readUInt16LE(54), file.readUInt16LE(56)];
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * size;
    return {
      type: file.readUInt32LE(at),
      offset: number(file, at + 8),
      address: number(file, at + 16),
      sizeBytes: number(file, at + 32),
    };
  });
}

function number(file, at) {
  return Number(file.readBigUInt64LE(at));
}
