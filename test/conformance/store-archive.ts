/** What every read store does with versions of documents that their states keep no more. */
import { describe, expect, test } from 'vitest';
import type { ArchivedVersion, Store, TenantStore, WayBack } from '../../src/store/port.ts';
import { eachWithStore, flushed, retained, type StoreFixture } from './store.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);
const hashOf = (n: number): string => n.toString(16).padStart(64, '0');

/** Each 4th has an anchor; each replaced a text of its own, and one that all have. */
function version(n: number, over: Partial<ArchivedVersion> = {}): ArchivedVersion {
  return {
    document: 'doc1',
    version: n,
    record: bytesOf(`record ${n}`),
    anchor: n % 4 === 0 ? bytesOf(`anchor ${n}`) : undefined,
    texts: [
      { sha256: hashOf(n), bytes: 100 },
      { sha256: hashOf(0), bytes: 1 },
    ],
    ...over,
  };
}

const versions = (from: number, to: number, over: Partial<ArchivedVersion> = {}): ArchivedVersion[] =>
  Array.from({ length: to - from + 1 }, (_, index) => version(from + index, over));

function list({ archive }: TenantStore, below: number, limit = 100, document = 'doc1') {
  return new Promise<{ readonly found: readonly string[]; readonly next: number | undefined }>((resolve) =>
    archive.list({ document, below, limit }, (rows, next) =>
      resolve({ found: rows.map((row) => `${row.version}: ${textOf(row.record)}`), next }),
    ),
  );
}

/** `anchor 4 < record 6 < record 5`, or what it is instead. */
function wayBack({ archive }: TenantStore, to: number, from: number, document = 'doc1'): Promise<unknown> {
  const shown = ({ anchor, records }: WayBack): string =>
    [textOf(anchor) ?? 'asker', ...records.map((record) => textOf(record))].join(' < ');
  return new Promise((resolve) =>
    archive.wayBack({ document, version: to, from }, (way) => resolve(typeof way === 'object' ? shown(way) : way)),
  );
}

function named({ archive }: TenantStore, numbers: readonly number[], document?: string): Promise<readonly number[]> {
  const of = document === undefined ? {} : { document };
  return new Promise((resolve) =>
    archive.named({ hashes: numbers.map(hashOf), ...of }, (found) =>
      resolve(numbers.filter((n) => found.has(hashOf(n)))),
    ),
  );
}

