/**
 * What must be true of locks: whoever holds or waits is there, or its time runs; what is held beside each other may be; nobody
 * waits for what is free; the book says what the records say.
 *
 * Owns: locks of sessions and agents, and what all locks have in common. Does not own: whether a task has its locks (task-locks.ts).
 *
 * DL1 Of two locks that may not be held beside each other the older ends: whoever looks at tokens refuses it already.
 * DL2 The book is derived. It is compared path by path, and made anew from the records if it differs.
 */
import type { FindingCode } from '../../../protocol/wire/observing.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { State } from '../kernel/state.ts';
import type { TimerKind } from '../kernel/timers.ts';
import { LockBook } from '../locks/book.ts';
import { endLock, endWait } from '../locks/ends.ts';
import { firstBlocked } from '../locks/judge.ts';
import type { LockRecord } from '../locks/lock-records.ts';
import { conflictsOf, MODE_NOS, needsOf } from '../locks/modes.ts';
import { armGrace, follow, forgetOwner, hasAnything, holdsUntil, ownerAway, ownerBack } from '../locks/owners.ts';
import { ids, type Check } from './check.ts';
import { isOfTask } from './task-locks.ts';

type LockCode = Exclude<Extract<FindingCode, `LOCK_${string}`>, 'LOCK_ORPHAN'>;

/** Of a path with more records than this its sums alone are looked at. */
const RECORDS_MAX = 5_000;

export const LOCK_CHECKS: { readonly [C in LockCode]: Check } = {
  LOCK_BOOK: {
    entities: (s) => {
      const paths = new Set(s.lockBook.paths());
      for (const { members } of [...s.locks.hold(), ...s.lockWaits.hold()])
        for (const { path } of needsOf(members)) paths.add(path);
      return [...paths];
    },
    weight: recordsAt,
    wrong: ({ state: s }, path) => {
      if (recordsAt(s, path) > RECORDS_MAX) return sumsDiffer(s, path);
      const said = s.lockBook.describe(path);
      const should = bookOf(s, path).describe(path);
      return said === should ? undefined : `the book has ${said} of path ${path}, the records ${should}`;
    },
    mend: (_s, c) => c.events.push({ kind: 'locks', change: { kind: 'rebook' } }),
  },
  LOCK_OWNER: {
    settled: true,
    entities: (s) => [
      ...new Set([...s.locks.hold(), ...s.lockWaits.hold()].map(({ owner }) => owner).filter((o) => !isOfTask(o))),
    ],
    wrong: ({ state: s }, owner) => {
      if (!hasAnything(s, owner)) return undefined;
      const away = s.lockOwners.get(owner);
      const isAway = away?.awaySince !== undefined;
      if (isThere(s, owner)) return isAway ? `${owner} has locks, is there, and counts as away` : undefined;
      if (!isAway) return `${owner} has locks or waits for them, is not there, and does not count as away`;
      if (isGone(s, owner) && s.lockWaitsByOwner.count(owner) > 0) return `${owner} has ended, and requests of it wait`;
      const lock = s.locksByOwner.of(owner)?.first();
      const due = lock === undefined ? undefined : holdsUntil(lock, away);
      if (due === undefined || s.timers.get('lockGrace', owner) !== undefined) return undefined;
      return `${owner} is away, and nothing ends its locks`;
    },
    mend: (s, c, owner) => {
      const away = s.lockOwners.get(owner);
      if (isThere(s, owner)) return ownerBack(s, c, owner);
      if (away?.awaySince === undefined) ownerAway(s, c, { owner, graceMs: 0 });
      else armGrace(s, c, away);
      if (isGone(s, owner) && s.lockWaitsByOwner.count(owner) > 0)
        follow(c, { kind: 'unwait', owner, code: 'SESSION_EXPIRED' });
    },
  },
  LOCK_OWNER_ORPHAN: {
    settled: true,
    entities: (s) => ids(s.lockOwners.hold()),
    wrong: ({ state: s }, owner) => {
      const record = s.lockOwners.get(owner);
      if (record === undefined || hasAnything(s, owner)) return undefined;
      if (record.session !== undefined && s.sessions.get(record.session) !== undefined) return undefined;
      return `${owner} is known as an owner of locks, and has none`;
    },
    mend: forgetOwner,
  },
  LOCK_CONFLICT: {
    entities: (s) => ids(s.locks.hold()),
    wrong: ({ state: s }, id) => {
      const newer = newerBeside(s, id);
      return newer === undefined ? undefined : `lock ${id} is held beside ${newer.id}, which excludes it`;
    },
    mend: (s, c, id) => {
      const lock = s.locks.get(id);
      const newer = newerBeside(s, id);
      if (lock === undefined || newer === undefined) return;
      endLock(s, c, { lock, reason: 'forced', by: 'doctor', message: `it excludes ${newer.id}, which is newer` }); // DL1
    },
  },
  LOCK_REQUEST: {
    entities: (s) => ids(s.lockWaits.hold()),
    wrong: ({ state: s }, id) => {
      const lock = s.lockWaits.get(id)?.converts;
      if (lock === undefined || s.locks.get(lock) !== undefined) return undefined;
      return `request ${id} waits for another mode of lock ${lock}, which is not there`;
    },
    mend: (s, c, id) => {
      const wait = s.lockWaits.get(id);
      if (wait !== undefined) endWait(s, c, { wait, code: 'NOT_HELD' });
    },
  },
  LOCK_STALLED: {
    settled: true,
    entities: (s) => ids(s.lockWaits.hold()),
    wrong: ({ state: s }, id) => {
      const wait = s.lockWaits.get(id);
      if (wait === undefined || s.lockBook.isAway(wait.owner)) return undefined;
      if (firstBlocked(s.lockBook, wait, needsOf(wait.members)) !== undefined) return undefined;
      return `request ${id} waits, and what it wants is free`;
    },
    mend: (s, c, id) => {
      const wait = s.lockWaits.get(id);
      if (wait !== undefined) follow(c, { kind: 'regrant', owner: wait.owner, after: wait.seq - 1 });
    },
  },
};

