/** A guest that could not be had: `code` for programs, a sentence with what to do for people, the cause kept. */
export class GuestError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ cause?: unknown }} [options]
   */
  constructor(code, message, options) {
    super(message, options);
    this.name = "GuestError";
    this.code = code;
  }
}
