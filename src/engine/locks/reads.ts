/** What is read of locks: a path, lists, whether a token is good, who waits for whom. */
import type {
  LockBlocker,
  LockMember,
  LockParams,
  LockResults,
  LockView,
  TaskLocksView,
} from '../../../protocol/wire/locks.ts';
import { encodeValue } from '../../../protocol/wire/codec.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { State } from '../kernel/state.ts';
import { heldMode, type Waiting } from './book.ts';
import { lackOf, requestsBefore } from './judge.ts';
import type { LockRecord, LockWaitRecord } from './lock-records.ts';
import { conflictsOf, modeOf, type ModeNo } from './modes.ts';
import type { TaskRecord } from '../records.ts';
import { shownOwner } from './owners.ts';
import { lockView, waitView } from './view.ts';

/** How many entries one page may look at before it returns what it has, with a cursor. */
const SCAN_MAX = 5_000;

export function getLock(
  s: State,
  { path, limit = LIMITS.pageDefault }: LockParams['lock.get'],
): LockResults['lock.get'] {
  const place = s.lockBook.placeOf(path);
  const holders: LockView[] = [];
  let holderCount = 0;
  let bytes = 0;
  const below = { shared: place?.held[0] ?? 0, exclusive: place?.held[1] ?? 0 };
  for (const id of s.lockBook.locksOn(path)) {
    const lock = s.locks.get(id);
    if (lock === undefined) continue;
    holderCount += 1;
    const mode = lock.members.find((one) => one.path === path)?.mode;
    if (mode === 'intent_shared') below.shared -= 1;
    if (mode === 'intent_exclusive') below.exclusive -= 1;
    if (holders.length === limit || bytes > LIMITS.pageBytes) continue;
    const view = lockView(s, lock);
    bytes += encodeValue(view).length;
    holders.push(view);
  }
  const asked = [...(place?.needs.values() ?? [])].filter(({ wait }) => wait.members.some((one) => one.path === path));
  const queue = asked.toSorted(byQueue).slice(0, limit);
  const delayMs = delayOf(s, path);
  return {
    path,
    locked: holderCount > 0,
    holders,
    holderCount,
    below,
    queueLength: asked.length,
    queue: queue.map(({ wait }) => waitView(s, wait)),
    ...(delayMs === undefined ? undefined : { delayMs }),
  };
}

const byQueue = (a: Waiting, b: Waiting): number => Number(b.first) - Number(a.first) || a.wait.seq - b.wait.seq;

/** Of the owner that keeps others away for longest. */
function delayOf(s: State, path: string): number | undefined {
  let until: number | undefined;
  for (const owner of s.lockBook.placeOf(path)?.owners ?? []) {
    const delay = s.lockDelays.get(`${path} ${owner}`);
    if (delay !== undefined) until = Math.max(until ?? 0, delay.until);
  }
  return until === undefined ? undefined : Math.max(0, until - s.counters.live);
}

export function validateLock(s: State, { id, token }: LockParams['lock.validate']): LockResults['lock.validate'] {
  const lock = s.locks.get(id);
  if (lock === undefined || lock.token !== Number(token) || isOver(s, lock)) return { valid: false };
  return { valid: true, lock: lockView(s, lock) };
}

/** Its time is over, and it was not taken away yet. */
function isOver(s: State, { expiresAt }: LockRecord): boolean {
  return expiresAt !== undefined && expiresAt <= s.counters.live;
}

/** By path, or those of an owner by id. */
export function listLocks(s: State, asked: LockParams['lock.list']): LockResults['lock.list'] {
  const { owner, prefix, cursor, limit = LIMITS.pageDefault } = asked;
  const rows = owner === undefined ? byPath(s, prefix, cursor) : ofOwner(s, { owner, prefix, cursor });
  const locks: LockView[] = [];
  let bytes = 0;
  let looked = 0;
  for (const { key, lock } of rows) {
    looked += 1;
    if (lock !== undefined) {
      const view = lockView(s, lock);
      bytes += encodeValue(view).length;
      locks.push(view);
    }
    if (locks.length === limit || bytes > LIMITS.pageBytes || looked === SCAN_MAX) return { locks, cursor: key };
  }
  return { locks };
}

interface Row {
  readonly key: string;
  /** Undefined: told elsewhere in the list. */
  readonly lock: LockRecord | undefined;
}

