import { expect, it } from 'vitest';
import { countTests, failuresOf, slowestOf } from '../../scripts/count.js';

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

const failing = {
  status: 'failed',
  name: '/home/a/test/b.test.ts',
  startTime: 1_000,
  endTime: 3_500,
  assertionResults: [
    { status: 'passed', fullName: 'is well' },
    { status: 'failed', fullName: 'is ill', failureMessages: ['Error: expected 1\nto be 2\n    at b.test.ts:3'] },
  ],
};
const broken = { status: 'failed', name: '/home/a/test/c.test.ts', message: 'no such module', assertionResults: [] };

it('names each test that failed, and each file that failed outside its tests', () => {
  const all = { ...report(file('passed', 'passed')), testResults: [file('passed', 'passed'), failing, broken] };
  expect(failuresOf(all, '/home/a/')).toEqual([
    'test/b.test.ts: is ill: Error: expected 1 to be 2',
    'test/c.test.ts: outside its tests: no such module',
  ]);
  expect(failuresOf(undefined, '/home/a/')).toEqual([]);
});

it('names the files that took longest', () => {
  const all = { ...report(), testResults: [file('passed', 'passed'), failing] };
  expect(slowestOf(all, '/home/a/', 1)).toEqual(['    2.5 s  test/b.test.ts']);
});
