/**
 * What locks must do, written down naively: plain lists that are walked from end to end. It shares no code with the engine, and
 * is what the engine is compared with after every entry.
 *
 * A task owns the locks that it needs, and is told nothing. When its attempt ends it asks for them anew, behind all others.
 *
 * Three things are not the model's to say, and it takes the engine's word for them and judges it: in which order requests are
 * granted that do not wait for each other, in which order tasks ask anew that lost their locks together, and which request of a circle is named when there are several circles.
 */
export type Mode = 'intent_shared' | 'intent_exclusive' | 'shared' | 'shared_intent_exclusive' | 'exclusive';

/** Which modes of others may stand beside each. Everything not listed conflicts. */
const BESIDE: { readonly [M in Mode]: readonly Mode[] } = {
  intent_shared: ['intent_shared', 'intent_exclusive', 'shared', 'shared_intent_exclusive'],
  intent_exclusive: ['intent_shared', 'intent_exclusive'],
  shared: ['intent_shared', 'shared'],
  shared_intent_exclusive: ['intent_shared'],
  exclusive: [],
};
const conflict = (a: Mode, b: Mode): boolean => !BESIDE[a].includes(b);
/** A mode says as much as another if it conflicts with all that the other conflicts with. */
const says = (strong: Mode, weak: Mode): boolean => BESIDE[strong].every((mode) => BESIDE[weak].includes(mode));
const MODES = Object.keys(BESIDE) as Mode[];
/** The weakest mode that says as much as all of these. */
const together = (modes: readonly Mode[]): Mode | undefined =>
  modes.length === 0
    ? undefined
    : MODES.filter((mode) => modes.every((one) => says(mode, one))).toSorted(
        (a, b) => BESIDE[b].length - BESIDE[a].length,
      )[0];
const WRITING: readonly Mode[] = ['intent_exclusive', 'shared_intent_exclusive', 'exclusive'];

export interface Member {
  readonly path: string;
  readonly mode: Mode;
}

export interface Terms {
  readonly leaseMs: number | undefined;
  readonly holdMs: number | undefined;
  readonly delayMs: number;
  readonly progressMs: number | undefined;
}

export interface ModelLock extends Terms {
  id: string;
  owner: string;
  members: readonly Member[];
  readonly several: boolean;
  token: number;
  count: number;
  expiresAt: number | undefined;
  progressAt: number | undefined;
  revokeAt: number | undefined;
  revokePath: string | undefined;
  request: string | undefined;
  earlier: readonly string[];
}

export interface ModelWait extends Terms {
  readonly id: string;
  readonly seq: number;
  readonly owner: string;
  readonly members: readonly Member[];
  readonly several: boolean;
  readonly converts: string | undefined;
  readonly deadline: number;
}

interface Delay {
  readonly path: string;
  mode: Mode;
  readonly owner: string;
  until: number;
}

export interface Asked {
  readonly owner: string;
  readonly members: readonly Member[];
  readonly several: boolean;
  readonly converts: string | undefined;
  readonly terms: Terms;
}

/** What an owner is told. */
export type Told =
  | { readonly event: 'granted'; readonly request: string }
  | { readonly event: 'refused'; readonly request: string; readonly code: string }
  | { readonly event: 'lost'; readonly lock: string; readonly reason: string }
  | { readonly event: 'revokeRequested'; readonly lock: string };

/** A request that the engine says was in a circle, and the circle. */
export interface Victim {
  readonly request: string;
  readonly cycle: readonly string[];
}

/** What the engine said of tasks: the request of one, which came first, whether one goes on. */
export interface Heard {
  requestOf(task: string): string;
  placeOf(task: string): number;
  goesOn(task: string): boolean;
}

/** Tasks own locks too. */
export const isTask = (owner: string): boolean => owner.startsWith('tsk_');

const OF_TASKS: Terms = { leaseMs: undefined, holdMs: 0, delayMs: 0, progressMs: undefined };

export function askedBy(task: string, members: readonly Member[]): Asked {
  return { owner: task, members, several: true, converts: undefined, terms: OF_TASKS };
}

const pathsAbove = new Map<string, readonly string[]>();

function above(path: string): readonly string[] {
  let paths = pathsAbove.get(path);
  if (paths === undefined) {
    paths = path.split('/').flatMap((_, i, all) => (i === 0 ? [] : [all.slice(0, i).join('/')]));
    pathsAbove.set(path, paths);
  }
  return paths;
}

/** Members are never changed, only replaced: what they need is worked out once, since every look at a queue asks for it. */
const needed = new WeakMap<readonly Member[], readonly Member[]>();

