/** Every line of docs/security.md names tests that are there. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const paper = readFileSync(`${root}docs/security.md`, 'utf8');
const rows = paper
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (?:line|-)/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()));

it.each(rows.map(([, line = '', , tests = '']) => [line, tests]))('%s', (_line, tests) => {
  const named = [...tests.matchAll(/`([\w/.-]+)` › `([^`]+)`/g)];
  expect(named.length).toBeGreaterThan(0);
  for (const [, file = '', name = ''] of named) {
    expect(existsSync(`${root}${file}`), file).toBe(true);
    expect(readFileSync(`${root}${file}`, 'utf8'), `${file} has a test of this name`).toContain(name);
  }
});

it('has the lines that it is meant to have', () => {
  expect(rows.length).toBeGreaterThan(45);
});
