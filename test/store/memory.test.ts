import { describe, expect, test } from 'vitest';
import { memoryStore, MemoryStoreDisk, type MemoryStore } from '../../src/store/memory.ts';
import type { TenantStore } from '../../src/store/port.ts';
import { finishedTask, keep, push } from '../conformance/store.ts';
import { FakeScheduler } from '../support/fake-scheduler.ts';

class Bench {
  readonly scheduler = new FakeScheduler();
  readonly disk = new MemoryStoreDisk();

  open(flushMs?: () => number): { store: MemoryStore; acme: TenantStore } {
    const store = memoryStore({
      scheduler: this.scheduler,
      disk: this.disk,
      historyMs: 1_000,
      ...(flushMs === undefined ? undefined : { flushMs }),
    });
    return { store, acme: store.tenant('acme') };
  }

  revs(acme: TenantStore): number[] {
    let revs: number[] | undefined;
    acme.readHistory({ after: 0, upTo: Infinity, audiences: ['a:x'], limit: 1_000 }, (pushes) => {
      revs = pushes.map(({ rev }) => rev);
    });
    this.scheduler.settle();
    return revs!;
  }

  ids(acme: TenantStore): string[] {
    let ids: string[] | undefined;
    acme.listFinished({ limit: 1_000 }, (tasks) => {
      ids = tasks.map(({ id }) => id);
    });
    this.scheduler.settle();
    return ids!;
  }
}

describe('memory store: crashes', () => {
  test('what was not durable is gone, what was flushed is there', () => {
    const bench = new Bench();
    const { store, acme } = bench.open();
    keep(acme, [push(1, ['a:x']), push(2, ['a:x'])]);
    acme.putFinished([finishedTask(1)]);
    let flushed = false;
    acme.flush(() => {
      flushed = true;
    });
    bench.scheduler.settle();
    expect(flushed).toBe(true);
    keep(acme, [push(3, ['a:x'])]);
    acme.putFinished([finishedTask(2)]);
    expect(bench.revs(acme)).toEqual([1, 2, 3]);
    expect(store.pending).toBe(2);
    store.crash(0);
    const again = bench.open().acme;
    expect(bench.revs(again)).toEqual([1, 2]);
    expect(bench.ids(again)).toEqual([finishedTask(1).id]);
  });

  test('a crash may leave the first of what was not durable, in the order in which it was put', () => {
    for (const kept of [0, 1, 2, 3]) {
      const bench = new Bench();
      const { store, acme } = bench.open();
      keep(acme, [push(1, ['a:x'])]);
      acme.putFinished([finishedTask(1)]);
      keep(acme, [push(2, ['a:x'])]);
      store.crash(kept);
      const again = bench.open().acme;
      expect(bench.revs(again)).toEqual([1, 2].slice(0, Math.ceil(kept / 2)));
      expect(bench.ids(again)).toHaveLength(kept >= 2 ? 1 : 0);
    }
  });

  test('what is put becomes durable after a while, and a flush takes its time', () => {
    const bench = new Bench();
    const { store, acme } = bench.open(() => 30);
    keep(acme, [push(1, ['a:x'])]);
    bench.scheduler.advance(149);
    expect(store.pending).toBe(1);
    bench.scheduler.advance(1);
    expect(store.pending).toBe(0);
    keep(acme, [push(2, ['a:x'])]);
    let flushed = false;
    acme.flush(() => {
      flushed = true;
    });
    bench.scheduler.advance(29);
    expect([flushed, store.pending]).toEqual([false, 1]);
    bench.scheduler.advance(1);
    expect([flushed, store.pending]).toEqual([true, 0]);
  });

  test('after a crash nothing calls back, and no timer is left', () => {
    const bench = new Bench();
    const { store, acme } = bench.open(() => 30);
    let called = 0;
    keep(acme, [push(1, ['a:x'])]);
    acme.flush(() => (called += 1));
    acme.getFinished('x', () => (called += 1));
    store.retain(0, () => (called += 1));
    store.crash(0);
    bench.scheduler.advance(1_000);
    expect([called, bench.scheduler.timers]).toEqual([0, 0]);
  });

  test('a replay after a crash adds what is missing and nothing else', () => {
    const bench = new Bench();
    const { store, acme } = bench.open();
    keep(
      acme,
      [1, 2, 3].map((rev) => push(rev, ['a:x'])),
    );
    acme.flush(() => store.crash(0));
    bench.scheduler.settle();
    const again = bench.open().acme;
    keep(
      again,
      [2, 3].map((rev) => push(rev, ['a:x'])),
    );
    keep(
      again,
      [4].map((rev) => push(rev, ['a:x'])),
    );
    expect(bench.revs(again)).toEqual([1, 2, 3, 4]);
  });

  test('dropped history and its floors survive a crash', () => {
    const bench = new Bench();
    const { store, acme } = bench.open();
    keep(acme, [push(1, ['a:x']), push(2, ['a:y'])]);
    bench.scheduler.advance(2_000);
    keep(acme, [push(3, ['a:x'])]);
    store.retain(bench.scheduler.now(), () => store.crash(0));
    bench.scheduler.settle();
    const again = bench.open().acme;
    expect(bench.revs(again)).toEqual([3]);
    const floors: number[] = [];
    for (const audience of ['a:x', 'a:y', 'a:z']) again.floor([audience], (rev) => floors.push(rev));
    bench.scheduler.settle();
    expect(floors).toEqual([1, 2, 0]);
  });

  test('a value that cannot be encoded fails where it is put', () => {
    const { acme } = new Bench().open();
    expect(() => keep(acme, [{ ...push(1, ['a:x']), data: Number.NaN }])).toThrow(/NaN cannot be sent/);
  });
});
