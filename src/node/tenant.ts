/**
 * One tenant on this node: commands in, log, tail, engine, results out.
 *
 * Owns: the queue of commands, their way through the log, the clock that makes time pass, halting.
 * Does not own: connections (hub.ts), what clients may ask (requests.ts), snapshots (checkpoint.ts).
 *
 * R1 Only what the tail delivers is applied, also what this node appended itself.
 * R2 A command's outcome is told when its entry came back by the tail, in log order; never before.
 * R3 At most one append is under way: what arrives meanwhile shares the next one (group commit).
 * R4 A halted tenant applies and takes nothing more; the others go on.
 * R5 Commands of one session stand in the log in the order in which they were submitted, also when an append is lost;
 *    sessions take turns (fair-queue.ts).
 * R6 What nobody would ask again (lost sessions, ticks, an opening) is not dropped because the log was full for a while.
 * R7 While it serves, one entry is applied in a turn of the event loop: its answers and pushes leave, and clients
 *    work on them, while the next one is applied. (A commit of many entries applied at once made everybody take turns.)
 *    An append takes what makes so many tasks, or one command that makes more, and none is begun while as much waits to be
 *    applied: what comes late and is fair to be next would stand behind it in the log.
 * R8 Beside requests a tree rests after each portion of its end three times as long as that took, at most 20 ms. So what
 *    others ask seldom meets a portion, and the end of a tree takes longer while others work.
 * R9 A request for a lock that has to wait begins no append: it goes with the next one (patience.ts).
 * R10 Beside other nodes (beside.ts): a node opens the tenant (`up`) only if no other serves it, else it says nothing that
 *    changes anything. One that reads that it was taken for dead halts before it applies that.
 * R11 The state is under the newest behaviour that this build and every node beside it know: from the opening on, or when the
 *    last node of an older build has gone.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import { assert } from '../base/assert.ts';
import type { Entropy, Scheduler } from '../base/scheduler.ts';
import { decodeEntry, encodeEntry } from '../engine/entry.ts';
import { EngineHalted, type Engine } from '../engine/engine.ts';
import { ENGINE_VERSION, type Command, type CommandOutput, type Entry, type EntryOutput } from '../engine/port.ts';
import type { EntryTimes, RequestTrace } from '../telemetry/port.ts';
import { lockMustWait } from '../engine/queries.ts';
import { tasksMadeBy } from './costs.ts';
import { FairQueue } from './fair-queue.ts';
import { Beside, takenForDead, type BesideObserver } from './beside.ts';
import { PATIENCE_MS, Patience } from './patience.ts';
import { Upgrades } from './upgrades.ts';
import { LogFault, type AppendOutcome, type LogEntry, type LogHead } from '../log/port.ts';
import type { TailSink, TenantLog } from '../log/port.ts';

export interface AppliedEntry {
  readonly entry: LogEntry;
  readonly decoded: Entry;
  readonly output: EntryOutput;
  /** False while the log is replayed at the start. */
  readonly live: boolean;
  /** For an entry of this node: from handing it to the log until it came back. */
  readonly appendMs: number | undefined;
  readonly applyMs: number;
}

/** Told of every entry that was applied. */
export interface TenantObserver extends BesideObserver {
  /** First of all: whoever is told an outcome may read at once what the entry made. */
  keep(output: EntryOutput): void;
  /** After the outcomes were told. */
  applied(done: AppliedEntry): void;
  halted(error: Error): void;
  caughtUp(): void;
}

export type Done = (output: CommandOutput) => void;

interface Waiting {
  readonly command: Command;
  readonly done: Done | undefined;
  readonly trace: RequestTrace | undefined;
  /** 1, and as much again for each task that it makes. */
  readonly cost: number;
}

interface Arrived {
  readonly entry: LogEntry;
  readonly at: number;
}

interface Sent {
  readonly random: Uint8Array;
  readonly commands: readonly Waiting[];
  readonly at: number;
  unknown: boolean;
}

export interface TenantOptions {
  readonly id: string;
  readonly nodeId: string;
  /** Of this process, told to other nodes. */
  readonly version: string;
  readonly startedAt: number;
  readonly log: TenantLog;
  readonly scheduler: Scheduler;
  readonly entropy: Entropy;
  readonly observer: TenantObserver;
  /** R9, if not the usual while. */
  readonly patienceMs?: number | undefined;
  /** Empty, or loaded from a snapshot. */
  readonly engine: Engine;
  /** The newest behaviour that the state goes over to, if not the newest that the engine knows. */
  readonly engineVersion?: number | undefined;
}