/** Whoever speaks for it is connected. */
function isThere(s: State, owner: string): boolean {
  const session = s.sessions.get(s.lockOwners.get(owner)?.session ?? owner);
  if (session !== undefined) return session.attached;
  return s.agents.get(owner)?.attached ?? false;
}

/** Nobody can come back as it. */
function isGone(s: State, owner: string): boolean {
  const session = s.lockOwners.get(owner)?.session ?? owner;
  return s.sessions.get(session) === undefined && s.agents.get(owner) === undefined;
}

/** A lock of another owner, granted later, that this one excludes. */
function newerBeside(s: State, id: string): LockRecord | undefined {
  const lock = s.locks.get(id);
  if (lock === undefined) return undefined;
  const needs = needsOf(lock.members).filter(({ path, mode }) => {
    const place = s.lockBook.placeOf(path);
    return place !== undefined && conflictsOf(mode).some((other) => place.heldByOthers(lock.owner, other));
  });
  if (needs.length === 0) return undefined;
  // Only where the counts say that there is one.
  return s.locks
    .hold()
    .find(
      (other) =>
        other.owner !== lock.owner &&
        other.token > lock.token &&
        needsOf(other.members).some((there) =>
          needs.some(({ path, mode }) => path === there.path && conflictsOf(mode).includes(there.mode)),
        ),
    );
}

/** Records of all owners that have something at a path: what comparing it reads. */
function recordsAt(s: State, path: string): number {
  let count = 0;
  for (const owner of s.lockBook.placeOf(path)?.owners ?? [])
    count += s.locksByOwner.count(owner) + s.lockWaitsByOwner.count(owner);
  return count;
}

