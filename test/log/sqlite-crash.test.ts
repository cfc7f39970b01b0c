/**
 * Real processes: what was acknowledged survives kill -9 and a failing disk, and two processes never share a
 * directory.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { builtUrl } from '../../src/base/worker-url.ts';
import { LogFault } from '../../src/log/port.ts';
import { recover, remove, temporary } from './rig.ts';

const root = new URL('../../', import.meta.url);
const built = (source: string): string => builtUrl(root, import.meta.url, `../../${source}`).href;

interface Writer {
  readonly process: ChildProcess;
  /** What it said, line by line; it ends with the process. */
  readonly lines: AsyncIterable<string>;
}

/** With `limitKiB` every file that grows beyond it fails to be written. `where`: whose thread commits what is small. */
function startWriter(dir: string, where: Where, limitKiB?: number): Writer {
  const script = new URL('./writer.js', import.meta.url).pathname;
  const args = [script, built('src/log/sqlite/index.ts'), built('src/base/system-scheduler.ts'), dir, where];
  const child =
    limitKiB === undefined
      ? spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      : spawn('bash', ['-c', `trap "" XFSZ; ulimit -f ${limitKiB}; exec "$0" "$@"`, process.execPath, ...args], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
  return { process: child, lines: createInterface({ input: child.stdout }) };
}

/** Every acknowledged append is there, its two entries together, in the order in which it was acknowledged. */
function expectRecovered(dir: string, acked: ReadonlyMap<string, readonly string[]>): void {
  const recovered = recover(dir);
  if (recovered instanceof LogFault) throw recovered;
  for (const [tenant, names] of acked) {
    const entries = (recovered.get(tenant) ?? []).map((entry) => entry.replace(/\.*$/, ''));
    const places = new Map(entries.map((entry, place) => [entry, place]));
    expect(new Set(entries).size).toBe(entries.length);
    const found = names.map((name) => places.get(name) ?? -1);
    expect(found.filter((place) => place < 0)).toEqual([]);
    expect(found).toEqual(found.toSorted((a, b) => a - b));
    for (const name of names) expect(places.get(`${name}+`)).toBe(places.get(name)! + 1);
  }
}

type Where = 'here' | 'in the worker';

describe.each(['in the worker', 'here'] as const)('the SQLite log in processes, small groups committed %s', (where) => {
  let dir: string;
  let acked: Map<string, string[]>;

  beforeEach(() => {
    dir = temporary();
    acked = new Map([
      ['acme', []],
      ['beta', []],
    ]);
  });

  afterEach(() => remove(dir));

  /** Runs a writer until `until` says so, then kills it; returns what else it said. */
  const life = async (writer: Writer, until: (ackedNow: number) => boolean): Promise<string[]> => {
    const others: string[] = [];
    let count = 0;
    for await (const line of writer.lines) {
      const [tenant = '', name = ''] = line.split(' ');
      const names = acked.get(tenant);
      if (names === undefined) others.push(line);
      else names.push(name);
      if (names !== undefined) count += 1;
      if (until(count)) writer.process.kill('SIGKILL');
    }
    if (writer.process.exitCode === null && writer.process.signalCode === null) await once(writer.process, 'exit');
    return others;
  };

  test('kill -9 in the midst of commits loses nothing that was acknowledged', { timeout: 180_000 }, async () => {
    for (const acks of [1, 7, 40, 180, 333, 700, 90, 12]) {
      await life(startWriter(dir, where), (count) => count >= acks);
      expectRecovered(dir, acked);
    }
    expect(acked.get('acme')!.length + acked.get('beta')!.length).toBeGreaterThan(1_000);
  });

  test(
    'a disk that cannot take more ends the process, and keeps what was acknowledged',
    { timeout: 120_000 },
    async () => {
      const writer = startWriter(dir, where, 1_500);
      const others = await life(writer, () => false);
      expect(writer.process.exitCode).toBe(1);
      expect(others.at(-1)).toMatch(/^fatal IO: /);
      expect(acked.get('acme')!.length).toBeGreaterThan(10);
      expectRecovered(dir, acked);
      // With room again it goes on where it was.
      await life(startWriter(dir, where), (count) => count >= 50);
      expectRecovered(dir, acked);
    },
  );

  test('a second process is told who is in the way', { timeout: 120_000 }, async () => {
    const first = startWriter(dir, where);
    let others: string[] = [];
    for await (const line of first.lines) {
      if (line !== 'ready') break;
      const second = startWriter(dir, where);
      others = await life(second, () => false);
      expect(second.process.exitCode).toBe(2);
    }
    expect(others).toEqual([expect.stringContaining('refused LOCKED')]);
    expect(others[0]).toContain(`another process has the data directory ${dir} open`);
    first.process.kill('SIGKILL');
    await once(first.process, 'exit');
    await life(startWriter(dir, where), (count) => count >= 5);
  });
});
