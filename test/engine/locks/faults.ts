/** What a bug may leave behind of locks: a state with all there can be of them, how each fault is planted, and what it is called. */
import type { FindingCode } from '../../../protocol/wire/observing.ts';
import type { LockMode } from '../../../protocol/wire/locks.ts';
import type { WriteMethod } from '../../../protocol/wire/operations.ts';
import { must } from '../../../src/base/assert.ts';
import type { State } from '../../../src/engine/kernel/state.ts';
import { ENGINE_VERSION } from '../../../src/engine/port.ts';
import { Rig } from '../rig.ts';

interface Answer {
  readonly lock: { readonly id: string; readonly token: string };
  readonly requestId: string;
}

/** Locks of every kind, requests, delays, owners that are there and away. */
export function locked() {
  const rig = new Rig();
  for (let next = 2; next <= ENGINE_VERSION; next += 1) rig.one({ kind: 'upgrade', version: next });
  const ask = (session: string, method: WriteMethod, params: object): Answer => {
    const { reply } = rig.ask(session, method, params);
    if (!reply.ok) throw new Error(reply.rejection.code);
    return reply.result as unknown as Answer;
  };
  const [one, two, gone] = [
    rig.session({ who: 'key:1' }),
    rig.session({ who: 'key:2' }),
    rig.session({ who: 'key:3' }),
  ];
  const admin = rig.session();
  const agent = rig.agent('robot');
  ask(two, 'lock.acquire', { path: 'lost', ttlMs: 1_000, lockDelayMs: 60_000 });
  rig.wait(2_000);
  const held = ask(one, 'lock.acquire', { path: 'doc/1' }).lock;
  const leased = ask(one, 'lock.acquire', { path: 'leased', ttlMs: 600_000, progressTimeoutMs: 600_000 }).lock;
  const several = ask(two, 'lock.acquireAll', { locks: [{ path: 'a' }, { path: 'b', mode: 'shared' }] }).lock;
  ask(agent.session, 'lock.acquire', { path: 'robot', scope: 'agent' });
  const asked = ask(one, 'lock.acquire', { path: 'asked' }).lock;
  ask(admin, 'lock.forceUnlock', { path: 'asked', reason: 'please', graceMs: 120_000 });
  ask(gone, 'lock.acquire', { path: 'away', graceMs: 120_000 });
  const shared = ask(one, 'lock.acquire', { path: 's', mode: 'shared' }).lock;
  ask(admin, 'lock.acquire', { path: 's', mode: 'shared' });
  const converts = ask(one, 'lock.convert', {
    ...{ id: shared.id, token: shared.token },
    mode: 'exclusive',
    waitMs: 600_000,
  }).requestId;
  const waits = ask(two, 'lock.acquire', { path: 'doc', waitMs: 600_000 }).requestId;
  ask(gone, 'lock.acquire', { path: 'doc/1', waitMs: 600_000 });
  rig.one({ kind: 'session.lost', session: gone, attach: 1 });
  return { rig, one, two, gone, held, leased, several, asked, shared, converts, waits };
}

export type Locked = ReturnType<typeof locked>;

const lock = (s: State, { id }: { readonly id: string }) => must(s.locks.get(id), 'a lock');

/** A lock of another owner, as if it had been granted. */
function grantBeside(
  s: State,
  of: { readonly like: { readonly id: string }; readonly owner: string; readonly mode: LockMode },
): void {
  const like = lock(s, of.like);
  const [first] = like.members;
  s.locks.put({
    ...like,
    id: 'lck_beside',
    owner: of.owner,
    members: [{ path: must(first, 'a path').path, mode: of.mode }],
    token: like.token,
  });
  s.locks.put({ ...like, token: like.token - 1_000 });
}

