/** Options of a server, from a file, the environment and flags. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError, parseLimits, resolveConfig } from '../src/config.ts';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'muster-config-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function file(value: unknown): string {
  const path = join(folder, 'muster.json');
  writeFileSync(path, JSON.stringify(value));
  return path;
}

test('limits.md has every limit with its default', () => {
  const paper = readFileSync(new URL('../docs/limits.md', import.meta.url), 'utf8');
  const rows = [...paper.matchAll(/^\| `(\w+)` +\| (\d+) /gm)].map(([, name, value]) => [name, Number(value)]);
  expect(rows).toEqual(Object.entries(resolveConfig({}, {}).limits));
});

describe('limits', () => {
  test('a flag wins over the environment and that over the file, limit by limit', () => {
    const config = file({ limits: { connections: 1, workPerSecond: 1, adminPerSecond: 1 }, port: 1 });
    const { limits, port } = resolveConfig(
      { config, limits: { connections: 3 } },
      { MUSTER_LIMITS: 'connections=2, workPerSecond=2' },
    );
    expect(limits).toMatchObject({ connections: 3, workPerSecond: 2, adminPerSecond: 1, queryPerSecond: 20_000 });
    expect(port).toBe(1);
  });

  test.each([
    [{ limits: { connections: -1 } }, 'limits.connections'],
    [{ limits: { connections: 1.5 } }, 'limits.connections'],
    [{ limits: { conections: 1 } }, 'conections'],
    [{ limits: 5 }, 'limits'],
    [{ limits: [1] }, 'limits'],
    [{ proxies: ['proxy.example'] }, 'proxy.example'],
    [{ hosts: [''] }, 'hosts'],
  ])('%j is refused with what is wrong', (options, said) => {
    const config = file(options);
    expect(() => resolveConfig({ config }, {})).toThrow(ConfigError);
    expect(() => resolveConfig({ config }, {})).toThrow(said);
  });

  test('are written name=number', () => {
    expect(parseLimits(['connections=1', 'workPerSecond=0'])).toEqual({ connections: 1, workPerSecond: 0 });
    for (const text of ['connections', 'connections=', 'connections=x', 'a=1=2', 'a=-1', `a=${'9'.repeat(17)}`])
      expect(() => parseLimits([text]), text).toThrow('name=number');
  });
});

test('hosts, proxies and origins are lists, in the environment by commas', () => {
  const found = resolveConfig(
    {},
    { MUSTER_HOSTS: 'Muster.Example, other', MUSTER_PROXIES: '10.0.0.0/8,::1', MUSTER_ORIGINS: 'https://a' },
  );
  expect(found).toMatchObject({
    hosts: ['muster.example', 'other'],
    proxies: ['10.0.0.0/8', '::1'],
    origins: ['https://a'],
  });
});

test('servers share tenants only on Redis', () => {
  expect(resolveConfig({}, {}).rebalance).toBe(false);
  expect(resolveConfig({}, { MUSTER_REBALANCE: 'true' }).rebalance).toBe(true);
  expect(() => resolveConfig({ shared: true }, {})).toThrow(ConfigError);
  expect(resolveConfig({}, { MUSTER_REDIS: 'redis://localhost', MUSTER_SHARED: 'true' }).shared).toBe(true);
});
