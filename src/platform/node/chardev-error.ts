/** A character device that cannot be opened; the message says what to do. */
export class ChardevError extends Error {
  readonly code: "in-use" | "unreachable" | "missing" | "permission" | "unsupported" | "io";
  constructor(code: ChardevError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The code for an error of the host. */
export function chardevErrorCode(error: NodeJS.ErrnoException): ChardevError["code"] {
  switch (error.code) {
    case "EADDRINUSE":
      return "in-use";
    case "ECONNREFUSED":
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "ETIMEDOUT":
    case "ENOTFOUND":
      return "unreachable";
    case "ENOENT":
    case "ENOTDIR":
      return "missing";
    case "EACCES":
    case "EPERM":
      return "permission";
    default:
      return "io";
  }
}
