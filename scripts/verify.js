/**
 * `npm run verify`: everything that must hold before a change lands; CI runs exactly this. All steps run, so that
 * one look shows all that is wrong; those that only read the sources run two at a time. The last line counts what passed and failed: every test, and every other step.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { countTests, failuresOf, slowestOf } from './count.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const results = `${root}reports/vitest.json`;
const bin = (/** @type {string} */ name) => `node_modules/.bin/${name}`;

/** So many of the slowest files of tests are named. */
const SLOWEST = 12;

/** @typedef {{ name: string, command: readonly string[], tests?: true }} Step */

/** Where a clone was installed without the scripts of packages, the one that is compiled: that takes as long as all looks at the sources. */
const compiled = existsSync(`${root}node_modules/better-sqlite3/build/Release/better_sqlite3.node`)
  ? []
  : [{ name: 'compiled packages', command: ['npm', 'rebuild', 'better-sqlite3'] }];

/** They read the sources and change nothing, each on one processor; the longest first. */
/** @type {readonly Step[]} */
const sources = [
  { name: 'format', command: [bin('prettier'), '--check', '--log-level', 'warn', '.'] },
  { name: 'types', command: [bin('tsc'), '-p', 'tsconfig.json'] },
  { name: 'types in the browser', command: [bin('tsc'), '-p', 'tsconfig.browser.json'] },
  { name: 'lint', command: [bin('oxlint'), '--deny-warnings'] },
  { name: 'unused code', command: [bin('knip')] },
];

/** @type {readonly Step[]} */
const steps = [
  { name: 'build', command: ['node', 'scripts/build.js'] },
  { name: 'tests', command: ['npm', 'test'], tests: true },
  { name: 'simulation of 1000 seeds', command: ['node', 'scripts/run.js', 'test/simulation/main', '--seeds', '1000'] },
  { name: 'package', command: ['node', 'scripts/package.js'] },
];

/** @returns {import('./count.js').Report | undefined} */
const report = () => (existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : undefined);

let passed = 0;
let failed = 0;
/** @type {string[]} */
const summary = [];

/** @param {Step} step */
const title = ({ name, command }) =>
  `\n── ${name}: ${command.map((part) => part.replace('node_modules/.bin/', '')).join(' ')}\n`;

/**
 * Runs a step; what it prints comes as it is printed, or all of it at the end.
 * @param {Step} step
 * @param {boolean} atOnce
 */
async function run(step, atOnce) {
  const { name, command, tests } = step;
  if (atOnce) process.stdout.write(title(step));
  const begin = performance.now();
  const [program = '', ...args] = command;
  const child = spawn(program, args, {
    cwd: root,
    stdio: atOnce ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (/** @type {string} */ text) => (printed += text));
  }
  const ok = await new Promise((resolve) => {
    child.once('error', (error) => {
      process.stderr.write(`${program}: ${error.message}\n`);
      resolve(false);
    });
    child.once('close', (code) => resolve(code === 0));
  });
  if (!atOnce) process.stdout.write(title(step) + printed);
  const count = tests ? countTests(report(), ok) : { passed: ok ? 1 : 0, failed: ok ? 0 : 1 };
  passed += count.passed;
  failed += count.failed;
  const seconds = ((performance.now() - begin) / 1_000).toFixed(1).padStart(7);
  summary.push(
    `${ok ? 'ok    ' : 'FAILED'} ${seconds} s  ${name}${tests ? ` (${count.passed} passed, ${count.failed} failed)` : ''}`,
  );
}

rmSync(results, { force: true });
const waiting = [...compiled, ...sources];
const work = async () => {
  for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) await run(step, false);
};
await Promise.all([work(), work()]);
for (const step of steps) await run(step, true);
// Last, where whoever reads the end of a long output finds it.
const slowest = slowestOf(report(), root, SLOWEST).map((line) => `  ${line}`);
process.stdout.write(`\nThe files of tests that took longest:\n${slowest.join('\n')}\n`);
const failures = failuresOf(report(), root).map((line) => `  ${line}`);
if (failures.length > 0) process.stdout.write(`\nTests that failed:\n${failures.join('\n')}\n`);
process.stdout.write(`\n${summary.join('\n')}\n\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
