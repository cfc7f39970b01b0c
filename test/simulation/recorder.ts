/**
 * The history of a run as it is made, and what is counted about it.
 *
 * Owns: the clock of the history, ids of connections and of logical requests, counts of faults and rare events.
 */
import type { Frame } from '../../protocol/wire/types.ts';
import type { EventOf, HistoryEvent } from './checker/history.ts';
import type { Marks } from './marks.ts';
import type { VirtualTime } from './scheduler.ts';

/** An event without its time, which the recorder adds. */
type Timeless<E> = E extends { readonly at: number } ? Omit<E, 'at'> : never;
export type NewEvent = Timeless<HistoryEvent>;

/** Whose frame it is. */
export interface Speaker {
  readonly conn: string;
  readonly session: string;
  readonly tenant: string;
  readonly principal: string;
}

/** What went wrong outside of the history: an exception, a halted tenant, a server that does not start. */
export interface Trouble {
  readonly invariant: string;
  readonly message: string;
}

export class Recorder {
  readonly events: HistoryEvent[] = [];
  readonly faults = new Map<string, number>();
  readonly troubles: Trouble[] = [];
  readonly marks: Marks;
  /** Until then something that was done to the network may still show: the run does not end before. */
  restlessUntil = 0;
  readonly #time: VirtualTime;
  #conns = 0;
  #ops = 0;
  /** opId by session, id and body, and by principal, key and body. */
  readonly #bySession = new Map<string, Map<string, string>>();
  readonly #byKey = new Map<string, string>();
  /** Unanswered requests without a key, by session and id. */
  readonly #keyless = new Map<string, Map<number, string>>();
  readonly #sessionOf = new Map<string, string>();
  readonly #answered = new Set<string>();

  constructor(time: VirtualTime, marks: Marks) {
    this.#time = time;
    this.marks = marks;
  }

  add(event: NewEvent): void {
    this.events.push({ ...event, at: this.#time.now });
  }

  newConn(): string {
    this.#conns += 1;
    return `c${this.#conns}`;
  }

  fault(kind: string, about: Omit<EventOf<'fault'>, 'at' | 'kind' | 'fault'> = {}): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
    this.add({ kind: 'fault', fault: kind, ...about });
  }

  restless(ms: number): void {
    this.restlessUntil = Math.max(this.restlessUntil, this.#time.now + ms);
  }

  trouble(invariant: string, message: string): void {
    this.troubles.push({ invariant, message });
  }

  /** A request goes out: a new one, or one that was sent before. */
  request(speaker: Speaker, frame: Frame): void {
    const { conn, session } = speaker;
    const reqId = frame.id;
    const { k, ack } = frame.meta ?? {};
    const { m, p } = frame.body;
    const what = JSON.stringify([m, p]);
    const byId = `${session}#${reqId}`;
    const byKey = k === undefined ? undefined : JSON.stringify([speaker.tenant, speaker.principal, k, what]);
    const same = this.#bySession.get(byId)?.get(what);
    const known = same ?? (byKey === undefined ? undefined : this.#byKey.get(byKey));
    const optional = { ...(ack === undefined ? {} : { ack }) };
    const opId = known ?? this.#newOp();
    const ops = this.#bySession.get(byId) ?? new Map<string, string>();
    this.#bySession.set(byId, ops.set(what, opId));
    if (byKey !== undefined) this.#byKey.set(byKey, opId);
    else this.#noteKeyless(session, reqId, opId);
    if (known !== undefined) {
      this.marks.count(k === undefined ? 'request sent again' : 'keyed request sent again');
      this.add({ kind: 'send', opId, conn, session, reqId, ...optional });
      return;
    }
    const method = typeof m === 'string' ? m : '';
    this.add({
      kind: 'invoke',
      opId,
      conn,
      session,
      reqId,
      method,
      params: p ?? {},
      ...(k === undefined ? {} : { k }),
      ...optional,
    });
  }

  /** The program has another session now: what it sent under the former one without a key becomes another request. */
  sessionBegan(program: string, session: string): void {
    const former = this.#sessionOf.get(program);
    this.#sessionOf.set(program, session);
    if (former === undefined || former === session) return;
    for (const opId of this.#keyless.get(former)?.values() ?? []) this.add({ kind: 'info', opId });
    this.#keyless.delete(former);
  }

  answered(session: string, reqId: number, ok: boolean): void {
    this.#keyless.get(session)?.delete(reqId);
    if (!ok) return;
    const id = `${session}#${reqId}`;
    if (this.#answered.has(id)) this.marks.count('answer remembered');
    this.#answered.add(id);
  }

  /** The caller waits no longer for what it sent under this id. */
  gaveUp(session: string, reqId: number): void {
    for (const opId of this.#bySession.get(`${session}#${reqId}`)?.values() ?? []) {
      this.marks.count('caller gave up');
      this.add({ kind: 'info', opId });
    }
  }

  #noteKeyless(session: string, reqId: number, opId: string): void {
    const open = this.#keyless.get(session) ?? new Map<number, string>();
    this.#keyless.set(session, open.set(reqId, opId));
  }

  #newOp(): string {
    this.#ops += 1;
    return `o${this.#ops}`;
  }
}