const UNAVAILABLE: CommandOutput = {
  reply: { ok: false, rejection: { code: 'UNAVAILABLE', retryAfterMs: 1_000 } },
  rev: 0,
};
/** After an append that failed. */
const REST_MS = 50;
/** The clock looks again at least so often, so that a jump of the wall clock is met. */
const CLOCK_MS = 1_000;
/** R8. Others work if the last request is no longer ago than this. */
const OTHERS_MS = 50;
/** To the time that the portion took. */
const TREES_REST = 3;
const TREES_REST_MS_MAX = 20;

export class Tenant implements TailSink {
  readonly id: string;
  readonly log: TenantLog;
  readonly engine: Engine;
  readonly #options: TenantOptions;
  readonly #waiting = new FairQueue<Waiting>({ keyOf: lineOf, costOf, quantum: LIMITS.turnCost });
  /** R9 */
  readonly #patience: Patience;
  /** R10 */
  readonly beside: Beside | undefined;
  /** Something waits for which an append is begun. */
  #hurried = false;
  #sent: Sent[] = [];
  #appending = false;
  /** Delivered by the tail, not yet applied. */
  #arrived: Arrived[] = [];
  #draining = false;
  #flushing = false;
  #live = false;
  #stopped: 'no' | 'stopping' | 'stopped' = 'no';
  #halted: Error | undefined;
  #lastEntry: { readonly seq: number; readonly chain: Uint8Array } | undefined;
  #appliedAt = 0;
  #clock: { readonly at: number; readonly cancel: () => void } | undefined;
  #continuing = false;
  readonly #upgrades: Upgrades;
  /** R8 */
  #treesRest: (() => void) | undefined;
  #requestAt = -Infinity;
  /** The log could not take the last append: the next one waits. */
  #resting: (() => void) | undefined;
  #up: Command = { kind: 'tick' };
  #idle: (() => void) | undefined;