function needs(members: readonly Member[]): readonly Member[] {
  let all = needed.get(members);
  if (all === undefined) {
    all = members.flatMap(needsOf);
    needed.set(members, all);
  }
  return all;
}

function needsOf({ path, mode }: Member): Member[] {
  const intent = WRITING.includes(mode) ? 'intent_exclusive' : 'intent_shared';
  // The mode that is two together is needed as two: either may be there already.
  const modes: readonly Mode[] = mode === 'shared_intent_exclusive' ? ['shared', 'intent_exclusive'] : [mode];
  return [
    ...above(path).map((one): Member => ({ path: one, mode: intent })),
    ...modes.map((one): Member => ({ path, mode: one })),
  ];
}

export class LockModel {
  locks: ModelLock[] = [];
  waits: ModelWait[] = [];
  delays: Delay[] = [];
  readonly away = new Map<string, { readonly since: number; graceMs: number }>();
  /** When sessions that are away can no longer be resumed. */
  readonly expiries = new Map<string, number>();
  live = 0;
  told: Told[] = [];
  /** In the order in which the engine said so; consumed. */
  victims: Victim[] = [];
  /** Requests that the engine granted, in their order; consumed. */
  order: string[] = [];
  /** Tasks that are to ask anew. */
  again: Asked[] = [];
  #seq = 0;
  /** Grants of this entry: the engine names their ids and tokens. */
  readonly name: (granted: {
    readonly owner: string;
    readonly request: string | undefined;
    readonly known: string | undefined;
  }) => {
    readonly id: string;
    readonly token: number;
  };
  readonly #heard: () => Heard;

  constructor(name: LockModel['name'], heard: () => Heard) {
    this.name = name;
    this.#heard = heard;
  }

