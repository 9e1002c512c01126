import type { Log } from "../support/progress.mjs";
import type { ExtraFile } from "./initramfs.mjs";

export type Guest = {
  kernel: string;
  initrd: string;
  firmware: string;
  busybox: string;
  modules: { name: string; path: string }[];
  version: string;
  suite: string;
};

/** Names of the modules that `withModules` gets, in loading order. */
export const GUEST_MODULES: readonly string[];

export function fetchGuest(options?: {
  cacheDir?: string;
  log?: Log;
  withModules?: boolean;
  suites?: readonly string[];
  extraFiles?: readonly ExtraFile[];
}): Promise<Guest>;
