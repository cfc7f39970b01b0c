import { describe, expect, test } from 'vitest';
import { MemoryDisk } from '../../src/log/memory-disk.ts';
import { memoryLog, type GroupFate, type MemoryLog, type MemoryLogOptions } from '../../src/log/memory.ts';
import { LogFault, type AppendOutcome, type LogEntry, type TenantLog } from '../../src/log/port.ts';
import { Collector, metaAt, text, texts } from '../conformance/log.ts';
import { FakeScheduler } from '../support/fake-scheduler.ts';
import { damages } from './damage.ts';

const prompt: GroupFate = { commitMs: 0, replyMs: 0, tailMs: 0, outcome: 'appended' };

class Bench {
  readonly scheduler = new FakeScheduler();
  readonly disk = new MemoryDisk();
  fate: GroupFate = prompt;

  open(options: Partial<MemoryLogOptions> = {}): MemoryLog {
    return memoryLog({ scheduler: this.scheduler, disk: this.disk, fate: () => this.fate, ...options });
  }

  tenant(driver: MemoryLog, id = 'acme'): TenantLog {
    let opened: TenantLog | LogFault | undefined;
    driver.open(id, (result) => {
      opened = result;
    });
    this.scheduler.settle();
    if (opened === undefined || opened instanceof LogFault) throw new Error('not opened');
    return opened;
  }

  tail(log: TenantLog, from: { seq: number; chain?: Uint8Array } = { seq: 0 }): Collector {
    const tail = new Collector();
    log.tail(from, tail);
    this.scheduler.settle();
    return tail;
  }

  read(log: TenantLog): readonly LogEntry[] | LogFault {
    let read: readonly LogEntry[] | LogFault | undefined;
    log.read(1, 1_000, (result) => {
      read = result;
    });
    this.scheduler.settle();
    return read!;
  }
}

const seqsOnDisk = (bench: Bench): number[] => bench.disk.tenant('acme').entries.map((entry) => entry.seq);

