/**
 * Bit rot, truncation and mixed-up files: the log opens with everything that was durable, or it refuses. It never
 * opens shorter.
 */
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { LogFault } from '../../src/log/port.ts';
import type { StoredEntry } from '../../src/log/verify.ts';
import { damages } from './damage.ts';
import { imageOf, recover, remove, Rig, run, temporary } from './rig.ts';

const payload = (tenant: string, index: number): string => `${tenant} ${index} ${'.'.repeat((index * 37) % 300)}`;

/**
 * Fills a directory and leaves what kill -9 would: part of it in the database, part in the write-ahead log; also
 * `closed`, where all is in the database.
 */
function killedDirectory(): { dir: string; closed: string; durable: ReadonlyMap<string, readonly string[]> } {
  const dir = temporary();
  const rig = new Rig(dir);
  const durable = new Map<string, string[]>([
    ['acme', []],
    ['beta', []],
  ]);
  for (let index = 0; index < 60; index += 1) {
    const id = index % 4 === 3 ? 'beta' : 'acme';
    const entries = [payload(id, index), payload(id, index + 1_000)];
    rig.append(rig.tenant(id), ...entries);
    durable.get(id)!.push(...entries);
    if (index === 30) rig.committer.empty();
  }
  const image = imageOf(dir);
  rig.close();
  const closed = imageOf(dir);
  remove(dir);
  return { dir: image, closed, durable };
}

describe('a damaged directory', () => {
  let original: string;
  let closed: string;
  let durable: ReadonlyMap<string, readonly string[]>;
  let sizes: ReadonlyMap<string, number>;

  beforeAll(() => {
    ({ dir: original, closed, durable } = killedDirectory());
    const sizeOf = (dir: string, file: string) => [file, readFileSync(join(dir, file)).length] as const;
    sizes = new Map([sizeOf(closed, 'muster.db'), sizeOf(original, 'muster.db-wal'), sizeOf(original, 'head')]);
  });

  afterAll(() => {
    remove(original);
    remove(closed);
  });

  type Outcome = 'complete' | 'refused' | 'shorter';

  /** What becomes of a copy after `spoil`. */
  const outcomeOf = (spoil: (dir: string) => void, of = original): Outcome => {
    const dir = imageOf(of);
    try {
      spoil(dir);
      const recovered = recover(dir);
      if (recovered instanceof LogFault) return 'refused';
      for (const [tenant, entries] of durable) {
        if (JSON.stringify(recovered.get(tenant)) !== JSON.stringify(entries)) return 'shorter';
      }
      return 'complete';
    } finally {
      remove(dir);
    }
  };

  const flipped = (file: string, bit: number) => (dir: string) => {
    const path = join(dir, file);
    const bytes = readFileSync(path);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    writeFileSync(path, bytes);
  };

  const cut = (file: string, length: number) => (dir: string) => truncateSync(join(dir, file), length);

  const tally = (spoils: readonly ((dir: string) => void)[], of = original): Record<Outcome, number> => {
    const counts = { complete: 0, refused: 0, shorter: 0 };
    for (const spoil of spoils) counts[outcomeOf(spoil, of)] += 1;
    return counts;
  };

  /** Spread over a file, with every byte of its beginning. */
  const bitsOf = (file: string, count: number, head: number): number[] => {
    const size = sizes.get(file)!;
    const spread = Array.from({ length: count }, (_, index) => Math.floor((index * size * 8) / count) + (index % 8));
    return [...Array.from({ length: head }, (_, index) => index * 8 + (index % 8)), ...spread];
  };

  test('without damage it is complete', () => {
    expect(outcomeOf(() => undefined)).toBe('complete');
  });

  test('flipped bits in the write-ahead log', () => {
    const counts = tally(bitsOf('muster.db-wal', 150, 56).map((bit) => flipped('muster.db-wal', bit)));
    expect(counts.shorter).toBe(0);
    expect(counts.refused).toBeGreaterThan(100);
  });

  test('a cut write-ahead log', () => {
    const size = sizes.get('muster.db-wal')!;
    const lengths = Array.from({ length: 80 }, (_, index) => Math.floor((index * size) / 80));
    const counts = tally(lengths.map((length) => cut('muster.db-wal', length)));
    expect(counts.shorter).toBe(0);
    expect(counts.refused).toBeGreaterThan(60);
  });

  test('flipped bits in the database', () => {
    const spoils = bitsOf('muster.db', 250, 100).map((bit) => flipped('muster.db', bit));
    const counts = tally(spoils, closed);
    expect(counts.shorter).toBe(0);
    expect(counts.refused).toBeGreaterThan(60);
    expect(counts.complete).toBeGreaterThan(40);
    expect(tally(spoils).shorter).toBe(0);
  });

  test('a cut database', () => {
    const size = sizes.get('muster.db')!;
    const lengths = Array.from({ length: 40 }, (_, index) => Math.floor((index * size) / 40));
    const counts = tally(
      lengths.map((length) => cut('muster.db', length)),
      closed,
    );
    expect(counts).toEqual({ complete: 0, refused: 40, shorter: 0 });
  });

  test('flipped bits in and cuts of the head file', () => {
    const used = 128 + 2 * 128;
    const flips = Array.from({ length: used }, (_, index) => flipped('head', index * 8 + (index % 8)));
    const cuts = Array.from({ length: 40 }, (_, index) => cut('head', index * 13));
    const counts = tally([...flips, ...cuts]);
    expect(counts.shorter).toBe(0);
    expect(counts.refused).toBeGreaterThan(60);
  });

  test('files that are gone or empty', () => {
    const counts = tally([
      (dir) => rmSync(join(dir, 'muster.db')),
      (dir) => rmSync(join(dir, 'muster.db-wal')),
      cut('muster.db', 0),
      cut('head', 0),
    ]);
    expect(counts).toEqual({ complete: 0, refused: 4, shorter: 0 });
  });

  test('it is the head file that shows a shortened history: without it the same damage passes', () => {
    const spoils = Array.from({ length: 30 }, (_, index) => {
      const bit = Math.floor((index * sizes.get('muster.db-wal')! * 8) / 30);
      return (dir: string) => {
        flipped('muster.db-wal', bit)(dir);
        rmSync(join(dir, 'head'));
      };
    });
    expect(tally(spoils).shorter).toBeGreaterThan(20);
  });

  test('who deletes the head file accepts what is there, in a new epoch', () => {
    const dir = imageOf(original);
    try {
      cut('muster.db-wal', sizes.get('muster.db-wal')! >> 1)(dir);
      expect(recover(dir)).toMatchObject({ fault: 'TRUNCATED' });
      expect((recover(dir) as LogFault).message).toContain('delete the file "head"');
      rmSync(join(dir, 'head'));
      const rig = new Rig(dir);
      const tenant = rig.tenant('acme');
      expect(tenant.epoch).toBe(2);
      const left = rig.read(tenant);
      expect(left.length).toBeLessThan(durable.get('acme')!.length);
      expect(left).toEqual(durable.get('acme')!.slice(0, left.length));
      rig.append(tenant, 'goes on');
      rig.close();
      const again = new Rig(dir);
      expect(again.tenant('acme').epoch).toBe(2);
      expect(again.read(again.tenant('acme')).at(-1)).toBe('goes on');
      again.close();
    } finally {
      remove(dir);
    }
  });
});

