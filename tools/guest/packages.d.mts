import type { Log } from "../support/progress.mjs";
import type { ExtraFile } from "./initramfs.mjs";

export type Wanted = { readonly name: string; readonly follow?: RegExp };

export function fetchPackages(options: {
  wanted: readonly Wanted[];
  suite: string;
  log: Log;
  cacheDir?: string;
}): Promise<{ folder: string; missing: string[]; packages: string[] }>;

export function packageFiles(folder: string): Promise<ExtraFile[]>;

export function packageName(library: string): string;
