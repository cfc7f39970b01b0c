/** What is installed, by package-lock.json. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface Locked {
  readonly packages: {
    readonly [path: string]: { readonly version: string; readonly integrity?: string; readonly dev?: boolean };
  };
}

const { packages } = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as Locked;

function versionsOf(name: string): (readonly [version: number, dev: boolean])[] {
  return Object.entries(packages)
    .filter(([path]) => path.endsWith(`node_modules/${name}`))
    .map(([, { version, dev = false }]) => {
      const [major = 0, minor = 0] = version.split('.').map(Number);
      return [major + minor / 1_000, dev] as const;
    });
}

it('has one ws, and it and msgpackr are not those with known holes', () => {
  // Before 8.23 a peer could exhaust memory by empty fragments; before 2.1 msgpackr could be made to loop for ever.
  const ws = versionsOf('ws');
  expect(ws).toHaveLength(1);
  expect(ws[0]?.[0]).toBeGreaterThanOrEqual(8.023);
  for (const [version, dev] of versionsOf('msgpackr')) {
    expect(version).toBeGreaterThanOrEqual(2.001);
    expect(dev).toBe(true);
  }
});

it('has the hash of everything that is fetched', () => {
  const fetched = Object.entries(packages).filter(([path]) => path !== '');
  expect(fetched.length).toBeGreaterThan(100);
  expect(fetched.filter(([, { integrity }]) => integrity === undefined).map(([path]) => path)).toEqual([]);
});
