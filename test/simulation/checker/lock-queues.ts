/**
 * Who holds beside whom and who comes before whom: 18, 22, 23, 29, 30, and refusals with BUSY.
 *
 * Whether an owner counts as holding something of a path if it holds something below it alone is not said. So a request must come
 * before another one only if it does under both readings, and may if it does under one.
 */
import { clashes, holdsOn, memberList, wanted } from './lock-book.ts';
import type { Held, LockBook, LockState, Reading, Wait } from './lock-book.ts';
import { ordersOf, type LockStep } from './lock-entry.ts';
import { needsOf, type Needs } from './lock-modes.ts';
import type { Mark } from './records.ts';
import { field, items, text, tokenValue } from './values.ts';
import type { World } from './world.ts';

const READINGS: readonly Reading[] = ['itself', 'below'];

interface Claim {
  readonly owner: string;
  readonly needs: Needs;
  /** Its place in the queues; Infinity: it came last. */
  readonly place: number;
}

export class LockQueues {
  readonly #world: World;
  readonly #reported = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  entry(step: LockStep): void {
    this.#compatible(step);
    for (const held of step.after.held.values()) this.#inOrder(step, held);
    for (const command of step.commands) {
      if (command.ok) continue;
      if (command.code === 'BUSY' && step.alone) this.#busy(step, command.params);
      if (command.code === 'DEADLOCK') this.#cycle(step, items(command.result, 'cycle'), command.params);
    }
    for (const { data } of ordersOf(step.told, 'lock.refused')) {
      if (text(data, 'code') === 'DEADLOCK') this.#cycle(step, items(data, 'cycle'), undefined);
    }
  }

  /** At the end of an entry after which nothing remains to be done. */
  rest(book: LockBook, mark: Mark): void {
    const { waits } = book.state;
    if (waits.length === 0) return;
    for (const wait of waits) this.#notForgotten(book, wait, mark);
    this.#acyclic(book, mark);
  }

  #once(key: string, report: () => void): void {
    if (this.#reported.has(key)) return;
    this.#reported.add(key);
    report();
  }

  #compatible({ book, mark, after }: LockStep): void {
    const list = [...after.held.values()];
    for (const [i, a] of list.entries()) {
      for (const b of list.slice(i + 1)) {
        if (book.same(a.view.owner, b.view.owner)) continue;
        const [path] = clashes(a.needs, b.needs);
        if (path === undefined) continue;
        this.#once(`18 ${a.view.token} ${b.view.token}`, () =>
          this.#world.report('18', `${a.view.id} and ${b.view.id} exclude each other on ${path}`, [
            a.since.index,
            b.since.index,
            mark.index,
          ]),
        );
      }
    }
  }

  /** What was given now was given past nobody. */
  #inOrder(step: LockStep, held: Held): void {
    const { book, mark, before, grants } = step;
    const former = before.held.get(held.view.id);
    if (former?.view.token === held.view.token) return;
    const owner = held.view.owner;
    // What it got before in the same entry it has already; tokens are in the order of grants.
    const token = tokenValue(held.view.token) ?? 0n;
    const got = [...step.after.held].filter(([, { view }]) => (tokenValue(view.token) ?? 0n) < token);
    const then: LockState = { held: new Map(got), waits: [] };
    const fresh = wanted(book, then, { owner, needs: wanted(book, before, { owner, needs: held.needs }) });
    // Several requests may have been granted the same lock: what it is was got by the first of them, or some of it.
    const requests = new Set(grants.flatMap(({ lock, requestId }) => (lock === held.view.id ? [requestId] : [])));
    const places = before.waits.flatMap(({ view, place }) => (requests.has(view.requestId) ? [place] : []));
    const claim: Claim = { owner, needs: fresh, place: Math.min(Infinity, ...places) };
    // It may have got something else before in the same entry.
    const others = [...step.after.held].filter(([id]) => id !== held.view.id);
    const rest: LockState = { held: new Map(others), waits: step.after.waits };
    for (const wait of step.after.waits) {
      if (wait.since === mark || book.same(wait.view.owner, owner)) continue;
      const presence = book.presence(wait.view.owner, mark);
      if (!presence.there || !presence.sure) continue;
      const passed = clashes(wanted(book, before, claimOf(wait)), fresh).find((path) =>
        READINGS.every((reading) =>
          surelyBefore(book, { first: claimOf(wait), other: claim, path }, reading, [before, rest]),
        ),
      );
      if (passed === undefined) continue;
      this.#world.report('22', `${held.view.id} was given past ${wait.view.requestId}, which waits for ${passed}`, [
        wait.since.index,
        mark.index,
      ]);
    }
  }

  /** Nobody waits whom nothing keeps. */
  #notForgotten(book: LockBook, wait: Wait, mark: Mark): void {
    if (!book.presence(wait.view.owner, mark).there) return;
    if (keeps(book, book.state, claimOf(wait), mark)) return;
    this.#once(`23 ${wait.view.requestId}`, () =>
      this.#world.report('23', `${wait.view.requestId} waits for ${wait.view.path}, and nothing keeps it`, [
        wait.since.index,
        mark.index,
      ]),
    );
  }

  #busy({ book, mark, before, after, commands }: LockStep, params: unknown): void {
    const session = this.#world.sessions.get(commands[0]?.session ?? '');
    if (session === undefined || commands[0]?.method === 'lock.convert') return;
    const owner = text(params, 'scope') === 'agent' ? (session.agentId ?? '') : session.id;
    const claim: Claim = { owner, needs: needsOf(memberList(params)), place: Infinity };
    if (keeps(book, before, claim, mark) || keeps(book, after, claim, mark)) return;
    this.#world.report('24', `refused as BUSY, and nothing keeps it: ${JSON.stringify(params)}`, [mark.index]);
  }

  /** 29, by what must come before what. */
  #acyclic(book: LockBook, mark: Mark): void {
    const there = book.state.waits.filter(({ view }) => {
      const { there, sure } = book.presence(view.owner, mark);
      return there && sure;
    });
    const next = new Map(there.map((wait) => [wait, there.filter((other) => waitsFor(book, wait, other))]));
    const done = new Set<Wait>();
    const visit = (wait: Wait, path: readonly Wait[]): void => {
      if (path.includes(wait)) {
        const cycle = path.slice(path.indexOf(wait)).map(({ view }) => view.requestId);
        this.#once(`29 ${cycle.toSorted().join(' ')}`, () =>
          this.#world.report('29', `${cycle.join(' → ')} wait for each other`, [
            ...path.map(({ since }) => since.index),
            mark.index,
          ]),
        );
        return;
      }
      if (done.has(wait)) return;
      for (const other of next.get(wait) ?? []) visit(other, [...path, wait]);
      done.add(wait);
    };
    for (const wait of there) visit(wait, []);
  }

  /** Each of a cycle that is stated waits for the next. */
  #cycle(step: LockStep, cycle: readonly unknown[], params: unknown): void {
    const { book, mark, before, after } = step;
    const wrong = (message: string): void => this.#world.report('30', message, [mark.index]);
    if (cycle.length < 2) return wrong('DEADLOCK without a cycle');
    const known = new Map<string, Needs>();
    for (const { waits } of [before, after]) for (const { view, needs } of waits) known.set(view.requestId, needs);
    // What is refused never waited.
    const refused = field(params, 'id') === undefined && params !== undefined ? memberList(params) : undefined;
    const needsIn = (item: unknown): Needs =>
      known.get(text(item, 'requestId') ?? '') ?? needsOf(refused ?? memberList(item));
    for (const [i, item] of cycle.entries()) {
      const next = cycle[(i + 1) % cycle.length];
      const owner = text(next, 'owner') ?? '';
      if (book.same(owner, text(item, 'owner') ?? '')) continue;
      const [mine, others] = [needsIn(item), needsIn(next)];
      // What came and went within the entry is not seen.
      const hidden = step.grants.some(({ lock }) => !after.held.has(lock)) && !step.alone;
      if (hidden || clashes(mine, others).length > 0) continue;
      const byLock = [before, after].some(({ held }) =>
        [...held.values()].some((one) => book.same(one.view.owner, owner) && clashes(mine, one.needs).length > 0),
      );
      if (byLock) continue;
      wrong(`${text(item, 'requestId')} does not wait for ${text(next, 'requestId')} of ${owner}`);
    }
  }
}