  #tell(told: Told, owner: string): void {
    if (!isTask(owner)) this.told.push(told);
  }

  hasAnything(owner: string): boolean {
    return this.locks.some((one) => one.owner === owner) || this.waits.some((one) => one.owner === owner);
  }

  /** Modes in which an owner holds a path, by what it has there or below. */
  #held(owner: string, path: string): Mode[] {
    return this.locks
      .filter((lock) => lock.owner === owner)
      .flatMap((lock) => needs(lock.members))
      .filter((need) => need.path === path)
      .map(({ mode }) => mode);
  }

  #satisfied(owner: string, { path, mode }: Member): boolean {
    const here = together(this.#held(owner, path));
    if (here !== undefined && says(here, mode)) return true;
    return above(path).some((one) => {
      const held = this.#held(owner, one);
      if (held.includes('exclusive')) return true;
      const reads = held.includes('shared') || held.includes('shared_intent_exclusive');
      return reads && (mode === 'shared' || mode === 'intent_shared');
    });
  }

  /** Owners whose locks, or delays after them, conflict. */
  #holders(owner: string, { path, mode }: Member, delays: boolean): string[] {
    const of = [...this.locks, ...(delays ? this.delays.map((one) => ({ owner: one.owner, members: [one] })) : [])];
    return of
      .filter((one) => one.owner !== owner)
      .filter((one) => needs(one.members).some((need) => need.path === path && conflict(mode, need.mode)))
      .map((one) => one.owner);
  }

  #isFirst(owner: string, path: string): boolean {
    return (
      this.#held(owner, path).length > 0 ||
      this.delays.some((one) => one.owner === owner && needs([one]).some((need) => need.path === path))
    );
  }

  /** Requests that are before this one at a path and conflict with it. */
  #before(asker: { readonly owner: string; readonly seq: number }, need: Member): ModelWait[] {
    const first = this.#isFirst(asker.owner, need.path);
    return this.waits.filter((wait) => {
      if (wait.seq === asker.seq || this.away.has(wait.owner)) return false;
      const meets = needs(wait.members).some((one) => one.path === need.path && conflict(one.mode, need.mode));
      const waitFirst = this.#isFirst(wait.owner, need.path);
      return meets && (first === waitFirst ? wait.seq < asker.seq : waitFirst);
    });
  }

  isFree(asker: { readonly owner: string; readonly seq: number; readonly members: readonly Member[] }): boolean {
    return needs(asker.members).every(
      (need) =>
        this.#satisfied(asker.owner, need) ||
        (this.#holders(asker.owner, need, true).length === 0 && this.#before(asker, need).length === 0),
    );
  }

  /** Whom a request waits for: `owner` and `request` names, told apart by a prefix. */
  #edges(wait: { readonly owner: string; readonly seq: number; readonly members: readonly Member[] }): string[] {
    return needs(wait.members)
      .filter((need) => !this.#satisfied(wait.owner, need))
      .flatMap((need) => [
        ...this.#holders(wait.owner, need, false).map((owner) => `o ${owner}`),
        ...this.#before(wait, need).map((one) => `r ${one.seq}`),
      ]);
  }

  #next(node: string): string[] {
    const waits = this.waits.filter((wait) => !this.away.has(wait.owner));
    if (node.startsWith('o ')) {
      return waits.filter((wait) => `o ${wait.owner}` === node).map((wait) => `r ${wait.seq}`);
    }
    return waits.filter((wait) => `r ${wait.seq}` === node).flatMap((wait) => this.#edges(wait));
  }

  /** Whether a request can reach itself. */
  inCircle(wait: ModelWait): boolean {
    const start = `r ${wait.seq}`;
    const seen = new Set<string>();
    const rest = this.#next(start);
    for (let node = rest.pop(); node !== undefined; node = rest.pop()) {
      if (node === start) return true;
      if (seen.has(node)) continue;
      seen.add(node);
      rest.push(...this.#next(node));
    }
    return false;
  }

  hasCircle(): boolean {
    return this.waits.some((wait) => !this.away.has(wait.owner) && this.inCircle(wait));
  }

  /** Whether one request waits for the next, or for its owner. */
  #waitsFor(a: ModelWait, b: ModelWait): boolean {
    return this.#edges(a).some((edge) => edge === `r ${b.seq}` || edge === `o ${b.owner}`);
  }

  acquire(asked: Asked, waitMs: number): string {
    const { owner, members, converts } = asked;
    const held = this.#single(asked);
    if (held !== undefined && held.count >= 255 && this.isFree({ owner, seq: Infinity, members }))
      return 'REENTRY_LIMIT';
    if (this.isFree({ owner, seq: Infinity, members })) {
      this.#grant(asked, undefined);
      this.settle();
      return 'granted';
    }
    if (waitMs === 0) return 'BUSY';
    if (converts !== undefined && this.waits.some((wait) => wait.converts === converts)) return 'INVALID_TRANSITION';
    const wait = { ...asked, ...asked.terms, seq: this.#seq + 1, id: '', deadline: this.live + waitMs };
    const before = this.waits;
    this.waits = [...before, wait];
    const circle = this.inCircle(wait);
    this.waits = before;
    if (circle) return 'DEADLOCK';
    this.#seq += 1;
    return 'queued';
  }

  queued(asked: Asked, wait: { readonly id: string; readonly waitMs: number }): void {
    this.waits.push({ ...asked, ...asked.terms, id: wait.id, seq: this.#seq, deadline: this.live + wait.waitMs });
  }

  #single({ owner, members, several, converts }: Omit<Asked, 'terms'>): ModelLock | undefined {
    if (several || converts !== undefined) return undefined;
    return this.locks.find((one) => one.owner === owner && !one.several && one.members[0]?.path === members[0]?.path);
  }

  #grant(asked: Asked, request: string | undefined): boolean {
    const { owner, members, several, converts, terms } = asked;
    const [target] = members;
    const converted = this.locks.find((one) => one.id === converts);
    if (converts !== undefined && target !== undefined) {
      if (converted === undefined) throw new Error('a conversion outlived its lock');
      this.convert(converted, target, request);
      return true;
    }
    const held = this.#single(asked);
    if (held === undefined) {
      const { id, token } = this.name({ owner, request, known: undefined });
      const expiresAt = terms.leaseMs === undefined ? undefined : this.live + terms.leaseMs;
      const progressAt = terms.progressMs === undefined ? undefined : this.live + terms.progressMs;
      const lock = {
        id,
        owner,
        members,
        several,
        token,
        count: 1,
        expiresAt,
        progressAt,
        revokeAt: undefined,
        revokePath: undefined,
        request,
        earlier: [],
      };
      const { leaseMs, holdMs, delayMs, progressMs } = terms;
      this.locks.push({ leaseMs, holdMs, delayMs, progressMs, ...lock });
      this.delays = this.delays.filter((one) => one.owner !== owner || !members.some(({ path }) => path === one.path));
      return true;
    }
    if (held.count >= 255) return false;
    held.count += 1;
    grantedTo(held, request);
    const [before] = held.members;
    const mode = before === undefined || target === undefined ? undefined : together([before.mode, target.mode]);
    if (before === undefined || mode === undefined || mode === before.mode) return true;
    held.members = [{ path: before.path, mode }];
    held.token = this.name({ owner, request, known: held.id }).token;
    return true;
  }

  convert(lock: ModelLock, target: Member, request?: string): void {
    const before = lock.members.find((one) => one.path === target.path);
    lock.members = lock.members.map((one) => (one.path === target.path ? target : one));
    grantedTo(lock, request);
    const weaker = before !== undefined && says(before.mode, target.mode);
    if (!weaker) lock.token = this.name({ owner: lock.owner, request, known: lock.id }).token;
  }

  /**
   * Grants what can be granted, and ends what is in a circle, until neither is left. `more` is due at this time: a circle that
   * the engine says nothing of may end by that.
   */
  settle(more = false): void {
    for (;;) {
      const all = this.waits.filter((wait) => !this.away.has(wait.owner) && this.isFree(wait));
      if (all.length > 0) {
        const next = this.order.find((id) => all.some((wait) => wait.id === id));
        const free = all.find((wait) => wait.id === next);
        if (free === undefined)
          throw new Error(`nobody keeps ${all[0]?.id ?? ''} from what it waits for, and it is not granted`);
        this.order = this.order.filter((id) => id !== next);
        this.waits = this.waits.filter((wait) => wait !== free);
        const { owner, members, several, converts } = free;
        const granted = this.#grant({ owner, members, several, converts, terms: free }, free.id);
        if (granted) this.#tell({ event: 'granted', request: free.id }, owner);
        else this.#tell({ event: 'refused', request: free.id, code: 'REENTRY_LIMIT' }, owner);
        continue;
      }
      if (this.again.length > 0) {
        this.ask(this.#takeAgain());
        continue;
      }
      if (!this.hasCircle()) return;
      const [victim] = this.victims;
      if (more && (victim === undefined || !this.#isCircle(this.#cycleOf(victim)))) return;
      if (victim === undefined) throw new Error('requests wait in a circle, and none of them was ended');
      this.victims.shift();
      this.#judge(victim);
    }
  }

  #takeAgain(): Asked {
    const order = this.again.toSorted((a, b) => this.#heard().placeOf(a.owner) - this.#heard().placeOf(b.owner));
    const [first] = order;
    if (first === undefined) throw new Error('no task asks');
    this.again = this.again.filter((one) => one !== first);
    return first;
  }

  /** A task asks for its locks: it gets them or waits for them, however long that takes. */
  ask(asked: Asked): void {
    const outcome = this.acquire(asked, Infinity);
    if (outcome === 'queued') this.queued(asked, { id: this.#heard().requestOf(asked.owner), waitMs: Infinity });
    else if (outcome !== 'granted') throw new Error(`a task that asks for its locks gets ${outcome}`);
  }

  /** An attempt is over, or what was asked for it is not needed. `again`: there will be another. */
  letGo(task: string, again: boolean): void {
    const [lock] = this.locks.filter((one) => one.owner === task);
    const [wait] = this.waits.filter((one) => one.owner === task);
    const members = (lock ?? wait)?.members;
    if (lock !== undefined) this.end(lock);
    if (wait !== undefined) this.endWait(wait, 'CANCELLED');
    if (again && members !== undefined) this.again.push(askedBy(task, members));
  }

  #cycleOf(victim: Victim): readonly ModelWait[] {
    return victim.cycle.flatMap((id) => this.waits.filter((wait) => wait.id === id));
  }

  #isCircle(cycle: readonly ModelWait[]): boolean {
    return cycle.every((wait, i) => this.#waitsFor(wait, cycle[(i + 1) % cycle.length] ?? wait));
  }

  #judge(victim: Victim): void {
    const cycle = this.#cycleOf(victim);
    if (cycle.length !== victim.cycle.length) throw new Error('a circle names a request that does not wait');
    cycle.forEach((wait, i) => {
      const next = cycle[(i + 1) % cycle.length] ?? wait;
      if (!this.#waitsFor(wait, next)) throw new Error(`${wait.id} does not wait for ${next.id}, which a circle says`);
    });
    const [newest] = cycle.toSorted((a, b) => b.seq - a.seq);
    if (newest?.id !== victim.request) throw new Error('of a circle not the newest request was ended');
    this.endWait(newest, 'DEADLOCK');
  }

  endWait(wait: ModelWait, code: string): void {
    this.waits = this.waits.filter((one) => one !== wait);
    this.#tell({ event: 'refused', request: wait.id, code }, wait.owner);
  }

  /** By its owner's will, or against it for a reason. */
  end(lock: ModelLock, reason?: string): void {
    this.locks = this.locks.filter((one) => one !== lock);
    const converting = this.waits.find((wait) => wait.converts === lock.id);
    if (converting !== undefined) this.endWait(converting, 'NOT_HELD');
    if (reason === undefined) return;
    this.#tell({ event: 'lost', lock: lock.id, reason }, lock.owner);
    if (isTask(lock.owner) && this.#heard().goesOn(lock.owner)) this.again.push(askedBy(lock.owner, lock.members));
    if (lock.delayMs === 0) return;
    for (const { path, mode } of lock.members) {
      if (!WRITING.includes(mode)) continue;
      const until = this.live + lock.delayMs;
      const known = this.delays.find((one) => one.path === path && one.owner === lock.owner);
      if (known === undefined) this.delays.push({ path, mode, owner: lock.owner, until });
      else {
        known.until = Math.max(known.until, until);
        known.mode = together([known.mode, mode]) ?? mode;
      }
    }
  }

  leave(owner: string, graceMs: number): void {
    if (!this.hasAnything(owner)) return;
    const known = this.away.get(owner);
    if (known === undefined) this.away.set(owner, { since: this.live, graceMs });
    else known.graceMs = Math.max(known.graceMs, this.live - known.since + graceMs);
  }

  back(owner: string): void {
    this.away.delete(owner);
  }

  #until(lock: ModelLock): number | undefined {
    const away = this.away.get(lock.owner);
    return away === undefined || lock.holdMs === undefined
      ? undefined
      : away.since + Math.max(lock.holdMs, away.graceMs);
  }

  /** Live time goes on; what is due happens, the earliest first, and at one instant ends before timeouts. */
  advance(live: number): void {
    for (this.live = live; ;) {
      const [first] = this.#due(live)
        .filter((one) => one.at !== undefined && one.at <= live)
        .toSorted((a, b) => (a.at ?? 0) - (b.at ?? 0) || a.rank - b.rank || (a.name < b.name ? -1 : 1));
      if (first === undefined) return;
      first.run();
      this.settle(this.#due(live).some(({ at }) => at !== undefined && at <= live));
    }
  }

  #due(live: number): { at: number | undefined; rank: number; name: string; run(): void }[] {
    const expiries = [...this.expiries].map(([owner, at]) => ({
      at,
      rank: -1,
      name: owner,
      run: () => {
        this.expiries.delete(owner);
        this.unwait(owner);
      },
    }));
    const delays = this.delays.map((one) => ({
      at: one.until,
      rank: 0,
      name: `${one.path} ${one.owner}`,
      run: () => {
        this.delays = this.delays.filter((other) => other !== one);
      },
    }));
    const locks = this.locks.flatMap((lock) => [
      { at: this.#until(lock), rank: 1, name: lock.owner, run: () => this.#lapse(lock.owner, live) },
      { at: lock.expiresAt, rank: 2, name: lock.id, run: () => this.end(lock, 'expired') },
      { at: lock.progressAt, rank: 3, name: lock.id, run: () => this.end(lock, 'progressTimeout') },
      { at: lock.revokeAt, rank: 4, name: lock.id, run: () => this.#revoke(lock) },
    ]);
    const waits = this.waits.map((wait) => ({
      at: wait.deadline,
      rank: 5,
      name: wait.id,
      run: () => this.endWait(wait, 'WAIT_TIMEOUT'),
    }));
    return [...expiries, ...delays, ...locks, ...waits];
  }

  /** All that were to be released by then end together. */
  #revoke({ revokePath, revokeAt }: ModelLock): void {
    const meant = this.locks.filter(
      (one) => one.revokePath === revokePath && (one.revokeAt ?? Infinity) <= (revokeAt ?? 0),
    );
    for (const lock of meant) this.end(lock, 'forced');
  }

  /** The session is gone; its locks have times of their own. */
  unwait(owner: string): void {
    for (const wait of this.waits.filter((one) => one.owner === owner)) this.endWait(wait, 'SESSION_EXPIRED');
  }

  /** Everything of an owner that has been away for too long at this time. */
  #lapse(owner: string, live: number): void {
    for (const lock of this.locks.filter((one) => one.owner === owner)) {
      if ((this.#until(lock) ?? Infinity) <= live) this.end(lock, 'away');
    }
  }

  /** An owner's requests end, then its locks. */
  surrender(owner: string, why: 'released' | 'revoked' | 'deregistered'): void {
    for (const wait of this.waits.filter((one) => one.owner === owner)) {
      this.endWait(wait, why === 'released' ? 'CANCELLED' : 'SESSION_EXPIRED');
    }
    for (const lock of this.locks.filter((one) => one.owner === owner))
      this.end(lock, why === 'released' ? undefined : why);
  }
}

function grantedTo(lock: ModelLock, request: string | undefined): void {
  if (request === undefined) return;
  if (lock.request !== undefined) lock.earlier = [...lock.earlier, lock.request].slice(-lock.count);
  lock.request = request;
}
