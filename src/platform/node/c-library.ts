/** Functions of the C library, by koffi, a package that need not be there. */

export type CFunction = (...args: readonly (number | Int32Array | BigInt64Array | null)[]) => number;

/** By its declaration, on Linux; undefined where it cannot be had. Thread: any, each its own. */
export async function cFunction(declaration: string): Promise<CFunction | undefined> {
  if (process.platform !== "linux") return undefined;
  try {
    const { default: koffi } = await import("koffi");
    return koffi.load(null).func(declaration);
  } catch {
    return undefined;
  }
}
