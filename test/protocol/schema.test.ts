/** Schemas: the quick checks agree with them, sizes and grammar are measured as PROTOCOL.md says, faults are all named. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FAST_PARAMS, fastHello } from '../../protocol/schema/fast.ts';
import { hello } from '../../protocol/schema/frames.ts';
import { METHOD_SCHEMAS } from '../../protocol/schema/methods.ts';
import {
  parseBeat,
  parseBye,
  parseHello,
  parseParams,
  parseReauth,
  parseRequest,
  rejectionOf,
} from '../../protocol/schema/params.ts';
import { fits } from '../../protocol/schema/size.ts';
import { isFence, isLabel, isName, isText, subscriptionFault, topicFault } from '../../protocol/schema/text.ts';
import { encodeValue } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { OPERATIONS, isMethod } from '../../protocol/wire/operations.ts';
import type { Value, ValueMap } from '../../protocol/wire/types.ts';
import { value } from './arbitrary.ts';

/** Nine times in ten something fit for the purpose, so that large shapes are valid often enough. */
const mostly = <T>(good: fc.Arbitrary<T>, any: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 9, arbitrary: good }, { weight: 1, arbitrary: any });
const oddText = fc.constantFrom('', 'a\n', 'x'.repeat(128), 'x'.repeat(129), 'é'.repeat(64), 'é'.repeat(65));
const shortText = mostly(
  fc.oneof(fc.string({ minLength: 1, maxLength: 6 }), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 })),
  oddText,
);
const whole = mostly<number>(
  fc.integer({ min: 100, max: 10_000 }),
  fc.oneof(
    fc.integer({ min: -2, max: 101 }),
    fc.constantFrom(10_001, 1_000_000, 1_000_001, 31_622_400_000, 31_622_400_001, 0.5, 1e300),
  ),
);
const small = mostly<number>(fc.integer({ min: 1, max: 100 }), fc.constantFrom(0, 101, 1_000, 1_001, 0.5));
const fence = mostly(fc.nat().map(String), fc.constantFrom('', '1', '1'.repeat(20), '1'.repeat(21), '-1', '1.0'));
const labels = fc.dictionary(shortText, shortText, { maxKeys: 4, noNullPrototype: true });
const pick = (...values: Value[]): fc.Arbitrary<Value> => fc.constantFrom(...values);
const flag = mostly(pick(true, false), pick(1, null));
const partial = (
  all: { readonly [key: string]: fc.Arbitrary<unknown> },
  required: readonly string[],
): fc.Arbitrary<ValueMap> =>
  fc.record(all, { requiredKeys: [...required], noNullPrototype: true }) as fc.Arbitrary<ValueMap>;

const retry = partial({ maxAttempts: small, initialDelayMs: whole, maxDelayMs: whole, factor: small }, []);
const taskCreate = partial(
  {
    type: shortText,
    priority: mostly(pick('low', 'normal', 'high', 'critical'), pick('urgent', '', 1)),
    parameters: fc.oneof(value, fc.constantFrom('x'.repeat(65_533), 'x'.repeat(65_534))),
    requirements: fc.array(shortText, { maxLength: 4 }),
    labels,
    strategy: mostly(pick('least_loaded', 'capability_match'), pick('x')),
    workspaceId: shortText,
    parentId: shortText,
    timeoutMs: whole,
    progressTimeoutMs: whole,
    deadlineMs: whole,
    delayMs: whole,
    retry,
    mode: mostly(pick('assign', 'offer'), pick('')),
    watch: flag,
  },
  ['type'],
);
const held = { id: shortText, token: fence };
const error = partial({ code: shortText, message: shortText }, ['code', 'message']);
const agentShape = partial(
  {
    name: shortText,
    type: shortText,
    capabilities: fc.array(fc.oneof(shortText, partial({ name: shortText, weight: whole }, ['name'])), {
      maxLength: 4,
    }),
    capacity: whole,
    cost: whole,
    labels,
    metadata: fc.oneof(fc.dictionary(fc.string({ maxLength: 4 }), value, { maxKeys: 3, noNullPrototype: true }), value),
    endpoint: shortText,
    instance: shortText,
    onLost: mostly(pick('requeue', 'hold', 'fail'), pick('drop')),
    acceptMs: whole,
    running: fc.array(partial(held, ['id', 'token']), { maxLength: 3 }),
  },
  ['name', 'capabilities'],
);

