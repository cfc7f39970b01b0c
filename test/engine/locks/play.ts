/**
 * Plays a random course of locks, drawn by a seed, to an engine and to the model beside it, and throws at the first difference.
 * It knows the engine by its entries alone, so that builds with a planted bug can be played to as well.
 */
import { createHash } from 'node:crypto';
import { decodeEntry, encodeEntry } from '../../../src/engine/entry.ts';
import type { Engine } from '../../../src/engine/engine.ts';
import { ENGINE_VERSION, type Command, type EntryOutput, type Push, type Reply } from '../../../src/engine/port.ts';
import type { WriteMethod } from '../../../protocol/wire/operations.ts';
import { Random } from '../../simulation/random.ts';
import { checkState } from './invariants.ts';
import { HeardOfTasks, PlayTasks, type Worker } from './play-tasks.ts';
import {
  isTask,
  LockModel,
  type Asked,
  type Member,
  type Mode,
  type ModelLock,
  type Terms,
  type Told,
} from './model.ts';

export interface Session {
  id: string;
  owner: string;
  readonly who: string;
  readonly agent: string | undefined;
  agentId: string | undefined;
  attach: number;
  attached: boolean;
}

interface HeldBy {
  readonly lock: ModelLock;
  readonly session: Session;
  readonly token: string;
  /** It is the lock's, and so is who says it. */
  readonly good: boolean;
}

type LockIn = { readonly id: string; readonly token: string };

const PATHS = ['d', 'd/a', 'd/b', 'd/a/x', 'd/a/y', 'e', 'e/f', 'g'];
const MODES: readonly Mode[] = ['exclusive', 'shared', 'intent_shared', 'intent_exclusive', 'shared_intent_exclusive'];
/** Modes of which most stand beside each other. */
const TOGETHER: readonly Mode[] = ['intent_shared', 'intent_shared', 'intent_exclusive', 'shared'];
/** At the end of a course. */
const CROWDS = 4;
const EPOCH = 1;
const GAP = 5_000;
const RECOVERY = 45_000;
const RESUME_WINDOW = 600_000;
/** Works on tasks and may do everything with them. */
const WORKER = { id: 'key:w', role: 'admin' };
const DEFAULT_GRACE = 15_000;

export interface PlayOptions {
  readonly steps: number;
  /** Requests wait for long, or not at all. */
  readonly patient?: boolean;
  /** Is told after each entry. */
  readonly each?: (play: Play) => void;
}

export class Play {
  readonly engine: Engine;
  readonly #random: Random;
  readonly #model: LockModel;
  readonly #sessions: Session[] = [];
  readonly #steps: number;
  readonly #patient: boolean;
  readonly #each: ((play: Play) => void) | undefined;
  readonly log: { readonly seq: number; readonly ts: number; readonly payload: Uint8Array }[] = [];
  /** What happened, for whoever looks for the reason of a fault. */
  readonly story: string[] = [];
  readonly counts: Record<string, number> = {};
  #now = 1_800_000_000_000;
  #ids = new Map<string, number>();
  #reply: Reply | undefined;
  #granted = new Map<string, LockIn>();
  #heardOf: HeardOfTasks;
  readonly #tasks: PlayTasks;
  #requests: string[] = [];
  #fresh = 0;
  #lastToken = 0;

