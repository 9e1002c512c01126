/**
 * What a machine is made of: plain data, checked by whoever builds it (the command line or the npm API),
 * and passed as it is to every thread.
 */

import type { LogConfig } from "#core/log.ts";
import type { ErrorPolicy } from "#io/block/block-failure.ts";

/** A machine to build. Sizes are in bytes. */
export type MachineConfig = {
  /** QEMU's machine type name; "virt" or "none". */
  readonly machine: string;
  readonly machineOptions: {
    /** Give the board the ACLINT devices (mswi, sswi, mtimer) instead of the CLINT's layout. */
    readonly aclint: boolean;
    /** `-global virtio-mmio.force-legacy=`: virtio 0.9's register layout (true) or version 1's (false). */
    readonly virtioForceLegacy?: boolean;
  };
  readonly cpu: CpuConfig;
  readonly smp: SmpConfig;
  readonly memoryBytes: number;
  readonly accel: AccelConfig;
  readonly boot: BootConfig;
  /** Devices beside the board's own, in command line order. */
  readonly devices: readonly DeviceConfig[];
  readonly drives: readonly DriveConfig[];
  readonly chardevs: readonly ChardevConfig[];
  /** Chardev ids of the board's serial ports, in order; the virt board has one. */
  readonly serials: readonly string[];
  /** `base` as a number is in seconds since 1970-01-01 UTC. With `clock` "vm" time stands still while the machine does. */
  readonly rtc: { readonly base: "utc" | "localtime" | number; readonly clock?: "host" | "rt" | "vm" };
  /** `-object`s that devices refer to, in command line order. */
  readonly objects?: readonly ObjectConfig[];
  readonly name?: string;
  readonly uuid?: string;
  /** Do not start the vCPUs (`-S`). */
  readonly startStopped: boolean;
  /** The machine's state comes from elsewhere, `-incoming` or `-loadvm`: it does not start by itself. */
  readonly incoming?: "stream" | "snapshot";
  /** What a guest's reset request does. */
  readonly onReboot: "reset" | "shutdown";
  /** What a guest's poweroff does: "pause" is `-no-shutdown`. */
  readonly onShutdown: "poweroff" | "pause";
  /** What is logged (`-d`, `-trace`); absent: nothing. */
  readonly log?: LogConfig;
};

export type SmpConfig = {
  readonly cpus: number;
  readonly sockets: number;
  readonly cores: number;
  readonly threads: number;
};

/** `features` maps an extension's lower-case name ("zba", "sstc", "c") to on or off; absent ones have the model's value. */
export type CpuConfig = { readonly model: string; readonly features: Readonly<Record<string, boolean>> };

export type AccelConfig = { readonly kind: "wasm" | "interp" | "lockstep" };

export type BootConfig = {
  /** "default", "none" or a file name. */
  readonly bios: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly dtb?: string;
  /** Write the device tree blob here and exit (`-M dumpdtb=`). */
  readonly dumpdtb?: string;
  /** `-boot menu=` and `reboot-timeout=`: firmware reads them from fw_cfg. */
  readonly menu?: boolean;
  readonly rebootTimeoutMs?: number;
};

/** An `-object`: type name, id and the properties as given. */
export type ObjectConfig = {
  readonly type: string;
  readonly id: string;
  readonly properties: Readonly<Record<string, string | number | boolean>>;
};

/** A `-device`: driver name, id and the properties as given, `bus` among them. */
export type DeviceConfig = {
  readonly driver: string;
  readonly id?: string;
  readonly properties: Readonly<Record<string, string | number | boolean>>;
};

/** A block backend; `interface` "pflash" goes to the board's flash `index`, "none" is used by a device's `drive=`. */
export type DriveConfig = {
  readonly id: string;
  /** Of `-blockdev`: `id` is a node's name and no drive's. */
  readonly isNode?: boolean;
  /** With `isNode`: the name of the node of the file below, or that there is none but the file's. */
  readonly fileNode?: string;
  readonly isFileAlone?: boolean;
  readonly interface: "none" | "pflash" | "virtio";
  readonly index?: number;
  readonly file: string;
  readonly format: "raw";
  readonly readOnly: boolean;
  readonly discard: boolean;
  /** `cache=unsafe` or `cache.no-flush=on`: flushes do nothing. */
  readonly noFlush: boolean;
  /** `rerror` and `werror`, where they are given. */
  readonly readErrors?: ErrorPolicy;
  readonly writeErrors?: ErrorPolicy;
};

/** With `mux` several frontends share it. */
export type ChardevConfig = { readonly id: string; readonly mux?: boolean } & (
  | { readonly kind: "stdio"; readonly signal: boolean; readonly mux: boolean }
  | { readonly kind: "null" }
  | { readonly kind: "pty" }
  | { readonly kind: "file"; readonly path: string; readonly append: boolean; readonly input?: string }
  | ({ readonly kind: "unix"; readonly path: string } & SocketConfig)
  | ({ readonly kind: "tcp"; readonly host: string; readonly port: number } & SocketConfig)
  /** A socket that the process was started with. */
  | ({ readonly kind: "fd"; readonly fd: number } & SocketConfig)
);
type SocketConfig = { readonly server: boolean; readonly wait: boolean; readonly reconnectSeconds: number };
