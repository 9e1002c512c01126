/** An error that goes to the client of a monitor. */

/** QMP's error classes. */
export type QmpErrorClass = "GenericError" | "CommandNotFound" | "DeviceNotFound" | "DeviceNotActive" | "KVMMissingCap";

export class QmpError extends Error {
  override readonly name = "QmpError";
  readonly code: QmpErrorClass;

  constructor(message: string, code: QmpErrorClass = "GenericError", options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
