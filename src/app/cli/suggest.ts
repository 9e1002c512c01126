/** What somebody may have meant by a name that does not exist. */

/** One letter may be wrong in a short name, two in a long one. */
const LONG_NAME = 5;

/** The candidate that is the fewest typing errors away, or undefined when none is near. */
export function closest(name: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestErrors = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const limit = Math.min(name.length, candidate.length) < LONG_NAME ? 1 : 2;
    // A name of one letter is near every other one.
    if (candidate.length < 2 || Math.abs(candidate.length - name.length) > limit) continue;
    const errors = typingErrors(name, candidate);
    if (errors <= limit && errors < bestErrors) [best, bestErrors] = [candidate, errors];
  }
  return best;
}

/** `; did you mean NAME?`, or nothing. */
export function suggestion(name: string, candidates: Iterable<string>): string {
  const found = closest(name, candidates);
  return found === undefined ? "" : `; did you mean ${found}?`;
}

/** Letters missing, too many, wrong, or changed places with the next: the optimal string alignment distance. */
function typingErrors(a: string, b: string): number {
  const width = b.length + 1;
  const table = new Uint16Array((a.length + 1) * width);
  const at = (i: number, j: number): number => table[i * width + j] as number;
  for (let i = 0; i <= a.length; i++) {
    for (let j = 0; j <= b.length; j++) {
      let errors = Math.max(i, j);
      if (i > 0 && j > 0) {
        const isWrong = a[i - 1] === b[j - 1] ? 0 : 1;
        errors = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + isWrong);
        const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
        if (isSwapped) errors = Math.min(errors, at(i - 2, j - 2) + 1);
      }
      table[i * width + j] = errors;
    }
  }
  return at(a.length, b.length);
}
