/**
 * The engine of one tenant: a pure, synchronous, deterministic state machine over log entries.
 *
 * Owns: the state, the order of work inside an entry. Knows no socket, disk, clock, promise.
 *
 * K3 An entry first fires the timers that are due at its time, then runs its commands in order, each followed by
 *    what it caused. At most `followUpsMax` internal commands run in an entry; the rest waits in the state.
 * K4 Every command and every follow-up leaves a consistent state; an unexpected exception takes the command back
 *    and halts the engine at this entry for ever.
 * K5 `rev` advances by one for the entry and for every push with a rev.
 * K6 What ends of tasks mean for others in their tree is done at the end of the entry, once for all ends, and of a tree
 *    that is to end a bounded part: so neither holds up the commands of others.
 * K7 Beside requests a tree ends only with the entry in which its end began, and with those that have a `continue`:
 *    the node decides by those how much of its time trees have while others ask.
 * K8 Locks that an administrator ends are ended before anything else that follows: nothing is granted between two of them.
 *    Circles of requests are looked for after all else that follows: what is granted meanwhile may end them.
 * K9 An entry of another epoch than the one before says where the log went on: whatever was told behind that, in former epochs, is lost. No
 *    command says so, which might be lost itself, or come twice.
 */
import type { OutputPiece } from '../../protocol/wire/control.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { assert } from '../base/assert.ts';
import { Groups } from './assignment/groups.ts';
import { runFollowUp, runSystem, runTimer } from './dispatch.ts';
import { evolve, type Effects, type PushEvent } from './kernel/events.ts';
import type { Context } from './kernel/context.ts';
import { EntryRandom } from './kernel/random.ts';
import { State } from './kernel/state.ts';
import type { WorkQueue } from './kernel/work-queue.ts';
import { ENGINE_VERSION, ENGINE_VERSION_MIN, EPOCHS_VERSION, WORK_VERSION } from './port.ts';
import type {
  ArchiveFact,
  Command,
  CommandOutput,
  Entry,
  EntryOutput,
  Push,
  Reply,
  SessionEnd,
  WelcomeResult,
  WorkFact,
  LockFact,
  NotificationFact,
  TaskPiece,
} from './port.ts';
import { runRequest, settle } from './requests.ts';
import { sessionSnapshot } from './sessions/snapshot.ts';
import type { FollowUp, TaskRecord } from './records.ts';
import { tellMissed } from './notifications/notifications.ts';
import { archive } from './tasks/control.ts';
import { guarded } from './workspaces/guard.ts';
import { withPatterns } from './topics/topics.ts';
import { PRUNED_AT_ONCE } from './trees/subtasks.ts';

/** The engine met what must not happen. Serving this tenant stops; the position says where. */
export class EngineHalted extends Error {
  override readonly name = 'EngineHalted';
  readonly seq: number;

