import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PushRing, type RingOptions } from '../../src/node/ring.ts';
import type { PackedPush, StoredPush } from '../../src/store/port.ts';
import { packPush } from '../../src/store/push-record.ts';

const AT = 1_800_000_000_000;

const everybody = (): boolean => true;

function push(rev: number, to: readonly string[], size = 0): StoredPush {
  return { rev, at: AT, to, event: 'e', topic: 'x', data: { n: rev, fill: 'f'.repeat(size) } };
}

function packed(rev: number, ...to: string[]): PackedPush {
  return packPush(push(rev, to), AT);
}

/** The ring as a list that is searched. */
class NaiveRing {
  readonly pushes: { readonly push: StoredPush; readonly bytes: number }[] = [];
  readonly floors = new Map<string, number>();
  readonly #options: RingOptions;

  constructor(options: RingOptions) {
    this.#options = options;
  }

  add(one: StoredPush): void {
    this.pushes.push({ push: one, bytes: 64 + packPush(one, AT).record.length });
    while (
      this.pushes.length > this.#options.pushesMax ||
      (this.#bytes > this.#options.bytesMax && this.pushes.length > 1)
    )
      for (const audience of this.pushes[0]?.push.to ?? []) this.floors.set(audience, this.#shift(audience));
  }

  get #bytes(): number {
    return this.pushes.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Takes the oldest away with its last audience. */
  #shift(audience: string): number {
    const first = this.pushes[0]?.push;
    if (first?.to.at(-1) === audience) this.pushes.shift();
    return first?.rev ?? 0;
  }

  read(audiences: readonly string[], after: number, limit: number): StoredPush[] {
    return this.pushes
      .map((one) => one.push)
      .filter(({ rev, to }) => rev > after && to.some((audience) => audiences.includes(audience)))
      .slice(0, limit);
  }
}

describe('PushRing', () => {
  it('reads by audience and position, and knows per audience what has left', () => {
    const ring = new PushRing(0, { pushesMax: 3, bytesMax: 1_000_000 });
    ring.add(packed(1, 's:a'), everybody);
    ring.add(packed(2, 's:b'), everybody);
    ring.add(packed(3, 's:a', 't:x'), everybody);
    ring.add(packed(4, 's:b'), everybody);
    expect(ring.floor).toBe(1);
    expect(ring.floorOf('s:a')).toBe(1);
    expect(ring.floorOf('s:b')).toBe(0);
    expect(ring.read(['s:a', 't:x'], 0, 10).map((one) => one.rev)).toEqual([3]);
    expect(ring.read(['s:b'], 2, 10).map((one) => one.rev)).toEqual([4]);
    expect(ring.read(['s:a', 's:b'], 0, 2).map((one) => one.rev)).toEqual([2, 3]);
  });

  it('keeps no lane for what nobody hears', () => {
    const ring = new PushRing(7);
    ring.add(packed(8, 's:a', 't:x'), (audience) => audience !== 't:x');
    expect(ring.read(['t:x'], 0, 10)).toEqual([]);
    expect(ring.read(['s:a'], 0, 10)).toHaveLength(1);
    expect([ring.floor, ring.floorOf('t:x')]).toEqual([7, 7]);
  });

  it('is bounded in bytes too', () => {
    const ring = new PushRing(0, { pushesMax: 1_000, bytesMax: 1_000 });
    for (let rev = 1; rev <= 100; rev += 1) ring.add(packed(rev, 's:a'), everybody);
    expect(ring.bytes).toBeLessThanOrEqual(1_000);
    expect(ring.size).toBeGreaterThan(1);
    expect(ring.floorOf('s:a')).toBe(100 - ring.size);
  });

  it('agrees with a list, whatever is added, over many slabs and sizes', () => {
    const step = fc.record({
      to: fc.uniqueArray(fc.constantFrom('s:a', 's:b', 'a:c', 't:x'), { minLength: 1 }),
      size: fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 300_000 })),
    });
    const bounds = fc.record({
      pushesMax: fc.integer({ min: 1, max: 40 }),
      bytesMax: fc.integer({ min: 1, max: 2_000_000 }),
    });
    const question = fc.record({
      audiences: fc.uniqueArray(fc.constantFrom('s:a', 's:b', 'a:c', 't:x')),
      after: fc.nat(120),
      limit: fc.integer({ min: 1, max: 50 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), bounds, fc.array(question), (steps, options, questions) => {
        const [ring, naive] = [new PushRing(0, options), new NaiveRing(options)];
        steps.forEach(({ to, size }, index) => {
          const one = push(index + 1, to, size);
          ring.add(packPush(one, AT), everybody);
          naive.add(one);
        });
        expect(ring.size).toBe(naive.pushes.length);
        for (const { audiences, after, limit } of questions)
          expect(ring.read(audiences, after, limit)).toEqual(naive.read(audiences, after, limit));
        for (const audience of ['s:a', 's:b', 'a:c', 't:x'])
          expect(ring.floorOf(audience)).toBe(naive.floors.get(audience) ?? 0);
      }),
      { numRuns: 60 },
    );
  });

  it('grows from few slots to many without losing one', () => {
    const ring = new PushRing(0, { pushesMax: 5_000, bytesMax: 64 * 1024 * 1024 });
    for (let rev = 1; rev <= 12_000; rev += 1) ring.add(packed(rev, `s:${rev % 7}`), everybody);
    expect(ring.size).toBe(5_000);
    const all = ring.read(['s:0', 's:1', 's:2', 's:3', 's:4', 's:5', 's:6'], 0, 10_000);
    expect(all.map((one) => one.rev)).toEqual(Array.from({ length: 5_000 }, (_, i) => 7_001 + i));
  });
});