const lockPath = mostly(
  pick('deploy', 'doc/7/sec/2', 'a:b_c-d'),
  pick('', '/', 'a//b', 'a/', 'a b', 'é', 'x'.repeat(64), 'x'.repeat(65), '1/2/3/4/5/6/7/8', '1/2/3/4/5/6/7/8/9', 7),
);
/** Milliseconds around every bound that locks have. */
const lockMs = mostly<number>(
  fc.integer({ min: 1_000, max: 60_000 }),
  fc.constantFrom(-1, 0, 0.5, 999, ...[60_000, 120_000, 600_000, 86_400_000].flatMap((ms) => [ms, ms + 1])),
);

const PARAMS: { readonly [method: string]: fc.Arbitrary<ValueMap> } = {
  'task.create': taskCreate,
  'task.createBatch': partial(
    { tasks: fc.array(fc.oneof(taskCreate, fc.constant({ type: 'build', watch: false })), { maxLength: 3 }) },
    ['tasks'],
  ),
  'task.accept': partial(held, ['id', 'token']),
  'task.start': partial(held, ['id', 'token']),
  'task.progress': partial(
    {
      ...held,
      percentComplete: fc.oneof(fc.integer({ min: -1, max: 101 }), fc.double({ min: -1, max: 101, noNaN: true })),
      status: shortText,
    },
    ['id', 'token', 'percentComplete'],
  ),
  'task.complete': partial({ ...held, output: value }, ['id', 'token']),
  'task.fail': partial({ ...held, error, retryable: flag }, ['id', 'token', 'error']),
  'task.acknowledge': partial({ ...held, control: pick('cancel', 'leaseLost', 'stop') }, ['id', 'token', 'control']),
  'lock.acquire': partial(
    {
      path: lockPath,
      mode: mostly(pick('exclusive', 'shared', 'intent_shared'), pick('write', 1)),
      waitMs: lockMs,
      ttlMs: lockMs,
      autoRefresh: flag,
      graceMs: lockMs,
      lockDelayMs: lockMs,
      external: flag,
      progressTimeoutMs: lockMs,
      scope: mostly(pick('session', 'agent'), pick('tenant')),
      metadata: mostly(fc.dictionary(fc.string({ maxLength: 4 }), value, { maxKeys: 3, noNullPrototype: true }), value),
    },
    ['path'],
  ),
  'lock.extend': partial({ ...held, ttlMs: lockMs }, ['id', 'token']),
  'lock.release': partial({ ...held, all: flag, paths: fc.array(lockPath, { maxLength: 3 }) }, ['id', 'token']),
};

const HELLO = partial(
  {
    v: mostly(
      fc.array(fc.nat({ max: 9 }), { minLength: 3, maxLength: 3 }),
      fc.array(whole, { minLength: 2, maxLength: 4 }),
    ),
    client: partial({ name: shortText, version: shortText }, ['name', 'version']),
    auth: partial({ token: shortText }, ['token']),
    agent: agentShape,
    subs: fc.array(mostly(fc.constantFrom('a', 'a.b', 'builds.main'), fc.constantFrom('a..b', 'task.*', 'a')), {
      maxLength: 3,
    }),
    resume: partial({ session: shortText, secret: shortText, rev: whole }, ['session', 'secret']),
    features: fc.array(shortText, { maxLength: 3 }),
  },
  ['v', 'client', 'auth'],
);

/** The value with one thing in it changed: a member removed, replaced or added, at any depth. */
function mutated(map: ValueMap): fc.Arbitrary<ValueMap> {
  const junk = fc.oneof(value, fc.constantFrom<Value[]>(null, true, -1, 0.5, '', 'x', [], {}, 'toString'));
  const change = fc.record({
    path: fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 3 }),
    how: fc.constantFrom('remove', 'replace', 'add'),
    junk,
    name: fc.constantFrom('later', 'toString', 'hasOwnProperty', '', 'id', 'valueOf'),
  });
  return change.map(({ path, how, junk: shared, name }) => {
    const copy: { [key: string]: Value } = structuredClone(map);
    let here: { [key: string]: Value } = copy;
    for (const [depth, step] of path.entries()) {
      const keys = Object.keys(here);
      const key = keys[step % Math.max(1, keys.length)];
      const next = key === undefined ? undefined : here[key];
      const deeper = typeof next === 'object' && next !== null && !(next instanceof Uint8Array);
      if (deeper && depth < path.length - 1) here = next as { [key: string]: Value };
      else if (how === 'remove' && key !== undefined && !Array.isArray(here)) delete here[key];
      else if (how === 'replace' && key !== undefined) here[key] = structuredClone(shared);
      else if (!Array.isArray(here)) here[name] = structuredClone(shared);
    }
    return copy;
  });
}

interface Pair {
  readonly fast: (one: unknown) => boolean;
  readonly zod: (one: unknown) => { readonly success: boolean; readonly data?: unknown };
}