  constructor(options: TenantOptions) {
    this.id = options.id;
    this.log = options.log;
    this.#options = options;
    this.engine = options.engine;
    const { members } = options.log;
    if (members !== undefined) {
      const { nodeId, version, startedAt, observer, scheduler } = options;
      this.beside = new Beside({
        members,
        nodeId,
        version,
        startedAt,
        state: options.engine.state,
        mono: () => scheduler.mono(),
        submit: (command) => this.submit(command),
        observer,
      });
    }
    this.#upgrades = new Upgrades({
      newest: options.engineVersion ?? ENGINE_VERSION,
      now: () => this.engine.state.counters.engineVersion,
      beside: this.beside,
      submit: (version, told) => this.submit({ kind: 'upgrade', version }, ({ reply }) => told(reply.ok)),
    });
    this.#patience = new Patience({
      scheduler: options.scheduler,
      patienceMs: options.patienceMs ?? PATIENCE_MS,
      mustWait: (command) => lockMustWait(this.engine.state, command),
      hurry: () => this.#hurry(),
    });
  }

  get halted(): Error | undefined {
    return this.#halted;
  }

  /** True once the log was replayed and the first entry of this incarnation was applied. */
  get serving(): boolean {
    return this.#live && this.#halted === undefined && this.#stopped === 'no';
  }

  get queued(): number {
    return this.#waiting.size;
  }

  /** It is so far behind the log that others, who serve it too, had better be asked. */
  get isLate(): boolean {
    return this.#live && this.beside?.isLate === true;
  }

  /** Appends for which more waited than they took, of several sessions. */
  get takenInTurns(): number {
    return this.#waiting.takenInTurns;
  }

  get head(): { readonly seq: number; readonly chain: Uint8Array } | undefined {
    return this.#lastEntry;
  }

  /** Begins to follow the log, after the state of a snapshot was loaded or from the beginning. */
  start(from: { readonly seq: number; readonly chain?: Uint8Array }): void {
    if (from.chain !== undefined) this.#lastEntry = { seq: from.seq, chain: from.chain };
    this.#appliedAt = this.#options.scheduler.mono();
    this.log.tail(from, this);
  }

  /** Puts a command into the log; `done` is told its outcome, later. */
  submit(command: Command, done?: Done, trace?: RequestTrace): void {
    const full = this.#waiting.size >= LIMITS.pendingCommandsMax && !isOwn(command);
    if (this.#halted !== undefined || this.#stopped !== 'no' || full) {
      if (done !== undefined) this.#options.scheduler.defer(() => done(UNAVAILABLE));
      return;
    }
    if (trace !== undefined) trace.submitted(this.#options.scheduler.mono());
    this.#waiting.push({ command, done, trace, cost: 1 + tasksMadeBy(command) });
    if (this.#hurried || !this.#patience.has(command)) this.#hurry();
  }

  /** What waits goes to the log as soon as that takes it. */
  #hurry(): void {
    this.#hurried = true;
    this.#schedule();
  }

  /** Takes no more commands; `done` when those taken are durable and applied. */
  stop(done: () => void): void {
    this.#stopped = 'stopping';
    this.beside?.end();
    this.#endTreesRest();
    this.#clock?.cancel();
    this.#clock = undefined;
    this.#idle = done;
    this.#settleIdle();
  }

  entries(batch: readonly LogEntry[]): void {
    // Others go on with the log, and nothing here takes what it says any more.
    if (this.#halted !== undefined || this.#stopped === 'stopped') return;
    const at = this.#options.scheduler.mono();
    const last = batch.at(-1);
    if (last !== undefined) this.beside?.lag.known(last.seq, at);
    for (const entry of batch) this.#arrived.push({ entry, at });
    if (!this.#draining) this.#drain();
  }

  /** Applies what has arrived: all of it while the log is replayed, else one entry and the rest in later turns (R7). */
  #drain(): void {
    this.#draining = false;
    let next = this.#arrived.shift();
    for (; next !== undefined && this.#halted === undefined; next = this.#live ? undefined : this.#arrived.shift()) {
      this.#apply(next);
    }
    if (this.#halted !== undefined) return;
    if (this.#patience.isOver()) this.#hurried = true;
    if (this.#arrived.length > 0) {
      this.#draining = true;
      this.#options.scheduler.defer(() => this.#drain());
    }
    this.#schedule();
    this.#arm();
    this.#settleIdle();
  }

  caughtUp(_head: LogHead): void {
    if (this.beside === undefined) return this.#open();
    this.beside.join((how, opened) => {
      if (how === 'alone') return this.#open(opened);
      this.#up = { kind: 'tick' };
      this.submit(this.#up, () => {
        this.#live = true;
        this.#options.observer.caughtUp();
      });
    });
  }

  #open(opened?: () => void): void {
    const { nodeId, entropy } = this.#options;
    const incarnation = hex(entropy(8));
    const version = this.engine.state.counters.engineVersion;
    this.#up = { kind: 'up', incarnation, node: nodeId, version };
    this.submit(this.#up, () => {
      this.#live = true;
      opened?.();
      const caughtUp = (): void => this.#options.observer.caughtUp();
      if (this.beside !== undefined) return this.upgrade(caughtUp);
      this.upgrade();
      caughtUp();
    });
  }

  /** R11. Also to be called when a node may have gone. `done` when nothing more can be done now. */
  upgrade(done: () => void = () => undefined): void {
    if (this.#live) this.#upgrades.begin(done);
    else done();
  }

  fault(fault: LogFault): void {
    this.#halt(fault);
  }

  /** The state here is not what the log says. */
  quarantine(seq: number): void {
    this.#halt(new LogFault('FORK', `after entry ${seq} the state is another one than on other nodes`));
  }

  #schedule(): void {
    if (this.#flushing || this.#appending || this.#resting !== undefined) return;
    if (!this.#hurried && !this.#probing) return;
    if (this.#arrived.length >= LIMITS.entriesBehindMax) return;
    this.#flushing = true;
    this.#options.scheduler.defer(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#appending || this.#resting !== undefined || this.#halted !== undefined) return;
    const taken = this.#take();
    if (taken.length === 0) return;
    const payloads: Uint8Array[] = [];
    const sent: Sent[] = [];
    for (const commands of portionsOf(taken)) {
      const random = this.#options.entropy(16);
      payloads.push(encodeEntry({ node: this.#options.nodeId, random, commands: commands.map((one) => one.command) }));
      sent.push({ random, commands, at: this.#options.scheduler.mono(), unknown: false });
    }
    this.#sent.push(...sent);
    this.#appending = true;
    this.log.append(payloads, (outcome) => this.#appended(outcome, sent));
  }

  /** It is not known whether the last append is in the log; nothing else goes there before that is known. */
  get #probing(): boolean {
    return this.#sent.at(-1)?.unknown === true;
  }

  #take(): Waiting[] {
    // Behind an append of unknown outcome goes an entry that shows it, and until that came back nothing else: what
    // was not appended after all is asked again in its old place, so that the order of requests stays (R5).
    if (this.#sent.some((one) => one.unknown)) {
      if (!this.#probing) return [];
      return [{ command: this.#live ? { kind: 'tick' } : this.#up, done: undefined, trace: undefined, cost: 1 }];
    }
    const taken = this.#waiting.take(LIMITS.appendCostMax);
    this.#hurried = this.#waiting.size > 0;
    this.#patience.end();
    return taken;
  }

  #appended(outcome: AppendOutcome, sent: readonly Sent[]): void {
    this.#appending = false;
    if (this.#halted !== undefined) return this.#settleIdle();
    switch (outcome.kind) {
      case 'appended':
        this.beside?.lag.known(outcome.last, this.#options.scheduler.mono());
        break;
      case 'UNKNOWN':
        // The tail will tell: it passes these entries, or a later one of ours without them.
        for (const one of sent) one.unknown = true;
        this.#rest();
        break;
      case 'FULL':
        this.#refuse(sent);
        break;
      case 'FENCED':
      case 'REGRESSED':
        return this.#halt(new LogFault('LOCKED', `the log refused this node: ${outcome.kind}`));
    }
    this.#schedule();
    this.#settleIdle();
  }

  /** No room: clients ask again; what nobody would ask again is kept and tried again. */
  #refuse(sent: readonly Sent[]): void {
    this.#sent = this.#sent.filter((one) => !sent.includes(one));
    const kept: Waiting[] = [];
    for (const waiting of sent.flatMap((one) => one.commands)) {
      if (this.#stopped === 'no' && isOwn(waiting.command)) kept.push(waiting);
      else waiting.done?.(UNAVAILABLE);
    }
    if (kept.length === 0) return;
    this.#waiting.putBack(kept);
    this.#hurried = true;
    this.#rest();
  }

  #rest(): void {
    this.#resting ??= this.#options.scheduler.after(REST_MS, () => {
      this.#resting = undefined;
      this.#schedule();
    });
  }

  #apply({ entry, at }: Arrived): void {
    const { observer, scheduler } = this.#options;
    let decoded: Entry;
    let output: EntryOutput;
    const began = scheduler.mono();
    try {
      decoded = decodeEntry(entry.payload, entry);
      if (this.#live && this.beside?.isTakenForDead(decoded) === true) return this.#halt(takenForDead());
      output = this.engine.apply(decoded);
    } catch (error) {
      return this.#halt(error instanceof Error ? error : new EngineHalted(entry.seq, error));
    }
    this.#lastEntry = { seq: entry.seq, chain: entry.chain };
    this.#appliedAt = scheduler.mono();
    this.beside?.lag.applied(entry.seq, this.#appliedAt);
    const applyMs = this.#appliedAt - began;
    observer.keep(output);
    const sentAt = this.#answer(decoded, output, { arrivedAt: at, applyBegan: began, applyEnded: this.#appliedAt });
    observer.applied({
      entry,
      decoded,
      output,
      live: this.#live,
      appendMs: sentAt === undefined ? undefined : at - sentAt,
      applyMs,
    });
    const now = scheduler.mono();
    if (this.#live && decoded.commands.some(({ kind }) => kind === 'request')) this.#requestAt = now;
    this.#continue(output, now - began);
  }

  /** Tells the outcomes of an entry of this node; the instant at which it was handed to the log. */
  #answer(decoded: Entry, output: EntryOutput, times: Omit<EntryTimes, 'appendedAt'>): number | undefined {
    const at = this.#sent.findIndex((one) => sameBytes(one.random, decoded.random));
    if (at < 0) return undefined;
    const mine = this.#sent[at] as Sent;
    const passed = this.#sent.slice(0, at);
    this.#sent = at + 1 === this.#sent.length ? [] : this.#sent.slice(at + 1);
    // Redis may have lost what it had taken; any other log does not.
    for (const one of passed)
      assert(
        one.unknown || this.beside !== undefined,
        'own entries come back in the order in which they were appended',
      );
    // Not in the log and never will be: asked again. Requests are remembered, so twice would not hurt them.
    if (passed.length > 0) {
      this.#waiting.putBack(passed.flatMap((one) => one.commands).filter(isWanted));
      this.#hurried = true;
    }
    mine.commands.forEach((waiting, i) => {
      const { done, trace } = waiting;
      const result = output.commands[i];
      if (trace !== undefined && result !== undefined)
        trace.applied({ ...times, appendedAt: mine.at }, result.reply.ok ? result.reply.result : undefined);
      if (done !== undefined && result !== undefined) done(result);
    });
    return mine.at;
  }

  /** Work that did not fit into the entry, which took so long, goes on in the next one. */
  #continue({ more, onlyTrees }: EntryOutput, tookMs: number): void {
    if (!more || this.#continuing || !this.#live) return;
    if (onlyTrees && this.#appliedAt - this.#requestAt < OTHERS_MS) {
      const restMs = Math.min(Math.max(1, TREES_REST * tookMs), TREES_REST_MS_MAX);
      this.#treesRest ??= this.#options.scheduler.after(restMs, () => this.#goOn());
    } else this.#goOn();
  }

  #goOn(): void {
    this.#endTreesRest();
    this.#continuing = true;
    this.submit({ kind: 'continue' }, () => {
      this.#continuing = false;
    });
  }

  #endTreesRest(): void {
    this.#treesRest?.();
    this.#treesRest = undefined;
  }

  #halt(error: Error): void {
    if (this.#halted !== undefined) return;
    this.#halted = error;
    this.beside?.leave();
    this.#endTreesRest();
    this.#patience.end();
    this.#clock?.cancel();
    this.#clock = undefined;
    this.#resting?.();
    this.#resting = undefined;
    const waiting = [...this.#sent.flatMap((one) => one.commands), ...this.#waiting.drain()];
    this.#sent = [];
    this.#arrived = [];
    this.#options.observer.halted(error);
    for (const one of waiting) one.done?.(UNAVAILABLE);
    this.#settleIdle();
  }

  /** Live time as it would be in an entry appended now. */
  #liveNow(): number {
    const elapsed = this.#options.scheduler.mono() - this.#appliedAt;
    return this.engine.state.counters.live + Math.min(Math.max(0, elapsed), LIMITS.liveGapMs);
  }

  /** The time of an entry appended now: it goes on when the wall clock was set back. */
  #wallNow(): number {
    const { scheduler } = this.#options;
    return Math.max(scheduler.now(), this.engine.state.counters.now + Math.max(0, scheduler.mono() - this.#appliedAt));
  }

  /** Ms until a tick is due, or until the clock must look again. */
  #untilTick(): number | undefined {
    const next = this.engine.state.timers.next();
    if (next.wall === undefined && next.live === undefined) return undefined;
    let wait = CLOCK_MS;
    if (next.wall !== undefined) wait = Math.min(wait, next.wall - this.#wallNow());
    if (next.live !== undefined) wait = Math.min(wait, next.live - this.#liveNow());
    return wait;
  }

  #arm(): void {
    if (!this.#live || this.#halted !== undefined || this.#stopped !== 'no') return;
    const wait = this.#untilTick();
    if (wait === undefined) return;
    const ms = Math.max(1, Math.ceil(wait)) + (this.beside?.delayMs ?? 0); // R10
    const at = this.#options.scheduler.mono() + ms;
    if (this.#clock !== undefined) {
      if (this.#clock.at <= at) return;
      this.#clock.cancel();
    }
    this.#clock = { at, cancel: this.#options.scheduler.after(ms, () => this.#ticked()) };
  }

  #ticked(): void {
    this.#clock = undefined;
    const wait = this.#untilTick();
    const { live } = this.engine.state.timers.next();
    // Live time moves at most 5 s per entry: while it matters, there is an entry at least every 2.5 s.
    const stale = live !== undefined && this.#options.scheduler.mono() - this.#appliedAt >= LIMITS.liveGapMs / 2;
    if (wait !== undefined && (wait <= 0 || stale)) this.submit({ kind: 'tick' });
    else this.#arm();
  }

  #settleIdle(): void {
    if (this.#idle === undefined || this.#appending || this.#draining) return;
    if (this.#halted === undefined && (this.#sent.length > 0 || this.#waiting.size > 0)) return;
    const idle = this.#idle;
    this.#idle = undefined;
    this.#stopped = 'stopped';
    this.#options.scheduler.defer(idle);
  }
}

const OWN: ReadonlySet<Command['kind']> = new Set(['up', 'upgrade', 'tick', 'continue', 'session.lost', 'session.bye']);

/** A command of the node itself: nobody waits who would ask again. */
function isOwn(command: Command): boolean {
  return OWN.has(command.kind);
}

/** A probe that did not come back has no more use. */
function isWanted({ command, done }: Waiting): boolean {
  return done !== undefined || (command.kind !== 'tick' && command.kind !== 'up');
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
  return true;
}

export function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** What shares an entry, in order. */
function portionsOf(taken: readonly Waiting[]): Waiting[][] {
  const portions: Waiting[][] = [];
  for (let from = 0; from < taken.length; from += LIMITS.entryCommandsMax)
    portions.push(taken.slice(from, from + LIMITS.entryCommandsMax));
  return portions;
}

/** Whose turn it is: of a session, or of the node itself. */
function lineOf({ command }: Waiting): string {
  if (command.kind === 'session.hello') return command.resume?.session ?? '';
  return 'session' in command ? command.session : '';
}

function costOf({ cost }: Waiting): number {
  return cost;
}