/** A book of the owners that the book has at a path, and of those that the records have exactly there. */
function bookOf(s: State, path: string): LockBook {
  const book = new LockBook();
  const owners = new Set(s.lockBook.placeOf(path)?.owners ?? []);
  for (const id of s.lockBook.locksOn(path)) owners.add(s.locks.get(id)?.owner ?? '');
  for (const { owner, members } of unknownHolders(s, path)) if (members.length > 0) owners.add(owner);
  book.rebuild({
    owners: s.lockOwners.hold().filter(({ id }) => owners.has(id)),
    locks: [...owners].flatMap((owner) => [...(s.locksByOwner.of(owner) ?? [])]),
    delays: s.lockDelays.hold().filter(({ owner }) => owners.has(owner)),
    waits: [...owners].flatMap((owner) => [...(s.lockWaitsByOwner.of(owner) ?? [])]),
  });
  return book;
}

/** Of a path that the book does not have: whoever the records say is there. */
function unknownHolders(s: State, path: string): readonly Pick<LockRecord, 'owner' | 'members'>[] {
  if (s.lockBook.placeOf(path) !== undefined) return [];
  const isAt = ({ members }: Pick<LockRecord, 'members'>): boolean =>
    needsOf(members).some((need) => need.path === path);
  return [...s.locks.hold().filter(isAt), ...s.lockWaits.hold().filter(isAt)];
}

function sumsDiffer(s: State, path: string): string | undefined {
  const place = s.lockBook.placeOf(path);
  if (place === undefined) return undefined;
  const sums = MODE_NOS.map(() => 0);
  for (const owner of place.owners) {
    const share = place.shareOf(owner);
    for (const mode of MODE_NOS)
      sums[mode] = (sums[mode] ?? 0) + (share?.held[mode] ?? 0) + (share?.delayed[mode] ?? 0);
  }
  if (MODE_NOS.every((mode) => sums[mode] === place.held[mode])) return undefined;
  return `the book counts ${place.held.join()} of path ${path}, of its owners ${sums.join()}`;
}

/** Timers of locks, and what each is for. */
export const LOCK_TIMERS = [
  'lockWait',
  'lockLease',
  'lockProgress',
  'lockRevoke',
  'lockDelay',
] as const satisfies readonly TimerKind[];
type LockTimer = (typeof LOCK_TIMERS)[number];

export function lockTimersExpected(s: State): readonly { readonly kind: TimerKind; readonly entity: string }[] {
  const of = (kinds: readonly LockTimer[], entities: readonly string[]) =>
    entities.flatMap((entity) => kinds.map((kind) => ({ kind, entity })));
  return [
    ...of(['lockWait'], ids(s.lockWaits.hold())),
    ...of(['lockLease', 'lockProgress', 'lockRevoke'], ids(s.locks.hold())),
    ...of(['lockDelay'], ids(s.lockDelays.hold())),
  ];
}

export function isLockTimer(kind: TimerKind): kind is LockTimer {
  return LOCK_TIMERS.some((one) => one === kind);
}

/** When it would be due, if it should be set: in full from now on where it is not known any more. */
export function lockTimerDue(s: State, timer: LockTimer, entity: string): number | undefined {
  const { live } = s.counters;
  const lock = s.locks.get(entity);
  switch (timer) {
    case 'lockWait': {
      const wait = s.lockWaits.get(entity);
      // A task waits for its locks without an end of their own.
      return wait === undefined || isOfTask(wait.owner) ? undefined : live + LIMITS.lockWaitMsMax;
    }
    case 'lockLease':
      return lock?.expiresAt;
    case 'lockProgress':
      return lock?.progressTimeoutMs === undefined ? undefined : live + lock.progressTimeoutMs;
    case 'lockRevoke':
      return lock?.revoking === undefined ? undefined : live;
    case 'lockDelay':
      return s.lockDelays.get(entity)?.until;
  }
}
