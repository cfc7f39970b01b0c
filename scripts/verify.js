/**
 * `npm run verify`: everything that must hold before a change lands; CI runs exactly this. All steps run, so that
 * one look shows all that is wrong. The last line counts what passed and failed: every test, and every other step.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { countTests } from './count.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const results = `${root}reports/vitest.json`;
const bin = (/** @type {string} */ name) => `node_modules/.bin/${name}`;

/** @type {readonly { name: string, command: readonly string[], tests?: true }[]} */
const steps = [
  { name: 'format', command: [bin('prettier'), '--check', '--log-level', 'warn', '.'] },
  { name: 'lint', command: [bin('oxlint'), '--deny-warnings'] },
  { name: 'types', command: [bin('tsc'), '-p', 'tsconfig.json'] },
  { name: 'types in the browser', command: [bin('tsc'), '-p', 'tsconfig.browser.json'] },
  { name: 'unused code', command: [bin('knip')] },
  { name: 'build', command: ['node', 'scripts/build.js'] },
  { name: 'tests', command: ['node', 'scripts/test.js'], tests: true },
  { name: 'simulation of 1000 seeds', command: ['node', 'scripts/run.js', 'test/simulation/main', '--seeds', '1000'] },
  { name: 'package', command: ['node', 'scripts/package.js'] },
];

/** @returns {import('./count.js').Report | undefined} */
const report = () => (existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : undefined);

rmSync(results, { force: true });
let passed = 0;
let failed = 0;
/** @type {string[]} */
const summary = [];
for (const { name, command, tests } of steps) {
  process.stdout.write(`\n── ${name}: ${command.map((part) => part.replace('node_modules/.bin/', '')).join(' ')}\n`);
  const begin = performance.now();
  const [program = '', ...args] = command;
  const run = spawnSync(program, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  const ok = run.status === 0;
  const count = tests ? countTests(report(), ok) : { passed: ok ? 1 : 0, failed: ok ? 0 : 1 };
  passed += count.passed;
  failed += count.failed;
  const seconds = ((performance.now() - begin) / 1_000).toFixed(1).padStart(7);
  summary.push(
    `${ok ? 'ok    ' : 'FAILED'} ${seconds} s  ${name}${tests ? ` (${count.passed} passed, ${count.failed} failed)` : ''}`,
  );
}
process.stdout.write(`\n${summary.join('\n')}\n\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
