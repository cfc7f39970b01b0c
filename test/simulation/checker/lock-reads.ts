/**
 * What clients are shown and told of locks: reads and snapshots are those of their position (12, 32, G), orders are their
 * owner's (43).
 */
import type { LockView } from '../../../protocol/wire/locks.ts';
import { membersOf, type Held, type LockBook, type LockState } from './lock-book.ts';
import { lockOf } from './lock-entry.ts';
import { above, needsOf } from './lock-modes.ts';
import type { Answer, Conn } from './records.ts';
import type { EventOf } from './history.ts';
import { field, items, num, text } from './values.ts';
import type { World } from './world.ts';

type Ok = Answer['event'] & { readonly ok: true };

export class LockReads {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  answer(book: LockBook, { op, event, index }: Answer): void {
    if (!event.ok) return;
    const wrong = (id: '12' | '32', message: string): void =>
      this.#world.report(id, `${op.method}: ${message}`, [op.index, index]);
    switch (op.method) {
      case 'lock.get':
        return this.#get(book, event, { path: text(op.params, 'path') ?? '', wrong });
      case 'lock.validate':
        return this.#validate(book, event, { params: op.params, wrong });
      case 'lock.graph':
        return this.#graph(book, event, wrong);
      case 'lock.list':
        return this.#list(book, event, wrong);
    }
  }

  #get(
    book: LockBook,
    { rev, result }: Ok,
    { path, wrong }: { readonly path: string; readonly wrong: (id: '12' | '32', message: string) => void },
  ): void {
    const state = book.stateAt(rev);
    const held = [...state.held.values()];
    const here = held.filter(({ members }) => members.some((member) => member.path === path));
    if (num(result, 'holderCount') !== here.length || field(result, 'locked') !== here.length > 0) {
      wrong('12', `${path} has ${String(num(result, 'holderCount'))} holders, it had ${here.length}`);
    }
    const below = held.filter(({ members }) => members.some((member) => above(member.path).includes(path)));
    // Whether a lock on several paths counts once for each is not said.
    if (below.some(({ members }) => members.length > 1) || book.delayed(rev)) return;
    for (const kind of ['shared', 'exclusive'] as const) {
      const due = below.filter((one) => intentOf(one, path) === `intent_${kind}`).length;
      const shown = num(field(result, 'below'), kind);
      if (shown !== due) wrong('32', `${path} has ${String(shown)} ${kind} intents of locks below, it had ${due}`);
    }
    const queue = new Set(items(result, 'queue').map((one) => text(one, 'requestId')));
    for (const { view, needs } of state.waits) {
      const direct = membersOf(view).some((member) => member.path === path);
      const shown = queue.has(view.requestId);
      if ((direct && !shown && queue.size === num(result, 'queueLength')) || (shown && !needs.has(path)))
        wrong('12', `${view.requestId} is ${shown ? '' : 'not '}shown in the queue of ${path}`);
    }
  }

  #validate(
    book: LockBook,
    { rev, result }: Ok,
    { params, wrong }: { readonly params: unknown; readonly wrong: (id: '12', message: string) => void },
  ): void {
    const held = book.stateAt(rev).held.get(text(params, 'id') ?? '');
    const due = held?.view.token === text(params, 'token');
    if (field(result, 'valid') !== due) wrong('12', `${JSON.stringify(params)} is said to be ${due ? 'in' : ''}valid`);
  }

  #graph(book: LockBook, { rev, result }: Ok, wrong: (id: '12', message: string) => void): void {
    if (field(result, 'cursor') !== undefined) return;
    const due = book.stateAt(rev).waits.map(({ view }) => view.requestId);
    const shown = items(result, 'waits').map((one) => text(one, 'requestId') ?? '');
    if (shown.join() !== due.join()) wrong('12', `it shows ${shown.join()}, there waited ${due.join()}`);
  }

  #list(book: LockBook, { rev, result }: Ok, wrong: (id: '12', message: string) => void): void {
    if (field(result, 'cursor') !== undefined) return;
    const due = book.stateAt(rev).held;
    const shown = new Map(items(result, 'locks').map((one) => [text(one, 'id') ?? '', text(one, 'token')]));
    const fits = shown.size === due.size && [...due.values()].every(({ view }) => shown.get(view.id) === view.token);
    if (!fits) wrong('12', `it shows ${[...shown.keys()].join()}, there were ${[...due.keys()].join()}`);
  }

  /** Orders go to the owner; `lock.granted` shows a lock that is held under that token. */
  push(book: LockBook, conn: Conn, { event, data }: EventOf<'push'>, index: number): void {
    const { session } = conn;
    if (session === undefined || event !== 'lock.granted') return;
    const lock = lockOf(data);
    if (lock === undefined) return;
    const known = book.tokens.get(`${lock.id} ${lock.token}`);
    if (known === undefined) {
      this.#world.report('43', `granted ${lock.id} with the token ${lock.token}, which it never had`, [index]);
    } else if (!book.isOf(session, lock.owner) && !session.agentIds.has(lock.owner)) {
      this.#world.report('66', `${session.id} was told of ${lock.id}, which is ${lock.owner}'s`, [known.from, index]);
    }
  }

  /** Exactly the locks and requests that the session and its agent had at its position. */
  welcome(book: LockBook, { event, index }: { readonly event: EventOf<'welcome'>; readonly index: number }): void {
    const { snapshot, session, agentId, rev } = event;
    if (snapshot === undefined || snapshot.more !== undefined) return;
    // It may stand within an entry.
    const states = [book.stateAt(rev - 1), book.stateAt(rev), this.#next(book, rev)];
    const isOwn = ({ owner }: { readonly owner: string }): boolean =>
      book.same(owner, session) || (agentId !== undefined && book.same(owner, agentId));
    const locks = (state: LockState): string[] =>
      [...state.held.values()].flatMap(({ view }) => (isOwn(view) ? [`${view.id} ${view.token}`] : []));
    const shown = snapshot.locks.map(({ id, token }: LockView) => `${id} ${token}`);
    const every = states.map((state) => new Set(locks(state)));
    const lacks = locks(states[0] ?? book.state).find(
      (one) => !shown.includes(one) && every.every((set) => set.has(one)),
    );
    const extra = shown.find((one) => !every.some((set) => set.has(one)));
    if (lacks === undefined && extra === undefined) return;
    const message = lacks === undefined ? `wrongly lists ${extra ?? ''}` : `lacks ${lacks}`;
    this.#world.report('G', `the snapshot of ${session} ${message}`, [index]);
  }

  #next(book: LockBook, rev: number): LockState {
    return book.states.find((one) => one.rev > rev)?.state ?? book.state;
  }
}

/** What a lock below means here. */
function intentOf({ members }: Held, path: string): string | undefined {
  return needsOf(members.filter((member) => member.path !== path)).get(path);
}