export const LOCK_FAULTS: readonly {
  readonly what: string;
  readonly codes: readonly FindingCode[];
  readonly plant: (s: State, planted: Locked) => void;
  readonly mended?: (s: State, planted: Locked) => boolean;
}[] = [
  {
    what: 'locks of a session that is not there',
    codes: ['LOCK_OWNER'],
    plant: (s, { held }) => s.locks.put({ ...lock(s, held), owner: 'ses_none' }),
    mended: (s) => s.lockOwners.get('ses_none')?.awaySince !== undefined,
  },
  {
    what: 'an owner that is away and of which nothing ends',
    codes: ['LOCK_OWNER'],
    plant: (s, { gone }) => s.timers.clear('lockGrace', gone),
    mended: (s, { gone }) => s.timers.get('lockGrace', gone) !== undefined,
  },
  {
    what: 'a lost session that does not count as away',
    codes: ['LOCK_OWNER', 'TIMER_ORPHAN'],
    plant: (s, { gone }) => s.lockOwners.drop(gone),
    mended: (s, { gone }) => s.lockOwners.get(gone)?.awaySince !== undefined,
  },
  {
    what: 'a session that is there and counts as away',
    codes: ['LOCK_OWNER'],
    plant: (s, { one }) => s.lockOwners.put({ id: one, session: undefined, awaySince: s.counters.live, graceMs: 0 }),
    mended: (s, { one }) => s.lockOwners.get(one) === undefined,
  },
  {
    what: 'a request of a session that has ended',
    codes: ['LOCK_OWNER'],
    plant: (s, { waits }) => {
      const wait = must(s.lockWaits.get(waits), 'a request');
      s.lockWaits.put({ ...wait, owner: 'ses_none' });
      s.lockOwners.put({ id: 'ses_none', session: undefined, awaySince: s.counters.live, graceMs: 0 });
    },
    mended: (s, { waits }) => s.lockWaits.get(waits) === undefined,
  },
  {
    what: 'an owner without locks',
    codes: ['LOCK_OWNER_ORPHAN'],
    plant: (s) => s.lockOwners.put({ id: 'ses_none', session: undefined, awaySince: 1, graceMs: 0 }),
    mended: (s) => s.lockOwners.get('ses_none') === undefined,
  },
  {
    what: 'two that may not be held beside each other',
    codes: ['LOCK_CONFLICT'],
    plant: (s, { held, two }) => grantBeside(s, { like: held, owner: two, mode: 'shared' }),
    mended: (s, { held }) => s.locks.get(held.id) === undefined && s.locks.get('lck_beside') !== undefined,
  },
  {
    what: 'a request for another mode of a lock that is not there',
    codes: ['LOCK_REQUEST'],
    plant: (s, { shared }) => s.locks.drop(shared.id),
    mended: (s, { converts }) => s.lockWaits.get(converts) === undefined,
  },
  {
    what: 'a request that waits for what is free',
    codes: ['LOCK_STALLED', 'TIMER_MISSING'],
    plant: (s, { held, waits }) => {
      s.locks.drop(held.id);
      s.timers.clear('lockWait', waits);
    },
    mended: (s, { waits }) => s.lockOfRequest(waits) !== undefined,
  },
  {
    what: 'a count of holders that is wrong',
    codes: ['LOCK_BOOK'],
    plant: (s) => {
      must(s.lockBook.placeOf('doc'), 'a place').held[0] += 1;
    },
  },
  {
    what: 'an intent without a cause',
    codes: ['LOCK_BOOK'],
    plant: (s, { two }) => {
      const place = must(s.lockBook.placeOf('leased'), 'a place');
      place.shareFor(two).held[1] += 1;
      place.held[1] += 1;
    },
  },
  {
    what: 'a count of requests that is wrong',
    codes: ['LOCK_BOOK'],
    plant: (s) => {
      must(s.lockBook.placeOf('doc/1'), 'a place').asked += 1;
    },
  },
  {
    what: 'a queue in which a request is missing',
    codes: ['LOCK_BOOK'],
    plant: (s, { waits }) => {
      const { seq } = must(s.lockWaits.get(waits), 'a request');
      must(s.lockBook.placeOf('doc'), 'a place').others[4]?.delete(seq);
    },
  },
  {
    what: 'a lock, a request and a delay without their timers',
    codes: ['TIMER_MISSING'],
    plant: (s, { leased, asked, waits }) => {
      s.timers.clear('lockLease', leased.id);
      s.timers.clear('lockProgress', leased.id);
      s.timers.clear('lockRevoke', asked.id);
      s.timers.clear('lockWait', waits);
      s.timers.clear('lockDelay', must(s.lockDelays.hold()[0], 'a delay').id);
    },
  },
  {
    what: 'timers of locks that are not there',
    codes: ['TIMER_ORPHAN'],
    plant: (s, { held }) => {
      for (const kind of ['lockWait', 'lockLease', 'lockProgress', 'lockGrace', 'lockRevoke', 'lockDelay'] as const)
        s.timers.set(kind, 'none', s.counters.live + 1_000_000);
      s.timers.set('lockLease', held.id, s.counters.live + 1_000_000);
    },
  },
];
