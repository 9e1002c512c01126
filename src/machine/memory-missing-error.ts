/** Guest memory that somebody wanted to look at has not come from the source of a postcopy for a while. */
export class MemoryMissingError extends Error {
  readonly code = "memory-missing";

  constructor() {
    super("that memory has not come from the source of the migration yet; try again later, or see 'info migrate'");
  }
}