/** Both ways: fast says yes exactly if the schema takes the value and changes nothing. */
function expectAgreement(pair: Pair, one: unknown): boolean {
  const parsed = pair.zod(one);
  const unchanged = parsed.success && fc.stringify(parsed.data) === fc.stringify(one);
  expect(pair.fast(one)).toBe(unchanged);
  return unchanged;
}

/** Key order is the input's in one and the schema's in the other. */
function sorted(one: unknown): unknown {
  if (Array.isArray(one)) return one.map(sorted);
  if (typeof one !== 'object' || one === null || one instanceof Uint8Array) return one;
  return Object.fromEntries(
    Object.entries(one)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  );
}

function pairOf(method: string): Pair {
  if (!isMethod(method)) throw new Error(method);
  const fast: ((one: unknown) => boolean) | undefined = FAST_PARAMS[method];
  if (fast === undefined) throw new Error(`${method} has no quick check`);
  return {
    fast,
    zod: (one) => {
      const parsed = METHOD_SCHEMAS[method].safeParse(one, { jitless: true });
      return parsed.success ? { success: true, data: sorted(parsed.data) } : { success: false };
    },
  };
}

const HELLO_PAIR: Pair = {
  fast: fastHello,
  zod: (one) => {
    const parsed = hello.safeParse(one, { jitless: true });
    return parsed.success ? { success: true, data: sorted(parsed.data) } : { success: false };
  },
};

describe('quick checks agree with the schemas', () => {
  const cases = [
    ...Object.keys(PARAMS).map((method) => [method, PARAMS[method], pairOf(method)] as const),
    ['HELLO', HELLO, HELLO_PAIR] as const,
  ];

  it.each(cases)('%s', (_name, arbitrary, pair) => {
    let taken = 0;
    fc.assert(
      fc.property(arbitrary ?? fc.constant({}), (one) => {
        if (expectAgreement(pair, sorted(one))) taken += 1;
      }),
      { numRuns: 600 },
    );
    expect(taken).toBeGreaterThan(60);
    fc.assert(
      fc.property((arbitrary ?? fc.constant({})).chain(mutated), (one) => {
        expectAgreement(pair, sorted(one));
      }),
      { numRuns: 1_000 },
    );
    fc.assert(
      fc.property(value, (one) => {
        expectAgreement(pair, one);
      }),
    );
  });

  it('exist for no method that the test does not know', () => {
    expect(Object.keys(FAST_PARAMS).toSorted()).toEqual(Object.keys(PARAMS).toSorted());
  });
});

