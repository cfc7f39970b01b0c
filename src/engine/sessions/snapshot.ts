/** What a session holds and waits for, for a client that could not be resumed: tasks, locks, requests and subscriptions, by pages. */
import { encodeValue } from '../../../protocol/wire/codec.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { SessionSnapshot } from '../../../protocol/wire/types.ts';
import type { State } from '../kernel/state.ts';
import type { LockRecord } from '../locks/lock-records.ts';
import { ownersOf } from '../locks/owners.ts';
import { taskLocks } from '../locks/task-locks.ts';
import { firstOf, lockView } from '../locks/view.ts';
import type { SessionRecord } from '../records.ts';
import { controlItems } from '../tasks/control-view.ts';
import { taskView } from '../tasks/view.ts';

/** A task with everything at its bound has 246 KiB, and beside it stands the rest of a WELCOME. */
const ROOM_BYTES = LIMITS.frameBytes - 8 * 1024;

type Item =
  | { readonly kind: 'task'; readonly cursor: string; readonly item: SessionSnapshot['tasks'][number] }
  | { readonly kind: 'lock'; readonly cursor: string; readonly item: SessionSnapshot['locks'][number] }
  | { readonly kind: 'wait'; readonly cursor: string; readonly item: SessionSnapshot['waits'][number] };

/**
 * The cursor names the last thing given: a task by its token, which rises, a lock by `l` and its token, a request by `w` and its
 * number. The subscriptions stand on the first page; what finds no room beside them is the first of the next.
 */
export function sessionSnapshot(
  s: State,
  asked: { readonly session: string; readonly cursor?: string },
): { readonly snapshot: SessionSnapshot } {
  const session = s.sessions.get(asked.session);
  const subs = asked.cursor === undefined ? [...(s.subsBySession.of(asked.session) ?? [])].map((sub) => sub.topic) : [];
  const found: Found = { tasks: [], locks: [], waits: [] };
  let last = asked.cursor ?? '0';
  let count = 0;
  let bytes = 0;
  for (const one of session === undefined ? [] : itemsAfter(s, session, last)) {
    bytes += encodeValue(one.item).length;
    const full = count === LIMITS.snapshotItems || (count > 0 && bytes > LIMITS.pageBytes);
    if (full || (subs.length > 0 && bytes + encodeValue(subs).length > ROOM_BYTES)) {
      return { snapshot: { ...found, subs, more: last } };
    }
    if (one.kind === 'task') found.tasks.push(one.item);
    else if (one.kind === 'lock') found.locks.push(one.item);
    else found.waits.push(one.item);
    last = one.cursor;
    count += 1;
  }
  return { snapshot: { ...found, subs } };
}

interface Found {
  readonly tasks: SessionSnapshot['tasks'][number][];
  readonly locks: SessionSnapshot['locks'][number][];
  readonly waits: SessionSnapshot['waits'][number][];
}

function* itemsAfter(s: State, session: SessionRecord, cursor: string): IterableIterator<Item> {
  const [part, after] = /^[lw]/.test(cursor) ? [cursor[0], Number(cursor.slice(1))] : ['t', Number(cursor)];
  if (part === 't') yield* tasksAfter(s, session, after);
  if (part !== 'w') yield* locksAfter(s, session, part === 'l' ? after : 0);
  yield* waitsAfter(s, session, part === 'w' ? after : 0);
}

function* tasksAfter(s: State, session: SessionRecord, after: number): IterableIterator<Item> {
  if (session.agentId === undefined) return;
  const losing = givenUp(s);
  for (const slot of s.assignmentsByAgent.of(session.agentId) ?? []) {
    if (slot.state !== 'current' || slot.token <= after || losing.has(slot.token)) continue;
    const task = s.tasks.get(slot.task);
    if (task === undefined) continue;
    const controls = controlItems(task);
    const locks = taskLocks(s, task);
    const item = {
      task: taskView(task, true),
      attempt: slot.attempt,
      token: String(slot.token),
      leaseMs: LIMITS.leaseMs,
      ...(locks === undefined ? undefined : { locks }),
      ...(controls === undefined ? undefined : { controls }),
    };
    yield { kind: 'task', cursor: item.token, item };
  }
}

function* locksAfter(s: State, session: SessionRecord, after: number): IterableIterator<Item> {
  const locks = ownersOf(s, session).flatMap((owner): readonly LockRecord[] => [...(s.locksByOwner.of(owner) ?? [])]);
  // By their tokens, of which no two are alike.
  for (const lock of locks.toSorted((a, b) => a.token - b.token)) {
    if (lock.token > after) yield { kind: 'lock', cursor: `l${lock.token}`, item: lockView(s, lock) };
  }
}

function* waitsAfter(s: State, session: SessionRecord, after: number): IterableIterator<Item> {
  const waits = ownersOf(s, session).flatMap((owner) => [...(s.lockWaitsByOwner.of(owner) ?? [])]);
  for (const { id, seq, members } of waits.toSorted((a, b) => a.seq - b.seq)) {
    if (seq > after) yield { kind: 'wait', cursor: `w${seq}`, item: { requestId: id, path: firstOf(members).path } };
  }
}

/** Tokens of assignments that are given up already, and only wait for the next entry to be. */
function givenUp(s: State): ReadonlySet<number> {
  return new Set(s.work.hold().flatMap((work) => (work.kind === 'lose' ? work.token : [])));
}
