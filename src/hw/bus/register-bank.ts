/**
 * A device's registers as a table: offset, the specification's name, and what reading and writing does.
 * Registers of one width, found by index; offsets that the table does not name read 0 and ignore writes.
 */

/** What one register does. Without `read` it reads 0, without `write` writes are ignored. */
export type RegisterAccess = {
  readonly read?: () => number;
  readonly write?: (value: number) => void;
};
export type RegisterRow = readonly [offset: number, name: string, access: RegisterAccess];

export type RegisterBank = {
  /** Unsigned. `offset` inside a register means that register. */
  read(offset: number): number;
  write(offset: number, value: number): void;
  /** The register's name, for traces and monitors. */
  nameAt(offset: number): string | undefined;
};

/** Makes a bank of `width`-byte registers. Two rows at one offset, or an offset between two registers, are bugs. */
export function registerBank(options: { readonly width: 1 | 2 | 4 }, rows: readonly RegisterRow[]): RegisterBank {
  const shift = Math.log2(options.width);
  const byIndex: (RegisterRow | undefined)[] = [];
  for (const row of rows) {
    const [offset, name] = row;
    if (offset % options.width !== 0) throw new Error(`register ${name} is not aligned to ${options.width} bytes`);
    if (byIndex[offset >> shift]) throw new Error(`register ${name} lies on another one`);
    byIndex[offset >> shift] = row;
  }
  return {
    read: (offset) => (byIndex[offset >> shift]?.[2].read?.() ?? 0) >>> 0,
    write: (offset, value) => byIndex[offset >> shift]?.[2].write?.(value),
    nameAt: (offset) => byIndex[offset >> shift]?.[1],
  };
}
