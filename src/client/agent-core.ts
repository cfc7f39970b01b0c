/**
 * The work of an agent: which tasks it holds, which run, and what the server is told. No I/O, no promises.
 *
 * Owns: orders and their doubles, slots, start and stop of handlers, progress, results, reconciling after a loss.
 * Does not own: the connection (core.ts), how a handler runs (the caller's `StartJob`), storing results (outbox.ts).
 *
 *     waiting ──► (accepting) ──► running ──► finished ──► gone
 *        │            │              │
 *        └────────────┴──────────► stopping ──► gone       (cancelled, or the lease was lost)
 *
 * A1 A holding is (task, token). One whose order arrives twice, or stands in a snapshot too, runs once.
 * A2 Never more handlers than slots, counting those that were told to stop and have not ended.
 * A3 Two handlers of one task never run at the same time in this process, whatever their tokens.
 * A4 Every holding that ran ends with exactly one of result, acknowledgement, release.
 * A5 What the server does not list as held after a fresh session or a gap is stopped; what it lists and is not here is
 *    started.
 */
import { PEER_LIMITS } from '../../protocol/wire/peer-limits.ts';
import { isMap } from '../../protocol/wire/codec.ts';
import type {
  AgentShape,
  Method,
  SessionSnapshot,
  TaskError,
  Value,
  ValueMap,
  WelcomeBody,
} from '../../protocol/wire/types.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { Call, ClientCore, Reply } from './core.ts';
import { clientError, type MusterError } from './errors.ts';
import {
  ACCEPTING,
  FINISHED,
  GONE,
  Holdings,
  isNewer,
  OFFERED,
  WAITING,
  type Holding,
  type HoldingPhase,
  type Job,
} from './holdings.ts';
import { isOrder, readSnapshot, type PushIn } from './incoming.ts';
import type { Outbox, StoredRequest } from './outbox.ts';
import { controlOf, itemsOf, Orders } from './orders.ts';
import { ProgressReports, type Report } from './progress.ts';
import { Run, type HeldCall, type Outcome, type Runs, type StartJob } from './run.ts';
import { cut } from './text.ts';

export type { Job, StopReason } from './holdings.ts';
export type { HolderCall, JobHandle, Outcome, StartJob } from './run.ts';

export type AgentNote =
  /** The server did not take a result or acknowledgement. */
  | { readonly kind: 'refused'; readonly task: string; readonly method: string; readonly error: MusterError }
  /** A holding ended before its handler did. */
  | { readonly kind: 'lost'; readonly task: string; readonly reason: string }
  /** No handler for this type: the task was given back. */
  | { readonly kind: 'unhandled'; readonly task: string; readonly type: string };

export interface AgentOptions {
  readonly shape: AgentShape;
  readonly core: ClientCore;
  readonly outbox: Outbox;
  readonly scheduler: Scheduler;
  find(type: string): StartJob | undefined;
  note(note: AgentNote): void;
  /** Nothing runs and no result is unanswered. */
  idle(): void;
}

/** A handler may be registered a moment after the connection stands; then an order without one is given back. */
const UNHANDLED_MS = 1_000;
/** While draining, what arrives is given back for so long, that another agent finds time to take it. */
const DRAIN_DELAY_MS = 1_000;
const LOST_CODES: ReadonlySet<string> = new Set(['STALE_TOKEN', 'TASK_NOT_FOUND', 'NOT_FOUND']);
/** Nobody can be handed the task as it was asked for: it fails. */
const UNDELEGATED_CODES: ReadonlySet<string> = new Set(['DELEGATION_CYCLE', 'AGENT_NOT_FOUND', 'LIMIT_EXCEEDED']);
/** A result refused for one of these is wrong itself; the task fails with the reason instead. */
const FAULTY_CODES: ReadonlySet<string> = new Set(['INVALID_PARAMS', 'TOO_LARGE', 'VALUE_UNSUPPORTED']);