  constructor(seq: number, cause: unknown) {
    super(`halted at entry ${seq}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.seq = seq;
  }
}

interface Output {
  pushes: Push[];
  finished: TaskRecord[];
  facts: WorkFact[];
  locks: LockFact[] | undefined;
  notifications: NotificationFact[] | undefined;
  pieces: TaskPiece[] | undefined;
  archived: ArchiveFact[] | undefined;
  ended: { session: string; attach: number; why: SessionEnd }[];
}

export interface EngineOptions {
  readonly followUpsMax?: number;
}

/** Who listens is told where the log went on. */
const LOG_TOPIC = 'tenant.log';

/** So many finished tasks leave memory with an entry, and so many more for each of its commands, which finish no more. */
const ARCHIVED_BASE = 64;
const ARCHIVED_PER_COMMAND = 2;

export class Engine implements Effects {
  readonly state = new State();
  readonly groups = new Groups(this.state);
  readonly #options: EngineOptions;
  #halted: EngineHalted | undefined;
  #output: Output = noOutput();
  #follow: FollowUp[] = [];
  #forgotten: string[] = [];
  #back: string[] = [];
  #budget = 0;

  constructor(options: EngineOptions = {}) {
    this.#options = options;
  }

  get halted(): EngineHalted | undefined {
    return this.#halted;
  }

  apply(entry: Entry): EntryOutput {
    if (this.#halted !== undefined) throw this.#halted;
    const s = this.state;
    try {
      assert(entry.seq === s.counters.seq + 1, `entry ${entry.seq} follows ${s.counters.seq}`);
      assert(entry.epoch >= s.counters.epoch, 'epochs do not fall');
      assert(supports(s.counters.engineVersion), 'the state is of a version that this build knows');
      return this.#run(entry);
    } catch (error) {
      s.journal.rollback();
      this.#halted = new EngineHalted(entry.seq, error);
      throw this.#halted;
    }
  }

  #run(entry: Entry): EntryOutput {
    const s = this.state;
    this.#output = noOutput();
    this.#budget = this.#options.followUpsMax ?? LIMITS.followUpsMax;
    // Of a state that was loaded.
    this.groups.order(this.state.counters.engineVersion >= WORK_VERSION);
    this.#advance(entry);
    const { now, live } = s.counters;
    const c: Context = {
      state: s,
      now,
      live,
      random: new EntryRandom(entry.random, now),
      groups: this.groups,
      events: [],
    };
    const ending = s.prunes.size > 0;
    this.#fire(c);
    const commands: CommandOutput[] = [];
    for (const command of entry.commands) commands.push(this.#command(command, c));
    this.#work(c);
    this.#settle(c);
    this.#prune(c, portionOf(entry, ending));
    this.#settle(c);
    archive(s, c, {
      kept: LIMITS.finishedKept,
      max: ARCHIVED_BASE + ARCHIVED_PER_COMMAND * entry.commands.length,
    });
    this.#commit(c);
    this.#expireKeys();
    const due = s.timers.due(s.counters.now, s.counters.live) !== undefined;
    const waits = s.work.size + s.untangles.size + s.settles.size > 0 || due;
    return {
      seq: entry.seq,
      rev: s.rev,
      now: s.counters.now,
      live: s.counters.live,
      commands,
      pushes: this.#output.pushes,
      finished: this.#output.finished,
      facts: this.#output.facts,
      locks: this.#output.locks,
      notifications: this.#output.notifications,
      pieces: this.#output.pieces,
      archived: this.#output.archived,
      ended: this.#output.ended,
      more: waits || s.prunes.size > 0,
      onlyTrees: !waits && s.prunes.size > 0,
    };
  }

  /** Two clocks: the calendar never goes back; live time takes steps of at most 5 s, and none when a node opens. */
  #advance(entry: Entry): void {
    const { counters } = this.state;
    const up = entry.commands.some((one) => one.kind === 'up' && one.incarnation !== counters.incarnation);
    const step = counters.seq === 0 || up ? 0 : Math.max(0, entry.ts - counters.lastTs);
    counters.live += Math.min(step, LIMITS.liveGapMs);
    counters.lastTs = Math.max(counters.lastTs, entry.ts);
    counters.now = Math.max(counters.now, entry.ts);
    counters.seq = entry.seq;
    const { epoch: before } = counters;
    const after = this.state.rev;
    counters.epoch = entry.epoch;
    counters.position += 1;
    if (entry.seq > 1 && entry.epoch > before) this.#goOn(before, after);
  }

  /** K9 */
  #goOn(before: number, after: number): void {
    const { counters } = this.state;
    if (counters.engineVersion < EPOCHS_VERSION) return;
    const { epoch, now: at, epochs = [{ epoch: before, after: 0 }] } = counters;
    counters.epochs = [...epochs, { epoch, after }].slice(-LIMITS.epochsKept);
    const [event, topic] = ['log.recovered', LOG_TOPIC];
    this.push({ kind: 'pushed', event, to: [`t:${topic}`], topic, data: { epoch, after, at } });
  }

  #expireKeys(): void {
    const { requests, counters } = this.state;
    requests.expireKeys(counters.now, LIMITS.followUpsMax);
    if (counters.now - counters.keysTurnedAt < LIMITS.idempotencyMs) return;
    counters.keysTurnedAt = counters.now;
    requests.turnOwnKeys();
  }

  #fire(c: Context): void {
    const s = this.state;
    while (this.#budget > 0) {
      const timer = s.timers.due(c.now, c.live);
      if (timer === undefined) return;
      this.#budget -= 1;
      c.events.push({ kind: 'timerCleared', timer: timer.kind, entity: timer.entity });
      runTimer(s, c, timer);
      this.#commit(c);
      this.#work(c);
    }
  }

  #work(c: Context): void {
    const s = this.state;
    while (this.#budget > 0) {
      const work = s.work.shift() ?? s.untangles.shift(); // K8
      if (work === undefined) return;
      this.#budget -= 1;
      runFollowUp(s, c, work);
      this.#commit(c);
    }
  }

  /** K6 */
  #settle(c: Context): void {
    while (this.#budget > 0) {
      const work = this.state.settles.shift();
      if (work === undefined) return;
      this.#unit(c, work);
    }
  }

  /** K6 */
  #prune(c: Context, max: number): void {
    for (let left: number = max; left > 0 && this.#budget > 0; left -= PRUNED_AT_ONCE) {
      const work = this.state.prunes.shift();
      if (work === undefined) return;
      this.#unit(c, work);
    }
  }

  #unit(c: Context, work: FollowUp): void {
    this.#budget -= 1;
    runFollowUp(this.state, c, work);
    this.#commit(c);
    this.#work(c);
  }

  #queueOf(work: FollowUp): WorkQueue {
    switch (work.kind) {
      case 'settle':
        return this.state.settles;
      case 'prune':
        return this.state.prunes;
      case 'place':
      case 'fill':
      case 'unblock':
      case 'unbuffer':
      case 'seek':
      case 'rejudge':
      case 'rematch':
      case 'match':
      case 'lose':
      case 'move':
      case 'mend':
      case 'end':
        return this.state.work;
      case 'workspaces':
        return this.state.work;
      case 'locks':
        return work.work.kind === 'untangle' ? this.state.untangles : this.state.work;
    }
  }

  /** Turns the events of one decision into state, all or none. */
  #commit(c: Context): void {
    const s = this.state;
    const { events } = c;
    if (events.length > 0) {
      // A new one: to empty an array costs a call of the runtime, and takes its places from it all the same.
      c.events = [];
      for (const event of events) evolve(s, event, this);
    }
    s.journal.commit();
    if (this.#forgotten.length > 0) {
      for (const session of this.#forgotten) s.requests.forget(session);
      this.#forgotten = [];
    }
    if (this.#follow.length === 0) return;
    const follow = this.#follow;
    this.#follow = [];
    for (const work of follow) {
      if (goesAhead(work)) s.work.pushAhead(work);
      else this.#queueOf(work).push(work);
    }
  }

  #command(command: Command, c: Context): CommandOutput {
    const s = this.state;
    if (command.kind === 'request') {
      const answered = runRequest(s, c, command);
      this.#commit(c);
      this.#work(c);
      if (answered.kind === 'again') return { reply: answered.outcome.reply, rev: answered.outcome.rev };
      settle(s.requests, { command, answered, now: c.now, rev: s.rev });
      const output = { reply: answered.reply, rev: s.rev };
      this.#tellMissed(c);
      return output;
    }
    const decided = runSystem(s, c, command);
    this.#commit(c);
    this.#work(c);
    const output = { reply: decided.reply, rev: s.rev };
    if (decided.welcome === undefined) return output;
    const welcome = this.#welcome(decided.welcome);
    this.#tellMissed(c);
    return { ...output, welcome };
  }

  /** Agents whose session was opened by the command at hand: what they missed follows the answer, before any other command. */
  #tellMissed(c: Context): void {
    if (this.#back.length === 0) return;
    for (const agent of this.#back.splice(0)) {
      tellMissed(this.state, c, agent);
      this.#commit(c);
    }
  }

  #welcome(decided: Omit<WelcomeResult, 'rev' | 'snapshot'> & { readonly resumedRev?: number }): WelcomeResult {
    const { resumedRev, ...welcome } = decided;
    if (resumedRev !== undefined) return { ...welcome, rev: resumedRev };
    const { snapshot } = sessionSnapshot(this.state, { session: decided.session });
    return { ...welcome, rev: this.state.rev, snapshot };
  }

  push(event: PushEvent): void {
    const { counters } = this.state;
    const { topic, order, latestKey, plain } = event;
    if (latestKey === undefined) counters.position += 1;
    const push: Push = {
      rev: latestKey === undefined ? this.state.rev : 0,
      event: event.event,
      to:
        topic === undefined || plain === true
          ? event.to
          : withPatterns(this.state, guarded(this.state, event.to, topic), topic),
      data: event.data,
      topic,
      order,
      latestKey,
    };
    this.#output.pushes.push(push);
  }

  follow(work: FollowUp): void {
    this.#follow.push(work);
  }

  ended(end: { readonly session: string; readonly attach: number; readonly why: SessionEnd }): void {
    this.#output.ended.push({ session: end.session, attach: end.attach, why: end.why });
  }

  finished(task: TaskRecord): void {
    this.#output.finished.push(task);
  }

  counted(fact: WorkFact): void {
    this.#output.facts.push(fact);
  }

  locked(fact: LockFact): void {
    (this.#output.locks ??= []).push(fact);
  }

  notified(fact: NotificationFact): void {
    (this.#output.notifications ??= []).push(fact);
  }

  back(agent: string): void {
    this.#back.push(agent);
  }

  handedOut(task: string, piece: OutputPiece): void {
    (this.#output.pieces ??= []).push({ task, ...piece });
  }

  archived(fact: ArchiveFact): void {
    (this.#output.archived ??= []).push(fact);
  }

  upgraded(version: number): void {
    this.groups.order(version >= WORK_VERSION);
  }

  forgotten(session: string): void {
    this.#forgotten.push(session);
  }
}

function noOutput(): Output {
  return {
    pushes: [],
    finished: [],
    facts: [],
    locks: undefined,
    notifications: undefined,
    pieces: undefined,
    archived: undefined,
    ended: [],
  };
}

/** K8 */
function goesAhead(work: FollowUp): boolean {
  return work.kind === 'locks' && work.work.kind === 'force';
}

/** K7: of the trees that end, `ending` since before this entry. */
function portionOf(entry: Entry, ending: boolean): number {
  if (!entry.commands.some(({ kind }) => kind === 'request')) return LIMITS.prunedMax;
  return ending && !entry.commands.some(({ kind }) => kind === 'continue') ? 0 : LIMITS.prunedBesideMax;
}

function supports(version: number): boolean {
  return version >= ENGINE_VERSION_MIN && version <= ENGINE_VERSION;
}

export type { Reply };
