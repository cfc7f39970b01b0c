/** How requests for locks end: 24 (in exactly one way, lawfully, and in time), and that their owners are told (67). */
import type { LockTold } from './history.ts';
import { isOut, membersOf, workspacesOf, type LockBook, type Wait } from './lock-book.ts';
import { awaySince } from './lock-lives.ts';
import type { LockStep } from './lock-entry.ts';
import type { Mark } from './records.ts';
import { num, text } from './values.ts';
import type { World } from './world.ts';

/** Ends of requests that are pushed. */
const ENDS: ReadonlySet<string> = new Set(['lock.granted', 'lock.refused']);

export class LockWaits {
  readonly #world: World;
  readonly #late = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  entry(step: LockStep): void {
    const { book, mark, before, after, told } = step;
    const waiting = new Set(after.waits.map(({ view }) => view.requestId));
    for (const one of told) {
      if (one.topic === undefined && ENDS.has(one.event)) this.#ended(step, one, waiting);
    }
    for (const wait of before.waits) {
      const { requestId, owner } = wait.view;
      if (waiting.has(requestId) || book.ended.get(requestId)?.index === mark.index) continue;
      // Whoever left for good is told nothing.
      if (this.#isGone(book, wait)) continue;
      this.#world.report('24', `${requestId} waits no more, and ${owner} was not told why`, [
        wait.since.index,
        mark.index,
      ]);
    }
  }

  /** Nobody waits longer than it asked to. */
  rest(book: LockBook, mark: Mark): void {
    if (mark.up) return;
    for (const { view, terms, since } of book.state.waits) {
      const over = mark.live - since.live - (num(terms?.params, 'waitMs') ?? Infinity);
      if (over < 0 || this.#late.has(view.requestId)) continue;
      this.#late.add(view.requestId);
      this.#world.report('24', `${view.requestId} waits ${over} ms too long`, [since.index, mark.index]);
    }
  }

  #ended(step: LockStep, one: LockTold, waiting: ReadonlySet<string>): void {
    const { book, mark } = step;
    const requestId = text(one.data, 'requestId') ?? '';
    const how = one.event === 'lock.granted' ? 'granted' : (text(one.data, 'code') ?? '');
    const wrong = (message: string): void =>
      this.#world.report('24', `${requestId} ended (${how}): ${message}`, [first?.index, mark.index]);
    const first = book.ended.get(requestId);
    book.ended.set(requestId, { how, index: mark.index });
    if (first !== undefined) return wrong(`it had ended before (${first.how})`);
    if (!book.asked.has(requestId)) return wrong('nobody asked for it');
    if (waiting.has(requestId)) return wrong('it waits still');
    const wait = step.before.waits.find(({ view }) => view.requestId === requestId);
    if (wait === undefined) return;
    if (one.to !== undefined && !this.#isHis(book, wait, one.to))
      wrong(`${one.to} was told, it is ${wait.view.owner}'s`);
    const unlawful = this.#unlawful(step, wait, how);
    if (unlawful !== undefined) wrong(unlawful);
  }

  /** It left, or was ended. */
  #isGone(book: LockBook, { view }: Wait): boolean {
    if (book.tenant.adminOps.length > 0) return true;
    const sessions = book.sessionsOf(view.owner);
    return sessions.some(({ conns, server }) => server?.ended !== false || conns.some(({ left }) => left));
  }

  #isHis(book: LockBook, { view }: Wait, to: string): boolean {
    const sessions = book.sessionsOf(view.owner);
    return book.same(to, view.owner) || sessions.some(({ id, agentId }) => to === id || to === agentId);
  }

  #unlawful({ book, mark, commands, after }: LockStep, wait: Wait, how: string): string | undefined {
    const { params } = wait.terms ?? {};
    switch (how) {
      case 'granted': {
        const { there, sure } = book.presence(wait.view.owner, mark);
        return !there && sure ? 'its owner is away' : undefined;
      }
      case 'WAIT_TIMEOUT': {
        const early = wait.since.live + (num(params, 'waitMs') ?? 0) - mark.live;
        return early > 0 ? `${early} ms before its time` : undefined;
      }
      case 'CANCELLED': {
        const asked = commands.some(
          (one) => one.method === 'lock.cancel' && one.ok && text(one.params, 'requestId') === wait.view.requestId,
        );
        const { view, since } = wait;
        const parted = isOut(book, { owner: view.owner, members: membersOf(view), from: since, until: mark });
        return asked || parted || this.#isGone(book, wait) ? undefined : 'nobody asked for that';
      }
      case 'NOT_HELD': {
        const id = text(params, 'id') ?? '';
        if (wait.terms?.method !== 'lock.convert') return 'it was to convert nothing';
        return after.held.get(id)?.view.token === text(params, 'token') ? 'the lock is held' : undefined;
      }
      case 'SESSION_EXPIRED': {
        const away = awaySince(book, wait.view.owner, mark) !== undefined;
        return away || this.#isGone(book, wait) ? undefined : 'its session is there';
      }
      case 'RESOURCE_GONE': {
        const gone = workspacesOf(membersOf(wait.view)).some((id) => book.tenant.spaces?.isEnding(id) === true);
        return gone ? undefined : 'what it was to lock is there';
      }
      case 'DEADLOCK':
      case 'REENTRY_LIMIT':
      case 'LIMIT_EXCEEDED':
        return undefined;
      default:
        return 'no such end';
    }
  }
}
