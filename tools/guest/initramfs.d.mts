export type ExtraFile =
  | { path: string; mode?: number; data: Uint8Array | string }
  | { path: string; target: string };

export function makeInitramfs(options: {
  busybox: Uint8Array;
  modules?: readonly { name: string; data: Uint8Array }[];
  extraFiles?: readonly ExtraFile[];
  gzip?: boolean;
}): Buffer;
