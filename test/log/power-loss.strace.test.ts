/**
 * A loss of power at any moment: what was synced is there, what was not is there in parts. Whatever was acknowledged
 * is found again, or the log refuses to open and says why.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { builtUrl } from '../../src/base/worker-url.ts';
import { LogFault } from '../../src/log/port.ts';
import { Random } from '../simulation/random.ts';
import { callsOf, Disk, recording, type Call } from './power-loss.ts';
import { recover, remove, temporary } from './rig.ts';
import { inspect, takeSnapshots } from './taken.ts';

const FILES = ['muster.db', 'muster.db-wal', 'head'] as const;
/** Enough for the write-ahead log to be emptied into the database on the way. */
const ACKS = 450;
const IMAGES = 60;

const root = new URL('../../', import.meta.url);
const built = (source: string): string => builtUrl(root, import.meta.url, `../../${source}`).href;

let dir: string;
let writer: number | undefined;

beforeEach(() => {
  dir = temporary();
  writer = undefined;
});

afterEach(() => {
  // The process that strace follows outlives it.
  if (writer !== undefined) {
    try {
      process.kill(writer, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
  remove(dir);
});

/** Runs the writer until so many appends were acknowledged, then kills it. */
async function write(data: string, acks: number, how: { where: string; trace?: string }): Promise<void> {
  const { where, trace } = how;
  const script = new URL('./writer.js', import.meta.url).pathname;
  const args = [script, built('src/log/sqlite/index.ts'), built('src/base/system-scheduler.ts'), data, where];
  const [program, ...rest] =
    trace === undefined ? [process.execPath, ...args] : ['strace', ...recording(trace), process.execPath, ...args];
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  let count = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [, name = ''] = line.split(' ');
    if (name === '') continue;
    writer = Number.parseInt(name, 10); // names begin with the process's id
    count += 1;
    if (count === acks) process.kill(writer, 'SIGKILL');
  }
  await ended;
  writer = undefined;
}

function filesOf(data: string): Map<string, Buffer> {
  const there: string[] = FILES.filter((name) => existsSync(join(data, name)));
  const snapshots = readdirSync(join(data, 'snapshots')).map((name) => `snapshots/${name}`);
  return new Map([...there, ...snapshots].map((name) => [name, readFileSync(join(data, name))]));
}

function makeImage(files: ReadonlyMap<string, Buffer>): string {
  const image = join(dir, 'image');
  remove(image);
  mkdirSync(join(image, 'snapshots'), { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(image, name), bytes);
  return image;
}

/** What became of the acknowledged appends in an image: how many are missing, or why it is refused. */
function missingIn(files: ReadonlyMap<string, Buffer>, acked: readonly string[]): number | LogFault {
  const recovered = recover(makeImage(files));
  if (recovered instanceof LogFault) return recovered;
  const found = new Set<string>();
  for (const [tenant, entries] of recovered) {
    for (const entry of entries) found.add(`${tenant} ${entry.replace(/\.*$/, '')}`);
  }
  return acked.filter((name) => !found.has(name) || !found.has(`${name}+`)).length;
}

const acksIn = (call: Call): string[] =>
  call.kind === 'said' ? call.text.split('\n').filter((line) => / \d+\.\d+\.\d+$/.test(line)) : [];

describe('the SQLite log after a loss of power', () => {
  test.each(['in the worker', 'here'])(
    'has everything that was acknowledged, or is refused by name, with small groups committed %s',
    { timeout: 180_000 },
    async (where) => {
      const data = join(dir, 'data');
      await write(data, 20, { where });
      expect(recover(data)).not.toBeInstanceOf(LogFault);
      const before = filesOf(data);
      await write(data, ACKS, { where, trace: join(dir, 'trace') });
      const calls = callsOf(readFileSync(join(dir, 'trace'), 'latin1'), new Set(FILES));
      expect(calls.filter((call) => call.kind === 'sync').length).toBeGreaterThan(10);
      expect(calls.some((call) => call.kind === 'write' && call.file === 'muster.db')).toBe(true);
      const acks = calls.flatMap(acksIn);
      expect(acks.length).toBeGreaterThanOrEqual(ACKS);

      const random = new Random('power loss');
      const cuts = new Set(Array.from({ length: IMAGES }, () => random.below(calls.length)));
      const disk = new Disk(before);
      const acked: string[] = [];
      let opened = 0;
      for (const [index, call] of calls.entries()) {
        disk.play(call);
        acked.push(...acksIn(call));
        if (!cuts.has(index)) continue;
        const missing = missingIn(disk.image(random), acked);
        if (missing instanceof LogFault) continue;
        expect(missing, `after call ${index} of ${calls.length}`).toBe(0);
        opened += 1;
      }
      // A refusal needs an operator: it must be the exception.
      expect(opened).toBeGreaterThan(cuts.size * 0.9);

      // The same without what syncs promise: otherwise the images would prove nothing.
      const careless = new Disk(before);
      for (const call of calls) if (call.kind !== 'sync') careless.play(call);
      const lost = missingIn(careless.image(random), acked);
      expect(lost instanceof LogFault || lost > 0).toBe(true);
    },
  );

  test('has the snapshots that were taken, and none that is not whole', { timeout: 120_000 }, async () => {
    const data = join(dir, 'data');
    await takeSnapshots(data, { count: 23 });
    const before = filesOf(data);
    await takeSnapshots(data, { count: 10, under: ['strace', ...recording(join(dir, 'trace'))] });
    const calls = callsOf(readFileSync(join(dir, 'trace'), 'latin1'), new Set(FILES));
    const kinds = new Set(calls.map(({ kind }) => kind));
    expect([...kinds].toSorted()).toEqual(['make', 'remove', 'rename', 'said', 'sync', 'truncate', 'write']);

    const random = new Random('snapshots');
    // Where names change, and somewhere.
    const cuts = new Set(Array.from({ length: IMAGES }, () => random.below(calls.length)));
    for (const [index, { kind }] of calls.entries()) if (kind === 'rename') [0, 1, 2].map((n) => cuts.add(index + n));
    const disk = new Disk(before);
    let taken = 23;
    let opened = 0;
    for (const [index, call] of calls.entries()) {
      disk.play(call);
      if (call.kind === 'said') taken = Number(/^taken (\d+)$/m.exec(call.text)?.[1] ?? taken);
      if (!cuts.has(index)) continue;
      const found = await inspect(makeImage(disk.image(random)));
      if (found instanceof LogFault) continue;
      expect(found.problems, `after call ${index} of ${calls.length}`).toEqual([]);
      expect(found.whole[0]).toBeGreaterThanOrEqual(taken);
      opened += 1;
    }
    expect(taken).toBe(33);
    expect(opened).toBeGreaterThan(cuts.size * 0.9);

    // Without one of the syncs that this rests on, images show it: of the content, or of the names.
    const isContent = (call: Call): boolean => call.kind === 'sync' && call.file.startsWith('snapshots/');
    const isName = (call: Call): boolean => call.kind === 'sync' && call.file === 'snapshots';
    for (const omitted of [isContent, isName]) {
      const careless = new Disk(before);
      for (const call of calls) if (!omitted(call)) careless.play(call);
      // What a loss of power leaves is drawn: the first image that shows it is enough.
      let harmed = false;
      for (let image = 0; image < IMAGES && !harmed; image += 1) {
        const found = await inspect(makeImage(careless.image(random)));
        harmed = found instanceof LogFault || found.problems.length > 0 || (found.whole[0] ?? 0) < taken;
      }
      expect(harmed).toBe(true);
    }
  });
});
