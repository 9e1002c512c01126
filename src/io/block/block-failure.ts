/** What a disk that fails does: `werror=` and `rerror=`, and what is told of it. */

/** By the words of the option. `enospc` stops when the host has no space left, and reports anything else. */
export const ERROR_POLICIES = ["report", "ignore", "enospc", "stop"] as const;
export type ErrorPolicy = (typeof ERROR_POLICIES)[number];
/** The guest hears of it; it hears that all is well; the machine stops, and the request is done again when it runs on. */
export type ErrorAction = "report" | "ignore" | "stop";

export type BlockFailure = {
  readonly operation: "read" | "write";
  readonly action: ErrorAction;
  /** No space is left on the host. */
  readonly isOutOfSpace: boolean;
  /** For people. */
  readonly reason: string;
};

/** As the C library says it, which people search for. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: "Permission denied",
  EBADF: "Bad file descriptor",
  EDQUOT: "Disk quota exceeded",
  EFBIG: "File too large",
  EINVAL: "Invalid argument",
  EIO: "Input/output error",
  ENOMEM: "Cannot allocate memory",
  ENOSPC: "No space left on device",
  EPERM: "Operation not permitted",
  EROFS: "Read-only file system",
  ESTALE: "Stale file handle",
};

export function blockFailure(operation: "read" | "write", error: unknown, policy: ErrorPolicy): BlockFailure {
  const { code = "", message = String(error) } = error as { readonly code?: string; readonly message?: string };
  const isOutOfSpace = code === "ENOSPC";
  const action = policy !== "enospc" ? policy : isOutOfSpace ? "stop" : "report";
  return { operation, action, isOutOfSpace, reason: REASONS[code] ?? message };
}
