import type { Log } from "../support/progress.mjs";

export function installQemu11(options?: {
  cache?: string;
  searchPath?: string;
  log?: Log;
}): Promise<{ root: string } | { missing: string }>;

export function qemu11Folder(cache?: string): string;
