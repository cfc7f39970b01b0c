/** The build script, in a small project of its own. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const places: string[] = [];
afterEach(() => {
  for (const place of places.splice(0)) rmSync(place, { recursive: true });
});

function project() {
  const place = mkdtempSync(join(tmpdir(), 'muster-build-'));
  places.push(place);
  for (const file of ['scripts', 'tsconfig.base.json', 'tsconfig.build.json', 'package.json']) {
    cpSync(join(root, file), join(place, file), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'));
  const write = (path: string, text: string) => {
    mkdirSync(join(place, path, '..'), { recursive: true });
    writeFileSync(join(place, path), text);
  };
  const node = (...args: readonly string[]) => spawnSync(process.execPath, args, { cwd: place, encoding: 'utf8' });
  const at = (path: string) => join(place, path);
  write('src/a.ts', "import { b } from './b.ts';\nexport const a: number = b;\n");
  write('src/b.ts', 'export const b = 1;\n');
  write('src/cli/muster.ts', "process.stdout.write(process.argv.slice(2).join(' '));\n");
  write('src/a.test.ts', 'export {};\n');
  return { write, node, at };
}

const isBuilt = "import { isBuilt } from './scripts/build.js'; process.exit(isBuilt() ? 0 : 1);";

it('makes what the sources say, and nothing of what is gone', () => {
  const { write, node, at } = project();
  expect(node('--input-type=module', '-e', isBuilt).status).toBe(1);
  expect(node('scripts/build.js')).toMatchObject({ status: 0, stdout: '', stderr: '' });
  expect(node('--input-type=module', '-e', isBuilt).status).toBe(0);
  expect(readFileSync(at('dist/src/a.js'), 'utf8')).toContain("'./b.js'");
  expect(existsSync(at('dist/src/a.d.ts'))).toBe(true);
  expect(existsSync(at('dist/src/a.test.js'))).toBe(false);
  expect(statSync(at('dist/src/cli/muster.js')).mode & 0o111).toBe(0o111);

  const untouched = statSync(at('dist/src/b.js')).ino;
  rmSync(at('src/a.ts'));
  write('src/c.ts', 'export const c = 1;\n');
  expect(node('--input-type=module', '-e', isBuilt).status).toBe(1);
  expect(node('scripts/build.js').status).toBe(0);
  expect([existsSync(at('dist/src/a.js')), existsSync(at('dist/src/c.js'))]).toEqual([false, true]);
  expect(statSync(at('dist/src/b.js')).ino).toBe(untouched);
}, 60_000);

it('fails on a type that does not fit, says where, and is not taken for built', () => {
  const { write, node, at } = project();
  write('src/a.ts', "export const a: number = 'text';\n");
  const run = node('scripts/build.js');
  expect(run.status).toBe(1);
  expect(run.stderr).toContain('src/a.ts(1,14)');
  expect(existsSync(at('dist/src/a.js'))).toBe(true);
  expect(node('--input-type=module', '-e', isBuilt).status).toBe(1);
}, 60_000);

it('runs a program built afresh, with its output alone on standard output', () => {
  const { write, node } = project();
  expect(node('scripts/run.js', 'src/cli/muster', 'a', '--json')).toMatchObject({
    status: 0,
    stdout: 'a --json',
    stderr: '',
  });
  write('src/cli/muster.ts', "process.stdout.write('changed');\nprocess.exitCode = 3;\n");
  expect(node('scripts/run.js', 'src/cli/muster')).toMatchObject({ status: 3, stdout: 'changed', stderr: '' });
  expect(node('scripts/run.js', 'src/nothing').stderr).toContain('src/nothing is not a program');
  write('src/cli/muster.ts', "export const a: number = 'text';\n");
  expect(node('scripts/run.js', 'src/cli/muster')).toMatchObject({ status: 1, stdout: '' });
}, 60_000);
