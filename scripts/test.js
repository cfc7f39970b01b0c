/**
 * `npm test`: builds, then runs every test. Arguments go to vitest; `--install` installs the programs that some
 * tests need by the system's package manager, as a run with CI=true does. Without strace its tests are left out, without
 * a Redis its tests fail; a sentence says so, before and after.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from './build.js';

const root = fileURLToPath(new URL('../', import.meta.url));

/** A test that needs one of these says so in its name: `*.strace.test.ts`. */
const programs = [{ command: 'strace', debian: 'strace', mark: '.strace.test.ts' }];
/** Any of them; some tests also take what REDIS_URL names. */
const redis = { commands: ['redis-server', 'valkey-server'], debian: 'redis-server' };

export const RESULTS = 'reports/vitest.json';

/** @param {string} command */
const found = (command) =>
  (process.env['PATH'] ?? '').split(':').some((folder) => folder !== '' && existsSync(`${folder}/${command}`));

/** @param {string[]} packages */
function install(packages) {
  const sudo = process.getuid?.() === 0 ? [] : ['sudo'];
  for (const step of [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', ...packages],
  ]) {
    const [command = 'apt-get', ...args] = [...sudo, 'apt-get', ...step];
    const run = spawnSync(command, args, {
      stdio: ['ignore', 2, 2],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    if (run.status !== 0) {
      process.stderr.write(`apt-get ${step.join(' ')} failed${run.error ? `: ${run.error.message}` : ''}.\n`);
      process.exit(1);
    }
  }
}

const args = process.argv.slice(2).filter((arg) => arg !== '--install');
const mayInstall = process.env['CI'] === 'true' || process.argv.includes('--install');
const tests = readdirSync(`${root}test`, { recursive: true, encoding: 'utf8' });
const missing = programs.filter(({ command, mark }) => tests.some((name) => name.endsWith(mark)) && !found(command));

const lacking = missing.map(({ debian }) => debian);
if (!redis.commands.some(found) && process.env['REDIS_URL'] === undefined) lacking.push(redis.debian);

if (lacking.length > 0 && mayInstall) {
  install(lacking);
  missing.length = 0;
}

const lacksRedis = lacking.includes(redis.debian) && !mayInstall;
if (lacksRedis) {
  process.stderr.write(
    `${redis.debian} is not installed: the tests of the log on Redis will fail. npm test -- --install installs it.\n`,
  );
}

const { ok, output } = build();
process.stderr.write(output);
if (!ok) process.exit(1);

const without = missing.flatMap(({ mark }) => ['--exclude', `**/*${mark}`]);
const reports = ['--reporter=default', '--reporter=json', `--outputFile.json=${RESULTS}`];
const vitest = `${root}node_modules/vitest/vitest.mjs`;
const run = spawnSync(process.execPath, [vitest, 'run', ...reports, ...without, ...args], {
  cwd: root,
  stdio: 'inherit',
});

for (const { command, mark } of missing) {
  const count = tests.filter((name) => name.endsWith(mark)).length;
  process.stderr.write(
    `${count} test file(s) were left out because ${command} is not installed: npm test -- --install\n`,
  );
}
if (lacksRedis) process.stderr.write(`The tests of the log on Redis need ${redis.debian}: npm test -- --install\n`);
process.exit(run.status ?? 1);
