export type CpioEntry =
  | { kind: "directory"; path: string; mode?: number }
  | { kind: "file"; path: string; mode?: number; data: Uint8Array | string }
  | { kind: "link"; path: string; target: string }
  | { kind: "character"; path: string; mode?: number; major: number; minor: number };

export function writeCpio(entries: readonly CpioEntry[]): Buffer;
