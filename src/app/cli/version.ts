/**
 * The program's name and version, as messages and `-version` show them. A test keeps the version equal to the package's.
 */

export const PROGRAM_NAME = "tinamou-system-riscv64";
export const VERSION = "0.1.0";