  constructor(engine: Engine, seed: number, options: PlayOptions) {
    this.engine = engine;
    this.#random = new Random(`locks ${seed}`);
    this.#steps = options.steps;
    this.#patient = options.patient === true;
    this.#each = options.each;
    this.#heardOf = new HeardOfTasks(engine, []);
    this.#model = new LockModel(
      ({ owner, request }) => this.#nameOf(owner, request),
      () => this.#heardOf,
    );
    this.#tasks = new PlayTasks({
      engine: this.engine,
      model: this.#model,
      random: this.#random,
      request: (session, method, params) => this.#request(session, method, params),
      raw: (command) => this.#raw([command], 0).pushes,
      heard: () => this.#heardOf,
      compare: (pushes) => this.#compare(pushes),
      count: (what) => this.#count(what),
    });
  }

  run(): void {
    this.#raw([{ kind: 'up', incarnation: 'i0', node: 'n', version: ENGINE_VERSION }], 1);
    for (let version = 2; version <= ENGINE_VERSION; version += 1) this.#raw([{ kind: 'upgrade', version }], 1);
    this.#tasks.open(() => this.#worker());
    this.#open({ who: 'key:admin', role: 'admin' });
    for (const who of ['a', 'b', 'c']) this.#open({ who: `key:${who}`, role: 'member' });
    for (const agent of ['p', 'q']) this.#open({ who: `agent:${agent}`, role: 'agent', agent });
    this.#model.live = this.engine.state.counters.live;
    for (let step = 0; step < this.#steps; step += 1) this.#step();
    for (let n = 0; n < CROWDS; n += 1) this.#crowd();
  }

  #nameOf(owner: string, request: string | undefined): { id: string; token: number } {
    const lock = isTask(owner)
      ? this.#heardOf.lockOf(owner)
      : request === undefined
        ? this.#replied()
        : this.#granted.get(request);
    if (lock === undefined) throw new Error(`the model grants ${request ?? 'at once'}, the engine does not`);
    const token = Number(lock.token);
    if (token <= this.#lastToken && request === undefined && !isTask(owner))
      throw new Error(`token ${token} is not above ${this.#lastToken}`);
    this.#lastToken = Math.max(this.#lastToken, token);
    return { id: lock.id, token };
  }

  #replied(): LockIn | undefined {
    const reply = this.#reply;
    return reply?.ok === true ? (reply.result as { readonly lock?: LockIn }).lock : undefined;
  }

  #open(of: { readonly who: string; readonly role: 'admin' | 'member' | 'agent'; readonly agent?: string }): Session {
    const { who, role, agent } = of;
    const principal = agent === undefined ? { id: who, role } : { id: who, role, agent };
    const { welcome } = this.#hello(principal, agent, undefined);
    const session: Session = {
      id: welcome.session,
      owner: welcome.session,
      who,
      agent,
      agentId: welcome.agentId,
      attach: welcome.attach,
      attached: true,
    };
    this.#sessions.push(session);
    return session;
  }

  #hello(principal: object, agent: string | undefined, resume: object | undefined) {
    const output = this.#raw(
      [
        {
          kind: 'session.hello',
          principal,
          secretHash: 'h',
          subs: [],
          node: 'n',
          ...(agent === undefined
            ? {}
            : {
                agent: {
                  name: agent,
                  ...(agent === 'w' ? { capabilities: ['job'], capacity: 3 } : { capabilities: ['x'] }),
                },
              }),
          ...(resume === undefined ? {} : { resume }),
        } as Command,
      ],
      0,
    );
    const welcome = output.commands[0]?.welcome;
    if (welcome === undefined) throw new Error('hello was refused');
    return { welcome, output };
  }

  /** An entry, and those that go on with what it left; what all of them gave. */
  #raw(commands: readonly Command[], after: number): EntryOutput {
    const first = this.#apply(commands, after);
    const pushes = [...first.pushes];
    for (let last = first; last.more;) {
      last = this.#apply([{ kind: 'continue' }], 0);
      pushes.push(...last.pushes);
    }
    this.#hear(pushes);
    return { ...first, pushes };
  }

  #apply(commands: readonly Command[], after: number): EntryOutput {
    this.#now += after;
    const seq = this.log.length + 1;
    const random = createHash('md5').update(`${seq} ${this.#random.next()}`).digest();
    const payload = encodeEntry({ node: 'n', random, commands });
    const logged = { seq, ts: this.#now, payload };
    this.log.push(logged);
    for (const { kind, ...rest } of commands)
      if (kind.startsWith('session') || kind === 'up') this.story.push(`${kind} ${text(rest)}`);
    return this.engine.apply(decodeEntry(payload, { ...logged, epoch: EPOCH }));
  }

  #hear(pushes: readonly Push[]): void {
    this.#granted = new Map();
    this.#model.victims = [];
    this.#model.order = [];
    this.#heardOf = new HeardOfTasks(this.engine, pushes);
    for (const { event, data, topic } of pushes) {
      if (topic !== undefined) {
        const request = this.#grantedToTask(event, data);
        if (request !== undefined) this.#model.order.push(request);
        continue;
      }
      const said = data as {
        requestId: string;
        id: string;
        token: string;
        code?: string;
        cycle?: { requestId: string }[];
      };
      if (event === 'lock.granted') this.#model.order.push(said.requestId);
      if (event === 'lock.granted') this.#granted.set(said.requestId, { id: said.id, token: said.token });
      if (event !== 'lock.refused' || said.code !== 'DEADLOCK') continue;
      this.#model.victims.push({ request: said.requestId, cycle: (said.cycle ?? []).map((one) => one.requestId) });
    }
  }

  /** The request of a task that got what it waited for. */
  #grantedToTask(event: string, data: unknown): string | undefined {
    const { owner } = data as { readonly owner?: string };
    if (event !== 'lock.acquired' || owner === undefined || !isTask(owner)) return undefined;
    return this.#model.waits.find((one) => one.owner === owner)?.id;
  }

  #told(pushes: readonly Push[]): Told[] {
    return pushes.flatMap(({ event, data, topic }): Told[] => {
      const said = data as { requestId: string; id: string; code: string; reason: string };
      if (topic !== undefined) return [];
      if (event === 'lock.granted') return [{ event: 'granted', request: said.requestId }];
      if (event === 'lock.refused') return [{ event: 'refused', request: said.requestId, code: said.code }];
      if (event === 'lock.lost') return [{ event: 'lost', lock: said.id, reason: said.reason }];
      return event === 'lock.revokeRequested' ? [{ event: 'revokeRequested', lock: said.id }] : [];
    });
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  /** Time passes, then something happens; after both everything is compared. */
  #step(): void {
    const ms = this.#pick([0, 0, 0, 1, 10, 100, 400, 1_000, 3_000]);
    if (ms > 0) this.#pass(ms);
    const acts: readonly (readonly [number, string, () => void])[] = [
      [30, 'acquire', () => this.#acquire(false)],
      [8, 'acquireAll', () => this.#acquire(true)],
      [14, 'release', () => this.#release()],
      [5, 'extend', () => this.#extend()],
      [10, 'convert', () => this.#convert()],
      [5, 'cancel', () => this.#cancel()],
      [3, 'force', () => this.#force()],
      [6, 'lost', () => this.#lose()],
      [7, 'resume', () => this.#resume()],
      [2, 'takeover', () => this.#takeOver()],
      [2, 'bye', () => this.#bye()],
      [2, 'replace', () => this.#replace()],
      [1, 'deregister', () => this.#deregister()],
      [1, 'up', () => this.#up()],
      [1, 'outlast', () => this.#outlast()],
      ...this.#tasks.acts(
        () => this.#attached(),
        () => this.#locksOfTask(),
      ),
    ];
    let draw = this.#random.below(acts.reduce((sum, [weight]) => sum + weight, 0));
    const [, name, act] = acts.find(([weight]) => (draw -= weight) < 0) ?? acts[0] ?? [0, '', () => undefined];
    this.story.push(name);
    act();
    this.#tasks.confirm();
  }

  #pick<T>(list: readonly T[]): T {
    const one = list[this.#random.below(list.length)];
    if (one === undefined) throw new Error('nothing to pick from');
    return one;
  }

  #pass(ms: number): void {
    // Where follow-ups are left to later entries what is due at different instants comes in different entries too.
    for (let left = ms; left > 0;) {
      const next = this.engine.state.timers.next().live;
      const until = next === undefined ? left : Math.max(1, next - this.engine.state.counters.live);
      const step = this.#patient ? Math.min(left, until) : left;
      this.#tick(step);
      left -= step;
    }
  }

  #tick(ms: number): void {
    const output = this.#raw([{ kind: 'tick' }], ms);
    this.story.push(`+${ms}`);
    this.#model.advance(this.#model.live + Math.min(ms, GAP));
    this.#compare(output.pushes);
    this.#tasks.confirm();
  }

  #request(
    session: Pick<Session, 'id'>,
    method: WriteMethod,
    params: object,
  ): { reply: Reply; pushes: readonly Push[] } {
    const id = (this.#ids.get(session.id) ?? 0) + 1;
    this.#ids.set(session.id, id);
    const request = { kind: 'request', session: session.id, id, hash: 1, ack: 0, method, params } as Command;
    const output = this.#raw([request], 0);
    const reply = output.commands[0]?.reply;
    if (reply === undefined) throw new Error('a request has a reply');
    this.#reply = reply;
    this.story.push(`${session.id.slice(-4)} ${method} ${JSON.stringify(params)} ${JSON.stringify(reply)}`);
    return { reply, pushes: output.pushes };
  }

  #expectCode(reply: Reply, expected: string): void {
    const code = reply.ok ? 'ok' : reply.rejection.code;
    this.#count(expected);
    if (code !== expected) throw new Error(`the model says ${expected}, the engine ${code}`);
  }

  #attached(): Session {
    return this.#pick(this.#sessions.filter(({ attached }) => attached));
  }

  #terms(): { readonly params: object; readonly terms: Terms } {
    const leased = this.#random.chance(0.3);
    const ttlMs = leased || this.#random.chance(0.1) ? this.#pick([1_000, 3_000, 20_000]) : undefined;
    const autoRefresh = this.#random.chance(0.2) ? this.#random.chance(0.5) : undefined;
    const graceMs = this.#random.chance(0.5) ? this.#pick([0, 1_000, 30_000]) : undefined;
    const lockDelayMs = this.#random.chance(0.3) ? this.#pick([500, 3_000]) : undefined;
    const external = this.#random.chance(0.05) ? true : undefined;
    const progressTimeoutMs = this.#random.chance(0.1) ? this.#pick([2_000, 5_000]) : undefined;
    const params = { ttlMs, autoRefresh, graceMs, lockDelayMs, external, progressTimeoutMs };
    const lasting = autoRefresh ?? ttlMs === undefined;
    const terms: Terms = {
      leaseMs: lasting ? undefined : (ttlMs ?? 30_000),
      holdMs: lasting ? Math.max(graceMs ?? DEFAULT_GRACE, ttlMs ?? 0) : undefined,
      delayMs: lockDelayMs ?? (external === true ? 15_000 : 0),
      progressMs: progressTimeoutMs,
    };
    const given = Object.entries(params).filter(([, value]) => value !== undefined);
    return { params: Object.fromEntries(given), terms };
  }

  /**
   * Where follow-ups are left to later entries, a request may be overdue before its grant has had its turn: which of both comes is
   * the engine's business, and not played.
   */
  #waitMs(): number {
    return this.#random.chance(0.4) ? 0 : this.#patient ? 400_000 : this.#pick([500, 4_000, 60_000]);
  }

  #member(): Member {
    return {
      path: this.#pick(PATHS),
      mode: this.#random.chance(0.6) ? this.#pick(MODES.slice(0, 2)) : this.#pick(MODES),
    };
  }

  #acquire(several: boolean): void {
    const session = this.#attached();
    const asked = several ? Array.from({ length: 1 + this.#random.below(4) }, () => this.#member()) : [this.#member()];
    this.#acquireBy(session, asked, several);
  }

  #acquireBy(session: Session, asked: readonly Member[], several: boolean): void {
    const { params, terms } = this.#terms();
    const agent = session.agentId !== undefined && this.#random.chance(0.4);
    const owner = agent ? (session.agentId ?? '') : session.owner;
    // Of two requests of one owner for one lock the terms of the first that is granted count, whichever that is.
    const twice = this.#model.waits.some((one) => one.owner === owner && one.members[0]?.path === asked[0]?.path);
    const waitMs = twice && !several ? 0 : this.#waitMs();
    const more = { ...params, waitMs, ...(agent ? { scope: 'agent' } : {}) };
    const { reply, pushes } = this.#request(
      session,
      several ? 'lock.acquireAll' : 'lock.acquire',
      several ? { locks: asked, ...more } : { ...asked[0], ...more },
    );
    const members = several ? this.#normalised(asked) : asked;
    this.#ask({ owner, members, several, converts: undefined, terms }, { waitMs, reply, pushes });
  }

  /** What one of them says for all below it, and for the same path, once. */
  #normalised(asked: readonly Member[]): readonly Member[] {
    const reads: readonly Mode[] = ['shared', 'intent_shared'];
    const covers = (a: Member, b: Member): boolean =>
      b.path.startsWith(`${a.path}/`) &&
      (a.mode === 'exclusive' ||
        ((a.mode === 'shared' || a.mode === 'shared_intent_exclusive') && reads.includes(b.mode)));
    const modes = new Map<string, Mode>();
    for (const { path, mode } of asked) modes.set(path, joined(modes.get(path), mode));
    const all = [...modes].map(([path, mode]) => ({ path, mode }));
    return all.filter((one) => !all.some((other) => covers(other, one))).toSorted((a, b) => (a.path < b.path ? -1 : 1));
  }

  #ask(asked: Asked, done: { readonly waitMs: number; readonly reply: Reply; readonly pushes: readonly Push[] }): void {
    const { waitMs, reply, pushes } = done;
    const outcome = this.#model.acquire(asked, waitMs);
    this.#expectCode(reply, outcome === 'granted' || outcome === 'queued' ? 'ok' : outcome);
    this.#count(`acquire ${outcome}`);
    if (reply.ok) {
      const result = reply.result as { readonly granted: boolean; readonly requestId?: string };
      if (result.granted !== (outcome === 'granted')) throw new Error(`the model says ${outcome}`);
      if (result.requestId !== undefined) {
        this.#requests.push(result.requestId);
        this.#model.queued(asked, { id: result.requestId, waitMs });
      }
    }
    this.#model.settle();
    this.#compare(pushes);
  }

  /** A lock, and who says something of it: mostly its owner. */
  #lockAndCaller(): { readonly lock: ModelLock; readonly session: Session } | undefined {
    const { locks } = this.#model;
    if (locks.length === 0) return undefined;
    const lock = this.#pick(locks);
    const own = this.#sessions.filter((one) => one.attached && this.#ownersOf(one).includes(lock.owner));
    const session = own.length > 0 && this.#random.chance(0.9) ? this.#pick(own) : this.#attached();
    return { lock, session };
  }

  #ownersOf(session: Session): string[] {
    const speaks =
      session.agentId !== undefined && this.engine.state.agents.get(session.agentId)?.session === session.id;
    return speaks ? [session.owner, session.agentId ?? ''] : [session.owner];
  }

  /** The owner, or its like if its session is gone. */
  #mayUse(session: Session, owner: string, principal: string | undefined): boolean {
    if (this.#ownersOf(session).includes(owner)) return true;
    const gone =
      !this.#sessions.some((one) => one.owner === owner || one.agentId === owner) &&
      !owner.startsWith('agt_') &&
      !isTask(owner);
    return gone && principal === session.who;
  }

  #principalOf(lock: { readonly id: string }): string | undefined {
    return this.engine.state.locks.get(lock.id)?.principal ?? this.engine.state.lockWaits.get(lock.id)?.principal;
  }

  #held(): HeldBy | undefined {
    const found = this.#lockAndCaller();
    if (found === undefined) return undefined;
    const { lock, session } = found;
    const stale = this.#random.chance(0.1);
    const token = stale ? lock.token - 1 : lock.token;
    return {
      lock,
      session,
      token: String(token),
      good: !stale && this.#mayUse(session, lock.owner, this.#principalOf(lock)),
    };
  }

  #release(): void {
    const held = this.#held();
    if (held === undefined) return;
    const { lock, session, token, good } = held;
    const all = this.#random.chance(0.3) ? { all: true } : {};
    const some = lock.several && this.#random.chance(0.5);
    const paths = some
      ? lock.members.slice(0, 1 + this.#random.below(lock.members.length)).map(({ path }) => path)
      : undefined;
    const how = paths === undefined ? all : { paths };
    const { reply, pushes } = this.#request(session, 'lock.release', { id: lock.id, token, ...how });
    this.#expectCode(reply, good ? 'ok' : 'NOT_HELD');
    if (good) {
      if (paths !== undefined && paths.length < lock.members.length) {
        lock.members = lock.members.filter(({ path }) => !paths.includes(path));
        if (paths.includes(lock.revokePath ?? '')) lock.revokeAt = lock.revokePath = undefined;
        const converting = this.#model.waits.find((one) => one.converts === lock.id);
        if (converting !== undefined && paths.includes(converting.members[0]?.path ?? '')) {
          this.#model.endWait(converting, 'NOT_HELD');
        }
      } else if (lock.count > 1 && paths === undefined && all.all === undefined) lock.count -= 1;
      else this.#model.end(lock);
    }
    this.#model.settle();
    this.#compare(pushes);
  }

  #extend(): void {
    const held = this.#held();
    if (held === undefined) return;
    const { lock, session, token, good } = held;
    const ttlMs = this.#random.chance(0.3) ? 2_000 : undefined;
    const params = { id: lock.id, token, ...(ttlMs === undefined ? {} : { ttlMs }) };
    const { reply, pushes } = this.#request(session, 'lock.extend', params);
    const odd = good && lock.leaseMs === undefined && ttlMs !== undefined;
    this.#expectCode(reply, odd ? 'INVALID_PARAMS' : good ? 'ok' : 'NOT_HELD');
    if (good && !odd) {
      if (lock.leaseMs !== undefined) Object.assign(lock, { leaseMs: ttlMs ?? lock.leaseMs });
      if (lock.leaseMs !== undefined) lock.expiresAt = this.#model.live + lock.leaseMs;
      if (lock.progressMs !== undefined) lock.progressAt = this.#model.live + lock.progressMs;
    }
    this.#compare(pushes);
  }

  #convert(): void {
    const held = this.#held();
    if (held !== undefined) this.#convertTo(held, this.#pick(MODES));
  }

  #convertTo({ lock, session, token, good }: HeldBy, mode: Mode): void {
    const member = this.#pick(lock.members);
    const waitMs = this.#waitMs();
    const params = { id: lock.id, token, mode, waitMs, ...(lock.several ? { path: member.path } : {}) };
    const { reply, pushes } = this.#request(session, 'lock.convert', params);
    if (!good) this.#expectCode(reply, 'NOT_HELD');
    else if (mode !== member.mode && !(joined(member.mode, mode) === member.mode)) {
      const { owner, several, leaseMs, holdMs, delayMs, progressMs, id } = lock;
      const terms = { leaseMs, holdMs, delayMs, progressMs };
      const members = [{ path: member.path, mode }];
      return this.#ask({ owner, members, several, converts: id, terms }, { waitMs, reply, pushes });
    } else {
      this.#expectCode(reply, 'ok');
      if (mode !== member.mode) this.#model.convert(lock, { path: member.path, mode });
    }
    this.#model.settle();
    this.#compare(pushes);
  }

  #cancel(): void {
    if (this.#requests.length === 0) return;
    const requestId = this.#pick(this.#requests.slice(-12));
    const wait = this.#model.waits.find((one) => one.id === requestId);
    const lock = this.#model.locks.find((one) => one.request === requestId || one.earlier.includes(requestId));
    const owner = wait?.owner ?? lock?.owner;
    const own = this.#sessions.filter(
      (one) => one.attached && owner !== undefined && this.#ownersOf(one).includes(owner),
    );
    const session = own.length > 0 && this.#random.chance(0.9) ? this.#pick(own) : this.#attached();
    const principal = this.#principalOf(wait ?? lock ?? { id: '' });
    const good = owner !== undefined && this.#mayUse(session, owner, principal);
    const { reply, pushes } = this.#request(session, 'lock.cancel', { requestId });
    this.#expectCode(reply, good ? 'ok' : 'NOT_FOUND');
    if (good && wait !== undefined) this.#model.endWait(wait, 'CANCELLED');
    else if (good && lock !== undefined) {
      const left = lock.earlier.filter((one) => one !== requestId);
      if (lock.request === requestId) lock.request = left.pop();
      lock.earlier = left;
      lock.count -= 1;
      if (lock.count === 0) this.#model.end(lock);
    }
    this.#model.settle();
    this.#compare(pushes);
  }

  #force(): void {
    const [admin] = this.#sessions;
    if (admin === undefined || !admin.attached) return;
    const { locks } = this.#model;
    const path = locks.length > 0 ? this.#pick(this.#pick(locks).members).path : this.#pick(PATHS);
    const holders = this.#holdersOf(path);
    const only = this.#random.chance(0.3) && holders.length > 0 ? this.#pick(holders).token : undefined;
    const graceMs = this.#random.chance(0.4) ? 1_500 : undefined;
    this.#forceOn(path, { admin, only, graceMs });
  }

  #holdersOf(path: string): ModelLock[] {
    return this.#model.locks.filter((lock) => lock.members.some((one) => one.path === path));
  }

  /** Several hold a path together, some of them and others wait for more of it, and an administrator ends what is held. */
  #crowd(): void {
    this.story.push('crowd');
    const [admin] = this.#sessions;
    const path = this.#pick(PATHS);
    for (let n = 3 + this.#random.below(4); n > 0; n -= 1)
      this.#acquireBy(this.#attached(), [{ path, mode: this.#pick(TOGETHER) }], false);
    for (let n = 1 + this.#random.below(3); n > 0; n -= 1) {
      const holders = this.#holdersOf(path);
      const lock = holders.length > 0 && this.#random.chance(0.6) ? this.#pick(holders) : undefined;
      const session = this.#sessions.find((one) => lock !== undefined && this.#ownersOf(one).includes(lock.owner));
      if (lock === undefined || session?.attached !== true)
        this.#acquireBy(this.#attached(), [{ path, mode: this.#pick(MODES) }], false);
      else this.#convertTo({ lock, session, token: String(lock.token), good: true }, this.#pick(MODES));
    }
    if (admin?.attached === true) this.#forceOn(path, { admin, only: undefined, graceMs: undefined });
  }

  #forceOn(
    path: string,
    by: { readonly admin: Session; readonly only: number | undefined; readonly graceMs: number | undefined },
  ): void {
    const { admin, only, graceMs } = by;
    const holders = this.#holdersOf(path);
    const params = {
      path,
      reason: 'r',
      ...(only === undefined ? {} : { expectToken: String(only) }),
      ...(graceMs === undefined ? {} : { graceMs }),
    };
    const { reply, pushes } = this.#request(admin, 'lock.forceUnlock', params);
    const meant = holders.filter((one) => only === undefined || one.token === only);
    this.#expectCode(reply, meant.length > 0 ? 'ok' : 'NOT_HELD');
    if (graceMs === undefined) this.#grantsFollow(pushes);
    for (const lock of meant) {
      if (graceMs === undefined) this.#model.end(lock, 'forced');
      else {
        lock.revokeAt = this.#model.live + graceMs;
        lock.revokePath = path;
        if (this.#tasks.hears(lock.owner)) this.#model.told.push({ event: 'revokeRequested', lock: lock.id });
      }
    }
    this.#model.settle();
    this.#compare(pushes);
  }

  /** Nothing is granted before all that is ended by force has ended. */
  #grantsFollow(pushes: readonly Push[]): void {
    const told = pushes.filter(({ event }) => event === 'lock.ended' || event === 'lock.acquired');
    const granted = told.findIndex(({ event }) => event === 'lock.acquired');
    if (granted >= 0 && told.slice(granted).some(({ event }) => event === 'lock.ended'))
      throw new Error('the engine granted something before all was ended that was to end by force');
  }

  #lose(): void {
    const session = this.#attached();
    if (this.#sessions.filter(({ attached }) => attached).length < 3) return;
    const owners = this.#ownersOf(session);
    const output = this.#raw([{ kind: 'session.lost', session: session.id, attach: session.attach }], 0);
    this.#left(session, owners, 0);
    this.#model.settle();
    this.#compare(output.pushes);
  }

  #left(session: Session, owners: readonly string[], graceMs: number): void {
    session.attached = false;
    this.#model.expiries.set(session.owner, this.#model.live + RESUME_WINDOW);
    for (const owner of owners) this.#model.leave(owner, graceMs);
  }

  #principalFor({ who, agent }: Session): object {
    if (agent !== undefined) return { id: who, role: 'agent', agent };
    return { id: who, role: who === 'key:admin' ? 'admin' : 'member' };
  }

  #resumeOf(session: Pick<Session, 'id'>): object {
    return { session: session.id, secretHash: 'h', rev: this.engine.state.rev };
  }

  #lostSession(): Session | undefined {
    const lost = this.#sessions.filter(({ attached }) => !attached);
    return lost.length === 0 ? undefined : this.#pick(lost);
  }

  #resume(): void {
    const session = this.#lostSession();
    if (session !== undefined) this.#resumeOne(session);
  }

  /** A session that cannot be resumed, because of a gap, hands what it had on to a fresh one. */
  #takeOver(): void {
    const session = this.#lostSession();
    if (session === undefined || session.agent !== undefined) return;
    const resume = { ...this.#resumeOf(session), gap: 'gap' };
    const { welcome, output } = this.#hello(this.#principalFor(session), undefined, resume);
    this.#model.expiries.delete(session.owner);
    const kept = this.#model.hasAnything(session.owner);
    session.id = welcome.session;
    session.attach = welcome.attach;
    session.attached = true;
    if (kept) this.#model.back(session.owner);
    else session.owner = welcome.session;
    this.#count(kept ? 'taken over' : 'not taken over');
    this.#model.settle();
    this.#compare(output.pushes);
  }

  #bye(): void {
    const session = this.#pick(this.#sessions.slice(1));
    const owners = this.#ownersOf(session);
    const bye = { kind: 'session.bye', session: session.id, attach: session.attach, requeue: true } as const;
    const output = this.#raw([bye], 0);
    this.#model.expiries.delete(session.owner);
    for (const owner of owners) this.#model.surrender(owner, 'released');
    this.#gone(session);
    this.#model.settle();
    this.#compare(output.pushes);
    this.#reopen(session);
  }

  #gone(session: Session): void {
    this.#sessions.splice(this.#sessions.indexOf(session), 1);
  }

  #reopen({ agent, who }: Session): void {
    this.#fresh += 1;
    if (agent !== undefined) this.#replace(agent);
    else this.#open({ who: this.#random.chance(0.5) ? who : `key:new${this.#fresh}`, role: 'member' });
  }

  /** A fresh process of an agent: its session takes the place of the former one. */
  #replace(name = this.#pick(['p', 'q'])): void {
    const former = this.#sessions.find(({ agent, agentId }) => agent === name && agentId !== undefined);
    const wasAttached = former?.attached === true;
    const who = `agent:${name}`;
    const { welcome, output } = this.#hello({ id: who, role: 'agent', agent: name }, name, undefined);
    if (former !== undefined) {
      this.#gone(former);
      this.#model.expiries.delete(former.owner);
      if (wasAttached) this.#model.leave(former.owner, 0);
      this.#model.unwait(former.owner);
    }
    const { session: id, attach, agentId } = welcome;
    this.#sessions.push({ id, owner: id, who, agent: name, agentId, attach, attached: true });
    if (agentId !== undefined) this.#model.back(agentId);
    this.#model.settle();
    this.#compare(output.pushes);
  }

  #deregister(): void {
    const session = this.#sessions.find((one) => one.attached && one.agentId !== undefined);
    if (session?.agentId === undefined) return;
    const { agentId } = session;
    const { reply, pushes } = this.#request(session, 'agent.deregister', {});
    this.#expectCode(reply, 'ok');
    session.agentId = undefined;
    this.#model.surrender(agentId, 'deregistered');
    this.#model.settle();
    this.#compare(pushes);
    this.#replace(session.agent);
  }

  #up(): void {
    this.#fresh += 1;
    const here = this.#sessions.filter(({ attached }) => attached).map((one) => ({ one, owners: this.#ownersOf(one) }));
    const output = this.#raw(
      [{ kind: 'up', incarnation: `i${this.#fresh}`, node: 'n', version: ENGINE_VERSION }],
      60_000,
    );
    for (const owner of this.#model.away.keys()) this.#model.leave(owner, RECOVERY);
    for (const { one, owners } of here) this.#left(one, owners, RECOVERY);
    this.#model.settle();
    this.#compare(output.pushes);
    this.#compare(this.#tasks.back((worker) => this.#back(worker)));
    for (const { one } of here.slice(0, 3)) this.#resumeOne(one);
  }

  #locksOfTask(): readonly Member[] {
    return this.#normalised(Array.from({ length: 1 + this.#random.below(3) }, () => this.#member()));
  }

  /** Who works on tasks: away at no time, but gone at some. */
  #worker(): { readonly worker: Worker; readonly pushes: readonly Push[] } {
    const { welcome, output } = this.#hello(WORKER, 'w', undefined);
    const { session: id, attach } = welcome;
    return { worker: { id, attach }, pushes: output.pushes };
  }

  #back({ id }: Worker): { readonly worker: Worker; readonly pushes: readonly Push[] } {
    const { welcome, output } = this.#hello(WORKER, undefined, this.#resumeOf({ id }));
    return { worker: { id, attach: welcome.attach }, pushes: output.pushes };
  }

  #resumeOne(session: Session): void {
    const { welcome, output } = this.#hello(this.#principalFor(session), undefined, this.#resumeOf(session));
    session.attach = welcome.attach;
    session.attached = true;
    this.#model.expiries.delete(session.owner);
    for (const owner of this.#ownersOf(session)) this.#model.back(owner);
    this.#model.settle();
    this.#compare(output.pushes);
  }

  /** So long that whoever is away is away for good. */
  #outlast(): void {
    if (!this.#random.chance(0.3)) return;
    const gone = this.#sessions.filter(({ attached }) => !attached);
    if (gone.length === 0 || gone.some((one) => one.who === 'key:admin')) return;
    for (let left = RESUME_WINDOW + GAP; left > 0; left -= GAP) this.#pass(GAP);
    for (const session of gone) {
      this.#gone(session);
      this.#reopen(session);
    }
  }

  #compare(pushes: readonly Push[]): void {
    const model = this.#model;
    // What was due at once, as a grace of nothing is.
    model.advance(model.live);
    same('what owners are told', this.#told(pushes).map(text).toSorted(), model.told.map(text).toSorted());
    if (model.order.length > 0) throw new Error('the engine granted what others keep');
    if (model.victims.length > 0) throw new Error('the engine ended a request of a circle that was none');
    model.told = [];
    const s = this.engine.state;
    same('live time', [String(s.counters.live)], [String(model.live)]);
    same(
      'locks',
      s.locks
        .hold()
        .map(({ id, owner, members, token, count, expiresAt }) => text({ id, owner, members, token, count, expiresAt }))
        .toSorted(),
      model.locks
        .map(({ id, owner, members, token, count, expiresAt }) => text({ id, owner, members, token, count, expiresAt }))
        .toSorted(),
    );
    const waits = [...s.lockWaitsBySeq.set].map(({ id, owner, members }) => text({ id, owner, members }));
    same(
      'requests in their order',
      waits,
      model.waits.map(({ id, owner, members }) => text({ id, owner, members })),
    );
    const delays = s.lockDelays
      .hold()
      .map(({ member, owner, until }) => text([member.path, member.mode, owner, until]));
    same(
      'delays',
      delays.toSorted(),
      model.delays.map((one) => text([one.path, one.mode, one.owner, one.until])).toSorted(),
    );
    checkState(s);
    this.#each?.(this);
  }
}

/** As an engine that knows these modes says it. */
function joined(a: Mode | undefined, b: Mode): Mode {
  if (a === undefined || a === b) return b;
  const pair = new Set([a, b]);
  if (pair.has('exclusive')) return 'exclusive';
  if (pair.has('intent_shared')) return a === 'intent_shared' ? b : a;
  return 'shared_intent_exclusive';
}

const text = (value: unknown): string => JSON.stringify(value);

function same(what: string, engine: readonly string[], model: readonly string[]): void {
  if (text(engine) !== text(model))
    throw new Error(`${what}: the engine has\n${engine.join('\n')}\nthe model\n${model.join('\n')}`);
}
