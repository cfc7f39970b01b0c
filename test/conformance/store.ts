/**
 * What every read store does. Each one's test calls `storeConformance` with a way to open it.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decodeValue, encodeValue } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { TaskQuery } from '../../protocol/wire/observing.ts';
import { matcherOf, type Queried } from '../../protocol/wire/task-query.ts';
import { hashOf } from '../../src/store/audience.ts';
import { FOREVER } from '../../src/store/forever.ts';
import type {
  FinishedSearch,
  FinishedTask,
  FoundPushes,
  FoundTask,
  PatternQuery,
  Retention,
  SearchPlace,
  StatsQuery,
  StatsRow,
  Store,
  StoredPush,
  TaskFilter,
  TenantStore,
  WorkFact,
} from '../../src/store/port.ts';
import { packPush } from '../../src/store/push-record.ts';

export interface StoreFixture {
  open(retention: Retention): Promise<Store>;
  cleanup(): Promise<void>;
}

/** A store of its own for each test of the suite; what is returned closes it and opens it again. */
export function eachWithStore(
  fixtureOf: () => Promise<StoreFixture>,
  use: (opened: Store) => void,
): (retention?: Partial<Retention>) => Promise<void> {
  let fixture: StoreFixture;
  let store: Store;
  const open = async (retention: Partial<Retention>): Promise<void> => {
    store = await fixture.open({ ...FOREVER, ...retention });
    use(store);
  };
  beforeEach(async () => {
    fixture = await fixtureOf();
    await open({});
  });
  afterEach(async () => {
    await closedStore(store);
    await fixture.cleanup();
  });
  return async (retention = {}) => {
    await closedStore(store);
    await open(retention);
  };
}

export function closedStore(store: Store): Promise<void> {
  return new Promise((resolve) => store.close(resolve));
}

export function flushed(store: TenantStore): Promise<void> {
  return new Promise((resolve) => store.flush(resolve));
}

export function retained(store: Store, now: number): Promise<void> {
  return new Promise((resolve) => store.retain(now, resolve));
}

export function floorOf(store: TenantStore, ...audiences: readonly string[]): Promise<number> {
  return new Promise((resolve) => store.floor(audiences, resolve));
}

export function newestRev(store: TenantStore): Promise<number> {
  return new Promise((resolve) => store.newest(resolve));
}

export function getTask(store: TenantStore, id: string): Promise<FinishedTask | undefined> {
  return new Promise((resolve, reject) => {
    store.getFinished(id, (task) => (task === 'damaged' ? reject(new Error(`${id} is damaged`)) : resolve(task)));
  });
}

export function listTasks(store: TenantStore, filter: TaskFilter): Promise<readonly FinishedTask[]> {
  return new Promise((resolve) => store.listFinished(filter, resolve));
}

export interface HistoryAsk {
  readonly after?: number;
  readonly upTo?: number;
  readonly audiences: readonly string[];
  readonly limit?: number;
}

export function readPushes(
  store: TenantStore,
  ask: HistoryAsk,
): Promise<{ readonly pushes: readonly StoredPush[]; readonly more: boolean }> {
  const { after = 0, upTo = Number.MAX_SAFE_INTEGER, audiences, limit = 1_000_000 } = ask;
  return new Promise((resolve) => {
    store.readHistory({ after, upTo, audiences, limit }, (pushes, more) => resolve({ pushes, more }));
  });
}

export function searchTasks(
  store: TenantStore,
  search: FinishedSearch,
): Promise<{ readonly found: readonly FoundTask[]; readonly next: SearchPlace | undefined }> {
  return new Promise((resolve) => store.searchFinished(search, (found, next) => resolve({ found, next })));
}

function placed(after: SearchPlace | undefined): { readonly after?: SearchPlace } {
  return after === undefined ? {} : { after };
}

export function statsOf(
  store: TenantStore,
  query: StatsQuery,
): Promise<{ readonly rows: readonly StatsRow[]; readonly more: boolean }> {
  return new Promise((resolve) => store.readStats(query, (rows, more) => resolve({ rows, more })));
}

export function finishedTask(number: number, over: Partial<FinishedTask> = {}): FinishedTask {
  return {
    id: `t${String(number).padStart(9, '0')}`,
    rev: 1_000_000 + number,
    type: 'hash',
    status: 'completed',
    dead: false,
    finishedAt: 1_700_000_000_000 + number,
    view: new Uint8Array([number % 256, 1, 2, 3]),
    ...over,
  };
}

export function keep(store: TenantStore, pushes: readonly StoredPush[]): void {
  store.putHistory(pushes.map((one) => packPush(one, one.at ?? 0)));
}

