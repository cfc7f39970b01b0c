/** The programs beside the server, when they are asked for what they do not have. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { ArgumentError, choiceArgument, seedArgument, wholeArgument } from '../support/arguments.ts';

it.each([
  ['test/simulation', ['--seeds', 'abc'], 'abc is not a whole number'],
  ['test/simulation', ['--seeds', '0'], 'no seed at all'],
  ['test/simulation', ['--replay', 'nowhere.json'], 'there is no file nowhere.json'],
  ['test/chaos', ['--runs', 'abc'], '--runs takes a whole number from 1 up, not "abc"'],
  ['test/fuzz', ['--transport', 'tcp'], '--transport is one of ws, uws, not "tcp"'],
  ['test/soak', ['--minutes', ''], '--minutes takes a whole number from 1 up, not ""'],
  ['test/cluster', ['--seed', 'x'], '--seed takes a whole number from 0 up, not "x"'],
  ['test/simulation', ['--frob'], "Unknown option '--frob'"],
  ['test/simulation', ['--help'], 'npm run sim'],
  ['bench/harness', ['--frob'], "Unknown option '--frob'"],
  ['bench/harness', ['--help'], 'npm run bench'],
] as const)(
  '%s %j says how it is used, and nothing else',
  (folder, args, said) => {
    const file = fileURLToPath(new URL(`../../dist/${folder}/main.js`, import.meta.url));
    const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(said);
    expect(stderr).toMatch(/^npm run (?:sim|bench|test:chaos|test:cluster|fuzz|soak) -- /m);
    expect(stderr).not.toMatch(/^ +at /m);
  },
  30_000,
);

it.each(['', ' ', 'abc', '-1', '0', '0.5', '1e3', '0x10', 'Infinity', '9007199254740992'])(
  'a number of %j is none that a run could be of',
  (text) => {
    expect(() => wholeArgument('runs', text, 1)).toThrow(ArgumentError);
    if (text !== '0') expect(() => seedArgument(text)).toThrow(ArgumentError);
  },
);

it('what makes sense is taken', () => {
  expect([wholeArgument('runs', '12', 1), seedArgument('0')]).toEqual([12, 0]);
  expect(seedArgument(undefined)).toBeGreaterThanOrEqual(0);
  expect(choiceArgument('form', undefined, ['msgpack', 'json'])).toEqual(['msgpack', 'json']);
  expect(choiceArgument('form', 'json', ['msgpack', 'json'])).toEqual(['json']);
  expect(() => choiceArgument('form', 'xml', ['msgpack', 'json'])).toThrow('--form is one of msgpack, json, not "xml"');
});
