import type { Log } from "../../support/progress.mjs";

export function fetchI386Kernel(log: Log): Promise<{ kernel: string; bios: string; vgaBios: string }>;