describe('sizes', () => {
  it('are those of the encoding, to the byte', () => {
    fc.assert(
      fc.property(value, (one) => {
        const { length } = encodeValue(one);
        expect(fits(one, length)).toBe(true);
        expect(fits(one, length - 1)).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  it('of undefined members are not counted', () => {
    expect(fits({ a: 1, b: undefined }, 4)).toBe(true);
    expect(fits({ a: 1, b: undefined }, 3)).toBe(false);
  });
});

describe('texts', () => {
  it('are measured in bytes of UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.nat({ max: 60 }), (text, max) => {
        expect(isText(text, max)).toBe(!/\p{Surrogate}/u.test(text) && new TextEncoder().encode(text).length <= max);
      }),
    );
  });

  it('with lone surrogates are none', () => {
    expect([isText('\ud800', 9), isText('a\udc00', 9), isText('\ud800\ud800', 9), isText('\ud83e\udd94', 4)]).toEqual([
      false,
      false,
      false,
      true,
    ]);
  });

  it('as names hold no control characters', () => {
    for (const code of [0, 9, 10, 13, 31, 127, 128, 133, 159])
      expect(isName(`a${String.fromCharCode(code)}`, 9), String(code)).toBe(false);
    for (const code of [32, 126, 160, 0x2028])
      expect(isName(`a${String.fromCharCode(code)}`, 9), String(code)).toBe(true);
    expect([isName('', 9), isLabel('', 9)]).toEqual([false, true]);
  });

  it('as tokens are digits', () => {
    expect(['1', '0', '1'.repeat(20)].every(isFence)).toBe(true);
    expect(['', '1'.repeat(21), '-1', '1e3', '１'].some(isFence)).toBe(false);
  });

  it('as topics say what is wrong with them', () => {
    expect(topicFault('task.tsk_01')).toBeUndefined();
    expect(topicFault('task.*')).toContain('wildcards');
    expect(subscriptionFault('task.*.x.>')).toBeUndefined();
    expect(subscriptionFault('task.x*')).toContain('wildcard');
    expect(topicFault('a/b')).toContain('tokens');
  });
});

describe('faults', () => {
  it('are told for everything at once, with where and why', () => {
    const result = parseParams('task.create', {
      type: 5,
      priority: 'x',
      retry: { factor: 0, maxAttempts: 'many' },
      labels: { a: 1 },
      requirements: [''],
    });
    expect(result).toEqual({
      ok: false,
      error: [
        { path: 'type', reason: 'must be a string' },
        { path: 'priority', reason: 'must be one of: low, normal, high, critical' },
        { path: 'requirements.0', reason: 'must be 1 to 128 bytes of UTF-8 without control characters' },
        { path: 'labels.a', reason: 'must be a string' },
        { path: 'retry.maxAttempts', reason: 'must be a number' },
        { path: 'retry.factor', reason: 'must be at least 1' },
      ],
    });
  });

  it('are at most as many as are allowed, however many there are', () => {
    const result = parseParams('task.createBatch', { tasks: Array.from({ length: 1_000 }, () => ({})) });
    expect(result.ok ? [] : result.error).toHaveLength(LIMITS.faultsMax);
  });

  it('have short paths, however long the keys', () => {
    const result = parseParams('task.create', { type: 'a', labels: { ['k'.repeat(5_000)]: 1 } });
    const paths = result.ok ? [] : result.error.map(({ path }) => path.length);
    expect(paths.length).toBeGreaterThan(0);
    expect(Math.max(...paths)).toBeLessThan(220);
  });

  it('of size alone are TOO_LARGE, with others INVALID_PARAMS', () => {
    const large = { path: 'a', reason: 'is larger', code: 'TOO_LARGE' } as const;
    expect(rejectionOf([large]).code).toBe('TOO_LARGE');
    expect(rejectionOf([large, { path: 'b', reason: 'x' }])).toEqual({
      code: 'INVALID_PARAMS',
      details: [large, { path: 'b', reason: 'x' }],
    });
  });

  it('never come as an exception, whatever is given to whichever method', () => {
    const methods = Object.keys(OPERATIONS).filter(isMethod);
    fc.assert(
      fc.property(fc.constantFrom(...methods), fc.oneof(value, fc.anything()), (method, one) => {
        expect(typeof parseParams(method, one).ok).toBe('boolean');
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a check of several params', () => {
  it('says what is wrong with them, also where the param that it names is not there', () => {
    const task = { type: 'a' };
    for (const [method, params, reason] of [
      ['schedule.create', { task }, 'exactly one of at, delayMs, everyMs and cron is needed'],
      [
        'schedule.create',
        { task, everyMs: 5_000, delayMs: 1 },
        'exactly one of at, delayMs, everyMs and cron is needed',
      ],
      ['schedule.update', { id: 'sch_1', everyMs: 5_000, delayMs: 1 }, 'at most one of at, delayMs, everyMs and cron'],
      ['task.distribute', { type: 'a', copies: 2, each: {} }, 'needs one of parts, copies and each'],
    ] as const) {
      expect(parseParams(method, params), reason).toMatchObject({ ok: false, error: [{ reason }] });
    }
  });
});

describe('frames of clients', () => {
  it('HELLO is parsed, its unknown keys dropped', () => {
    const body = { v: [1, 0, 0], client: { name: 'a', version: '1' }, auth: { token: 't' } };
    expect(parseHello(body)).toEqual({ ok: true, value: body });
    expect(parseHello({ ...body, later: 1, client: { ...body.client, lang: 'go' } })).toEqual({
      ok: true,
      value: body,
    });
    expect(parseHello({})).toMatchObject({ ok: false, error: [{ path: 'v' }, { path: 'client' }, { path: 'auth' }] });
  });

  it('the others too', () => {
    expect(parseRequest({ m: 'task.get' })).toEqual({ ok: true, value: { m: 'task.get' } });
    expect(parseRequest({ m: 'task.get', p: { id: 'a' }, x: 1 })).toEqual({
      ok: true,
      value: { m: 'task.get', p: { id: 'a' } },
    });
    expect(parseRequest({ p: [] })).toMatchObject({
      error: [
        { path: 'm', reason: 'is required' },
        { path: 'p', reason: 'must be a map' },
      ],
    });
    expect(parseBeat({ rev: 5, now: 1_767_225_600_000 }).ok).toBe(true);
    expect(parseBeat({ rev: -1 }).ok).toBe(false);
    expect(parseReauth({ token: 'x' }).ok).toBe(true);
    expect(parseReauth({}).ok).toBe(false);
    expect(parseBye({}).ok).toBe(true);
    expect(parseBye({ requeue: 1 }).ok).toBe(false);
  });
});
