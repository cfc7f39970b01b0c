/** The judge itself: legal and illegal histories, mutated ones, and every order tried by hand. */
import { describe, expect, it } from 'vitest';
import { Random } from '../random.ts';
import { judge } from './linearizable.ts';
import { judgeLocks, LOCK, type LockOperation } from './lock-model.ts';
import { MUTATIONS } from './lock-mutations.ts';

function acquire(client: string, at: readonly [number, number?], token?: string): LockOperation {
  return made(client, at, { kind: 'acquire' }, token === undefined ? {} : { output: { token } });
}

function release(client: string, at: readonly [number, number?], token: string, released = true): LockOperation {
  return made(client, at, { kind: 'release', token }, at[1] === undefined ? {} : { output: { released } });
}

function made(
  client: string,
  [calledAt, returnedAt]: readonly [number, number?],
  input: LockOperation['input'],
  output: Pick<LockOperation, 'output'>,
): LockOperation {
  return { path: 'x', client, input, ...output, calledAt, ...(returnedAt === undefined ? {} : { returnedAt }) };
}

const LEGAL: { readonly [name: string]: readonly LockOperation[] } = {
  'one after the other': [acquire('a', [1, 2], '1'), release('a', [3, 4], '1'), acquire('b', [5, 6], '2')],
  'asked for while it is held': [acquire('a', [1, 2], '1'), acquire('b', [2, 9], '2'), release('a', [3, 4], '1')],
  'a release whose answer comes late': [
    acquire('a', [1, 2], '1'),
    release('a', [3, 20], '1'),
    acquire('b', [4, 5], '2'),
  ],
  'a release that nobody heard of': [acquire('a', [1, 2], '1'), release('a', [3], '1'), acquire('b', [4, 5], '2')],
  'an acquire that nobody heard of, and never happened': [acquire('a', [1]), acquire('b', [2, 3], '1')],
  'an acquire that nobody heard of, at the end': [
    acquire('b', [1, 2], '1'),
    acquire('a', [1]),
    release('b', [3, 4], '1'),
  ],
  'a release twice': [acquire('a', [1, 2], '1'), release('a', [3, 4], '1'), release('a', [5, 6], '1', false)],
};

const ILLEGAL: { readonly [name: string]: readonly LockOperation[] } = {
  'two holders': [acquire('a', [1, 2], '1'), acquire('b', [3, 4], '2')],
  'two holders, one before the release': [
    acquire('a', [1, 2], '1'),
    acquire('b', [3, 4], '2'),
    release('a', [5, 6], '1'),
  ],
  'the same token': [acquire('a', [1, 2], '1'), release('a', [3, 4], '1'), acquire('b', [5, 6], '1')],
  'a smaller token': [acquire('a', [1, 2], '2'), release('a', [3, 4], '2'), acquire('b', [5, 6], '1')],
  'a release under a token that was never given': [release('a', [1, 2], '7')],
  'a refused release of what is held': [acquire('a', [1, 2], '1'), release('a', [3, 4], '1', false)],
  'an unknown release that comes too late': [
    acquire('a', [1, 2], '1'),
    acquire('b', [3, 4], '2'),
    release('a', [5], '1'),
  ],
};

describe('histories of one lock', () => {
  it.each(Object.entries(LEGAL))('%s: legal', (_, history) => expect(judge(history, LOCK)).toBe('linearizable'));
  it.each(Object.entries(ILLEGAL))('%s: illegal', (_, history) =>
    expect(judge(history, LOCK)).toBe('not linearizable'),
  );

  it('of each path apart', () => {
    const other = acquire('b', [3, 4], '2');
    expect([...judgeLocks([acquire('a', [1, 2], '1'), { ...other, path: 'y' }]).values()]).toEqual([
      'linearizable',
      'linearizable',
    ]);
  });
});

/** Clients take turns at an instant each within their calls, which last longer. */
function legal(seed: number, count: number): LockOperation[] {
  const random = new Random(seed);
  const history: LockOperation[] = [];
  let now = 0;
  for (let n = 1; n <= count; n += 1) {
    const client = `c${random.between(1, 5)}`;
    const [early, late] = [random.between(0, 40), random.between(1, 9)];
    history.push(acquire(client, [now - early, now + late], String(n)));
    now += 10 + late;
    history.push(release(client, [now, now + random.between(1, 30)], String(n)));
    now += 1;
  }
  return history;
}

describe('long histories', () => {
  it.each([1, 2, 3, 4, 5])('of many clients: legal (seed %i)', (seed) => {
    expect(judge(legal(seed, 400), LOCK)).toBe('linearizable');
  });

  it.each(Object.entries(MUTATIONS))('%s: illegal', (_, mutate) => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const changed = mutate(legal(seed, 60));
      expect(changed).toBeDefined();
      expect(judge(changed ?? [], LOCK), `seed ${seed}`).toBe('not linearizable');
    }
  });
});

/** Every order that keeps to time. */
function byHand(history: readonly LockOperation[]): boolean {
  const search = (left: readonly LockOperation[], state: typeof LOCK.initial): boolean => {
    if (left.every(({ returnedAt }) => returnedAt === undefined)) return true;
    const until = Math.min(...left.map(({ returnedAt = Infinity }) => returnedAt));
    return left.some((one) => {
      if (one.calledAt >= until && one.returnedAt !== until) return false;
      const next = LOCK.step(state, one.input, one.output);
      return (
        next !== undefined &&
        search(
          left.filter((other) => other !== one),
          next,
        )
      );
    });
  };
  return search(history, LOCK.initial);
}

it('agrees with trying every order', () => {
  const random = new Random(7);
  const seen = { linearizable: 0, 'not linearizable': 0, 'given up': 0 };
  for (let run = 0; run < 3_000; run += 1) {
    const history = Array.from({ length: random.between(1, 6) }, (_, i) => {
      const [calledAt, token] = [random.between(0, 12) * 2, String(random.between(1, 4))];
      const times =
        random.unit() < 0.2 ? ([calledAt] as const) : ([calledAt, calledAt + 1 + 2 * random.between(0, 6)] as const);
      const client = `c${i}`;
      if (random.unit() < 0.5) return acquire(client, times, times.length === 1 ? undefined : token);
      return release(client, times, token, random.unit() < 0.7);
    });
    const verdict = judge(history, LOCK);
    seen[verdict] += 1;
    expect(verdict, JSON.stringify(history)).toBe(byHand(history) ? 'linearizable' : 'not linearizable');
  }
  expect(seen.linearizable).toBeGreaterThan(300);
  expect(seen['not linearizable']).toBeGreaterThan(300);
});
