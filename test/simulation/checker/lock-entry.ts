/**
 * One entry as far as it is about locks: what was asked for the first time, which locks it made, ended and changed, which requests
 * began and stopped to wait.
 */
import type { LockView } from '../../../protocol/wire/locks.ts';
import type { LockCommand, LocksObservation, LockTold } from './history.ts';
import { membersOf, type Held, type LockBook, type LockState, type Terms, type Wait } from './lock-book.ts';
import { needsOf } from './lock-modes.ts';
import type { Mark } from './records.ts';
import { field, text } from './values.ts';
import type { World } from './world.ts';

/** Refusals after which the key is as if it had not been used. */
const AGAIN: ReadonlySet<string> = new Set([
  ...['BUSY', 'QUEUE_FULL', 'DEADLOCK', 'WAIT_TIMEOUT', 'UNAVAILABLE', 'SESSION_EXPIRED', 'OUTCOME_UNKNOWN'],
]);
const ACQUIRING: ReadonlySet<string> = new Set(['lock.acquire', 'lock.acquireAll']);

/** A lock was given for a request: at once, or after it had waited. */
export interface Grant {
  readonly lock: string;
  readonly terms: Terms;
  readonly requestId: string | undefined;
}

export interface LockStep {
  readonly book: LockBook;
  readonly mark: Mark;
  readonly before: LockState;
  readonly after: LockState;
  /** Those that it carried out, in order; what was answered again is not among them. */
  readonly commands: readonly LockCommand[];
  readonly told: readonly LockTold[];
  readonly grants: readonly Grant[];
  /** It has nothing else to do with locks than this one command. */
  readonly alone: boolean;
}

export function lockOf(result: unknown): LockView | undefined {
  const lock = field(result, 'lock');
  return typeof lock === 'object' && lock !== null ? (lock as LockView) : undefined;
}

/** A push to an owner. */
export function ordersOf(told: readonly LockTold[], event: string): readonly LockTold[] {
  return told.filter((one) => one.topic === undefined && one.event === event);
}

export class LockSteps {
  readonly #world: World;
  readonly #ran = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  take(book: LockBook, observed: LocksObservation, mark: Mark): LockStep {
    const before = book.state;
    const commands = observed.commands.filter((command) => this.#isFirst(command, book));
    const grants = grantsOf(book, { commands, told: observed.told, principalOf: (id) => this.#principal(id) });
    for (const view of [...observed.held]) {
      const former = before.held.get(view.id)?.view.owner;
      if (former !== undefined && former !== view.owner) book.renamed(former, view.owner);
    }
    for (const view of observed.waits) {
      const former = before.waits.find((wait) => wait.view.requestId === view.requestId)?.view.owner;
      if (former !== undefined && former !== view.owner) book.renamed(former, view.owner);
    }
    const held = new Map(
      observed.held.map((view) => [
        view.id,
        heldOf(view, { former: before.held.get(view.id), grants, commands, mark }),
      ]),
    );
    const waits = observed.waits.map((view): Wait => {
      const former = before.waits.find((wait) => wait.view.requestId === view.requestId);
      const place = book.places.get(view.requestId) ?? Infinity;
      const terms = book.asked.get(view.requestId);
      return { view, place, needs: needsOf(membersOf(view)), terms, since: former?.since ?? mark };
    });
    const after: LockState = { held, waits: waits.toSorted((a, b) => a.place - b.place) };
    book.before = before;
    book.state = after;
    book.states.push({ rev: mark.rev, live: mark.live, state: after });
    const alone = observed.commands.length === 1 && grants.length <= 1;
    return { book, mark, before, after, commands, told: observed.told, grants, alone };
  }

  #principal(session: string): string | undefined {
    return this.#world.sessions.get(session)?.principal;
  }

  /** An answer that was remembered is no second execution. */
  #isFirst({ session, reqId, k, ok, code = '' }: LockCommand, { tenant }: LockBook): boolean {
    const byId = JSON.stringify([session, reqId]);
    const byKey = k === undefined ? byId : JSON.stringify([tenant.id, this.#principal(session), k]);
    if (this.#ran.has(byId) || this.#ran.has(byKey)) return false;
    this.#ran.add(byId);
    // What may be asked again is carried out again (Q15).
    if (ok || !AGAIN.has(code)) this.#ran.add(byKey);
    return true;
  }
}

function grantsOf(
  book: LockBook,
  of: {
    readonly commands: readonly LockCommand[];
    readonly told: readonly LockTold[];
    readonly principalOf: (session: string) => string | undefined;
  },
): Grant[] {
  const grants: Grant[] = [];
  for (const { method, params, ok, result, session } of of.commands) {
    if (!ok || (!ACQUIRING.has(method) && method !== 'lock.convert')) continue;
    const terms: Terms = { method, params, principal: of.principalOf(session) };
    const lock = lockOf(result);
    const requestId = text(result, 'requestId');
    if (requestId !== undefined) {
      book.asked.set(requestId, terms);
      book.places.set(requestId, book.places.size);
    }
    if (lock !== undefined) grants.push({ lock: lock.id, terms, requestId: undefined });
  }
  for (const { data } of ordersOf(of.told, 'lock.granted')) {
    const requestId = text(data, 'requestId') ?? '';
    const terms = book.asked.get(requestId);
    const lock = lockOf(data)?.id ?? text(data, 'id');
    if (lock === undefined || terms === undefined) continue;
    book.grantedAs.set(requestId, lock);
    grants.push({ lock, terms, requestId });
  }
  return grants;
}

function heldOf(
  view: LockView,
  from: {
    readonly former: Held | undefined;
    readonly grants: readonly Grant[];
    readonly commands: readonly LockCommand[];
    readonly mark: Mark;
  },
): Held {
  const { former, mark } = from;
  const grants = from.grants.filter(({ lock }) => lock === view.id);
  const acquired = grants.filter(({ terms }) => ACQUIRING.has(terms.method));
  const extended = from.commands.some(
    ({ method, params, ok }) => ok && method === 'lock.extend' && text(params, 'id') === view.id,
  );
  // Whether a lock that is acquired once more lasts longer by that is not said.
  const sure = extended || former === undefined;
  const members = membersOf(view);
  return {
    view,
    members,
    needs: needsOf(members),
    terms: [...(former?.terms ?? []), ...acquired.map(({ terms }) => terms)],
    extended: sure ? mark.live : former.extended,
    perhaps: sure || grants.length > 0 ? mark.live : former.perhaps,
    since: former?.since ?? mark,
  };
}
