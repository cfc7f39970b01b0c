/**
 * What a run of the tests came to, from the JSON report of vitest.
 * @typedef {{ status: string, fullName?: string, failureMessages?: string[] }} TestReport
 * @typedef {{ status: string, name?: string, message?: string, startTime?: number, endTime?: number, assertionResults: TestReport[] }} FileReport
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

/** Of the message of a failure: what one line of a summary has room for. */
const MESSAGE_MAX = 300;

/** @param {string | undefined} message */
const short = (message) => (message ?? '').split('\n', 2).join(' ').trim().slice(0, MESSAGE_MAX);

/**
 * A line for each test that failed, and for each file that failed outside its tests.
 * @param {Report | undefined} report
 * @param {string} root what names of files begin with, which is left out
 * @returns {string[]}
 */
export function failuresOf(report, root) {
  return (report?.testResults ?? []).flatMap((file) => {
    if (file.status !== 'failed') return [];
    const name = (file.name ?? '').replace(root, '');
    const tests = file.assertionResults.filter(({ status }) => status === 'failed');
    if (tests.length === 0) return [`${name}: outside its tests: ${short(file.message)}`];
    return tests.map((test) => `${name}: ${test.fullName}: ${short(test.failureMessages?.[0])}`);
  });
}

/**
 * The files that took longest, with their seconds by the clock.
 * @param {Report | undefined} report
 * @param {string} root what names of files begin with, which is left out
 * @param {number} count
 * @returns {string[]}
 */
export function slowestOf(report, root, count) {
  const timed = (report?.testResults ?? []).map(({ name = '', startTime = 0, endTime = 0 }) => ({
    name: name.replace(root, ''),
    seconds: (endTime - startTime) / 1_000,
  }));
  return timed
    .toSorted((a, b) => b.seconds - a.seconds)
    .slice(0, count)
    .map(({ name, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${name}`);
}
