/** Counts the results in vitest's JSON report. */

/**
 * A test file that could not be loaded counts as one failed test; `skipped` has the names.
 * @param {{ testResults: { status: string, name: string, message?: string, assertionResults: { status: string, fullName: string }[] }[] }} results
 * @returns {{ passed: number, failed: number, skipped: string[] }}
 */
export function summarize(results) {
  const counts = { passed: 0, failed: 0, skipped: [] };
  for (const file of results.testResults) {
    let failedHere = 0;
    for (const { status, fullName } of file.assertionResults) {
      if (status === "passed") counts.passed++;
      else if (status === "failed") failedHere++;
      else counts.skipped.push(fullName);
    }
    counts.failed += failedHere === 0 && file.status === "failed" ? 1 : failedHere;
  }
  return counts;
}