describe('memory log: steps and faults', () => {
  test('append, durable, reply and tail are steps of their own', () => {
    const bench = new Bench();
    const log = bench.tenant(bench.open());
    const tail = bench.tail(log);
    bench.fate = { commitMs: 10, replyMs: 20, tailMs: 30, outcome: 'appended' };
    const outcomes: AppendOutcome[] = [];
    log.append([text('a')], (outcome) => outcomes.push(outcome));
    bench.scheduler.advance(9);
    expect(seqsOnDisk(bench)).toEqual([]);
    bench.scheduler.advance(1);
    expect(seqsOnDisk(bench)).toEqual([1]);
    bench.scheduler.advance(19);
    expect(outcomes).toEqual([]);
    bench.scheduler.advance(1);
    expect(outcomes).toEqual([{ kind: 'appended', first: 1, last: 1 }]);
    expect(tail.entriesSeen).toEqual([]);
    bench.scheduler.advance(10);
    expect(texts(tail.entriesSeen)).toEqual(['a']);
  });

  test('a wall clock that is set back does not stop the stamps, nor does a restart behind it', () => {
    const bench = new Bench();
    const stamps = (): number[] => {
      const read = bench.read(log);
      return read instanceof LogFault ? [] : read.map(({ ts }) => ts);
    };
    let driver = bench.open();
    let log = bench.tenant(driver);
    const begin = bench.scheduler.now();
    const append = (): void => {
      log.append([text('x')], () => undefined);
      bench.scheduler.settle();
    };
    append();
    bench.scheduler.advance(1_000);
    bench.scheduler.jump(-3_600_000);
    append();
    bench.scheduler.advance(500);
    append();
    driver.crash(false);
    driver = bench.open();
    log = bench.tenant(driver);
    bench.scheduler.advance(200);
    append();
    expect(stamps()).toEqual([0, 1_000, 1_500, 1_700].map((ms) => begin + ms));
  });

  test('appends that wait share the next group commit', () => {
    const bench = new Bench();
    const log = bench.tenant(bench.open());
    let groups = 0;
    const driverFate = bench.fate;
    Object.defineProperty(bench, 'fate', {
      get: () => {
        groups += 1;
        return { ...driverFate, commitMs: 5 };
      },
    });
    for (let index = 0; index < 5; index += 1) log.append([text('x')], () => undefined);
    bench.scheduler.advance(1);
    for (let index = 0; index < 5; index += 1) log.append([text('y')], () => undefined);
    bench.scheduler.advance(20);
    expect([groups, seqsOnDisk(bench).length]).toEqual([2, 10]);
  });

  test.each([
    ['unknown', 'UNKNOWN', ['a']],
    ['lost', 'UNKNOWN', []],
    ['full', 'FULL', []],
  ] as const)('a group that is %s: its appender is told %s and the tail tells the truth', (outcome, told, seen) => {
    const bench = new Bench();
    const log = bench.tenant(bench.open());
    const tail = bench.tail(log);
    bench.fate = { ...prompt, outcome };
    const outcomes: AppendOutcome[] = [];
    log.append([text('a')], (result) => outcomes.push(result));
    bench.scheduler.settle();
    bench.fate = prompt;
    log.append([text('b')], (result) => outcomes.push(result));
    bench.scheduler.settle();
    expect(outcomes.map(({ kind }) => kind)).toEqual([told, 'appended']);
    expect(texts(tail.entriesSeen)).toEqual([...seen, 'b']);
    expect(tail.entriesSeen.at(-1)?.seq).toBe(seen.length + 1);
  });

  test('outcomes keep the order of the appends, however long replies take', () => {
    const bench = new Bench();
    const log = bench.tenant(bench.open());
    const told: string[] = [];
    bench.fate = { ...prompt, replyMs: 50 };
    log.append([text('slow')], () => told.push('slow'));
    bench.scheduler.advance(1);
    bench.fate = prompt;
    log.append([text('fast')], () => told.push('fast'));
    bench.scheduler.advance(10);
    expect(told).toEqual([]);
    bench.scheduler.advance(50);
    expect(told).toEqual(['slow', 'fast']);
  });

  test('a tail delivers no more in a turn than it may', () => {
    const bench = new Bench();
    const log = bench.tenant(bench.open({ tailBatchMax: 3 }));
    const sizes: number[] = [];
    log.tail(
      { seq: 0 },
      { entries: (batch) => sizes.push(batch.length), caughtUp: () => undefined, fault: () => undefined },
    );
    log.append(
      Array.from({ length: 8 }, () => text('x')),
      () => undefined,
    );
    bench.scheduler.settle();
    expect(sizes).toEqual([3, 3, 2]);
  });

  test('the stamp never falls when the clock does', () => {
    const bench = new Bench();
    const log = bench.tenant(bench.open());
    const tail = bench.tail(log);
    log.append([text('a')], () => undefined);
    bench.scheduler.settle();
    bench.scheduler.jump(-3_600_000);
    log.append([text('b')], () => undefined);
    bench.scheduler.settle();
    expect(tail.entriesSeen[1]!.ts).toBe(tail.entriesSeen[0]!.ts);
  });

  test('when the disk fails, tails stop and appenders never learn', () => {
    const bench = new Bench();
    const driver = bench.open();
    const log = bench.tenant(driver);
    const tail = bench.tail(log);
    const outcomes: AppendOutcome[] = [];
    log.append([text('a')], (outcome) => outcomes.push(outcome));
    driver.fail(new LogFault('IO', 'EIO'));
    bench.scheduler.settle();
    expect(outcomes).toEqual([{ kind: 'UNKNOWN' }]);
    expect(tail.stopped?.fault).toBe('IO');
    expect(seqsOnDisk(bench)).toEqual([]);
  });
});