describe('a log whose rows were changed', () => {
  let dir: string;

  beforeEach(() => {
    dir = temporary();
    const rig = new Rig(dir);
    rig.append(rig.tenant('acme'), ...Array.from({ length: 10 }, (_, index) => payload('acme', index)));
    rig.append(rig.tenant('beta'), 'of beta');
    rig.close();
  });

  afterEach(() => remove(dir));

  const edit = (change: (db: Database.Database) => void): void => {
    const db = new Database(join(dir, 'muster.db'));
    change(db);
    db.close();
  };

  const base = 2 ** 40;

  test.each(damages)('$what is $fault', ({ apply, fault }) => {
    edit((db) => {
      const rows = db
        .prepare<[number, number], { pos: number; link: Uint8Array }>(
          'SELECT pos, link FROM entry WHERE pos BETWEEN ? AND ? ORDER BY pos',
        )
        .all(base, 2 * base - 1);
      const stored: StoredEntry[] = rows.map(({ pos, link }) => ({
        seq: pos - base,
        bytes: link.subarray(0, -32),
        chain: link.subarray(-32),
      }));
      expect(stored).toHaveLength(10);
      db.prepare('DELETE FROM entry WHERE pos BETWEEN ? AND ?').run(base, 2 * base - 1);
      const insert = db.prepare('INSERT INTO entry (pos, link) VALUES (?, ?)');
      for (const entry of apply(stored)) insert.run(base + entry.seq, Buffer.concat([entry.bytes, entry.chain]));
      // The head file knows the tenth entry: here it shall not be what tells.
      if (apply(stored).length < 10) rmSync(join(dir, 'head'));
    });
    expect(recover(dir)).toMatchObject({ fault });
    const rig = new Rig(dir);
    expect(rig.read(rig.tenant('beta'))).toEqual(['of beta']);
    rig.close();
  });

  test.each([
    ['a tenant that is gone', 'DELETE FROM tenant WHERE no = 2', 'TRUNCATED'],
    ['a tenant under another number', 'UPDATE tenant SET no = 7 WHERE no = 2', 'CORRUPT'],
    ['a damaged tenant', 'UPDATE tenant SET record = zeroblob(length(record)) WHERE no = 1', 'CORRUPT'],
    ['the newest entry gone', `DELETE FROM entry WHERE pos = ${base + 10}`, 'TRUNCATED'],
    ['the newest entry replaced', `UPDATE entry SET link = zeroblob(90) WHERE pos = ${base + 10}`, 'CORRUPT'],
    ['a row without room for a chain', `UPDATE entry SET link = zeroblob(5) WHERE pos = ${base + 3}`, 'CORRUPT'],
    ['no identity', 'DELETE FROM file', 'CORRUPT'],
    ['a missing table', 'DROP TABLE entry', 'CORRUPT'],
    ['a later schema', 'PRAGMA user_version = 3', 'VERSION'],
    ['the schema that had snapshots in it', 'PRAGMA user_version = 1', 'VERSION'],
    ['the database of another program', 'PRAGMA application_id = 1', 'WRONG_LOG'],
  ])('%s', (_, sql, fault) => {
    edit((db) => db.exec(sql));
    expect(recover(dir)).toMatchObject({ fault });
  });

  test('the database of another directory', () => {
    const other = temporary();
    const rig = new Rig(other);
    rig.append(rig.tenant('acme'), 'other');
    rig.close();
    writeFileSync(join(dir, 'muster.db'), readFileSync(join(other, 'muster.db')));
    remove(other);
    expect(recover(dir)).toMatchObject({ fault: 'WRONG_LOG' });
  });

  test('another history of the same length is seen by the chain of its head', () => {
    const copy = imageOf(dir);
    const a = new Rig(dir);
    a.append(a.tenant('acme'), 'one way');
    a.close();
    const b = new Rig(copy);
    b.append(b.tenant('acme'), 'another way');
    b.close();
    writeFileSync(join(dir, 'muster.db'), readFileSync(join(copy, 'muster.db')));
    remove(copy);
    expect(recover(dir)).toMatchObject({ fault: 'FORK' });
  });
});

