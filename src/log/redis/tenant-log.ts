/**
 * One tenant's log on Redis.
 *
 * Owns: the tail (where it stands, what it delivers), reading, what the answers to an append mean. Does not own:
 * connections (home.ts), groups of appends (appends.ts), the blocking read (reader.ts).
 *
 * RT1 The tail delivers what was read from Redis and continues what it delivered before, by number and link; anything
 *    else ends it with a fault. What it delivers is durable: Redis syncs before it answers (gate.ts looks that it does).
 * RT2 What is delivered is given to the local tail first.
 * RT3 Until the tail has caught up it reads pages, then the blocking reader feeds it; over a reconnection it goes on from
 *    where it stands.
 * RT5 What ended the log before it was followed is told to who follows it then: a node that loads a snapshot meanwhile has no tail yet.
 * RT4 When Redis lost what was applied here, the log is attached anew, which repairs or refuses it (recovery.ts).
 */
import { assert } from '../../base/assert.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import { LogFault, type AppendOutcome, type LogEntry, type LogHead, type Member } from '../port.ts';
import type { TailSink, Talk, TenantLog } from '../port.ts';
import { Stamps } from '../stamps.ts';
import { startFault } from '../verify.ts';
import { Appends, type CallOutcome } from './appends.ts';
import { ElementCursor, elementOf, idOf, type Element, type Place } from './element.ts';
import type { Keys } from './keys.ts';
import { RedisMembers } from './members.ts';
import { messageOf, ServerRefusal, type Argument, type Link } from './link.ts';
import type { LocalTail } from './local-tail.ts';
import type { Attached } from './recovery.ts';
import { refusalOf } from './refusal.ts';
import { integerOf, listOf, textOf } from './replies.ts';
import { runScript, SCRIPTS, type Script } from './scripts.ts';
import { inTurn, tell } from './tell.ts';

const pageEntries = 512;

/** A connection to the server that has the log, which was claimed for it. */
export interface Session {
  readonly link: Link;
  readonly pass: string;
  /** The server must be looked at anew: it lost something, or is no primary any more. */
  renew(why: string): void;
  /** Resolves when replicas have what was appended; rejects when the connection ends. */
  replicated(): Promise<void>;
}

export interface TenantHost {
  readonly scheduler: Scheduler;
  readonly node: string;
  readonly shared: boolean;
  readonly local: LocalTail;
  /** Undefined: there are no other nodes. */
  readonly talk: Talk | undefined;
  /** Appends are refused for now: Redis is not set up as it must be. */
  refuses(): boolean;
  /** Redis said something that an operator should know. */
  trouble(what: string): void;
  /** The tail has caught up: feed it. */
  follow(log: RedisTenantLog): void;
  /** The chain after the entry `seq`, and its epoch, by a snapshot whose bytes were read again just now. */
  proven(seq: number): Promise<{ readonly epoch: number; readonly chain: Uint8Array } | undefined>;
  idle(): void;
  /** It is claimed for no connection any more. */
  ended(): void;
}

type Tail =
  | { readonly kind: 'none' }
  | { readonly kind: 'reading'; readonly sink: TailSink; readonly from: From; readonly target: number }
  | { readonly kind: 'live'; readonly sink: TailSink }
  | { readonly kind: 'ended'; readonly fault?: LogFault };
type From = { readonly seq: number; readonly chain?: Uint8Array };

export class RedisTenantLog implements TenantLog {
  readonly tenant: string;
  readonly logId: string;
  readonly keys: Keys;
  readonly members: RedisMembers | undefined;
  readonly talk: Talk | undefined;
  readonly #host: TenantHost;
  readonly #appends: Appends;
  readonly #stamps: Stamps;
  #epoch: number;
  #base: Place;
  /** The newest entry that is known to be in the log. */
  #headSeq: number;
  #session: Session | undefined;
  #tail: Tail = { kind: 'none' };
  #cursor: ElementCursor;
  #walking = false;