export function archiveConformance(name: string, fixtureOf: () => Promise<StoreFixture>): void {
  describe(`archive conformance: ${name}`, () => {
    let store: Store;
    let acme: TenantStore;
    const reopen = eachWithStore(fixtureOf, (opened) => {
      store = opened;
      acme = opened.tenant('acme');
    });

    test('what was put is listed at once, and after a start, the newest first', async () => {
      acme.archive.put(versions(1, 5));
      acme.archive.put([version(1, { document: 'doc2', record: bytesOf('other') })]);
      store.tenant('other').archive.put([version(9)]);
      for (const again of [false, true]) {
        if (again) await reopen();
        expect(await list(acme, 6)).toEqual({
          found: ['5: record 5', '4: record 4', '3: record 3', '2: record 2', '1: record 1'],
          next: undefined,
        });
        expect(await list(acme, 5, 2)).toEqual({ found: ['4: record 4', '3: record 3'], next: 3 });
        expect(await list(acme, 3, 2)).toEqual({ found: ['2: record 2', '1: record 1'], next: undefined });
        expect(await list(acme, 9, 9, 'doc2')).toEqual({ found: ['1: other'], next: undefined });
        expect(await list(acme, 9, 9, 'none')).toEqual({ found: [], next: undefined });
        expect(await list(store.tenant('nobody'), 9)).toEqual({ found: [], next: undefined });
      }
    });

    test('an older version is found from the nearest anchor behind it, or from where the asker is', async () => {
      acme.archive.put(versions(1, 10));
      expect(await wayBack(acme, 4, 10)).toBe('anchor 4');
      expect(await wayBack(acme, 5, 10)).toBe('anchor 8 < record 8 < record 7 < record 6');
      expect(await wayBack(acme, 9, 10)).toBe('asker < record 10');
      expect(await wayBack(acme, 8, 10)).toBe('anchor 8');
      // The asker is nearer than the anchor.
      expect(await wayBack(acme, 5, 7)).toBe('asker < record 7 < record 6');
      expect(await wayBack(acme, 9, 11)).toBe(undefined);
      expect(await wayBack(acme, 1, 10, 'none')).toBe(undefined);
      expect(await wayBack(store.tenant('nobody'), 1, 10)).toBe(undefined);
    });

    test('a way does not lead over what was never put', async () => {
      acme.archive.put([version(2), version(3), version(6), version(7)]);
      expect(await wayBack(acme, 5, 7)).toBe('asker < record 7 < record 6');
      expect(await wayBack(acme, 2, 7)).toBe(undefined);
      expect((await list(acme, 8)).found).toHaveLength(4);
    });

    test('the first that was put of a version stays: a replay changes nothing', async () => {
      acme.archive.put(versions(1, 4));
      acme.archive.put(versions(1, 4, { record: bytesOf('replaced'), texts: [{ sha256: hashOf(99), bytes: 1 }] }));
      await reopen();
      acme.archive.put(versions(1, 4, { record: bytesOf('replaced'), texts: [{ sha256: hashOf(99), bytes: 1 }] }));
      expect((await list(acme, 3)).found).toEqual(['2: record 2', '1: record 1']);
      expect(await named(acme, [1, 99])).toEqual([1]);
    });

    test('texts are named by the versions that replaced them, of one document or of any', async () => {
      acme.archive.put(versions(1, 3));
      acme.archive.put([version(7, { document: 'doc2' })]);
      expect(await named(acme, [])).toEqual([]);
      expect(await named(acme, [5, 3, 7, 0])).toEqual([3, 7, 0]);
      expect(await named(acme, [3, 7, 0], 'doc2')).toEqual([7, 0]);
      expect(await named(acme, [3], 'none')).toEqual([]);
      expect(await named(store.tenant('other'), [3])).toEqual([]);
      const pages: (readonly string[])[] = [];
      for (let above = ''; pages.at(-1)?.length !== 0;) {
        const hashes = await new Promise<readonly string[]>((resolve) =>
          acme.archive.texts({ above, limit: 2 }, resolve),
        );
        pages.push(hashes);
        above = hashes.at(-1) ?? above;
      }
      expect(pages.flat()).toEqual([0, 1, 2, 3, 7].map(hashOf));
    });

    test('a document that is dropped names nothing any more, at the latest when retention was applied', async () => {
      acme.archive.put(versions(1, 600));
      acme.archive.put([version(7, { document: 'doc2' })]);
      acme.archive.drop('doc1');
      await reopen();
      await retained(store, 0);
      expect(await named(acme, [1, 7, 600])).toEqual([7]);
      expect(await list(acme, 1_000)).toEqual({ found: [], next: undefined });
      expect((await list(acme, 9, 9, 'doc2')).found).toHaveLength(1);
    });

    test('what is too much is dropped, those that were put first, and no more than is due', async () => {
      const one = bytesOf('record 1234').length + 101 + bytesOf('anchor 1234').length / 4;
      const documentArchiveBytes = Math.floor(100 * one);
      await reopen({ documentArchiveBytes });
      for (let round = 0; round < 10; round += 1) {
        acme.archive.put(versions(1_000 + round * 100, 1_099 + round * 100));
        await flushed(acme);
        if (round === 4) await retained(store, 0);
      }
      for (const again of [false, true]) {
        if (again) await reopen({ documentArchiveBytes });
        await retained(store, 0);
        const { found } = await list(acme, 5_000, 1_000);
        expect([found.length >= 99, found.length <= 100]).toEqual([true, true]);
        expect(found[0]).toBe('1999: record 1999');
        expect(found.at(-1)).toBe(`${2_000 - found.length}: record ${2_000 - found.length}`);
        expect(await named(acme, [1_000, 1_890, 1_905, 1_999])).toEqual([1_905, 1_999]);
      }
    });
  });
}
