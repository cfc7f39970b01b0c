import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { builtUrl, workerUrl } from '../../src/base/worker-url.ts';

const places: string[] = [];
afterEach(() => {
  for (const place of places.splice(0)) rmSync(place, { recursive: true });
});

/** A project root, with a space in its path, in which the files named were built. */
function project(...built: readonly string[]): URL {
  const place = mkdtempSync(join(tmpdir(), 'muster worker-'));
  places.push(place);
  for (const file of built) {
    mkdirSync(join(place, 'dist', file, '..'), { recursive: true });
    writeFileSync(join(place, 'dist', file), '');
  }
  return pathToFileURL(`${place}/`);
}

it('maps a source to the file that the build made of it', () => {
  const root = project('src/log/sqlite/worker.js');
  const from = new URL('src/log/sqlite/driver.ts', root).href;
  expect(builtUrl(root, from, './worker.ts').href).toBe(new URL('dist/src/log/sqlite/worker.js', root).href);
});

it('takes the file beside a built one, wherever the package is installed', () => {
  const from = 'file:///opt/node_modules/muster/dist/src/log/driver.js';
  expect(builtUrl(project(), from, './sqlite/worker.ts').href).toBe(
    'file:///opt/node_modules/muster/dist/src/log/sqlite/worker.js',
  );
});

it('is not confused by what a test runner adds to a URL', () => {
  const root = project('src/log/worker.js');
  const from = `${new URL('src/log/driver.ts', root).href}?t=1`;
  expect(builtUrl(root, from, './worker.ts').href).toBe(new URL('dist/src/log/worker.js', root).href);
});

it('names the cure when there is no build', () => {
  const root = project();
  const from = new URL('src/log/driver.ts', root).href;
  expect(() => builtUrl(root, from, './worker.ts')).toThrow(/worker\.js does not exist: run "npm run build"/);
});

it('refuses a worker outside of the project', () => {
  const root = project();
  const from = new URL('src/log/driver.ts', root).href;
  expect(() => builtUrl(root, from, '../../../elsewhere.ts')).toThrow('outside');
});

it('knows this project', () => {
  const found = workerUrl(import.meta.url, '../../src/base/worker-url.ts');
  expect(found.pathname.endsWith('/dist/src/base/worker-url.js')).toBe(true);
});
