/** Api keys that have ended: how long they are kept, what makes them leave, and that nothing makes one good again. */
import { afterEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { State } from '../../src/engine/kernel/state.ts';
import { ENGINE_VERSION, KEYS_LEAVE_VERSION } from '../../src/engine/port.ts';
import { inspect } from '../../src/engine/queries.ts';
import { codeOf, followed, Rig } from './rig.ts';

const BOUNDS = { ...LIMITS };
afterEach(() => void Object.assign(LIMITS, BOUNDS));

const KEPT = 100_000;

/** A tenant with an administrator's key and the session of its holder. */
class Keys {
  readonly rig = new Rig();
  readonly boss: string;

  constructor(version = ENGINE_VERSION) {
    Object.assign(LIMITS, { apiKeyKeptMs: KEPT });
    this.upgrade(2, version);
    this.rig.one({ kind: 'key.install', id: 'root', secretHash: 'h', role: 'admin', first: true });
    this.boss = this.open('root');
  }

  get state(): State {
    return this.rig.engine.state;
  }

  get ids(): readonly string[] {
    return [...this.state.apiKeysById].map(({ id }) => id);
  }

  upgrade(from: number, to: number): void {
    for (let version = from; version <= to; version += 1) this.rig.one({ kind: 'upgrade', version });
  }

  open(keyId: string): string {
    return this.rig.session({ principal: { id: `key:${keyId}`, role: 'admin', keyId } });
  }

  hello(keyId: string): string {
    return codeOf(this.rig.hello({ principal: { id: `key:${keyId}`, role: 'admin', keyId } }).reply);
  }

  make(keyId: string, more: object = {}): string {
    return codeOf(this.rig.ask(this.boss, 'apiKey.create', { role: 'member', keyId, secretHash: 'h', ...more }).reply);
  }

  revoke(id: string): string {
    return codeOf(this.rig.ask(this.boss, 'apiKey.revoke', { id }).reply);
  }
}

describe('a key that has ended', () => {
  const cases: readonly { readonly by: string; readonly end: (keys: Keys) => void; readonly after: number }[] = [
    { by: 'revocation', end: (keys) => void keys.revoke('k'), after: 0 },
    { by: 'time', end: () => undefined, after: 5_000 },
    {
      by: 'revocation before its time',
      end: (keys) => {
        keys.rig.tick(1_000);
        keys.revoke('k');
      },
      after: 0,
    },
    {
      by: 'time before a revocation, which counts no more',
      end: (keys) => {
        keys.rig.tick(5_000);
        keys.revoke('k');
      },
      after: 0,
    },
  ];

  it.each(cases)('by $by stays as long as is said, is revoked again alike, and leaves', ({ by, end, after }) => {
    const keys = new Keys();
    const expires = by.includes('time');
    keys.make('k', expires ? { expiresAt: keys.rig.now + 5_000 } : {});
    end(keys);
    const [at] = [...keys.state.timers.pending('apiKey')].map(({ due }) => due);
    const ended = (at ?? 0) - KEPT;
    expect(ended).toBeGreaterThan(0);
    keys.rig.tick(Math.max(ended, keys.rig.now) + after - keys.rig.now);
    expect(keys.revoke('k')).toBe('ok');
    keys.rig.tick(ended + KEPT - 1 - keys.rig.now);
    expect(keys.ids).toEqual(['k', 'root']);
    keys.rig.tick(1);
    expect(keys.ids).toEqual(['root']);
    expect(keys.revoke('k')).toBe('NOT_FOUND');
    expect([...keys.state.timers.pending('apiKey')]).toEqual([]);
  });

  it('leaves at the instant that its end gives, whatever is done with it after', () => {
    const keys = new Keys();
    const expiresAt = keys.rig.now + 5_000;
    keys.make('early', { expiresAt });
    keys.make('late', { expiresAt });
    keys.revoke('early');
    const revokedAt = keys.rig.now;
    keys.rig.tick(6_000);
    keys.revoke('late');
    const due = (id: string): number | undefined => keys.state.timers.get('apiKey', id)?.due;
    expect([due('early'), due('late'), due('root')]).toEqual([revokedAt + KEPT, expiresAt + KEPT, undefined]);
  });

  it('that has left opens no session, and one that is open by it is refused and ended', () => {
    const keys = new Keys();
    keys.make('k', { role: 'admin', expiresAt: keys.rig.now + 5_000 });
    const held = keys.open('k');
    keys.rig.tick(5_000 + KEPT);
    expect(keys.ids).toEqual(['root']);
    expect(keys.hello('k')).toBe('UNAUTHENTICATED');
    expect(keys.state.sessions.get(held)).toBeUndefined();
  });

  it('and left between what its holder asks in one entry is good for nothing behind that', () => {
    const keys = new Keys();
    Object.assign(LIMITS, { apiKeysMax: 2 });
    keys.make('k', { role: 'admin' });
    const held = keys.open('k');
    const asked = (
      session: string,
      id: number,
      method: 'apiKey.revoke' | 'apiKey.create' | 'topic.publish',
      params: object,
    ) => ({ kind: 'request', session, id, hash: 1, ack: 0, method, params: params as never }) as const;
    const { commands } = keys.rig.entry([
      asked(held, 1, 'topic.publish', { topic: 'a', data: 1 }),
      asked(keys.boss, 100, 'apiKey.revoke', { id: 'k' }),
      asked(keys.boss, 101, 'apiKey.create', { role: 'member', keyId: 'n', secretHash: 'h' }),
      asked(held, 2, 'topic.publish', { topic: 'a', data: 2 }),
    ]);
    expect(commands.slice(0, 3).map(({ reply }) => codeOf(reply))).toEqual(['ok', 'ok', 'ok']);
    expect(['UNAUTHENTICATED', 'SESSION_EXPIRED']).toContain(codeOf(commands[3]?.reply ?? { ok: true, result: null }));
    expect(keys.ids).toEqual(['n', 'root']);
  });
});

describe('at the bound', () => {
  it('the one that ended first makes room, and one that is good never does', () => {
    const keys = new Keys();
    Object.assign(LIMITS, { apiKeysMax: 5 });
    const now = keys.rig.now;
    keys.make('a');
    keys.make('b', { expiresAt: now + 1_000 });
    keys.make('c');
    keys.make('later', { expiresAt: now + 50_000 });
    expect(keys.make('no')).toBe('LIMIT_EXCEEDED');
    keys.rig.tick(2_000);
    keys.revoke('a');
    expect(keys.make('d')).toBe('ok');
    expect(keys.ids, 'b expired before a was revoked').toEqual(['a', 'c', 'd', 'later', 'root']);
    expect(keys.make('e')).toBe('ok');
    expect(keys.ids).toEqual(['c', 'd', 'e', 'later', 'root']);
    expect(keys.make('no')).toBe('LIMIT_EXCEEDED');
    expect(keys.ids).toEqual(['c', 'd', 'e', 'later', 'root']);
  });

  it('10,000 keys that were revoked hinder nobody', () => {
    const keys = new Keys();
    Object.assign(LIMITS, { apiKeysMax: 20 });
    for (let n = 0; n < 60; n += 1) {
      expect(keys.make(`k${n}`)).toBe('ok');
      expect(keys.revoke(`k${n}`)).toBe('ok');
    }
    expect(keys.state.apiKeys.size).toBe(20);
    expect(keys.state.timers.size).toBeLessThan(40);
  });
});

describe('the first key of a tenant', () => {
  it('is installed once, and not again after it has left', () => {
    const keys = new Keys();
    const install = (): string =>
      codeOf(keys.rig.one({ kind: 'key.install', id: 'root', secretHash: 'h', role: 'admin', first: true }).reply);
    keys.make('other', { role: 'admin' });
    const other = keys.open('other');
    expect(codeOf(keys.rig.ask(other, 'apiKey.revoke', { id: 'root' }).reply)).toBe('ok');
    expect(install()).toBe('ok');
    expect(keys.state.apiKeys.get('root')?.revokedAt, 'while it is kept').toBeDefined();
    keys.rig.tick(KEPT);
    expect(install()).toBe('ok');
    expect(keys.ids).toEqual(['other']);
    keys.rig.one({ kind: 'key.install', id: 'more', secretHash: 'h', role: 'admin' });
    expect(keys.ids, 'one that an operator makes').toEqual(['more', 'other']);
  });
});

describe('a state that goes over to the version from which on keys leave', () => {
  it('keeps those that have ended from their end on', () => {
    const keys = new Keys(KEYS_LEAVE_VERSION - 1);
    keys.make('gone');
    keys.make('short', { expiresAt: keys.rig.now + 1_000 });
    keys.make('good');
    keys.revoke('gone');
    keys.rig.tick(2 * KEPT);
    expect(keys.ids).toEqual(['gone', 'good', 'root', 'short']);
    expect(keys.state.timers.size).toBe(0);
    expect([...inspect(keys.rig.engine)].filter((one) => one !== undefined)).toEqual([]);
    keys.upgrade(KEYS_LEAVE_VERSION, ENGINE_VERSION);
    keys.rig.tick(1);
    expect(keys.ids).toEqual(['good', 'root']);
  });

  it('is the same, entry by entry, from every snapshot', () => {
    const keys = new Keys(KEYS_LEAVE_VERSION - 1);
    const steps: readonly (() => void)[] = [
      () => void keys.make('a'),
      () => void keys.make('b', { expiresAt: keys.rig.now + 1_000 }),
      () => void keys.revoke('a'),
      () => keys.upgrade(KEYS_LEAVE_VERSION, ENGINE_VERSION),
      () => void keys.make('c', { expiresAt: keys.rig.now + 50_000 }),
      () => void keys.rig.tick(50_000),
      () => void keys.revoke('c'),
      () => void keys.rig.tick(KEPT),
      () => void keys.rig.tick(KEPT),
    ];
    followed(keys.rig, steps, { go: (step) => step(), judge: () => undefined });
    expect(keys.ids).toEqual(['root']);
  });
});

it('a timer of a key that is lost is found and set again', () => {
  const keys = new Keys();
  keys.make('k');
  keys.revoke('k');
  const due = keys.state.timers.get('apiKey', 'k')?.due;
  keys.state.timers.clear('apiKey', 'k');
  keys.state.journal.commit();
  const codes = (): unknown[] => [...inspect(keys.rig.engine)].flatMap((one) => (one === undefined ? [] : [one.code]));
  expect(codes()).toEqual(['TIMER_MISSING']);
  keys.rig.one({ kind: 'mend' });
  expect([codes(), keys.state.timers.get('apiKey', 'k')?.due]).toEqual([[], due]);
});
