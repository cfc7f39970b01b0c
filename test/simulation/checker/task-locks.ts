/**
 * Locks of tasks, from G17 to G19 of the protocol: a task has all that it needs before it is given to anybody and as long as its attempt goes
 * on, and none afterwards (31); what excludes each other is not held at once (18), nobody overtakes (22) and nobody waits whom nothing
 * keeps (23); each attempt has locks of its own, under tokens that rise (19) and that its holder is told (43).
 *
 * Judged where tasks alone use locks; what sessions have beside them is judged by tests of the engine.
 */
import type { LockView, LockWaitView } from '../../../protocol/wire/locks.ts';
import type { EventOf } from './history.ts';
import { clashes, membersOf } from './lock-book.ts';
import { needsOf, normalised, type Needs } from './lock-modes.ts';
import { latest, type Change, type Conn, type Mark, type Tenant } from './records.ts';
import { field, items, same, text, tokenValue } from './values.ts';
import { isHeld } from './views.ts';
import type { AppliedStep, Family, Step, World } from './world.ts';

interface Waiting {
  readonly view: LockWaitView;
  readonly needs: Needs;
}

class Books {
  held: readonly LockView[] = [];
  /** In the order in which they came. */
  waits: readonly Waiting[] = [];
  token = 0n;
  /** The last lock under which a task was given to somebody. */
  readonly used = new Map<string, string>();
  /** By the token of the assignment. */
  readonly given = new Map<string, string>();
}

export class TaskLocks implements Family {
  readonly #world: World;
  readonly #books = new Map<Tenant, Books>();

  constructor(world: World) {
    this.#world = world;
  }

  on({ event, applied, conn, index }: Step): void {
    if (applied !== undefined) this.#applied(applied);
    if (conn !== undefined && event.kind === 'push') this.#told(conn, event, index);
  }

