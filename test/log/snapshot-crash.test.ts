/** Processes that take snapshots and are killed: each snapshot is there whole or not at all. */
import { copyFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { LogFault } from '../../src/log/port.ts';
import { openSqliteLog } from '../../src/log/sqlite/index.ts';
import { closed } from '../conformance/log.ts';
import { Random } from '../simulation/random.ts';
import { remove, temporary } from './rig.ts';
import { inspect, said, takeSnapshots } from './taken.ts';

let dir: string;

beforeEach(() => {
  dir = temporary();
});

afterEach(() => remove(dir));

const leftovers = (): string[] => readdirSync(join(dir, 'snapshots')).filter((name) => name.endsWith('.tmp'));

describe('snapshots of processes', () => {
  test('that are killed are whole or not there, and those that were taken stay', { timeout: 180_000 }, async () => {
    const random = new Random('kill');
    const beta: string[] = [];
    let [newest, interrupted] = [0, 0];
    for (let life = 0; life < 14; life += 1) {
      const { lines } = await takeSnapshots(dir, { killAt: random.between(4, 90) });
      expect([...said(lines, 'failed'), ...said(lines, 'fatal'), ...said(lines, 'trouble')]).toEqual([]);
      beta.push(...said(lines, 'beta'));
      newest = Number(said(lines, 'taken').at(-1) ?? newest);
      interrupted += leftovers().length;
      const found = await inspect(dir);
      if (found instanceof LogFault) throw found;
      expect(found.problems).toEqual([]);
      expect(found.whole[0]).toBeGreaterThanOrEqual(newest);
      expect(found.beta).toEqual(expect.arrayContaining(beta));
      expect(leftovers()).toEqual([]);
    }
    expect(newest).toBeGreaterThan(30);
    expect(interrupted).toBeGreaterThan(3);
  });

  test('that run are left alone by one that finds the directory locked', async () => {
    await takeSnapshots(dir, { count: 2 });
    const driver = await openSqliteLog({ dir, scheduler: systemScheduler, onFatal: () => undefined });
    const name = '1-9.snapshot.1.tmp';
    copyFileSync(join(dir, 'snapshots', '1-2.snapshot'), join(dir, 'snapshots', name));
    const second = openSqliteLog({ dir, scheduler: systemScheduler, onFatal: () => undefined });
    await expect(second).rejects.toMatchObject({ fault: 'LOCKED' });
    expect(leftovers()).toEqual([name]);
    await closed(driver);
    const troubles: string[] = [];
    writeFileSync(join(dir, 'snapshots', '1-8.snapshot'), 'no snapshot');
    const onTrouble = (file: string, why: string): void => void troubles.push(`${file}: ${why}`);
    const third = await openSqliteLog({ dir, scheduler: systemScheduler, onFatal: () => undefined, onTrouble });
    expect(leftovers()).toEqual([]);
    expect(troubles).toEqual([`${join(dir, 'snapshots', '1-8.snapshot')}: CORRUPT: it was cut`]);
    await closed(third);
  });
});