/**
 * An earlier sending was executed and its answer lost, and a later one was refused before anybody looked for the first (Q9): under a
 * token that is not stale the task is in the hands of who asks.
 */
function wasAccepted({ code, details }: MusterError): boolean {
  if (code !== 'INVALID_TRANSITION' || details === undefined || !isMap(details)) return false;
  return details['status'] === 'accepted' || details['status'] === 'paused';
}

export class AgentCore {
  readonly #options: AgentOptions;
  #shape: AgentShape;
  #capacity: number;
  readonly #holdings = new Holdings();
  readonly #progress: ProgressReports;
  readonly #runs: Runs = {
    finish: (holding, outcome) => this.#finish(holding, outcome),
    progress: (holding, percentComplete, status) => this.#progress.report(holding, percentComplete, status),
    orders: (holding, listener) => this.#ordersOf(holding).listen(listener),
    acknowledge: (holding, control, seq) => {
      const { id, token } = holding;
      if (holding.phase.kind === 'running') this.#tell('task.acknowledge', { id, token, control, seq });
    },
    call: (holding, call) => this.#holderCall(holding, call),
  };
  /** Run, and the server does not know it yet. */
  readonly #unconfirmed: Holding[] = [];
  #fresh = 0;
  #draining = false;
  #pumping = false;
  #cancelUnhandled: (() => void) | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#shape = options.shape;
    this.#capacity = options.shape.capacity ?? 1;
    this.#progress = new ProgressReports({
      scheduler: options.scheduler,
      wake: () => options.core.wake(),
      send: (holding, report, done) => this.#sendProgress(holding, report, done),
    });
    for (const request of options.outbox.stored) this.#restore(request);
  }

  /** Handlers that have not ended. */
  get active(): number {
    return this.#holdings.active;
  }

  /** Nothing runs and no result is unanswered. */
  get isIdle(): boolean {
    return this.#holdings.size === 0;
  }

  /** For HELLO: with everything that is still held here, results that only wait for their answer first. */
  shape(): AgentShape {
    const finished: { id: string; token: string }[] = [];
    const others: { id: string; token: string }[] = [];
    for (const { id, token, phase } of this.#holdings.all()) {
      if (phase.kind === 'finished') finished.push({ id, token });
      else if (phase.kind !== 'stopping') others.push({ id, token });
    }
    const running = [...finished, ...others].slice(0, PEER_LIMITS.runningMax);
    return running.length === 0 ? this.#shape : { ...this.#shape, running };
  }

  /** A session began. */
  welcome(welcome: WelcomeBody): void {
    if (welcome.resumed) return;
    this.#fresh += 1;
    this.#reconcile(welcome.snapshot, new Set(), this.#fresh);
  }

  /** Orders may be lost: what the server says is held now counts. */
  missed(): void {
    this.#fresh += 1;
    this.#nextPage(undefined, new Set(), this.#fresh);
  }

  /** True if the push was an order for this agent. */
  push(push: PushIn): boolean {
    const { data } = push;
    if (push.topic !== undefined || !isMap(data)) return false;
    switch (push.event) {
      case 'task.assigned':
      case 'task.offered':
        if (!isOrder(data)) return false;
        this.#order(jobOf(data as unknown as Job, push.traceparent), push.event === 'task.offered');
        return true;
      case 'task.paused':
      case 'task.resumed':
      case 'task.steered':
      case 'task.answered':
      case 'task.reprioritised':
      case 'task.extended':
        return this.#control(push.event, data);
      case 'task.cancelled':
      case 'task.leaseLost': {
        const { id, token, reason } = data;
        if (typeof id !== 'string' || typeof token !== 'string') return false;
        const control = push.event === 'task.cancelled' ? 'cancel' : 'leaseLost';
        this.#stopOrder({ id, token }, control, typeof reason === 'string' ? reason : control);
        return true;
      }
      default:
        return false;
    }
  }

  /** An order about what is held; whatever is not held here is not ours to heed, nor to acknowledge. */
  #control(event: string, data: ValueMap): boolean {
    const control = controlOf(event);
    const { token, seq } = data;
    if (control === undefined || typeof token !== 'string' || typeof seq !== 'number') return false;
    const holding = this.#holdings.get(token);
    if (holding !== undefined) this.#ordersOf(holding).take({ ...data, seq, control });
    return true;
  }

  #ordersOf(holding: Holding): Orders {
    holding.orders ??= new Orders();
    return holding.orders;
  }

  /** What came with the task. */
  #heard(holding: Holding, controls: Job['controls']): void {
    if (controls === undefined) return;
    for (const item of itemsOf(controls)) this.#ordersOf(holding).take(item);
  }

  /** The caller registered the agent anew. */
  reshape(shape: AgentShape): void {
    const { running: _, ...lasting } = shape;
    this.#shape = lasting;
    this.#capacity = shape.capacity ?? 1;
    this.#pump();
  }

  /** A handler was registered. */
  handlersChanged(): void {
    this.#pump();
  }

  /** Before a turn is written: what began and has not ended within the turn is confirmed, progress is reported. */
  writing(): void {
    if (this.#unconfirmed.length > 0) for (const holding of this.#unconfirmed.splice(0)) this.#confirm(holding);
    this.#progress.writing();
  }

  /** Takes no more work; what runs goes on. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (const holding of Array.from(this.#holdings.waiting)) this.#giveBack(holding, DRAIN_DELAY_MS);
    this.#lowerCapacity(this.#holdings.active);
  }

  /** Takes no more work and asks what runs to stop: what does not complete is given back. */
  stopAll(detail: string): void {
    this.drain();
    for (const holding of this.#holdings.all()) {
      if (holding.phase.kind !== 'running') continue;
      holding.closing = true;
      holding.phase.stop('closing', detail);
    }
  }

  /** The client ended: handlers learn that nobody waits for them. */
  end(detail: string): void {
    this.#draining = true;
    this.#progress.end();
    this.#cancelUnhandled?.();
    this.#cancelUnhandled = undefined;
    for (const holding of this.#holdings.all()) {
      const { phase } = holding;
      this.#enter(holding, GONE);
      if (phase.kind === 'running') phase.stop('closing', detail);
    }
  }

  // ── orders ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #order(job: Job, offered: boolean): void {
    const { token } = job;
    const { id } = job.task;
    const known = this.#holdings.get(token);
    if (known !== undefined) this.#heard(known, job.controls);
    if (this.#holdings.knows(token)) return; // A1
    const other = this.#holdings.newestOf(id);
    if (other !== undefined) {
      if (isNewer(other.token, token)) return;
      this.#lose(other, 'replaced');
    }
    const of = { id, token, job, since: this.#fresh };
    const start = offered || other !== undefined ? undefined : this.#startAtOnce(job.task.type);
    const holding = this.#holdings.add(of, start !== undefined ? ACCEPTING : offered ? OFFERED : WAITING);
    this.#heard(holding, job.controls);
    if (start !== undefined) return this.#run(holding, job, start);
    this.#pump();
  }

  /** How to begin a task of this type if it need not wait: the way of nearly all, which spares them the queue. */
  #startAtOnce(type: string): StartJob | undefined {
    const busy = this.#pumping || this.#draining || this.#holdings.waiting.size > 0;
    return busy || this.#holdings.active >= this.#capacity ? undefined : this.#options.find(type); // A2
  }

  /** Starts what waits, in order, as far as there are slots. */
  #pump(): void {
    if (this.#pumping || this.#holdings.waiting.size === 0) return;
    this.#pumping = true;
    for (const holding of this.#holdings.waiting) {
      if (this.#holdings.active >= this.#capacity) break; // A2
      const { job, phase } = holding;
      if (job === undefined || phase.kind !== 'waiting' || this.#holdings.runsUnderOlderToken(holding)) continue; // A3
      const start = this.#options.find(job.task.type);
      if (this.#draining) this.#giveBack(holding, DRAIN_DELAY_MS);
      else if (start === undefined) this.#watchUnhandled();
      else if (phase.offered) this.#accept(holding);
      else this.#run(holding, job, start);
    }
    this.#pumping = false;
  }

  #watchUnhandled(): void {
    this.#cancelUnhandled ??= this.#options.scheduler.after(UNHANDLED_MS, () => {
      this.#cancelUnhandled = undefined;
      for (const holding of Array.from(this.#holdings.waiting)) {
        const type = holding.job?.task.type;
        if (type === undefined || this.#options.find(type) !== undefined) continue;
        this.#options.note({ kind: 'unhandled', task: holding.id, type });
        this.#enter(holding, GONE);
        this.#tell('task.reject', {
          id: holding.id,
          token: holding.token,
          reason: `no handler for tasks of type ${type}`,
        });
      }
    });
  }

  #accept(holding: Holding): void {
    this.#enter(holding, ACCEPTING);
    this.#tell('task.accept', { id: holding.id, token: holding.token }, (reply) => {
      if (holding.phase.kind !== 'accepting') return;
      if (reply.ok || wasAccepted(reply.error)) this.#runAccepted(holding);
      else this.#enter(holding, GONE);
      this.#pump();
    });
  }

  #runAccepted(holding: Holding): void {
    const { job } = holding;
    if (this.#draining || job === undefined) return this.#giveBack(holding, DRAIN_DELAY_MS);
    const start = this.#options.find(job.task.type);
    if (start === undefined) this.#giveBack(holding, 0);
    else this.#run(holding, job, start);
  }

  #run(holding: Holding, job: Job, start: StartJob): void {
    const run = new Run(holding, this.#runs);
    this.#enter(holding, run);
    run.began(start(job, run));
    if (run.over) return;
    this.#unconfirmed.push(holding);
    this.#options.core.wake();
  }

  #confirm(holding: Holding): void {
    if (holding.phase.kind !== 'running' || holding.confirmed) return;
    holding.confirmed = true;
    this.#tell('task.start', { id: holding.id, token: holding.token }, (reply) => this.#loseIfTold(holding, reply));
  }

  #sendProgress(holding: Holding, report: Report, done: (reply: Reply) => void): void {
    this.#tell('task.progress', { id: holding.id, token: holding.token, ...report }, (reply) => {
      done(reply);
      this.#loseIfTold(holding, reply);
    });
  }

  /** Sent again on a fresh session too: its key makes one of both. */
  #holderCall(holding: Holding, call: HeldCall): void {
    const { method, done } = call;
    const { id, token } = holding;
    const asked: Call = {
      method,
      params: { id, token, ...call.params },
      done: (reply) => {
        this.#loseIfTold(holding, reply);
        done(reply);
      },
    };
    const error =
      holding.phase.kind === 'running'
        ? this.#options.core.request(asked)
        : clientError('TASK_STOPPED', 'The work on the task is over.');
    if (error instanceof Error) this.#options.scheduler.defer(() => done({ ok: false, error, moved: false }));
  }

  // ── ends ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #finish(holding: Holding, outcome: Outcome): void {
    const { phase } = holding;
    if (phase.kind === 'stopping') {
      this.#enter(holding, GONE);
      this.#acknowledge(holding, phase.control);
    } else if (phase.kind === 'running') {
      // Before the result, which frees the slot: else it would be filled again.
      if (this.#draining) this.#lowerCapacity(this.#holdings.active - 1);
      this.#sendOutcome(holding, outcome);
    }
    this.#pump();
  }

  #sendOutcome(holding: Holding, outcome: Outcome): void {
    const { id, token } = holding;
    if (outcome.kind === 'released') return this.#giveBack(holding, outcome.delayMs ?? 0);
    if (outcome.kind === 'failed' && holding.closing) return this.#giveBack(holding, 0);
    this.#enter(holding, FINISHED);
    holding.job = undefined;
    if (outcome.kind === 'failed')
      this.#sendResult(holding, 'task.fail', { id, token, error: fitted(outcome.error), retryable: outcome.retryable });
    else if (outcome.kind === 'delegated') {
      const { to, reason } = outcome;
      this.#sendResult(holding, 'task.delegate', {
        id,
        token,
        to: { ...to },
        ...(reason === undefined ? {} : { reason }),
      });
    } else {
      const { output, children } = outcome;
      const result = output === undefined ? { id, token } : { id, token, output };
      this.#sendResult(holding, 'task.complete', children === undefined ? result : { ...result, children });
    }
  }

  #sendResult(holding: Holding, method: 'task.complete' | 'task.fail' | 'task.delegate', params: Value): void {
    const refused = this.#options.outbox.send({
      method,
      params,
      discard: true,
      done: (reply) => this.#resultAnswered(holding, method, reply),
    });
    if (refused instanceof Error) this.#resultAnswered(holding, method, { ok: false, error: refused, moved: false });
  }

  #resultAnswered(holding: Holding, method: string, reply: Reply): void {
    if (holding.phase.kind !== 'finished') return;
    if (!reply.ok) {
      this.#options.note({ kind: 'refused', task: holding.id, method, error: reply.error });
      if (!holding.refused && (FAULTY_CODES.has(reply.error.code) || UNDELEGATED_CODES.has(reply.error.code))) {
        holding.refused = true;
        const error = fitted({ code: 'RESULT_REFUSED', message: `The result was refused: ${reply.error.message}` });
        this.#sendResult(holding, 'task.fail', { id: holding.id, token: holding.token, error, retryable: false });
        return;
      }
    }
    this.#enter(holding, GONE);
    this.#pump();
  }

  /** A result that an earlier process stored: its holding is kept until the answer comes. */
  #restore(request: StoredRequest): void {
    const of = heldBy(request);
    if (of !== undefined && this.#holdings.get(of.token) === undefined)
      this.#holdings.add({ ...of, job: undefined, since: 0 }, FINISHED);
  }

  /** The answer to a request that an earlier process stored. */
  restored(request: StoredRequest, reply: Reply): void {
    const of = heldBy(request);
    const holding = of === undefined ? undefined : this.#holdings.get(of.token);
    if (holding !== undefined) this.#resultAnswered(holding, request.method, reply);
  }

  #giveBack(holding: Holding, delayMs: number): void {
    this.#enter(holding, GONE);
    this.#tell('task.release', { id: holding.id, token: holding.token, ...(delayMs > 0 ? { delayMs } : {}) });
  }

  #acknowledge(of: { readonly id: string; readonly token: string }, control: 'cancel' | 'leaseLost'): void {
    this.#options.outbox.send({
      method: 'task.acknowledge',
      params: { id: of.id, token: of.token, control },
      done: nothing,
    });
  }

  /** The server says that a holding is over. */
  #stopOrder(
    of: { readonly id: string; readonly token: string },
    control: 'cancel' | 'leaseLost',
    reason: string,
  ): void {
    const holding = this.#holdings.get(of.token);
    switch (holding?.phase.kind) {
      case 'running':
        this.#stop(holding, control, reason);
        return;
      case 'stopping':
        return;
      case 'waiting':
      case 'accepting':
        this.#enter(holding, GONE);
        break;
      case 'finished':
      case 'gone':
      case undefined:
        break;
    }
    // Nothing runs for it here: the slot is free at once.
    this.#acknowledge(of, control);
    this.#pump();
  }

  #loseIfTold(holding: Holding, reply: Reply): void {
    if (!reply.ok && LOST_CODES.has(reply.error.code)) this.#lose(holding, reply.error.code);
  }

  /** This side found out that a holding is over. */
  #lose(holding: Holding, reason: string): void {
    if (holding.phase.kind === 'running') this.#stop(holding, 'leaseLost', reason);
    else if (holding.phase.kind === 'waiting' || holding.phase.kind === 'accepting') this.#enter(holding, GONE);
  }

  #stop(holding: Holding, control: 'cancel' | 'leaseLost', reason: string): void {
    if (holding.phase.kind !== 'running') return;
    const run = holding.phase;
    this.#enter(holding, { kind: 'stopping', control });
    this.#options.note({ kind: 'lost', task: holding.id, reason });
    run.stop(control, reason);
  }

  // ── a fresh session ─────────────────────────────────────────────────────────────────────────────────────────────

  #reconcile(snapshot: SessionSnapshot | undefined, listed: Set<string>, fresh: number): void {
    for (const item of snapshot?.tasks ?? []) {
      listed.add(item.token);
      this.#listed(item);
    }
    if (snapshot?.more !== undefined) {
      this.#nextPage(snapshot.more, listed, fresh);
      return;
    }
    for (const holding of this.#holdings.all()) {
      if (holding.since < fresh && !listed.has(holding.token)) this.#lose(holding, 'lost'); // A5
      holding.since = fresh;
    }
    this.#pump();
  }

  #listed(item: Job): void {
    const holding = this.#holdings.get(item.token);
    if (holding === undefined) return this.#order(item, item.task.status === 'offered');
    this.#heard(holding, item.controls);
    if (holding.phase.kind === 'accepting' && item.task.status !== 'offered') this.#runAccepted(holding);
  }

  #nextPage(cursor: string | undefined, listed: Set<string>, fresh: number): void {
    this.#tell('session.snapshot', cursor === undefined ? {} : { cursor }, (reply) => {
      if (fresh !== this.#fresh || !reply.ok || !isMap(reply.result)) return;
      const page = readSnapshot(reply.result['snapshot'] ?? null);
      if (page !== undefined) this.#reconcile(page, listed, fresh);
    });
  }

  // ── bookkeeping ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** The server assigns no more than what already runs here; none at all cannot be declared. */
  #lowerCapacity(active: number): void {
    if (active <= 0) return;
    const capacity = Math.min(this.#capacity, active);
    this.#tell('agent.register', { ...this.#shape, capacity });
  }

  /** A call on the way that needs no storing: a fresh session finds out the rest. */
  #tell(method: Method, params: Value, done: (reply: Reply) => void = nothing): void {
    const discard = method !== 'session.snapshot';
    this.#options.core.request({ method, params, key: false, urgent: true, discard, done });
  }

  #enter(holding: Holding, phase: HoldingPhase): void {
    this.#holdings.enter(holding, phase);
    if (this.#holdings.size === 0) this.#options.idle();
  }
}

function nothing(): void {
  /* The answer changes nothing. */
}

/** What ends a holding, and may have been stored. */
const ENDS: ReadonlySet<string> = new Set(['task.complete', 'task.fail', 'task.delegate']);

function heldBy(request: StoredRequest): { readonly id: string; readonly token: string } | undefined {
  if (!ENDS.has(request.method) || !isMap(request.params)) return undefined;
  const { id, token } = request.params;
  return typeof id === 'string' && typeof token === 'string' ? { id, token } : undefined;
}

/** Within what an error may be: a code without control characters, both within their limits. */
function fitted(error: TaskError): { code: string; message: string } {
  const code = cut(error.code.replaceAll(/[\p{Cc}]/gu, ' ').trim(), PEER_LIMITS.typeBytes);
  return { code: code === '' ? 'ERROR' : code, message: cut(error.message, PEER_LIMITS.errorMessageBytes) };
}

function jobOf(order: Job, traceparent: string | undefined): Job {
  return traceparent === undefined ? order : { ...order, traceparent };
}
