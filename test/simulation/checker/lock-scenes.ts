/** Courses of locks for tests: entries of tenant a that show them, behind a story that knows of none. */
import type { LockMode, LockView, LockWaitView } from '../../../protocol/wire/locks.ts';
import type { Edit } from './edit.ts';
import type { HistoryEvent, LockCommand, LocksObservation, LockTold } from './history.ts';
import { entry } from './story-book.ts';

/** Two sessions that are there. */
export interface Cast {
  readonly a: string;
  readonly b: string;
}

const FIRST_TOKEN = 2 ** 40 + 1_000;
const MISSING = { session: '', conn: '', client: '' };

export function castOf(events: readonly HistoryEvent[]): {
  readonly a: typeof MISSING;
  readonly b: typeof MISSING;
} {
  const clients = new Map(events.flatMap((e) => (e.kind === 'connect' ? [[e.conn, e.client] as const] : [])));
  const found = events.flatMap((e) =>
    e.kind === 'welcome' && e.tenant === 'a'
      ? [{ session: e.session, conn: e.conn, client: clients.get(e.conn) ?? '' }]
      : [],
  );
  return { a: found[0] ?? MISSING, b: found[1] ?? MISSING };
}

export function lock(n: number, owner: string, path: string, more: Partial<LockView> = {}): LockView {
  const token = String(FIRST_TOKEN + n);
  const held = { count: 1, state: 'held', ttlMs: 15_000, expiresInMs: 15_000, autoRefresh: true } as const;
  return { id: `lck_${n}`, path, mode: 'exclusive', token, owner, ...held, acquiredAt: 1, ...more };
}

export function wait(n: number, owner: string, path: string, mode: LockMode = 'exclusive'): LockWaitView {
  return { requestId: `lrq_${n}`, owner, path, mode, waitedMs: 0 };
}

let asked = 1_000;

export function ok(session: string, method: string, params: object, result: object): LockCommand {
  asked += 1;
  return { session, reqId: asked, method, params, ok: true, result };
}

export function refused(session: string, method: string, params: object, code: string, details?: object): LockCommand {
  asked += 1;
  return { session, reqId: asked, method, params, ok: false, code, result: details };
}

export function acquired(view: LockView, more: object = {}): LockCommand {
  const { owner, path, mode } = view;
  return ok(owner, 'lock.acquire', { path, mode, ...more }, { granted: true, lock: view });
}

export function queued({ owner, path, mode, requestId }: LockWaitView, waitMs = 60_000): LockCommand {
  return ok(owner, 'lock.acquire', { path, mode, waitMs }, { granted: false, requestId });
}

export function topical(event: string, { path, id }: LockView): LockTold {
  return { event, topic: `lock.${path.replaceAll('/', '.')}`, data: { id, path } };
}

export function seen(shown: Partial<LocksObservation>): LocksObservation {
  return { held: [], waits: [], commands: [], told: [], ...shown };
}

/** Entries one after the other. */
export function scene(make: (cast: Cast) => readonly Partial<LocksObservation>[]): Edit {
  return (events) => {
    const { a, b } = castOf(events);
    return make({ a: a.session, b: b.session }).reduce<readonly HistoryEvent[]>(
      (list, shown) => entry(() => ({ locks: seen(shown) }))(list),
      events,
    ) as HistoryEvent[];
  };
}
