/**
 * Locks: 18 to 34, as far as they are about locks, and what is told of them (66, 67). It takes what each entry showed into the
 * books and has it judged: lives, queues, waits, reads, beliefs.
 */
import type { LocksObservation } from './history.ts';
import { LockBeliefs } from './lock-beliefs.ts';
import { LockBook } from './lock-book.ts';
import { LockSteps, ordersOf, type LockStep } from './lock-entry.ts';
import { LockLives } from './lock-lives.ts';
import { LockQueues } from './lock-queues.ts';
import { LockReads } from './lock-reads.ts';
import { LockWaits } from './lock-waits.ts';
import type { Conn, Tenant } from './records.ts';
import { text, tokenValue } from './values.ts';
import type { AppliedStep, Family, Step, World } from './world.ts';

const NOT_HIS: ReadonlySet<string> = new Set(['forced', 'revoked', 'deregistered']);

export class Locks implements Family {
  readonly #world: World;
  readonly #books = new Map<Tenant, LockBook>();
  readonly #steps: LockSteps;
  readonly #lives: LockLives;
  readonly #queues: LockQueues;
  readonly #waits: LockWaits;
  readonly #reads: LockReads;
  readonly #beliefs: LockBeliefs;
  readonly #welcomed: Conn[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#steps = new LockSteps(world);
    this.#lives = new LockLives(world);
    this.#queues = new LockQueues(world);
    this.#waits = new LockWaits(world);
    this.#reads = new LockReads(world);
    this.#beliefs = new LockBeliefs(world);
  }

  on({ event, applied, answer, conn, index }: Step): void {
    if (applied !== undefined) this.#applied(applied);
    if (answer?.op.method.startsWith('lock.') === true) this.#reads.answer(this.#book(answer.op.tenant), answer);
    if (conn !== undefined && event.kind === 'welcome' && event.snapshot !== undefined) this.#welcomed.push(conn);
    if (conn !== undefined && event.kind === 'push' && event.topic === undefined && event.event.startsWith('lock.'))
      this.#reads.push(this.#book(conn.tenant), conn, event, index);
    if (event.kind === 'lock.belief' || event.kind === 'lock.doubt') this.#beliefs.on(event, index);
    if (event.kind === 'client.kill' || event.kind === 'fault') this.#beliefs.on(event, index);
  }

  /** Snapshots may stand within an entry that was applied later. */
  finish(): void {
    for (const { tenant, welcome } of this.#welcomed) {
      const book = this.#books.get(tenant);
      if (book !== undefined && welcome !== undefined) this.#reads.welcome(book, welcome);
    }
  }

  #book(tenant: Tenant): LockBook {
    let book = this.#books.get(tenant);
    if (book === undefined) this.#books.set(tenant, (book = new LockBook(tenant)));
    return book;
  }

  #applied({ tenant, event, mark, changes, hidden }: AppliedStep): void {
    const assignments = [...changes.flatMap(({ started }) => started ?? []), ...hidden];
    if (event.locks === undefined && assignments.length === 0 && !this.#books.has(tenant)) return;
    const book = this.#book(tenant);
    const { token } = book;
    for (const one of assignments) {
      const value = tokenValue(one.token) ?? 0n;
      if (value <= token && book.tokens.size > 0) {
        this.#world.report('19', `${one.task.id} has the token ${one.token}, not above ${token}`, [mark.index]);
      }
    }
    if (event.locks !== undefined) {
      const observed = withoutTasks(tenant, event.locks);
      this.#locks(this.#steps.take(book, observed, mark), observed);
    }
    for (const one of assignments) raise(book, one.token);
    if (book.idle || !mark.drained) return;
    this.#lives.rest(book, mark);
    this.#waits.rest(book, mark);
    if (!mark.up) this.#queues.rest(book, mark);
  }

  #locks(step: LockStep, observed: LocksObservation): void {
    this.#lives.entry(step);
    this.#queues.entry(step);
    this.#waits.entry(step);
    const { book, mark } = step;
    for (const { data } of ordersOf(step.told, 'lock.lost')) {
      if (NOT_HIS.has(text(data, 'reason') ?? '')) this.#beliefs.forced.add(text(data, 'id') ?? '');
    }
    for (const { id, view } of [...step.before.held].map(([id, { view }]) => ({ id, view }))) {
      const known = book.tokens.get(`${id} ${view.token}`);
      if (step.after.held.get(id)?.view.token !== view.token && known !== undefined) known.to = mark.index;
    }
    for (const { id, token } of observed.held) {
      const key = `${id} ${token}`;
      if (book.tokens.has(key)) continue;
      book.tokens.set(key, { from: mark.index, to: undefined });
      const other = this.#usedBy(book, id, token);
      if (other !== undefined)
        this.#world.report('19', `${id} and ${other} were given the same token ${token}`, [mark.index]);
      raise(book, token);
    }
    for (const id of step.before.held.keys()) if (!step.after.held.has(id)) book.tenant.lockEnds.set(id, mark.index);
    // A token that was given and lost within the entry is seen by what was told, or answered.
    for (const { data, event } of step.told) {
      if (event === 'lock.acquired' || event === 'lock.converted') this.#seen(step, data);
      if (event === 'lock.released') book.tenant.lockReleases.set(text(data, 'id') ?? '', mark.index);
    }
  }

  #usedBy({ tenant, tokens }: LockBook, id: string, token: string): string | undefined {
    const assignment = tenant.tokens.get(token);
    if (assignment !== undefined) return assignment.task.id;
    const key = [...tokens.keys()].find((one) => one.endsWith(` ${token}`) && one !== `${id} ${token}`);
    return key?.split(' ')[0];
  }

  #seen({ book, mark, after }: LockStep, data: unknown): void {
    const [id, token] = [text(data, 'id') ?? '', text(data, 'token') ?? ''];
    const key = `${id} ${token}`;
    if (!after.held.has(id)) book.tenant.lockEnds.set(id, mark.index);
    if (!book.tokens.has(key)) book.tokens.set(key, { from: mark.index, to: mark.index });
    raise(book, token);
  }
}

/** Locks of tasks are judged in task-locks.ts. */
function withoutTasks(tenant: Tenant, { held, waits, commands, told }: LocksObservation): LocksObservation {
  const isTask = (owner: string | undefined): boolean => owner !== undefined && tenant.tasks.has(owner);
  return {
    held: held.filter(({ owner }) => !isTask(owner)),
    waits: waits.filter(({ owner }) => !isTask(owner)),
    commands,
    told: told.filter(({ data }) => !isTask(text(data, 'owner'))),
  };
}

function raise(book: LockBook, token: string): void {
  const value = tokenValue(token) ?? 0n;
  if (value > book.token) book.token = value;
}