export function push(rev: number, to: readonly string[], over: Partial<StoredPush> = {}): StoredPush {
  return {
    rev,
    at: 1_700_000_000_000 + rev,
    to,
    event: 'task.completed',
    data: { id: `t${rev}`, attempt: 1 },
    ...over,
  };
}

export function storeConformance(name: string, fixtureOf: () => Promise<StoreFixture>): void {
  describe(`store conformance: ${name}`, () => {
    let store: Store;
    let acme: TenantStore;
    const reopen = eachWithStore(fixtureOf, (opened) => {
      store = opened;
      acme = opened.tenant('acme');
    });

    const ids = async (filter: TaskFilter): Promise<string[]> => (await listTasks(acme, filter)).map((task) => task.id);
    const revs = async (ask: HistoryAsk): Promise<number[]> =>
      (await readPushes(acme, ask)).pushes.map(({ rev }) => rev);

    test('no callback runs inside the call that was given it', async () => {
      acme.putFinished([finishedTask(1)]);
      keep(acme, [push(1, ['a:x'])]);
      const calls: ((done: () => void) => void)[] = [
        (done) => acme.getFinished(finishedTask(1).id, done),
        (done) => acme.getFinished('unknown', done),
        (done) => acme.listFinished({ limit: 10 }, done),
        (done) => acme.readHistory({ after: 0, upTo: 9, audiences: ['a:x'], limit: 10 }, done),
        (done) => acme.searchHistory({ after: 0, upTo: 9, pattern: '>', limit: 10 }, done),
        (done) => acme.floor(['a:x'], done),
        (done) => acme.flush(done),
        (done) => store.retain(0, done),
      ];
      for (const call of calls) {
        let inside = true;
        await new Promise<void>((resolve) => {
          call(() => {
            expect(inside).toBe(false);
            resolve();
          });
          inside = false;
        });
      }
    });

    describe('search', () => {
      const view = (task: Partial<FinishedTask> & { readonly message?: string }, createdAt: number): Uint8Array =>
        Uint8Array.from(
          encodeValue({
            type: task.type ?? 'hash',
            status: task.status ?? 'completed',
            createdAt,
            finishedAt: task.finishedAt,
            ...(task.labels === undefined ? undefined : { labels: task.labels }),
            ...(task.dead === true ? { dead: true } : undefined),
            ...(task.agentId === undefined ? undefined : { agentId: task.agentId }),
            ...(task.errorCode === undefined
              ? undefined
              : { error: { code: task.errorCode, message: task.message ?? '' } }),
          }),
        );
      const all = Array.from({ length: 700 }, (_, number) => {
        const over: Partial<FinishedTask> & { readonly message?: string } = {
          finishedAt: 1_700_000_000_000 + number * 1_000,
          type: number % 2 === 0 ? 'hash' : 'Count',
          ...(number % 3 === 0
            ? { status: 'failed', errorCode: number % 9 === 0 ? 'E_NINE' : 'E', message: `Disk ${number} is full` }
            : undefined),
          ...(number % 50 === 0 ? { dead: true } : undefined),
          ...(number % 4 === 0 ? { labels: { zone: number % 8 === 0 ? 'eu' : 'us', tier: 'Gold' } } : undefined),
          ...(number % 5 === 0 ? { agentId: 'ann' } : undefined),
        };
        const { message: _message, ...columns } = over;
        return finishedTask(number, { ...columns, view: view(over, 1_700_000_000_000 + number) });
      });
      const put = async (): Promise<void> => {
        for (let from = 0; from < all.length; from += 60) {
          acme.putFinished(all.slice(from, from + 60));
          if (from % 120 === 0) await flushed(acme);
        }
      };
      const pages = async (query: TaskQuery, limit: number): Promise<string[]> => {
        const seen: string[] = [];
        for (let after: SearchPlace | undefined; ;) {
          const asked = { query, limit, bytesMax: 1_000_000, ...(after === undefined ? undefined : { after }) };
          const { found, next } = await searchTasks(acme, asked);
          expect(found.length).toBeLessThanOrEqual(limit);
          seen.push(...found.map(({ task }) => task.id));
          if (next === undefined) return seen;
          after = next;
        }
      };

      test('finds what a query says, each once, in pages of any size', async () => {
        await put();
        const queries: TaskQuery[] = [
          {},
          { status: 'failed' },
          { type: 'Count', agentId: 'ann' },
          { labels: { zone: 'eu' } },
          { labels: { zone: 'eu', tier: 'none' } },
          { errorCode: 'E_NINE' },
          { text: 'disk 3' },
          { text: 'COUNT' },
          { text: 'gold' },
          { dead: true },
          { dead: false, labels: { zone: 'us' } },
          { createdFrom: 1_700_000_000_100, createdTo: 1_700_000_000_200 },
          { finishedFrom: 1_700_000_100_000, finishedTo: 1_700_000_250_000, type: 'hash' },
          { finishedTo: 1_700_000_000_000 },
          { agentId: 'nobody' },
        ];
        for (const query of queries) {
          const meant = matcherOf(query);
          const expected = all
            .filter((task) => meant(decodeValue(task.view) as unknown as Queried))
            .map(({ id }) => id);
          for (const limit of [7, 1_000]) {
            const found = await pages(query, limit);
            expect(found.toSorted(), JSON.stringify(query)).toEqual(expected.toSorted());
          }
        }
        await reopen();
        expect(await pages({ text: 'disk 3' }, 7)).toEqual(await pages({ text: 'disk 3' }, 1_000));
      });

      test('what ends while somebody pages moves nothing', async () => {
        await put();
        const first = await searchTasks(acme, { query: {}, limit: 10, bytesMax: 1_000_000 });
        acme.putFinished([finishedTask(5_000, { view: view({}, 1) })]);
        const second = await searchTasks(acme, { query: {}, limit: 690, bytesMax: 1_000_000, ...placed(first.next) });
        expect(new Set([...first.found, ...second.found].map(({ task }) => task.id)).size).toBe(700);
      });

      test('a page ends at its bytes, and goes on behind what it found', async () => {
        await put();
        const bytesMax = all[0]!.view.length * 3;
        const { found, next } = await searchTasks(acme, { query: {}, limit: 100, bytesMax });
        expect(found.length).toBeGreaterThan(0);
        expect(found.length).toBeLessThan(10);
        expect(next).toBeDefined();
        const one = await searchTasks(acme, { query: {}, limit: 100, bytesMax: 1 });
        expect(one.found).toHaveLength(1);
      });
    });

    describe('a search of the history by a pattern of topics', () => {
      const search = (query: Partial<PatternQuery>): Promise<FoundPushes> =>
        new Promise((resolve) => {
          const whole = { after: 0, upTo: Number.MAX_SAFE_INTEGER, pattern: '>', limit: 100, ...query };
          acme.searchHistory(whole, resolve);
        });
      const on = (rev: number, topic: string, ...more: readonly string[]): StoredPush =>
        push(rev, [`t:${topic}`, ...more], { topic });
      const revsOf = async (query: Partial<PatternQuery>): Promise<number[]> =>
        (await search(query)).pushes.map(({ rev }) => rev);

      test('finds what is on topics that it means, in order, with what is not durable yet', async () => {
        keep(acme, [on(1, 'build.a'), push(2, ['a:x']), on(3, 'build.a.log', 's:y'), on(4, 'test.a')]);
        await flushed(acme);
        keep(acme, [on(5, 'build.b', 't:build.*', 't:*.b')]);
        expect(await revsOf({})).toEqual([1, 3, 4, 5]);
        expect(await revsOf({ pattern: 'build.*' })).toEqual([1, 5]);
        expect(await revsOf({ pattern: 'build.>' })).toEqual([1, 3, 5]);
        expect(await revsOf({ pattern: '*.a' })).toEqual([1, 4]);
        // The patterns of those who listened are no topics.
        expect(await revsOf({ pattern: '*.*.*' })).toEqual([3]);
        expect(await revsOf({ pattern: 'build.>', after: 1, upTo: 4 })).toEqual([3]);
        expect(await search({ pattern: 'none.*' })).toEqual({ pushes: [], until: undefined, dropped: 0 });
        expect((await search({ pattern: 'build.b.>', after: 9 })).pushes).toEqual([]);
        await reopen();
        expect(await revsOf({ pattern: 'build.>' })).toEqual([1, 3, 5]);
        expect((await search({ pattern: 'build.b' })).pushes[0]).toMatchObject({
          topic: 'build.b',
          to: ['t:build.b', 't:build.*', 't:*.b'],
        });
      });

      test('ends at its limit, and goes on where it says', async () => {
        const many = Array.from({ length: 1_200 }, (_, at) => on(at + 1, at % 3 === 0 ? 'x' : 'b.y'));
        keep(acme, many);
        const found: number[] = [];
        let until: number | undefined = 0;
        for (let asked = 0; until !== undefined; asked += 1) {
          expect(asked).toBeLessThan(10);
          const page: FoundPushes = await search({ pattern: 'b.*', after: until, limit: 130 });
          found.push(...page.pushes.map(({ rev }) => rev));
          ({ until } = page);
        }
        expect(found).toEqual(many.flatMap(({ rev, topic }) => (topic === 'b.y' ? [rev] : [])));
      });

      test('looks at a bounded number of pushes, and says how far it came', async () => {
        keep(
          acme,
          Array.from({ length: LIMITS.historySearchMax + 10 }, (_, at) => on(at + 1, 'x')),
        );
        keep(acme, [on(LIMITS.historySearchMax + 11, 'b')]);
        expect(await search({ pattern: 'b' })).toEqual({ pushes: [], until: LIMITS.historySearchMax, dropped: 0 });
        expect(await revsOf({ pattern: 'b', after: LIMITS.historySearchMax })).toEqual([LIMITS.historySearchMax + 11]);
      });

      test('says up to where retention has dropped', async () => {
        keep(acme, [on(1, 'a'), on(2, 'b')]);
        await flushed(acme);
        await reopen({ historyMs: 0 });
        await retained(store, Number.MAX_SAFE_INTEGER);
        keep(acme, [on(3, 'c')]);
        expect(await search({})).toMatchObject({ pushes: [{ rev: 3 }], dropped: 2 });
        await reopen();
        expect((await search({})).dropped).toBe(2);
      });
    });

    describe('counts of work', () => {
      const at = 1_800_000_000_000;
      const fact = (kind: WorkFact['kind'], ms = 0, over: Partial<WorkFact> = {}): WorkFact => ({
        kind,
        type: 'hash',
        agentId: 'ann',
        ms,
        ...over,
      });
      const minutes = { level: 'minute', from: at - 600_000, limit: 100 } as const;

      test('are of all, by type and by agent, by minute and by hour', async () => {
        acme.putFacts(1, at, [fact('given', 40), fact('ok', 1_000), fact('completed')]);
        acme.putFacts(2, at + 60_000, [fact('failedAttempt', 5), fact('dead'), fact('failed', 0, { type: 'count' })]);
        acme.putFacts(3, at + 3_700_000, [fact('cancelled', 0, { agentId: undefined })]);
        const total = await statsOf(acme, { by: 'total', ...minutes });
        expect(total.rows).toMatchObject([
          { key: '', counts: { given: 1, ok: 1, completed: 1, failedAttempt: 1, dead: 1, failed: 1, cancelled: 1 } },
        ]);
        expect(total.rows[0]?.wait).toEqual({ count: 1, p50: 40, p90: 40, p99: 40, max: 40 });
        expect(total.rows[0]?.run).toMatchObject({ count: 2, p50: 5, max: 1_000 });
        const types = await statsOf(acme, { by: 'type', ...minutes });
        expect(types.rows.map(({ key }) => key)).toEqual(['count', 'hash']);
        const late = await statsOf(acme, { by: 'type', level: 'minute', from: at + 120_000, limit: 10 });
        expect(late.rows).toMatchObject([{ key: 'hash', counts: { cancelled: 1, ok: 0 } }]);
        const hours = await statsOf(acme, { by: 'agent', level: 'hour', from: 0, limit: 10 });
        expect(hours.rows).toMatchObject([{ key: 'ann', counts: { ok: 1, failed: 1, cancelled: 0 } }]);
        expect((await statsOf(store.tenant('other'), { by: 'total', ...minutes })).rows).toEqual([]);
      });

      test('count an entry once, whenever it is put again', async () => {
        acme.putFacts(1, at, [fact('ok', 10)]);
        acme.putFacts(2, at, [fact('ok', 10)]);
        await flushed(acme);
        for (let again = 0; again < 2; again += 1) {
          acme.putFacts(1, at, [fact('ok', 10)]);
          acme.putFacts(2, at, [fact('ok', 10)]);
          await reopen();
        }
        acme.putFacts(3, at, [fact('ok', 10)]);
        const { rows } = await statsOf(acme, { by: 'type', ...minutes });
        expect(rows).toMatchObject([{ key: 'hash', counts: { ok: 3 }, run: { count: 3, p50: 10 } }]);
      });

      test('come in pages, one key is found alone, and keys beyond the bound are counted together', async () => {
        const keys = Array.from({ length: 1_200 }, (_, index) => `t${String(index).padStart(5, '0')}`);
        keys.forEach((type, index) => acme.putFacts(index + 1, at, [fact('completed', 0, { type })]));
        const seen: StatsRow[] = [];
        for (let after: string | undefined; ;) {
          const page = await statsOf(acme, { by: 'type', ...minutes, ...(after === undefined ? {} : { after }) });
          seen.push(...page.rows);
          if (!page.more) break;
          after = page.rows.at(-1)?.key;
        }
        expect(seen.map(({ key }) => key)).toEqual(['', ...keys.slice(0, 1_000)]);
        expect(seen[0]?.counts.completed).toBe(200);
        expect(seen.reduce((sum, { counts }) => sum + counts.completed, 0)).toBe(1_200);
        const [one] = (await statsOf(acme, { by: 'type', ...minutes, key: 't00007' })).rows;
        expect(one).toMatchObject({ key: 't00007', counts: { completed: 1 } });
      });

      test('come by code points, whatever is in the keys, and none is left out', async () => {
        // As UTF-16 the last three would stand before the one before them.
        const keys = ['a', 'a\u0000b', 'é', '\u{ff21}', '\u{1f600}', '\u{10ffff}', '\u{10ffff}z'];
        keys.toReversed().forEach((type, index) => acme.putFacts(index + 1, at, [fact('completed', 0, { type })]));
        const seen: string[] = [];
        for (let after: string | undefined; ;) {
          const { rows, more } = await statsOf(acme, {
            by: 'type',
            ...minutes,
            limit: 2,
            ...(after === undefined ? {} : { after }),
          });
          seen.push(...rows.map(({ key }) => key));
          if (!more) break;
          after = seen.at(-1);
        }
        expect(seen).toEqual(keys);
        for (const key of keys) {
          expect((await statsOf(acme, { by: 'type', ...minutes, key })).rows).toMatchObject([{ key }]);
        }
      });

      test('end with their time', async () => {
        acme.putFacts(1, at, [fact('ok', 10)]);
        await flushed(acme);
        await retained(store, at + 4 * 3_600_000);
        expect((await statsOf(acme, { by: 'total', ...minutes })).rows).toEqual([]);
        expect((await statsOf(acme, { by: 'total', level: 'hour', from: 0, limit: 1 })).rows).toHaveLength(1);
        await retained(store, at + 32 * 24 * 3_600_000);
        expect((await statsOf(acme, { by: 'total', level: 'hour', from: 0, limit: 1 })).rows).toEqual([]);
      });
    });

    describe('finished tasks', () => {
      test('are found by id before and after they are durable, and after opening again', async () => {
        const task = finishedTask(7, { agentId: 'ann', workspaceId: 'w1', dead: true, status: 'failed' });
        const plain = finishedTask(8, { view: new Uint8Array(0) });
        acme.putFinished([task, plain]);
        expect(await getTask(acme, task.id)).toEqual(task);
        await flushed(acme);
        expect(await getTask(acme, task.id)).toEqual(task);
        await reopen();
        expect(await getTask(acme, task.id)).toEqual(task);
        expect(await getTask(acme, plain.id)).toEqual(plain);
        expect(await getTask(acme, 'unknown')).toBeUndefined();
        expect(await getTask(store.tenant('other'), task.id)).toBeUndefined();
      });

      test('putting the same id again changes nothing', async () => {
        const first = Array.from({ length: 300 }, (_, index) => finishedTask(index));
        acme.putFinished(first);
        acme.putFinished([finishedTask(5, { status: 'failed' })]);
        await flushed(acme);
        // A replay: some known, some new, some twice in one call.
        const again = Array.from({ length: 300 }, (_, index) => finishedTask(index + 150, { status: 'failed' }));
        acme.putFinished([...again, ...again]);
        for (const at of ['before', 'after'] as const) {
          if (at === 'after') await reopen();
          expect((await getTask(acme, first[5]!.id))?.status).toBe('completed');
          expect((await getTask(acme, first[299]!.id))?.status).toBe('completed');
          expect((await getTask(acme, again[150]!.id))?.status).toBe('failed');
          expect(await ids({ limit: 1_000 })).toHaveLength(450);
          expect(await ids({ limit: 1_000, status: 'failed' })).toHaveLength(150);
        }
      });

      test('are listed from the highest id down, in pages that meet', async () => {
        // They end in another order than they were made.
        const numbers = Array.from({ length: 1_000 }, (_, index) => (index * 617) % 1_000);
        for (let from = 0; from < 1_000; from += 100) {
          acme.putFinished(numbers.slice(from, from + 100).map((number) => finishedTask(number)));
          if (from % 300 === 0) await flushed(acme);
        }
        const seen: string[] = [];
        for (let below: string | undefined; ;) {
          const page = await ids({ limit: 77, ...(below === undefined ? undefined : { below }) });
          if (page.length === 0) break;
          seen.push(...page);
          below = page.at(-1);
        }
        expect(seen).toEqual(Array.from({ length: 1_000 }, (_, index) => finishedTask(999 - index).id));
      });

      test('are filtered by each column and by all together', async () => {
        const all = Array.from({ length: 600 }, (_, number) =>
          finishedTask(number, {
            status: number % 3 === 0 ? 'failed' : 'completed',
            type: number % 2 === 0 ? 'hash' : 'count',
            dead: number % 50 === 0,
            ...(number % 5 === 0 ? { agentId: `agent-${number % 25}` } : undefined),
            ...(number % 7 === 0 ? { workspaceId: 'w7' } : undefined),
          }),
        );
        acme.putFinished(all);
        const filters: TaskFilter[] = [
          { limit: 1_000, status: 'failed' },
          { limit: 1_000, type: 'count' },
          { limit: 1_000, agentId: 'agent-10' },
          { limit: 1_000, workspaceId: 'w7' },
          { limit: 1_000, dead: true },
          { limit: 3, status: 'completed', type: 'hash', below: finishedTask(301).id },
          { limit: 1_000, status: 'failed', type: 'hash', agentId: 'agent-0', workspaceId: 'w7', dead: true },
          { limit: 10, agentId: 'nobody' },
        ];
        for (const filter of filters) {
          const expected = all
            .filter(
              (task) =>
                (filter.status ?? task.status) === task.status &&
                (filter.type ?? task.type) === task.type &&
                (filter.agentId === undefined || filter.agentId === task.agentId) &&
                (filter.workspaceId === undefined || filter.workspaceId === task.workspaceId) &&
                (filter.dead === undefined || task.dead) &&
                (filter.below === undefined || task.id < filter.below),
            )
            .toReversed()
            .slice(0, filter.limit);
          expect(await listTasks(acme, filter)).toEqual(expected);
        }
      });

      test('a list sees what was put a moment ago', async () => {
        acme.putFinished([finishedTask(1)]);
        await flushed(acme);
        acme.putFinished([finishedTask(2)]);
        expect(await ids({ limit: 10 })).toEqual([finishedTask(2).id, finishedTask(1).id]);
      });
    });

    describe('history', () => {
      test('a push comes back as it was put', async () => {
        const pushes: StoredPush[] = [
          push(2 ** 40 + 1, ['a:ann'], { event: 'task.assigned', order: true, data: { id: 't1', token: '12' } }),
          push(2 ** 40 + 5, ['t:task.t1', 's:session', `t:${'långt.'.repeat(40)}`], {
            topic: 'task.t1',
            data: [null, true, -1, 2 ** 50, 0.5, 'ö', new Uint8Array([1, 2]), { nested: [] }],
          }),
          push(2 ** 40 + 6, ['a:ann'], { data: null }),
        ];
        keep(acme, pushes);
        expect(await readPushes(acme, { audiences: ['a:ann', 's:session'] })).toEqual({ pushes, more: false });
        await reopen();
        expect(await readPushes(acme, { audiences: ['a:ann', 's:session'] })).toEqual({ pushes, more: false });
        expect(await revs({ audiences: [`t:${'långt.'.repeat(40)}`] })).toEqual([2 ** 40 + 5]);
      });

      test('audiences of every length and number are found', async () => {
        const names = [0, 1, 29, 30, 31, 32, 255, 256, 700].map((length) => `a:${'x'.repeat(length)}`);
        const crowd = Array.from({ length: 300 }, (_, index) => `s:${index}`);
        keep(acme, [push(1, names), push(2, crowd), push(3, [...crowd.slice(0, 15), 'a:last']), push(4, [])]);
        for (const name of names) expect(await revs({ audiences: [name] })).toEqual([1]);
        expect(await revs({ audiences: ['s:299'] })).toEqual([2]);
        expect(await revs({ audiences: ['s:14'] })).toEqual([2, 3]);
        expect(await revs({ audiences: ['a:last'] })).toEqual([3]);
      });

      test('audiences that share a number are told apart', async () => {
        const seen = new Map<number, string>();
        let pair: readonly [string, string] | undefined;
        for (let index = 0; pair === undefined; index += 1) {
          const key = `a:${index}`;
          const other = seen.get(hashOf(key));
          if (other !== undefined) pair = [other, key];
          seen.set(hashOf(key), key);
        }
        keep(acme, [push(1, [pair[0]]), push(2, [pair[1]]), push(3, pair)]);
        expect(await revs({ audiences: [pair[0]] })).toEqual([1, 3]);
        expect(await revs({ audiences: [pair[1]] })).toEqual([2, 3]);
      });

      test('is read by audience and range, ascending, each push once', async () => {
        const pushes = Array.from({ length: 3_000 }, (_, index) =>
          push(10 * (index + 1), [`a:${index % 7}`, `t:topic.${index % 11}`]),
        );
        for (let from = 0; from < pushes.length; from += 250) keep(acme, pushes.slice(from, from + 250));
        for (const reopened of [false, true]) {
          if (reopened) await reopen();
          for (const ask of [
            { audiences: ['a:3'] },
            { audiences: ['a:3', 't:topic.5'], after: 7_300, upTo: 22_220 },
            { audiences: ['t:topic.1'], after: 20, upTo: 20 },
            { audiences: ['a:8', 'nobody'] },
            { audiences: ['a:0'], after: 29_990 },
          ]) {
            const { after = 0, upTo = Infinity } = ask;
            const expected = pushes.filter(
              ({ rev, to }) => rev > after && rev <= upTo && to.some((audience) => ask.audiences.includes(audience)),
            );
            expect(await readPushes(acme, ask)).toEqual({ pushes: expected, more: false });
          }
        }
      });

      test('the limit cuts, and says so only when there is more', async () => {
        keep(
          acme,
          Array.from({ length: 100 }, (_, index) => push(index + 1, ['a:ann'])),
        );
        const ask = { audiences: ['a:ann'], limit: 40 };
        expect(await readPushes(acme, ask)).toMatchObject({ more: true });
        expect(await revs({ ...ask, after: 10 })).toEqual(Array.from({ length: 40 }, (_, index) => index + 11));
        expect(await readPushes(acme, { ...ask, after: 60 })).toMatchObject({ more: false });
        expect(await readPushes(acme, { ...ask, after: 59, upTo: 99 })).toMatchObject({ more: false });
      });

      test('putting the same revs again changes nothing', async () => {
        const pushes = Array.from({ length: 700 }, (_, index) => push(index + 1, ['a:ann']));
        keep(acme, pushes.slice(0, 600));
        await reopen();
        keep(acme, pushes.slice(100, 300));
        await flushed(acme);
        expect(await readPushes(acme, { audiences: ['a:ann'] })).toEqual({ pushes: pushes.slice(0, 600), more: false });
        keep(acme, pushes.slice(200, 500));
        keep(acme, pushes.slice(500));
        expect(await readPushes(acme, { audiences: ['a:ann'] })).toEqual({ pushes, more: false });
        await reopen();
        expect(await readPushes(acme, { audiences: ['a:ann'] })).toEqual({ pushes, more: false });
      });

      test('the newest rev is known at once, after opening again and when its push was dropped', async () => {
        expect(await newestRev(acme)).toBe(0);
        keep(acme, [push(3, ['t:a']), push(8, ['t:b'])]);
        expect(await newestRev(acme)).toBe(8);
        expect(await newestRev(store.tenant('other'))).toBe(0);
        await flushed(acme);
        await reopen({ historyMs: 0, historyBytes: 0 });
        expect(await newestRev(acme)).toBe(8);
        await retained(store, Number.MAX_SAFE_INTEGER);
        expect(await newestRev(acme)).toBe(8);
      });

      test('tenants do not see each other', async () => {
        keep(store.tenant('a'), [push(1, ['a:ann'])]);
        keep(store.tenant('b'), [push(1, ['a:ann'], { event: 'b' }), push(2, ['a:ann'])]);
        expect((await readPushes(store.tenant('a'), { audiences: ['a:ann'] })).pushes).toHaveLength(1);
        expect((await readPushes(store.tenant('b'), { audiences: ['a:ann'] })).pushes[0]?.event).toBe('b');
        expect(await revs({ audiences: ['a:ann'] })).toEqual([]);
      });
    });

    describe('retention of finished tasks', () => {
      const day = 86_400_000;
      const now = 1_800_000_000_000;

      /** Tasks that ended so long ago, put together; their numbers are from `first` on. */
      const ended = async (
        agoMs: number,
        range: { readonly first: number; readonly count: number; readonly view?: Uint8Array; readonly dead?: true },
      ): Promise<string[]> => {
        const { first, count, view, dead } = range;
        const over = { finishedAt: now - agoMs, ...(view && { view }), ...(dead && { dead, status: 'failed' }) };
        const tasks = Array.from({ length: count }, (_, index) => finishedTask(first + index, over));
        acme.putFinished(tasks);
        await flushed(acme);
        return tasks.map(({ id }) => id);
      };

      const present = async (asked: readonly string[]): Promise<number> => {
        const found = await Promise.all(asked.map((id) => getTask(acme, id)));
        return found.filter((task) => task !== undefined).length;
      };

      test('by age: what ended longer ago is gone, by id and from every list, for good', async () => {
        await reopen({ finishedMs: day });
        const old = await ended(2 * day, { first: 0, count: 300 });
        const kept = await ended(day / 2, { first: 300, count: 200 });
        store.tenant('other').putFinished([finishedTask(1, { finishedAt: now - 2 * day })]);
        await flushed(store.tenant('other'));
        await retained(store, now - day - 1);
        expect(await present(old)).toBe(300);
        await retained(store, now);
        for (const reopened of [false, true]) {
          if (reopened) await reopen({ finishedMs: day });
          expect(await present(old)).toBe(0);
          expect(await present(kept)).toBe(200);
          expect(await ids({ limit: 1_000 })).toEqual(kept.toReversed());
          expect(await ids({ limit: 1_000, status: 'completed', below: kept[1]! })).toEqual([kept[0]]);
          expect(await getTask(store.tenant('other'), finishedTask(1).id)).toBeUndefined();
        }
        await retained(store, now + day);
        expect(await ids({ limit: 1_000 })).toEqual([]);
        // A store that was emptied takes what comes next.
        const next = await ended(0, { first: 900, count: 3 });
        expect(await ids({ limit: 1_000 })).toEqual(next.toReversed());
      });

      test('a dead letter has a time of its own, also one that ended among others', async () => {
        await reopen({ finishedMs: day, deadLetterMs: 5 * day });
        const others = await ended(2 * day, { first: 0, count: 50 });
        const letters = await ended(2 * day, { first: 50, count: 50, dead: true });
        const mixed = Array.from({ length: 20 }, (_, index) =>
          finishedTask(100 + index, { finishedAt: now - 2 * day, dead: index % 2 === 0 }),
        );
        acme.putFinished(mixed);
        await flushed(acme);
        await retained(store, now);
        expect([await present(others), await present(letters)]).toEqual([0, 50]);
        expect(await ids({ limit: 1_000, dead: true })).toHaveLength(60);
        expect(await ids({ limit: 1_000 })).toHaveLength(60);
        await reopen({ finishedMs: day, deadLetterMs: 5 * day });
        await retained(store, now + 4 * day);
        expect(await ids({ limit: 1_000 })).toEqual([]);
      });

      test('by bytes: the oldest go first, no more than is due, and dead letters have room of their own', async () => {
        const bounds = { finishedBytes: 300_000, deadLetterBytes: 300_000 };
        await reopen(bounds);
        const view = new Uint8Array(500);
        const letters = await ended(day, { first: 0, count: 100, view, dead: true });
        const others: string[] = [];
        for (let round = 1; round <= 10; round += 1) {
          others.push(...(await ended(day - round, { first: round * 100, count: 100, view })));
        }
        await reopen(bounds);
        await retained(store, now);
        expect(await present(letters)).toBe(100);
        const left = (await ids({ limit: 10_000, status: 'completed' })).toReversed();
        expect(left.length).toBeGreaterThanOrEqual(300);
        expect(left.length).toBeLessThanOrEqual(600);
        expect(left).toEqual(others.slice(-left.length));
        // The sum counts what is left.
        await retained(store, now);
        expect(await present(left)).toBe(left.length);
        await ended(day, { first: 5_000, count: 700, view, dead: true });
        await retained(store, now);
        expect(await present(letters)).toBe(0);
        expect(await present(left)).toBe(left.length);
      });
    });

    describe('retention of history', () => {
      const old = 1_000_000;

      /** Two rounds of pushes, put at different times. */
      const filled = async (retention: Partial<Retention>): Promise<void> => {
        await reopen(retention);
        keep(
          acme,
          Array.from({ length: 1_000 }, (_, index) => push(index + 1, [`a:${index % 10}`, 't:all'])),
        );
        keep(acme, [push(1_001, ['a:early'])]);
        await flushed(acme);
      };

      test('nothing is dropped before its time, and floors are 0', async () => {
        await filled({ historyMs: 3_600_000, historyBytes: 100_000_000 });
        await retained(store, Date.now());
        expect(await revs({ audiences: ['t:all'] })).toHaveLength(1_000);
        expect(await floorOf(acme, 't:all', 'a:3')).toBe(0);
      });

      test('by age: what is older is gone, and the floors of its audiences say so', async () => {
        await filled({ historyMs: 1_000, historyBytes: 100_000_000 });
        await retained(store, Date.now() + old);
        for (const reopened of [false, true]) {
          if (reopened) await reopen();
          expect(await revs({ audiences: ['t:all', 'a:early'] })).toEqual([]);
          expect(await floorOf(acme, 't:all')).toBeGreaterThanOrEqual(1_000);
          expect(await floorOf(acme, 'a:3')).toBeGreaterThanOrEqual(994);
          expect(await floorOf(acme, 'nobody', 'a:early')).toBe(1_001);
          expect(await floorOf(acme, 'nobody')).toBe(0);
        }
        // What was dropped does not come back by a replay; what is new is kept.
        keep(acme, [push(1_001, ['a:early']), push(1_002, ['a:early'])]);
        expect(await revs({ audiences: ['a:early'] })).toEqual([1_002]);
      });

      test('by bytes: from the old end, and no more than is due', async () => {
        await reopen({ historyMs: Number.MAX_SAFE_INTEGER, historyBytes: 300_000 });
        const data = new Uint8Array(200);
        for (let round = 0; round < 10; round += 1) {
          const start = round * 500;
          keep(
            acme,
            Array.from({ length: 500 }, (_, index) => push(start + index + 1, ['t:all'], { data })),
          );
          await flushed(acme);
        }
        await retained(store, Date.now());
        const left = await revs({ audiences: ['t:all'] });
        expect(left.at(-1)).toBe(5_000);
        expect(left.length).toBeGreaterThan(500);
        expect(left.length).toBeLessThanOrEqual(1_500);
        expect(left).toEqual(Array.from({ length: left.length }, (_, index) => 5_000 - left.length + index + 1));
        expect(await floorOf(acme, 't:all')).toBe(5_000 - left.length);
      });
    });
  });
}