function claimOf({ view, needs, place }: Wait): Claim {
  return { owner: view.owner, needs, place };
}

/** Something may keep the request: what others hold, requests that may come before it, a delay. */
function keeps(book: LockBook, state: LockState, claim: Claim, mark: Mark): boolean {
  const wants = wanted(book, state, claim);
  const other = (owner: string): boolean => !book.same(owner, claim.owner);
  for (const held of state.held.values()) {
    if (other(held.view.owner) && clashes(wants, held.needs).length > 0) return true;
  }
  for (const delay of book.delays) {
    if (other(delay.owner) && mark.live < delay.until && clashes(wants, delay.perhaps).length > 0) return true;
  }
  return state.waits.some((wait) => {
    // Whether one comes behind what its own owner asked for before is not said.
    if (!other(wait.view.owner)) return wait.place < claim.place && clashes(wants, wait.needs).length > 0;
    const { there, sure } = book.presence(wait.view.owner, mark);
    if (!there && sure) return false;
    return clashes(wants, wait.needs).some((path) =>
      READINGS.some((reading) => perhapsBefore(book, { first: claimOf(wait), other: claim, path }, reading, state)),
    );
  });
}

/** Two that exclude each other on a path. */
interface Pair {
  readonly first: Claim;
  readonly other: Claim;
  readonly path: string;
}

