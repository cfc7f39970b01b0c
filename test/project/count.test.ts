import { expect, it } from 'vitest';
import { countTests } from '../../scripts/count.js';

const file = (status: string, ...tests: readonly string[]) => ({
  status,
  assertionResults: tests.map((test) => ({ status: test })),
});

function report(...testResults: readonly ReturnType<typeof file>[]) {
  const all = testResults.flatMap(({ assertionResults }) => assertionResults);
  const count = (status: string) => all.filter((test) => test.status === status).length;
  return {
    numTotalTests: all.length,
    numPassedTests: count('passed'),
    numFailedTests: count('failed'),
    testResults: [...testResults],
  };
}

it.each([
  ['all passed', report(file('passed', 'passed', 'passed')), true, { passed: 2, failed: 0 }],
  ['one failed', report(file('failed', 'passed', 'failed')), false, { passed: 1, failed: 1 }],
  [
    'a file failed outside its tests',
    report(file('failed', 'passed'), file('passed', 'passed')),
    false,
    { passed: 2, failed: 1 },
  ],
  ['a file did not load', report(file('failed')), false, { passed: 0, failed: 1 }],
  ['the runner failed for another reason', report(file('passed', 'passed')), false, { passed: 1, failed: 1 }],
  ['no test ran', report(), true, { passed: 0, failed: 1 }],
  ['the runner left no report', undefined, true, { passed: 0, failed: 1 }],
])('%s', (_, given, ok, expected) => {
  expect(countTests(given, ok)).toEqual(expected);
});