describe('memory log: crashes', () => {
  test.each([
    [false, []],
    [true, [1]],
  ])('the group that is being committed, kept: %s', (keep, left) => {
    const bench = new Bench();
    const driver = bench.open();
    const log = bench.tenant(driver);
    const tail = bench.tail(log);
    bench.fate = { ...prompt, commitMs: 10 };
    let called = 0;
    log.append([text('running')], () => (called += 1));
    bench.scheduler.advance(1);
    log.append([text('waiting')], () => (called += 1));
    bench.scheduler.advance(1);
    driver.crash(keep);
    bench.scheduler.advance(100);
    expect([called, tail.entriesSeen.length]).toEqual([0, 0]);
    expect(seqsOnDisk(bench)).toEqual(left);
    const again = bench.tail(bench.tenant(bench.open()));
    expect(again.entriesSeen.map(({ seq }) => seq)).toEqual(left);
  });

  test('nothing calls back after a crash inside a callback', () => {
    const bench = new Bench();
    const driver = bench.open();
    const log = bench.tenant(driver);
    const tail = bench.tail(log);
    const told: number[] = [];
    for (const index of [1, 2, 3]) {
      log.append([text('x')], () => {
        told.push(index);
        if (index === 2) driver.crash(false);
      });
    }
    bench.scheduler.advance(100);
    expect(told).toEqual([1, 2]);
    expect(tail.entriesSeen).toEqual([]);
    expect(seqsOnDisk(bench)).toEqual([1, 2, 3]);
  });

  test('a snapshot that was being written is gone', () => {
    const bench = new Bench();
    const driver = bench.open();
    const log = bench.tenant(driver);
    log.append([text('a')], () => undefined);
    bench.scheduler.settle();
    const writer = driver.snapshots.begin('acme', metaAt(bench.disk.tenant('acme').entries[0]!));
    writer.chunk(new Uint8Array(10), () => writer.commit(() => undefined));
    bench.scheduler.turn();
    driver.crash(false);
    bench.scheduler.settle();
    expect(bench.disk.tenant('acme').snapshots).toEqual([]);
  });

  const seeds = Array.from({ length: 200 }, (_, index) => index + 1);

  test.each(seeds)('whatever happens, what was acknowledged is recovered, once and in order: seed %i', (seed) => {
    const random = mulberry(seed);
    const bench = new Bench();
    const below = (max: number): number => Math.floor(random() * max);
    const acked = new Set<string>();
    const refused = new Set<string>();
    const delivered: string[] = [];
    let sent = 0;
    for (let life = 0; life < 5; life += 1) {
      const driver = bench.open({
        tailBatchMax: 1 + below(5),
        fate: () => ({
          commitMs: below(4),
          replyMs: below(4),
          tailMs: below(4),
          outcome: (['appended', 'appended', 'appended', 'unknown', 'lost', 'full'] as const)[below(6)]!,
        }),
      });
      const log = bench.tenant(driver);
      const tail = bench.tail(log);
      for (let step = 0; step < 30; step += 1) {
        if (random() < 0.6) {
          const name = `${(sent += 1)}`;
          log.append([text(name), text(`${name}+`)], ({ kind }) => {
            if (kind === 'appended') acked.add(name);
            if (kind === 'FULL') refused.add(name);
          });
        }
        bench.scheduler.advance(below(3));
      }
      driver.crash(random() < 0.5);
      // What a tail delivered in an earlier life, it delivers again in the same order.
      expect(texts(tail.entriesSeen).slice(0, delivered.length)).toEqual(delivered.slice(0, tail.entriesSeen.length));
      delivered.splice(0, delivered.length, ...texts(tail.entriesSeen));
    }
    const recovered = texts(bench.tail(bench.tenant(bench.open())).entriesSeen);
    expect(recovered.slice(0, delivered.length)).toEqual(delivered);
    expect(new Set(recovered).size).toBe(recovered.length);
    for (const name of acked) expect(recovered.indexOf(`${name}+`)).toBe(recovered.indexOf(name) + 1);
    for (const name of acked) expect(recovered).toContain(name);
    for (const name of refused) expect(recovered).not.toContain(name);
    expect(acked.size).toBeGreaterThan(0);
  });
});

describe('memory log: damage', () => {
  const damagedBench = (damage: (typeof damages)[number]): { bench: Bench; log: TenantLog } => {
    const bench = new Bench();
    const first = bench.open();
    bench.tenant(first).append(
      Array.from({ length: 10 }, (_, index) => text(`entry ${index}`)),
      () => undefined,
    );
    bench.scheduler.settle();
    first.crash(false);
    const disk = bench.disk.tenant('acme');
    disk.entries = [...damage.apply(disk.entries)];
    return { bench, log: bench.tenant(bench.open()) };
  };

  test.each(damages)('$what is $fault, and nothing after it is delivered', (damage) => {
    const { bench, log } = damagedBench(damage);
    const tail = bench.tail(log);
    expect(tail.stopped?.fault).toBe(damage.fault);
    expect(tail.head).toBeUndefined();
    expect(tail.entriesSeen.length).toBeLessThanOrEqual(5);
    const read = bench.read(log);
    expect(read).toBeInstanceOf(LogFault);
    expect(read).toMatchObject({ fault: damage.fault });
  });

  test('a damaged snapshot is not read as a whole one', () => {
    const bench = new Bench();
    const driver = bench.open();
    const log = bench.tenant(driver);
    log.append([text('a')], () => undefined);
    bench.scheduler.settle();
    const meta = metaAt(bench.disk.tenant('acme').entries[0]!);
    const faults: (string | undefined)[] = [];
    const readAfter = (spoil: (chunks: Uint8Array[]) => void): void => {
      const writer = driver.snapshots.begin('acme', meta);
      for (const byte of [1, 2, 3]) writer.chunk(new Uint8Array(10).fill(byte), () => undefined);
      writer.commit(() => undefined);
      bench.scheduler.settle();
      spoil(bench.disk.tenant('acme').snapshots[0]!.chunks);
      driver.snapshots.read(
        { tenant: 'acme', seq: 1 },
        () => undefined,
        (fault) => faults.push(fault?.fault),
      );
      bench.scheduler.settle();
    };
    readAfter(() => undefined);
    readAfter((chunks) => (chunks[1]![25]! ^= 1));
    readAfter((chunks) => chunks.pop());
    readAfter((chunks) => chunks.reverse());
    expect(faults).toEqual([undefined, 'CORRUPT', 'CORRUPT', 'CORRUPT']);
  });
});

/** A PRNG with 32 bits of state. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
