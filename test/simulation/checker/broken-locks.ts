/** Broken histories of locks. */
import type { HistoryEvent } from './history.ts';
import { acquired, castOf, lock, ok, queued, refused, scene, topical, wait } from './lock-scenes.ts';
import { create } from './stories.ts';
import { row, told, type Row } from './story-book.ts';

const quiet = told((made) => void create(made));

const SAID = { path: 'x', reason: 'planned' };

export const BROKEN_LOCKS: readonly Row[] = [
  row('18', 'a lock on a path and one below it', {
    legal: quiet,
    broken: scene(({ a, b }) => {
      const [one, two] = [lock(1, a, 'x'), lock(2, b, 'x/y')];
      const said = [topical('lock.acquired', one), topical('lock.acquired', two)];
      return [{ held: [one, two], commands: [acquired(one), acquired(two)], told: said }];
    }),
  }),
  row('20', 'a lock that is released under a token that it has not', {
    legal: quiet,
    broken: scene(({ a }) => {
      const one = lock(1, a, 'x');
      const release = ok(a, 'lock.release', { id: one.id, token: '7' }, { remaining: 0 });
      return [
        { held: [one], commands: [acquired(one)], told: [topical('lock.acquired', one)] },
        { commands: [release], told: [topical('lock.released', one)] },
      ];
    }),
  }),
  row('22', 'a lock that is given past a request which waits for it', {
    legal: quiet,
    broken: scene(({ a, b }) => {
      const [first, request] = [lock(1, a, 'x', { mode: 'shared' }), wait(1, b, 'x')];
      const second = lock(2, a, 'x/y', { mode: 'intent_shared' });
      return [
        { held: [first], commands: [acquired(first)], told: [topical('lock.acquired', first)] },
        { held: [first], waits: [request], commands: [queued(request)] },
        {
          waits: [request],
          commands: [ok(a, 'lock.release', { id: first.id, token: first.token }, { remaining: 0 })],
          told: [topical('lock.released', first)],
        },
        { held: [second], waits: [request], commands: [acquired(second)], told: [topical('lock.acquired', second)] },
      ];
    }),
  }),
  row('23', 'a request that waits for what nobody holds', {
    legal: quiet,
    broken: scene(({ b }) => {
      const request = wait(1, b, 'x');
      return [{ waits: [request], commands: [queued(request)] }];
    }),
  }),
  row('24', 'a request that ends without a word', {
    legal: quiet,
    broken: scene(({ a, b }) => {
      const [one, request] = [lock(1, a, 'x'), wait(1, b, 'x')];
      return [
        { held: [one], commands: [acquired(one)], told: [topical('lock.acquired', one)] },
        { held: [one], waits: [request], commands: [queued(request)] },
        { held: [one] },
      ];
    }),
  }),
  row('25', 'a lock that counts what nobody asked for', {
    legal: quiet,
    broken: scene(({ a }) => {
      const one = lock(1, a, 'x');
      return [
        { held: [one], commands: [acquired(one)], told: [topical('lock.acquired', one)] },
        { held: [{ ...one, count: 2 }] },
      ];
    }),
  }),
  row('28', 'a lock that is kept, and given to another', {
    legal: quiet,
    broken: scene(({ a, b }) => {
      const [one, two] = [lock(1, a, 'x'), lock(2, b, 'x')];
      const lost = { event: 'lock.lost', to: a, data: { id: one.id, reason: 'away' } };
      return [
        { held: [one], commands: [acquired(one, { external: true })], told: [topical('lock.acquired', one)] },
        { told: [lost, topical('lock.ended', one)] },
        { held: [two], commands: [acquired(two)], told: [topical('lock.acquired', two)] },
      ];
    }),
  }),
  row('29', 'two owners that wait for each other', {
    legal: quiet,
    broken: scene(({ a, b }) => {
      const [one, two] = [lock(1, a, 'x'), lock(2, b, 'y')];
      const [mine, yours] = [wait(1, a, 'y'), wait(2, b, 'x')];
      const said = [topical('lock.acquired', one), topical('lock.acquired', two)];
      return [
        { held: [one, two], commands: [acquired(one), acquired(two)], told: said },
        { held: [one, two], waits: [mine, yours], commands: [queued(mine), queued(yours)] },
      ];
    }),
  }),
  row('30', 'a deadlock of requests that do not wait for each other', {
    legal: quiet,
    broken: scene(({ a, b }) => {
      const [one, request] = [lock(1, a, 'x'), wait(1, b, 'x')];
      const cycle = [
        { requestId: 'lrq_2', owner: a, path: 'z', mode: 'exclusive' },
        { requestId: 'lrq_1', owner: b, path: 'x', mode: 'exclusive' },
      ];
      return [
        { held: [one], commands: [acquired(one)], told: [topical('lock.acquired', one)] },
        { held: [one], waits: [request], commands: [queued(request)] },
        {
          held: [one],
          waits: [request],
          commands: [refused(a, 'lock.acquire', { path: 'z', waitMs: 9 }, 'DEADLOCK', { cycle })],
        },
      ];
    }),
  }),
  row('31', 'one of two paths that were asked for together', {
    legal: quiet,
    broken: scene(({ a }) => {
      const one = lock(1, a, 'x', { members: [{ path: 'x', mode: 'exclusive' }] });
      const locks = [{ path: 'x' }, { path: 'y' }];
      const both = ok(a, 'lock.acquireAll', { locks }, { granted: true, lock: one });
      return [{ held: [one], commands: [both], told: [topical('lock.acquired', one)] }];
    }),
  }),
  row('32', 'an intent that no lock below means', {
    legal: quiet,
    broken: (events) => {
      const { a } = castOf(events);
      const one = lock(1, a.session, 'x/y');
      const made = scene(() => [{ held: [one], commands: [acquired(one)], told: [topical('lock.acquired', one)] }])(
        events,
      );
      return [...made, ...look(made, { below: { shared: 1, exclusive: 1 } })];
    },
  }),
  row('33', 'a lock that ends by force, and no administrator asked for it', {
    legal: quiet,
    broken: scene(({ a }) => {
      const one = lock(1, a, 'x');
      const lost = { event: 'lock.lost', to: a, data: { id: one.id, reason: 'forced', message: SAID.reason } };
      return [
        { held: [one], commands: [acquired(one)], told: [topical('lock.acquired', one)] },
        { told: [lost, topical('lock.ended', one)] },
      ];
    }),
  }),
  row('34', 'two programs that believe in one lock', {
    legal: quiet,
    broken: (events) => {
      const { a, b } = castOf(events);
      const at = events.at(-1)?.at ?? 0;
      const beliefs = [lock(1, a.session, 'x'), lock(2, b.session, 'x')].map((view, i): HistoryEvent => {
        const { client } = i === 0 ? a : b;
        return { kind: 'lock.belief', at, client, incarnation: 1, lock: view, since: at, until: at + 1_000 };
      });
      return [...events, ...beliefs];
    },
  }),
];

/** lock.get of the path x, and its answer. */
function look(events: readonly HistoryEvent[], shown: object): HistoryEvent[] {
  const { a } = castOf(events);
  const applied = events.findLast((event) => event.kind === 'applied' && event.tenant === 'a');
  const [at, rev] = [events.at(-1)?.at ?? 0, applied?.kind === 'applied' ? applied.rev : 0];
  const asked = { conn: a.conn, session: a.session, reqId: 9_000 };
  const result = { path: 'x', locked: false, holders: [], holderCount: 0, queueLength: 0, queue: [], ...shown };
  return [
    { kind: 'invoke', at, opId: 'look', ...asked, method: 'lock.get', params: { path: 'x' } },
    { kind: 'answer', at, ...asked, ok: true, rev, result },
  ];
}
