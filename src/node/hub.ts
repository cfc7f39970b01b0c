/**
 * The connections of a tenant on this node and what is handed to them.
 *
 *   waiting ──begin──► behind ──nothing missed──► live ──push refused──► behind ──drained──► …
 *
 * H1 A connection's position is the rev of the last push handed to it; while it is live it has everything of its
 *    audiences up to the head.
 * H2 A connection that is behind reads from the ring, and before the ring from the history, by position; nothing is
 *    queued for it here.
 * H3 A push that was subscribed to by nobody at its rev is not handed over later.
 * H6 What belongs to a workspace is handed to those who may read that, asked each time it is handed over.
 * H5 A notification that is handed over later than it was said is left out when its time is over.
 * H4 A connection that reads from behind what the history keeps of its audiences is told of the gap before it is handed
 *    what came after; once for each gap.
 */
import type { CloseName } from '../../protocol/wire/codes.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { Engine } from '../engine/engine.ts';
import type { EntryOutput, Push, SessionEnd } from '../engine/port.ts';
import type { PackedPush, StoredPush, TenantStore } from '../store/port.ts';
import { guarding, hears, sessionsOf, isOfAudience, isPassable, mayListen, wideAudiences } from '../engine/queries.ts';
import { withPatterns } from '../engine/topics/topics.ts';
import type { Beside } from './beside.ts';
import { CapabilityIndex } from './capabilities.ts';
import { heardUpTo, isNotification, passedByAll, type AttachedTo, type Heard } from './heard.ts';
import { ephemeral, renderPush, withTrace } from './frames.ts';
import type { Delivery, OutPush } from './port.ts';
import { PushRing, type RingOptions } from './ring.ts';

type Phase = 'waiting' | 'live' | 'behind' | 'reading' | 'gone';

export interface Line {
  readonly session: string;
  readonly attach: number;
  readonly delivery: Delivery;
  phase: Phase;
  position: number;
  /** The push handed over last, to hand one with two audiences over once. */
  last: Push | undefined;
  /** It was told that pushes up to here may be lost. */
  gapTold: number;
  readonly heard: Heard;
}

const CLOSE_FOR: { readonly [W in SessionEnd]: CloseName } = {
  replaced: 'REPLACED',
  bye: 'ENDED',
  expired: 'ENDED',
  revoked: 'BAD_AUTH',
};

/** Pushes read for a connection at a time. */
const PAGE = 256;
const BOOKMARK_MS = 5_000;
const TOPIC_MARK = 't'.charCodeAt(0);
const SESSION_MARK = 's'.charCodeAt(0);
const AGENT_MARK = 'a'.charCodeAt(0);
const CAPABILITY_MARK = 'c'.charCodeAt(0);
const EVERYONE_MARK = 'e'.charCodeAt(0);
const MEMBERS_MARK = 'w'.charCodeAt(0);
const GUARD_MARK = 'g'.charCodeAt(0);

/** The traceparent that goes with an order; undefined: none. */
export type OrderTracing = (push: Push) => string | undefined;

export class Hub {
  readonly #engine: Engine;
  readonly #store: TenantStore;
  readonly #scheduler: Scheduler;
  readonly #lines = new Map<string, Line>();
  /** The push at hand as it is sent, once somebody gets it. */
  #rendered: OutPush | undefined;
  #bytes: PackedPush | undefined;
  /** Of the entry at hand: kept first, delivered then. */
  #packed: readonly PackedPush[] = [];
  #marking: (() => void) | undefined;
  readonly #capabilities: CapabilityIndex;
  readonly #passed: ((rev: number) => void) | undefined;
  readonly #beside: Beside | undefined;
  readonly #orders: OrderTracing | undefined;
  /**
   * Connections that went behind because their queue was full, positions read from the history, and those of which the
   * history no longer had everything; for metrics.
   */
  readonly counts = { behind: 0, fromHistory: 0, gaps: 0 };