  #applied(step: AppliedStep): void {
    const { tenant, event, mark, changes } = step;
    let books = this.#books.get(tenant);
    const needy = changes.some(({ next }) => next.task.locks !== undefined);
    if (books === undefined && !needy) return;
    if (books === undefined) this.#books.set(tenant, (books = new Books()));
    if (event.locks !== undefined) this.#moved(books, { tenant, mark, locks: event.locks });
    for (const change of changes) if (change.next.task.locks !== undefined) this.#task(books, change, mark);
    if (mark.drained && !mark.up) this.#rest(books, mark);
  }

  #moved(
    books: Books,
    of: { readonly tenant: Tenant; readonly mark: Mark; readonly locks: NonNullable<EventOf<'applied'>['locks']> },
  ): void {
    const { tenant, mark, locks } = of;
    const before = new Map(books.held.map((lock) => [lock.id, lock.token]));
    books.held = locks.held.filter(({ owner }) => tenant.tasks.has(owner));
    const fresh = books.held.filter(({ id }) => !before.has(id));
    for (const lock of fresh.toSorted((a, b) => (value(a.token) < value(b.token) ? -1 : 1))) {
      if (value(lock.token) <= books.token)
        this.#world.report('19', `${lock.id} has the token ${lock.token}, not above ${books.token}`, [mark.index]);
      books.token = value(lock.token);
    }
    for (const { id, token } of books.held) {
      if (before.has(id) && before.get(id) !== token)
        this.#world.report('27', `${id} of a task has another token`, [mark.index]);
    }
    const waited = books.waits;
    const known = new Map(waited.map((wait) => [wait.view.requestId, wait]));
    const shown = new Map(locks.waits.map((view) => [view.requestId, view]));
    const queued = locks.told.flatMap(({ event, data }) =>
      event === 'lock.queued' ? (text(data, 'requestId') ?? '') : [],
    );
    const order = new Set([...known.keys(), ...queued, ...shown.keys()]);
    books.waits = [...order].flatMap((id) => {
      const view = shown.get(id);
      return view === undefined || !tenant.tasks.has(view.owner) ? [] : { view, needs: needsOf(membersOf(view)) };
    });
    tenant.locked.clear();
    for (const { owner } of books.held) tenant.locked.add(owner);
    for (const lock of fresh) this.#overtakes(books, waited, { lock, mark });
    this.#compatible(books, mark);
  }

  #compatible({ held }: Books, mark: Mark): void {
    for (const [i, a] of held.entries()) {
      for (const b of held.slice(i + 1)) {
        const [path] = clashes(needsOf(membersOf(a)), needsOf(membersOf(b)));
        if (path === undefined) continue;
        this.#world.report('18', `${a.owner} and ${b.owner} both hold ${path}`, [mark.index]);
      }
    }
  }

  /** Those that waited before it, and wait still, it does not exclude. */
  #overtakes(books: Books, before: readonly Waiting[], of: { readonly lock: LockView; readonly mark: Mark }): void {
    const { lock, mark } = of;
    const own = before.findIndex(({ view }) => view.owner === lock.owner);
    const needs = needsOf(membersOf(lock));
    for (const { view, needs: others } of own < 0 ? before : before.slice(0, own)) {
      const waits = books.waits.some((one) => one.view.requestId === view.requestId);
      if (!waits || view.owner === lock.owner || clashes(others, needs).length === 0) continue;
      this.#world.report('22', `${lock.id} of ${lock.owner} was given past ${view.owner}`, [mark.index]);
    }
  }

  /** What one has to have, or to wait for. */
  #task(books: Books, { task, next, started }: Change, mark: Mark): void {
    const { status, locks = [], agentId, tree } = next.task;
    if (latest(task) !== next) return;
    const members = normalised(locks);
    const has = books.held.filter(({ owner }) => owner === task.id);
    const waits = books.waits.filter(({ view }) => view.owner === task.id);
    const wrong = (message: string): void =>
      this.#world.report('31', `${task.id} is ${status}: ${message}`, [mark.index]);
    if (has.length + waits.length > 1) wrong('it has or wants its locks more than once');
    for (const lock of has) if (!same(membersOf(lock), members)) wrong(`it has ${JSON.stringify(membersOf(lock))}`);
    const [lock] = has;
    if (isHeld(status) && tree?.waits === undefined) {
      if (lock === undefined) return wrong('it has not the locks that it needs');
      if (started === undefined) return;
      if (books.used.get(task.id) === lock.id) {
        const message = `${task.id} is given to ${started.agentId} under the lock of the attempt before`;
        this.#world.report('19', message, [mark.index]);
      }
      books.used.set(task.id, lock.id);
      books.given.set(started.token, lock.id);
      return;
    }
    if (status === 'paused' && agentId !== undefined) return;
    const any = has.length + waits.length > 0;
    if (status === 'pending' && !any && mark.drained) wrong('it neither has its locks nor waits for them');
    if (status !== 'pending' && any) wrong('it has or wants locks still');
  }

  /** At the end of an entry after which nothing remains to be done. */
  #rest(books: Books, mark: Mark): void {
    for (const [i, { view, needs }] of books.waits.entries()) {
      const byLock = books.held.some((lock) => clashes(needs, needsOf(membersOf(lock))).length > 0);
      const byOther = books.waits.slice(0, i).some((other) => clashes(needs, other.needs).length > 0);
      if (byLock || byOther) continue;
      this.#world.report('23', `${view.owner} waits for ${view.path}, and nothing keeps it`, [mark.index]);
    }
  }

  /** Its holder is told what it has. */
  #told({ tenant }: Conn, { event, topic, data }: EventOf<'push'>, index: number): void {
    if (topic !== undefined || (event !== 'task.assigned' && event !== 'task.offered')) return;
    const shown = field(data, 'task');
    const task = tenant.tasks.get(text(shown, 'id') ?? '');
    if (task === undefined || latest(task).task.locks === undefined) return;
    const lock = this.#books.get(tenant)?.given.get(text(data, 'token') ?? '');
    const told = items(data, 'locks');
    const wrong = lock !== undefined && (told.length === 0 || told.some((one) => text(one, 'id') !== lock));
    if (wrong) this.#world.report('43', `${task.id} was given without word of its locks`, [index]);
  }
}

function value(token: string): bigint {
  return tokenValue(token) ?? 0n;
}
