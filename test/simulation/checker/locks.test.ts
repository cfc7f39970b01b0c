import { describe, expect, test } from 'vitest';
import { check } from './checker.ts';
import { both, covers, excludes, lacking, needsOf, normalised } from './lock-modes.ts';
import { acquired, lock, ok, queued, scene, topical, wait } from './lock-scenes.ts';
import { create, story } from './stories.ts';
import { LOCK_MODES } from '../../../protocol/wire/locks.ts';

describe('modes', () => {
  test('exclude each other both ways', () => {
    for (const a of LOCK_MODES) for (const b of LOCK_MODES) expect(excludes(a, b)).toBe(excludes(b, a));
  });

  test('what is in a mode excludes no more than that', () => {
    for (const strong of LOCK_MODES)
      for (const weak of LOCK_MODES.filter((mode) => covers(strong, mode)))
        for (const other of LOCK_MODES) if (excludes(weak, other)) expect(excludes(strong, other)).toBe(true);
  });

  test('the mode that is both excludes what either does, and nothing else', () => {
    for (const a of LOCK_MODES)
      for (const b of LOCK_MODES)
        for (const other of LOCK_MODES)
          expect(excludes(both(a, b), other), `${a} ${b} ${other}`).toBe(excludes(a, other) || excludes(b, other));
  });

  test('what is lacking of a mode is the least that makes it whole', () => {
    for (const has of LOCK_MODES)
      for (const mode of LOCK_MODES) {
        const lack = lacking(has, mode);
        if (covers(has, mode)) expect(lack).toBeUndefined();
        else {
          expect(covers(both(has, lack ?? has), mode), `${has} ${mode}`).toBe(true);
          const less = LOCK_MODES.filter((one) => covers(mode, one) && covers(both(has, one), mode));
          for (const one of less) expect(covers(one, lack ?? mode), `${has} ${mode} ${one}`).toBe(true);
        }
      }
    expect(lacking('shared', 'shared_intent_exclusive')).toBe('intent_exclusive');
    expect(lacking(undefined, 'shared_intent_exclusive')).toBe('shared_intent_exclusive');
  });

  test('a lock means intents on the paths above', () => {
    expect([...needsOf([{ path: 'a/b/c', mode: 'shared' }])]).toEqual([
      ['a/b/c', 'shared'],
      ['a', 'intent_shared'],
      ['a/b', 'intent_shared'],
    ]);
  });

  test('several paths are sorted, put together, and left out where another covers them', () => {
    const asked = [
      { path: 'b', mode: 'shared' },
      { path: 'b', mode: 'intent_exclusive' },
      { path: 'a/b', mode: 'exclusive' },
      { path: 'b/c', mode: 'shared' },
      { path: 'a', mode: 'shared' },
    ] as const;
    expect(normalised(asked)).toEqual([
      { path: 'a', mode: 'shared' },
      { path: 'a/b', mode: 'exclusive' },
      { path: 'b', mode: 'shared_intent_exclusive' },
    ]);
  });
});

test('a lawful course of locks violates nothing', () => {
  const made = story();
  create(made);
  const events = scene(({ a, b }) => {
    const [one, request] = [lock(1, a, 'x/y'), wait(1, b, 'x')];
    const two = lock(2, b, 'x');
    const granted = { event: 'lock.granted', to: b, data: { requestId: request.requestId, id: two.id, lock: two } };
    return [
      { held: [one], commands: [acquired(one)], told: [topical('lock.acquired', one)] },
      { held: [one], waits: [request], commands: [queued(request)] },
      {
        held: [two],
        commands: [ok(a, 'lock.release', { id: one.id, token: one.token }, { remaining: 0 })],
        told: [topical('lock.released', one), granted, topical('lock.acquired', two)],
      },
    ];
  })(made.run.events);
  expect(check({ format: 1, events })).toEqual([]);
});