  constructor(of: { readonly tenant: string; readonly keys: Keys; readonly attached: Attached }, host: TenantHost) {
    const { attached } = of;
    this.tenant = of.tenant;
    this.keys = of.keys;
    this.logId = attached.logId;
    this.#host = host;
    this.talk = host.talk;
    this.#epoch = attached.epoch;
    this.#base = attached.base;
    this.#headSeq = attached.head.seq;
    this.#cursor = new ElementCursor(of.tenant, attached.base);
    this.members = host.shared
      ? new RedisMembers(
          {
            scheduler: host.scheduler,
            node: host.node,
            leave: () => this.#leave(),
            trouble: (what) => host.trouble(what),
            base: () => this.#base.seq,
          },
          (script, more) => this.#say(script, more),
          (lost) => this.fail(lost),
        )
      : undefined;
    this.#stamps = new Stamps({ wall: attached.head.ts, mono: host.scheduler.mono() });
    this.#appends = new Appends({
      scheduler: host.scheduler,
      call: (packed) => (this.#session?.link.open === true ? this.#call(this.#session, packed) : undefined),
      appended: (last) => {
        this.#headSeq = Math.max(this.#headSeq, last);
      },
      idle: () => host.idle(),
    });
  }

  get epoch(): number {
    return this.#epoch;
  }

  get idle(): boolean {
    return this.#appends.idle;
  }

  get ended(): boolean {
    return this.#tail.kind === 'ended';
  }

  /** Where the tail stands, for the blocking reader. */
  get place(): Place {
    return this.#cursor.at;
  }

  get session(): Session | undefined {
    return this.#session;
  }

  /** The log was claimed for a connection. */
  attached(session: Session, attached: Attached): void {
    this.#session = session;
    this.members?.attached();
    this.#epoch = attached.epoch;
    this.#base = attached.base;
    this.#headSeq = Math.max(this.#headSeq, attached.head.seq);
    this.#appends.flush();
    if (this.#tail.kind === 'live') this.#host.follow(this);
    else this.#walk();
  }

  detached(): void {
    this.#session = undefined;
    this.members?.detached();
  }

  append(payloads: readonly Uint8Array[], done: (outcome: AppendOutcome) => void): void {
    this.#appends.append(payloads, done);
  }

  tail(from: From, sink: TailSink): void {
    if (this.#tail.kind === 'ended') {
      const { fault } = this.#tail; // RT5
      if (fault !== undefined) this.#host.scheduler.defer(() => sink.fault(fault));
      return;
    }
    assert(this.#tail.kind === 'none', 'a log has one tail');
    this.#tail = { kind: 'reading', sink, from, target: this.#headSeq };
    this.#cursor = new ElementCursor(this.tenant, this.#base);
    const chain = from.seq === this.#base.seq ? this.#base.chain : (from.chain ?? new Uint8Array(0));
    const fault = startFault(this.tenant, from, { baseSeq: this.#base.seq, headSeq: this.#headSeq, chain });
    if (fault !== undefined) this.#host.scheduler.defer(() => this.fail(fault));
    else this.#host.scheduler.defer(() => this.#walk());
  }

  read(from: number, limit: number, done: (result: readonly LogEntry[] | LogFault) => void): void {
    void tell(this.#read(from, limit), done);
  }

  trim(seq: number, done: () => void): void {
    void tell(this.#trim(seq), done);
  }

  /** RT1. Elements that the blocking reader brought. */
  received(elements: readonly Element[]): void {
    if (this.#tail.kind !== 'live' || this.#session === undefined) return; // read again when it is attached
    const entries = this.#believe(elements);
    if (entries instanceof LogFault) this.fail(entries);
    else this.#tail.sink.entries(entries);
  }

  fail(fault: LogFault): void {
    const tail = this.#tail;
    if (tail.kind === 'ended') return;
    this.#tail = { kind: 'ended', fault };
    this.#host.ended();
    if (tail.kind === 'reading' || tail.kind === 'live') tail.sink.fault(fault);
  }

  giveUp(): void {
    this.#appends.giveUp();
  }

  /** Says to Redis that the node lives (or leaves), and looks whether the log is still what it was. */
  async beat(alive: boolean): Promise<void> {
    const session = this.#session;
    if (session === undefined || this.ended) return;
    const applied = this.#cursor.at.seq;
    const { members } = this;
    const suspects = members?.suspects() ?? [];
    const patience = String(members?.patienceMs ?? 0);
    const about = [members?.about() ?? '', members?.kept() ?? ''];
    const args = [this.#host.node, session.pass, alive ? '1' : '0', patience, ...about];
    const [said, seq, base, ...living] = await this.#run(session.link, SCRIPTS.beat, args);
    if (this.#session !== session || !alive) return;
    const outcome = textOf(said);
    if (outcome === 'FENCED') this.fail(this.#fenced());
    else if (outcome === 'GONE' || integerOf(seq) < applied)
      session.renew(`the log of tenant ${this.tenant} became shorter`);
    else {
      members?.beaten(suspects, integerOf(seq), membersIn(living));
      if (integerOf(base) > this.#base.seq) await this.#rebase(session);
    }
  }

  /** Another node trimmed the log. */
  async #rebase(session: Session): Promise<void> {
    const fields = ['baseSeq', 'baseEpoch', 'baseTs', 'baseLink', 'baseChain'];
    const [seq, epoch, ts, link, chain] = listOf(await session.link.call('HMGET', this.keys.meta, ...fields));
    const base = { seq: integerOf(seq), epoch: integerOf(epoch), ts: integerOf(ts), link: textOf(link) };
    if (base.seq <= this.#base.seq) return;
    this.#base = { ...base, chain: new Uint8Array(Buffer.from(textOf(chain), 'hex')) };
    this.#host.local.trim(base.seq);
  }

  /** What is under way ends as it may; nobody waits for the others to be told. */
  #leave(): void {
    void this.beat(false).catch((error: unknown) => this.#host.trouble(messageOf(error)));
    this.#tail = { kind: 'ended' };
    this.#host.ended();
  }

  /** A script about this node among the others; undefined: there is no connection now. */
  async #say(script: Script, more: readonly string[] = []): Promise<readonly string[] | undefined> {
    const session = this.#session;
    if (session === undefined || this.ended) return undefined;
    try {
      const said = await this.#run(session.link, script, [this.#host.node, session.pass, ...more]);
      return this.#session === session ? said.map(textOf) : undefined;
    } catch (error) {
      session.renew(messageOf(error));
      return undefined;
    }
  }

  async #run(link: Link, script: Script, args: readonly Argument[]): Promise<readonly unknown[]> {
    return listOf(await runScript(link, { script, keys: [this.keys.log, this.keys.meta] }, args));
  }

  #fenced(): LogFault {
    const what = this.#host.shared ? 'others took this node for dead' : 'another node has taken it over';
    return new LogFault('LOCKED', `log of tenant ${this.tenant}: ${what}`);
  }

  async #call(session: Session, packed: readonly Uint8Array[]): Promise<CallOutcome> {
    if (this.#host.refuses()) return { kind: 'FULL' };
    const { link, pass } = session;
    const { epoch, seq, link: applied } = this.#cursor.at;
    const floor = this.#stamps.next({ wall: 0, mono: this.#host.scheduler.mono() });
    const args = [link.runId, this.#host.node, pass, String(epoch), String(seq), applied, String(floor), ...packed];
    try {
      const [said, first] = await this.#run(link, SCRIPTS.append, args);
      // Until then a failover may lose it: if the connection ends first the outcome is unknown.
      if (textOf(said) === 'OK') await session.replicated();
      return this.#outcome(session, textOf(said), first);
    } catch (error) {
      if (error instanceof ServerRefusal) return this.#refused(session, error);
      session.renew(`an append to the log of tenant ${this.tenant} was not answered: ${messageOf(error)}`);
      return { kind: 'UNKNOWN' };
    }
  }

  #outcome(session: Session, said: string, first: unknown): CallOutcome {
    switch (said) {
      case 'OK':
        return { kind: 'appended', first: integerOf(first) };
      case 'FENCED':
        return { kind: 'FENCED' };
      default: // RT4
        session.renew(`the log of tenant ${this.tenant} is not the one that was read`);
        return { kind: 'again' };
    }
  }

  #refused(session: Session, refusal: ServerRefusal): CallOutcome {
    this.#host.trouble(refusal.message);
    switch (refusalOf(refusal.message)) {
      case 'full':
      case 'not now':
        return { kind: 'FULL' };
      case 'elsewhere':
      case 'unknown script':
        session.renew(refusal.message);
        return { kind: 'again' };
      case 'unknown':
        session.renew(refusal.message);
        return { kind: 'UNKNOWN' };
    }
  }

  /** RT3. Reads pages up to where the log ended when the tail was opened. */
  #walk(): void {
    if (this.#walking || this.#tail.kind !== 'reading') return;
    const session = this.#session;
    if (session === undefined) return;
    this.#walking = true;
    void tell(this.#walkOn(session), (fault) => {
      this.#walking = false;
      if (fault !== undefined) this.fail(fault);
      else if (this.#session !== session) this.#walk();
    });
  }

  /** Resolves when the tail is live, or the connection has ended, or with the fault. */
  async #walkOn(session: Session): Promise<LogFault | undefined> {
    try {
      for (let tail = this.#tail; tail.kind === 'reading'; tail = this.#tail) {
        const { from, target } = tail;
        const page = this.#cursor.at.seq < target ? await this.#page(session.link, this.#cursor.at) : [];
        if (page instanceof LogFault) return page;
        const entries = this.#believe(page, from);
        if (entries instanceof LogFault) return entries;
        await inTurn(
          (fn) => this.#host.scheduler.defer(fn),
          () => this.#deliverPage(entries),
        );
      }
      return undefined;
    } catch (error) {
      if (error instanceof LogFault) return error;
      session.renew(messageOf(error));
      return undefined;
    }
  }

  #deliverPage(entries: readonly LogEntry[]): void {
    const tail = this.#tail;
    if (tail.kind !== 'reading') return;
    const { seq, ts, chain } = this.#cursor.at;
    const beyond = entries.filter((entry) => entry.seq > tail.from.seq);
    if (seq >= tail.target) this.#tail = { kind: 'live', sink: tail.sink };
    if (beyond.length > 0) tail.sink.entries(beyond);
    if (this.#tail.kind !== 'live') return;
    const last = entries.find((entry) => entry.seq === tail.target);
    const head: LogHead = last === undefined ? { seq, ts, chain } : { seq: last.seq, ts: last.ts, chain: last.chain };
    this.#host.follow(this);
    tail.sink.caughtUp(head);
  }

  /** At least one element after `after`, which must be there. */
  async #page(link: Link, after: Place): Promise<readonly Element[] | LogFault> {
    const range = [`(${idOf(after)}`, '+', 'COUNT', String(pageEntries)];
    const page = listOf(await link.call('XRANGE', this.keys.log, ...range)).map(elementOf);
    if (page.length > 0) return page;
    return new LogFault('GAP', `log of tenant ${this.tenant}: entry ${after.seq + 1} is missing`);
  }

  /** RT1, RT2. The elements as entries; `from`: where a reader stands that must be on this history. */
  #believe(elements: readonly Element[], from?: From): readonly LogEntry[] | LogFault {
    const entries: LogEntry[] = [];
    for (const element of elements) {
      const entry = this.#cursor.next(element);
      if (entry instanceof LogFault) return entry;
      if (from !== undefined && entry.seq === from.seq) {
        const fault = startFault(this.tenant, from, { baseSeq: 0, headSeq: entry.seq, chain: entry.chain });
        if (fault !== undefined) return fault;
      }
      this.#stamps.next({ wall: entry.ts, mono: this.#host.scheduler.mono() });
      entries.push(entry);
    }
    this.#headSeq = Math.max(this.#headSeq, this.#cursor.at.seq);
    this.#host.local.add(this.logId, elements);
    return entries;
  }

  async #read(from: number, limit: number): Promise<readonly LogEntry[] | LogFault> {
    const session = this.#session;
    if (session === undefined) return new LogFault('IO', 'there is no connection to Redis now');
    try {
      if (this.#host.shared) await this.#rebase(session);
      const { seq: baseSeq } = this.#base;
      if (from > this.#headSeq) return [];
      const ends = { baseSeq, headSeq: this.#headSeq, chain: new Uint8Array(0) };
      return startFault(this.tenant, { seq: from - 1 }, ends) ?? (await this.#readOn(session.link, from, limit));
    } catch (error) {
      return error instanceof LogFault ? error : new LogFault('IO', messageOf(error), { cause: error });
    }
  }

  async #readOn(link: Link, from: number, limit: number): Promise<readonly LogEntry[] | LogFault> {
    const cursor = new ElementCursor(this.tenant, this.#base);
    const upTo = Math.min(this.#headSeq, from + limit - 1);
    const taken: LogEntry[] = [];
    while (cursor.at.seq < upTo) {
      const page = await this.#page(link, cursor.at);
      if (page instanceof LogFault) return page;
      for (const element of page) {
        const entry = cursor.next(element);
        if (entry instanceof LogFault) return entry;
        if (entry.seq >= from && entry.seq <= upTo) taken.push(entry);
      }
    }
    return taken;
  }

  async #trim(seq: number): Promise<void> {
    const session = this.#session;
    if (session === undefined || seq <= this.#base.seq) return;
    try {
      const proof = await this.#host.proven(seq);
      if (proof === undefined)
        return this.#host.trouble(`nothing is trimmed: the snapshot of entry ${seq} cannot be read`);
      const { epoch, chain } = proof;
      const place = [String(epoch), String(seq), Buffer.from(chain).toString('hex')];
      const args = [this.#host.node, session.pass, ...place, this.#host.shared ? 'shared' : 'alone'];
      const [said] = await this.#run(session.link, SCRIPTS.trim, args);
      // Another one needs it still: the next checkpoint trims.
      if (textOf(said) === 'HELD') return;
      if (textOf(said) !== 'OK') return this.#host.trouble(`the log was not trimmed to entry ${seq}: ${textOf(said)}`);
      await this.#rebase(session);
    } catch (error) {
      // The next checkpoint trims.
      this.#host.trouble(`the log was not trimmed to entry ${seq}: ${messageOf(error)}`);
    }
  }
}

function membersIn(said: readonly unknown[]): readonly Member[] {
  const members: Member[] = [];
  for (let at = 0; at + 2 < said.length; at += 3) {
    members.push({ node: textOf(said[at]), silentMs: integerOf(said[at + 1]), about: textOf(said[at + 2]) });
  }
  return members;
}