function* byPath(s: State, prefix: string | undefined, cursor: string | undefined): IterableIterator<Row> {
  const { byPath: entries } = s.lockBook;
  const from = cursor === undefined ? (prefix ?? '') : `${cursor}\0`;
  for (const key of entries.from(from)) {
    const at = key.lastIndexOf(' ');
    const path = key.slice(0, at);
    if (!isBelow(path, prefix)) {
      if (prefix !== undefined && !path.startsWith(prefix)) return;
      continue;
    }
    const lock = s.locks.get(key.slice(at + 1));
    // A lock on several paths is told at the first that fits.
    const first = lock?.members.find((one) => isBelow(one.path, prefix));
    yield { key, lock: first?.path === path ? lock : undefined };
  }
}

/** The path itself, or one below it. */
function isBelow(path: string, prefix: string | undefined): boolean {
  return prefix === undefined || path === prefix || path.startsWith(`${prefix}/`);
}

function* ofOwner(
  s: State,
  asked: { readonly owner: string; readonly prefix: string | undefined; readonly cursor: string | undefined },
): IterableIterator<Row> {
  const { prefix, cursor = '' } = asked;
  const owner = s.sessions.get(asked.owner)?.lockOwner ?? asked.owner;
  const locks = [...(s.locksByOwner.of(owner) ?? [])].filter(({ id }) => id > cursor);
  for (const lock of locks.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    yield { key: lock.id, lock: lock.members.some((one) => isBelow(one.path, prefix)) ? lock : undefined };
  }
}

/** Who waits for whom, in the order in which they asked. */
export function lockGraph(s: State, asked: LockParams['lock.graph']): LockResults['lock.graph'] {
  const { prefix, cursor, limit = LIMITS.pageDefault } = asked;
  const waits: LockResults['lock.graph']['waits'][number][] = [];
  const after = cursor === undefined ? 0 : Number(cursor);
  let bytes = 0;
  let looked = 0;
  for (const wait of s.lockWaitsBySeq.set) {
    if (wait.seq <= after) continue;
    looked += 1;
    if (wait.members.some((one) => isBelow(one.path, prefix))) {
      const view = { ...waitView(s, wait), blockedBy: blockers(s, wait) };
      bytes += encodeValue(view).length;
      waits.push(view);
    }
    if (waits.length === limit || bytes > LIMITS.pageBytes || looked === SCAN_MAX)
      return { waits, cursor: String(wait.seq) };
  }
  return { waits };
}

/** What a task needs locked, and what it waits for if it does not have it. */
export function taskLocksView(s: State, { id, lockId }: TaskRecord, members: readonly LockMember[]): TaskLocksView {
  const wait = s.lockWaitsByOwner.of(id)?.first();
  if (wait === undefined) return { members, held: lockId !== undefined };
  return { members, held: false, requestId: wait.id, place: placeOf(s, wait), blockedBy: blockers(s, wait) };
}

/** From 1: behind so many requests that conflict with it; none behind the bound of a queue is told from the others. */
function placeOf(s: State, wait: LockWaitRecord): number {
  const before = new Set<number>();
  for (const { place, mode } of s.lockBook.needsOf(wait)) {
    for (const other of conflictsOf(mode)) {
      for (const one of requestsBefore(place, wait, other)) {
        before.add(one.wait.seq);
        if (before.size === LIMITS.lockQueueMax) return before.size + 1;
      }
    }
  }
  return before.size + 1;
}

function blockers(s: State, wait: LockWaitRecord): LockBlocker[] {
  const found: LockBlocker[] = [];
  for (const need of s.lockBook.needsOf(wait)) {
    const lack = lackOf(s.lockBook, wait.owner, need);
    for (const blocker of lack === undefined ? [] : blockersAt(s, need, lack)) {
      if (found.length === LIMITS.lockBlockersMax) return found;
      found.push(blocker);
    }
  }
  return found;
}

function* blockersAt(s: State, { place, path, wait }: Waiting, lack: ModeNo): IterableIterator<LockBlocker> {
  const conflicts = conflictsOf(lack);
  for (const owner of conflicts.some((other) => place.heldByOthers(wait.owner, other)) ? place.owners : []) {
    const share = place.shareOf(owner);
    const held = owner === wait.owner ? undefined : heldMode(share);
    if (held !== undefined && conflicts.some((other) => (share?.held[other] ?? 0) > 0)) {
      yield { path, owner: shownOwner(s, owner), mode: modeOf(held) };
    }
  }
  for (const other of conflicts) {
    for (const before of requestsBefore(place, wait, other)) {
      yield { path, owner: shownOwner(s, before.wait.owner), mode: modeOf(before.mode), requestId: before.wait.id };
    }
  }
}
