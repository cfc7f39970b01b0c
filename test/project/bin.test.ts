/** The program that npm links, before and after the first build. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
let place: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'muster-bin-'));
  for (const file of ['bin', 'package.json']) cpSync(join(root, file), join(place, file), { recursive: true });
});
afterEach(() => rmSync(place, { recursive: true }));

function muster(...args: readonly string[]) {
  return spawnSync(join(place, 'bin/muster.js'), args, { encoding: 'utf8', cwd: tmpdir() });
}

it('is what package.json names, and can be run', () => {
  const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { bin: unknown };
  expect(bin).toEqual({ muster: './bin/muster.js' });
  expect(statSync(join(root, 'bin/muster.js')).mode & 0o111).toBe(0o111);
});

it('says in one sentence what is missing', () => {
  expect(muster('serve')).toMatchObject({
    status: 1,
    stdout: '',
    stderr: 'Muster is not built yet: run `npm ci` and `npm run build` in its folder first.\n',
  });
});

it('runs what was built, with its arguments and its exit code', () => {
  mkdirSync(join(place, 'dist/src/cli'), { recursive: true });
  const program = 'process.stdout.write(JSON.stringify(process.argv.slice(2)));\nprocess.exitCode = 3;\n';
  writeFileSync(join(place, 'dist/src/cli/muster.js'), program);
  expect(muster('task', 'list')).toMatchObject({ status: 3, stdout: '["task","list"]', stderr: '' });
});
