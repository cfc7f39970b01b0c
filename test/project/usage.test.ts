/** The programs beside the server, when they are asked for what they do not have. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

it.each([
  ['test/simulation', ['--seeds', 'abc'], 'abc is not a whole number'],
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
    expect(stderr).toMatch(/^npm run (?:sim|bench) -- /m);
    expect(stderr).not.toMatch(/^ +at /m);
  },
  30_000,
);
