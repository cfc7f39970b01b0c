/**
 * What a run of the tests came to, from the JSON report of vitest.
 * @typedef {{ status: string, assertionResults: { status: string }[] }} FileReport
 * @typedef {{ numPassedTests: number, numFailedTests: number, numTotalTests: number, testResults: FileReport[] }} Report
 */

/**
 * @param {Report | undefined} report undefined: the run left none
 * @param {boolean} ok whether the runner's exit code says that all is well
 * @returns {{ passed: number, failed: number }}
 */
export function countTests(report, ok) {
  if (report === undefined) return { passed: 0, failed: 1 };
  // A file that fails outside its tests (it does not load, it leaves a socket open) has no failed test.
  const files = report.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every(({ status }) => status !== 'failed'),
  ).length;
  const failed = report.numFailedTests + files;
  const nothing = report.numTotalTests === 0;
  return { passed: report.numPassedTests, failed: ok && !nothing ? failed : Math.max(failed, 1) };
}
