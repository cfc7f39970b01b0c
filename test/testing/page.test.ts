/** The example of docs/testing.md, run as its reader would. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const place = mkdtempSync(join(tmpdir(), 'muster-testing-'));
afterAll(() => rmSync(place, { recursive: true, force: true }));

it('passes', async () => {
  const page = readFileSync(join(root, 'docs', 'testing.md'), 'utf8');
  const programs = Array.from(page.matchAll(/```js\n([^]*?)```/g), ([, program = '']) => program);
  expect(programs).toHaveLength(1);
  mkdirSync(join(place, 'node_modules'));
  symlinkSync(root, join(place, 'node_modules', 'muster'));
  writeFileSync(join(place, 'package.json'), '{"name":"user","private":true,"type":"module"}\n');
  writeFileSync(join(place, 'example.test.js'), programs.join('\n'));
  // Without what tells a child of a test runner that it is one.
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', '--test-reporter=tap'], {
    cwd: place,
    env,
  });
  expect(stdout).toMatch(/^# pass 1$/m);
  expect(stdout).toMatch(/^# fail 0$/m);
});