describe('damage before the newest snapshot', () => {
  test('does not keep a log from opening, and is found by verifying all of it', () => {
    const dir = temporary();
    const rig = new Rig(dir);
    const tenant = rig.tenant('acme');
    rig.append(tenant, 'a', 'b', 'c', 'd');
    rig.files.db.prepare('UPDATE entry SET link = zeroblob(90) WHERE pos = ?').run(2 ** 40 + 2);
    expect(run(rig.reader.verify(tenant, 3))).toBeUndefined();
    expect(() => run(rig.reader.verify(tenant, 0))).toThrow(/CORRUPT/);
    rig.close();
    remove(dir);
  });
});

describe('trimming', () => {
  test('what a crash left of trimmed rows is removed at the next start, in slices', () => {
    const dir = temporary();
    const rig = new Rig(dir);
    const tenant = rig.tenant('acme');
    rig.append(rig.tenant('beta'), 'of beta');
    rig.append(tenant, ...Array.from({ length: 1_000 }, (_, index) => payload('acme', index)));
    rig.trimmer.trim(tenant, { seq: 900, covered: 900 });
    rig.close();
    const again = new Rig(dir);
    const recovered = again.tenant('acme');
    expect([recovered.base.seq, recovered.head.seq]).toEqual([900, 1_000]);
    const count = (): unknown => again.files.db.prepare('SELECT count(*) FROM entry').pluck().get();
    expect(count()).toBe(1_001);
    expect([...again.trimmer.tidy(recovered)].length).toBeGreaterThan(1);
    expect(count()).toBe(101);
    expect(again.read(recovered)[0]).toBe(payload('acme', 900));
    expect(again.read(again.tenant('beta'))).toEqual(['of beta']);
    again.close();
    remove(dir);
  });

  test('what no snapshot covers is not trimmed', () => {
    const dir = temporary();
    const rig = new Rig(dir);
    const tenant = rig.tenant('acme');
    rig.append(tenant, 'a', 'b');
    expect(() => rig.trimmer.trim(tenant, { seq: 2, covered: 1 })).toThrow(/cannot be trimmed/);
    rig.close();
    remove(dir);
  });
});

describe('a full disk', () => {
  test('the commit fails as a whole, and only what was committed before is there afterwards', () => {
    const dir = temporary();
    const rig = new Rig(dir);
    const tenant = rig.tenant('acme');
    rig.append(tenant, 'durable');
    const pages = Number(rig.files.db.pragma('page_count', { simple: true }));
    rig.files.db.pragma(`max_page_count=${pages + 2}`);
    const large = 'x'.repeat(200_000);
    expect(() => rig.append(tenant, 'small', large)).toThrow(/full/);
    expect(tenant.head.seq).toBe(1);
    const image = imageOf(dir);
    expect(recover(image)).toEqual(new Map([['acme', ['durable']]]));
    remove(image);
    rig.close();
    remove(dir);
  });
});