  readonly ring: PushRing;
  readonly #listened = (audience: string): boolean => {
    if (audience.charCodeAt(0) === GUARD_MARK) return false;
    if (audience.charCodeAt(0) !== TOPIC_MARK) return true;
    const { state } = this.#engine;
    return state.subs.size > 0 && state.subsByTopic.count(audience.slice(2)) > 0;
  };

  constructor(parts: {
    /** Empty, or loaded from a snapshot: older pushes are in the history only. */
    readonly engine: Engine;
    readonly store: TenantStore;
    readonly scheduler: Scheduler;
    readonly ring?: RingOptions | undefined;
    /** Undefined: nothing is traced. */
    readonly orders?: OrderTracing | undefined;
    /** All attached agents have processed everything up to there, which is to be known to the engine. */
    readonly passed?: (rev: number) => void;
    /** Undefined: no other node serves the tenant. */
    readonly beside?: Beside | undefined;
  }) {
    this.ring = new PushRing(parts.engine.state.rev, parts.ring);
    this.#engine = parts.engine;
    this.#orders = parts.orders;
    this.#passed = parts.passed;
    this.#beside = parts.beside;
    this.#capabilities = new CapabilityIndex(parts.engine.state);
    this.#store = parts.store;
    this.#scheduler = parts.scheduler;
  }

  get size(): number {
    return this.#lines.size;
  }

  /** Takes the place of an older connection of the session, which is closed. */
  attach(line: {
    readonly session: string;
    readonly attach: number;
    readonly delivery: Delivery;
    readonly rev: number;
  }): Line {
    this.#end(line.session, 'REPLACED');
    const made: Line = {
      session: line.session,
      attach: line.attach,
      delivery: line.delivery,
      phase: 'waiting',
      position: line.rev,
      last: undefined,
      gapTold: 0,
      heard: { owed: 0, acked: line.rev },
    };
    this.#lines.set(line.session, made);
    this.#mark();
    return made;
  }

  /** Takes up the pushes of an entry for those who come back or fall behind. */
  keep(pushes: readonly PackedPush[]): void {
    this.#packed = pushes;
    for (const push of pushes) this.ring.add(push, this.#listened);
  }

  /** An entry of the replay, up to `rev`, whose pushes need not be kept: they are in the history. */
  skip(rev: number): void {
    this.#packed = [];
    this.ring.begin(rev);
  }

  begin(line: Line): void {
    if (line.phase !== 'waiting') return;
    line.phase = 'behind';
    this.#catchUp(line);
  }

  drained(line: Line): void {
    if (line.phase === 'behind') this.#catchUp(line);
  }

  /** The client says that it has processed everything up to there. */
  acknowledged(line: Line, rev: number): void {
    line.heard.acked = Math.max(line.heard.acked, rev);
  }

  /** Up to where the client of a session has processed what it was told; undefined: that matters to nobody, or it is not here. */
  heardBy(session: string): number | undefined {
    const { notifications, notificationFloors } = this.#engine.state;
    const line = this.#lines.get(session);
    return line === undefined || notifications.size + notificationFloors.size === 0 ? undefined : this.#heard(line);
  }

  detach(line: Line): void {
    line.phase = 'gone';
    if (this.#lines.get(line.session) === line) this.#lines.delete(line.session);
  }

  /** Hands the pushes of an entry to those of their audiences that are here. */
  deliver(output: EntryOutput): void {
    const packed = this.#packed;
    this.#packed = [];
    let next = 0;
    const pushes = this.#lines.size === 0 ? [] : output.pushes;
    for (const push of pushes) {
      // Both are in rev order; what is not kept has no bytes yet.
      const bytes = packed[next]?.rev === push.rev ? packed[next] : undefined;
      if (bytes !== undefined) next += 1;
      this.#deliver(push, bytes);
    }
    for (const end of output.ended) {
      if (this.#lines.get(end.session)?.attach === end.attach) this.#end(end.session, CLOSE_FOR[end.why]);
    }
  }

  /** Hands a message that is not logged to the listeners of the topic that are here. */
  message(topic: string, data: object): void {
    const out = ephemeral(topic, data);
    const { state } = this.#engine;
    const heard = new Set<string>();
    for (const audience of withPatterns(state, [`t:${topic}`], topic)) {
      for (const { session } of state.subsByTopic.of(audience.slice(2)) ?? []) heard.add(session);
    }
    for (const session of heard) {
      const line = this.#lines.get(session);
      const record = state.sessions.get(session);
      if (record === undefined || !mayListen(state, record, topic)) continue;
      if (line !== undefined && line.phase !== 'waiting') line.delivery.push(out);
    }
  }

  closeAll(name: CloseName, message?: string): void {
    for (const session of this.#lines.keys()) this.#end(session, name, message);
    this.#marking?.();
    this.#marking = undefined;
  }

  /** Whether every push of the session after `rev` can still be read. */
  covers(session: string, rev: number, done: (covered: boolean) => void): void {
    const older = this.#olderThanRing(this.#audiences(session), rev);
    if (older.length === 0) return done(true);
    this.#store.floor(older, (floor) => {
      if (floor > rev) this.counts.gaps += 1;
      done(floor <= rev);
    });
  }

  #deliver(push: Push, packed: PackedPush | undefined): void {
    const { state } = this.#engine;
    this.#rendered = undefined;
    this.#bytes = packed;
    const guard = guarding(push.to);
    for (const audience of push.to) {
      const mark = audience.charCodeAt(0);
      if (mark === GUARD_MARK) continue;
      // Most tasks are watched by their creator and by nobody else.
      if (mark === TOPIC_MARK && state.subs.size === 0) continue;
      const id = audience.slice(2);
      if (mark === SESSION_MARK) this.#handGuarded(id, push, guard);
      else if (mark === AGENT_MARK) {
        const session = state.agents.get(id)?.session;
        if (session !== undefined && this.#isFor(session, audience, push)) this.#handGuarded(session, push, guard);
      } else if (mark === MEMBERS_MARK) {
        for (const member of state.membersByWorkspace.after(id, '')) {
          for (const session of sessionsOf(state, member.user)) {
            if (this.#isFor(session, audience, push)) this.#handTo(session, push);
          }
        }
      } else if (mark === EVERYONE_MARK) {
        for (const { session } of this.#lines.values())
          if (this.#isFor(session, audience, push)) this.#handTo(session, push);
      } else if (mark === CAPABILITY_MARK) {
        for (const agent of this.#capabilities.of(id)) {
          const session = state.agents.get(agent)?.session;
          if (session !== undefined && this.#isFor(session, audience, push)) this.#handTo(session, push);
        }
      } else {
        const listeners = state.subsByTopic.of(id);
        if (listeners === undefined) continue;
        for (const sub of listeners)
          if (push.rev === 0 || sub.rev < push.rev) this.#handGuarded(sub.session, push, guard);
      }
    }
  }

  /** H6 */
  #handGuarded(session: string, push: Push, guard: string | undefined): void {
    if (guard !== undefined && !this.#lines.has(session)) return;
    if (guard === undefined || this.#mayHear(session, push, guard)) this.#handTo(session, push);
  }

  #mayHear(session: string, { rev }: Push, workspace: string): boolean {
    const { state } = this.#engine;
    const record = state.sessions.get(session);
    return record !== undefined && hears(state, record, { workspace, rev });
  }

  /** Orders are the agent's whichever session it has; of notifications see NA1. */
  #isFor(session: string, audience: string, push: Push): boolean {
    if (!isNotification(push)) return true;
    const record = this.#engine.state.sessions.get(session);
    return record !== undefined && isOfAudience(this.#engine.state, { session: record, audience, rev: push.rev });
  }

  /** HD1 */
  #heard(line: Line): number {
    return heardUpTo(line.heard, line.phase === 'live' ? this.#engine.state.rev : line.position);
  }

  #handTo(session: string, push: Push): void {
    const line = this.#lines.get(session);
    if (line === undefined || line.last === push) return;
    // The newest value of a key has a queue of its own and waits for nobody.
    if (line.phase !== 'live' && (push.latestKey === undefined || line.phase === 'waiting')) return;
    // Handed over already, by a connection that caught up between the entry and this.
    if (push.rev > 0 && push.rev <= line.position) return;
    this.#rendered ??= this.#render(push, this.#bytes);
    if (this.#rendered !== undefined) this.#hand(line, push, this.#rendered);
  }

  #render(push: Push, packed?: PackedPush): OutPush | undefined {
    const out = renderPush(this.#engine.state, push, packed);
    if (this.#orders === undefined || push.order === undefined || out === undefined) return out;
    const tp = this.#orders(push);
    return tp === undefined ? out : withTrace(out, tp);
  }

  #hand(line: Line, push: Push, out: OutPush): void {
    line.last = push;
    if (line.delivery.push(out)) {
      if (push.rev > 0) line.position = push.rev;
      if (isNotification(push)) line.heard.owed = push.rev;
    } else if (push.rev > 0) {
      line.phase = 'behind';
      this.counts.behind += 1;
    }
  }

  #audiences(session: string): string[] {
    const { state } = this.#engine;
    const record = state.sessions.get(session);
    const audiences = [`s:${session}`];
    if (record?.agentId !== undefined && state.agents.get(record.agentId)?.session === session) {
      audiences.push(`a:${record.agentId}`);
    }
    for (const sub of state.subsBySession.of(session) ?? []) audiences.push(`t:${sub.topic}`);
    if (record !== undefined) audiences.push(...wideAudiences(state, record));
    return audiences;
  }

  /** The audiences of which the ring no longer has everything after a position. */
  #olderThanRing(audiences: readonly string[], rev: number): string[] {
    return audiences.filter((audience) => this.ring.floorOf(audience) > rev);
  }

  /** Hands over what came after the position, until the queue is full or nothing is missed any more. */
  #catchUp(line: Line): void {
    const audiences = this.#audiences(line.session);
    const { ring } = this;
    const older = this.#olderThanRing(audiences, line.position);
    if (older.length > 0) return this.#readHistory(line, older);
    while (line.phase === 'behind') {
      const pushes = ring.read(audiences, line.position, PAGE);
      for (const push of pushes) if (!this.#handBack(line, asPush(push))) return;
      if (pushes.length < PAGE) line.phase = 'live';
    }
  }

  /** False if the queue is full. */
  #handBack(line: Line, push: Push): boolean {
    if (this.#heldAt(line.session, push)) {
      const out = this.#render(push);
      if (out !== undefined && !line.delivery.push(out)) return false;
      if (isNotification(push)) line.heard.owed = push.rev;
    }
    line.position = push.rev;
    return true;
  }

  /** Topics count from the subscription on. */
  #heldAt(session: string, push: Push): boolean {
    const { state } = this.#engine;
    const record = state.sessions.get(session);
    const agentId = record?.agentId;
    if (isNotification(push)) {
      if (record === undefined || isOver(push, state.counters.now)) return false; // H5
      return push.to.some((audience) => isOfAudience(state, { session: record, audience, rev: push.rev }));
    }
    const guard = guarding(push.to);
    if (guard !== undefined && !this.#mayHear(session, push, guard)) return false;
    return push.to.some((audience) => {
      if (audience.startsWith('a:')) return agentId !== undefined && audience === `a:${agentId}`;
      if (!audience.startsWith('t:')) return audience === `s:${session}`;
      const sub = state.subs.get(`${session} ${audience.slice(2)}`);
      return sub !== undefined && sub.rev < push.rev;
    });
  }

  #readHistory(line: Line, audiences: readonly string[]): void {
    line.phase = 'reading';
    this.counts.fromHistory += 1;
    const upTo = this.ring.floor;
    const query = { after: line.position, upTo, audiences, limit: PAGE };
    this.#store.readHistory(query, (stored, more) => {
      // Asked after the read: so it counts what retention dropped meanwhile, and what the read found damaged.
      this.#store.floor(audiences, (floor) => {
        if (line.phase !== 'reading') return;
        line.phase = 'behind';
        this.#tellGap(line, floor);
        for (const push of stored) if (!this.#handBack(line, asPush(push))) return;
        if (!more) line.position = Math.max(line.position, upTo);
        this.#catchUp(line);
      });
    });
  }

  /** H4 */
  #tellGap(line: Line, floor: number): void {
    if (floor <= Math.max(line.position, line.gapTold)) return;
    line.gapTold = floor;
    this.counts.gaps += 1;
    line.delivery.gap();
  }

  #end(session: string, name: CloseName, message?: string): void {
    const line = this.#lines.get(session);
    if (line === undefined) return;
    this.detach(line);
    line.delivery.close(name, message);
  }

  /** Up to where the agents that are attached to this node have processed what they were told. */
  heardHere(): number | undefined {
    const isHere = ({ node }: AttachedTo): boolean => this.#beside?.isHere(node) ?? true;
    return passedByAll(this.#engine.state, ({ id }) => this.heardBy(id), isHere);
  }

  /** What all attached agents have is kept for none of them. One of several nodes says so. */
  pass(): void {
    const { state } = this.#engine;
    const beside = this.#beside;
    if (this.#passed === undefined || state.notifications.size === 0 || beside?.isFirst === false) return;
    const rev = passedByAll(state, ({ id, node }) =>
      beside === undefined || beside.isHere(node) ? this.heardBy(id) : beside.heardAt(node),
    );
    if (rev !== undefined && isPassable(state, rev)) this.#passed(rev);
  }

  /** Now and then every live connection learns up to where it has everything, so that idle ones keep a fresh position. */
  #mark(): void {
    if (this.#marking !== undefined) return;
    this.#marking = this.#scheduler.after(BOOKMARK_MS, () => {
      this.#marking = undefined;
      const { rev } = this.#engine.state;
      for (const line of this.#lines.values()) {
        if (line.phase === 'live') line.delivery.bookmark(rev);
        // A client that is busy is not asked otherwise, for it shows that it lives.
        if (line.heard.owed > line.heard.acked) line.delivery.ask();
      }
      this.pass();
      if (this.#lines.size > 0) this.#mark();
    });
  }
}

/** H5 */
function isOver({ data }: Push, now: number): boolean {
  return typeof data === 'object' && data !== null && 'expiresAt' in data && Number(data['expiresAt']) <= now;
}

function asPush(stored: StoredPush): Push {
  const { rev, to, event, topic, data } = stored;
  const base = { rev, to, event, data, topic, order: undefined, latestKey: undefined };
  if (stored.order !== true) return base;
  const { id, token } = data as { readonly id: string; readonly token: string };
  const about = event.startsWith('lock.') ? { lock: id } : { task: id };
  return { ...base, order: { ...about, token: Number(token) } };
}