/** `states`: what the first holds in all of them counts for it, what the other holds in any. */
function surelyBefore(book: LockBook, pair: Pair, reading: Reading, states: readonly LockState[]): boolean {
  const { first, other, path } = pair;
  const holds =
    ({ owner }: Claim) =>
    (state: LockState) =>
      holdsOn(book, state, { owner, path, reading });
  const a = states.every(holds(first));
  const b = isKeptFor(book, other, path).perhaps || states.some(holds(other));
  return a === b ? first.place < other.place : a;
}

function perhapsBefore(book: LockBook, pair: Pair, reading: Reading, state: LockState): boolean {
  const { first, other, path } = pair;
  const holds = ({ owner }: Claim): boolean => holdsOn(book, state, { owner, path, reading });
  const a = isKeptFor(book, first, path).perhaps || holds(first);
  const b = isKeptFor(book, other, path).surely || holds(other);
  return a === b ? first.place < other.place : a;
}

/** What is kept for its last owner is as if that held it still. */
function isKeptFor(book: LockBook, { owner }: Claim, path: string): { perhaps: boolean; surely: boolean } {
  const own = book.delays.filter((delay) => book.same(delay.owner, owner));
  return {
    perhaps: own.some(({ perhaps }) => perhaps.has(path)),
    surely: own.some(({ needs, over }) => !over && needs.has(path)),
  };
}

/** Surely: for what the owner of the other one holds, or for the other one itself. */
function waitsFor(book: LockBook, wait: Wait, other: Wait): boolean {
  if (book.same(wait.view.owner, other.view.owner)) return false;
  const { state } = book;
  const wants = wanted(book, state, claimOf(wait));
  for (const held of state.held.values()) {
    if (book.same(held.view.owner, other.view.owner) && clashes(wants, held.needs).length > 0) return true;
  }
  return clashes(wants, other.needs).some((path) =>
    READINGS.every((reading) =>
      surelyBefore(book, { first: claimOf(other), other: claimOf(wait), path }, reading, [state]),
    ),
  );
}
