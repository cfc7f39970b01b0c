/** What every read store does with the output of tasks. */
import { describe, expect, test } from 'vitest';
import type { Store, StoredPiece, TenantStore } from '../../src/store/port.ts';
import { eachWithStore, flushed, retained, type StoreFixture } from './store.ts';

function readPieces(store: TenantStore, from = 0, more: { readonly task?: string; readonly limit?: number } = {}) {
  const { task = 'tsk1', limit = 1_000 } = more;
  return new Promise<readonly StoredPiece[]>((resolve) => store.readOutput({ task, from, limit }, resolve));
}

function pieces(count: number, over: Partial<StoredPiece> = {}): StoredPiece[] {
  return Array.from({ length: count }, (_, index) => ({
    task: 'tsk1',
    offset: index * 10,
    attempt: 1,
    data: `piece ${String(index).padStart(4, '0')}`,
    ...over,
  }));
}

export function outputConformance(name: string, fixtureOf: () => Promise<StoreFixture>): void {
  describe(`output conformance: ${name}`, () => {
    let store: Store;
    let acme: TenantStore;
    const reopen = eachWithStore(fixtureOf, (opened) => {
      store = opened;
      acme = opened.tenant('acme');
    });

    test('what was put is read at once, and after a start', async () => {
      const all: StoredPiece[] = [
        { task: 'tsk1', offset: 0, attempt: 1, data: 'añ€' },
        { task: 'tsk1', offset: 6, attempt: 1, data: new Uint8Array([0, 255]) },
        { task: 'tsk1', offset: 8, attempt: 2, data: 'z' },
      ];
      acme.putOutput(all);
      acme.putOutput([{ task: 'tsk2', offset: 0, attempt: 1, data: 'other' }]);
      store.tenant('other').putOutput([{ task: 'tsk1', offset: 0, attempt: 9, data: 'foreign' }]);
      expect(await readPieces(acme)).toEqual(all);
      await reopen();
      expect(await readPieces(acme)).toEqual(all);
      expect(await readPieces(acme, 0, { task: 'nobody' })).toEqual([]);
      expect(await readPieces(store.tenant('nobody'))).toEqual([]);
    });

    test('a read begins with the piece that has the byte, and ends at its limit', async () => {
      acme.putOutput(pieces(5));
      const offsets = async (from: number, limit?: number): Promise<number[]> =>
        (await readPieces(acme, from, limit === undefined ? {} : { limit })).map(({ offset }) => offset);
      expect(await offsets(0, 2)).toEqual([0, 10]);
      expect(await offsets(10)).toEqual([10, 20, 30, 40]);
      expect((await offsets(15)).slice(0, 1)).toEqual([10]);
      // A store may give the last piece to who asks behind the end: it has nothing of what was asked for.
      expect((await offsets(100)).filter((offset) => offset > 40)).toEqual([]);
    });

    test('the first piece at a place stays: a replay changes nothing', async () => {
      acme.putOutput(pieces(3));
      acme.putOutput(pieces(3, { data: 'replaced', attempt: 2 }));
      await reopen();
      acme.putOutput(pieces(3, { data: 'replaced', attempt: 2 }));
      expect(await readPieces(acme)).toEqual(pieces(3));
    });

    test('what is old is dropped', async () => {
      await reopen({ outputMs: 1_000 });
      acme.putOutput(pieces(700));
      await flushed(acme);
      await retained(store, Date.now());
      expect(await readPieces(acme)).toHaveLength(700);
      await retained(store, Date.now() + 1_000_000);
      expect(await readPieces(acme)).toEqual([]);
      acme.putOutput(pieces(1, { task: 'tsk3' }));
      expect(await readPieces(acme, 0, { task: 'tsk3' })).toHaveLength(1);
    });

    test('what is too much is dropped, the oldest first, and no more than is due', async () => {
      await reopen({ outputBytes: 3_000 });
      for (let round = 0; round < 10; round += 1) {
        acme.putOutput(pieces(100).map((piece) => ({ ...piece, offset: piece.offset + round * 1_000 })));
        await flushed(acme);
        if (round === 4) await retained(store, Date.now());
      }
      for (const again of [false, true]) {
        if (again) await reopen({ outputBytes: 3_000 });
        await retained(store, Date.now());
        const left = await readPieces(acme);
        expect(left.length).toBeGreaterThan(150);
        expect(left.length).toBeLessThan(301);
        expect(left.at(-1)?.offset).toBe(9_990);
        expect(left[0]?.offset).toBe(10_000 - left.length * 10);
      }
    });
  });
}
