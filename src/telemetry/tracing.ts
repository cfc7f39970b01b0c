/**
 * Spans of what the server does with a request, made of what it is told: who asked, when, and the times of the entry.
 *
 * Owns: which spans there are and how they hang together, the context of tasks that are under way. Does not own: where spans go
 * (otel.ts), when things happen.
 *
 *     task.create ─┬─ prepare                 task.complete ─┬─ prepare
 *                  ├─ append                                 ├─ append
 *                  ├─ apply                                  └─ apply
 *                  └─ push task.assigned ◄── parent of what the holder asks about the task
 *                     ├─ retry, requeue     from the end of an attempt until the task is given again
 *                     └─ push task.assigned
 *
 * S1 A request continues the trace that its caller named. One that names none and stands under the token of a task continues the trace of
 *    that task, so that agents which know nothing of traces are in it too.
 * S2 What is not sampled leaves nothing behind.
 * S3 Contexts of tasks are bounded: the oldest is forgotten, and its task goes on untraced.
 * S4 A task that a schedule made begins a trace of its own: there is no caller.
 */
import type { Span, SpanContext, Tracer, TraceAPI, Context, Attributes } from '@opentelemetry/api';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { ErrorCode } from '../../protocol/wire/codes.ts';
import type { Method, TaskStatus } from '../../protocol/wire/types.ts';
import type { EntryTimes, RequestTrace, TracedEvent, TracedOrder, TracedRequest, Tracing } from './port.ts';

/** What is used of the package, which is loaded only where spans are exported. */
export interface TracingParts {
  readonly trace: Pick<TraceAPI, 'setSpanContext' | 'setSpan'>;
  readonly root: Context;
  readonly tracer: Tracer;
  /** The monotonic clock's zero, in ms since 1970. */
  readonly originMs: number;
}

/** As numbers, since the enums would load the package. */
const KIND = { INTERNAL: 0, SERVER: 1, PRODUCER: 3 } as const;
const STATUS_ERROR = 2;
const SAMPLED = 1;
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);
/** Refusals that are the server's own fault. */
const FAULTS: ReadonlySet<string> = new Set(['INTERNAL', 'UNAVAILABLE']);
/** Orders that begin an attempt: what its holder does is below them, and not below what it is told later. */
const BEGINNINGS: ReadonlySet<string> = new Set(['task.assigned', 'task.offered']);
/** Requests whose answer is a task that they made. */
const MAKERS: ReadonlySet<string> = new Set<Method>([
  'task.create',
  'task.createBatch',
  'task.retry',
  'deadLetter.replay',
  'schedule.trigger',
]);
/** A task waits to be given again: what that is called. */
const BACK: ReadonlyMap<string, string> = new Map([
  ['task.retrying', 'retry'],
  ['task.requeued', 'requeue'],
]);
/** A task in one of these is never ordered again. */
const FINAL: ReadonlySet<string> = new Set<TaskStatus>(['completed', 'failed', 'cancelled', 'timed_out']);

/** Undefined for what the standard does not allow. */
export function parseTraceparent(text: string): SpanContext | undefined {
  const [, version, traceId = '', spanId = '', flags = ''] = TRACEPARENT.exec(text) ?? [];
  if (version === undefined || version === 'ff' || traceId === NO_TRACE || spanId === NO_SPAN) return undefined;
  // The first version has nothing behind its flags.
  if (version === '00' && text.length > 55) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & SAMPLED, isRemote: true };
}

export function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${(traceFlags & SAMPLED).toString(16).padStart(2, '0')}`;
}

/** Where a task that is under way hangs. */
interface Followed {
  readonly context: SpanContext;
  /** It was taken back, and waits since then. */
  readonly back?: { readonly name: string; readonly at: number; readonly reason: string | undefined };
}

export class SpanTracing implements Tracing {
  readonly #parts: TracingParts;
  /** By tenant and task: of the request that made it, later of the order to its holder. */
  readonly #tasks = new Map<string, Followed>();

  constructor(parts: TracingParts) {
    this.#parts = parts;
  }

  request({ tenant, session, method, params, traceparent, at }: TracedRequest): RequestTrace | undefined {
    const task = taskNamed(params);
    const named = traceparent === undefined ? undefined : parseTraceparent(traceparent);
    const held = task !== undefined && member(params, 'token') !== undefined;
    const parent = named ?? (held ? this.#tasks.get(`${tenant} ${task}`)?.context : undefined); // S1
    const attributes: Attributes = {
      'rpc.system': 'muster',
      'rpc.method': method,
      'muster.tenant': tenant,
      'muster.session': session,
    };
    if (task !== undefined) attributes['muster.task'] = task;
    const span = this.#start(method, KIND.SERVER, { at, parent, attributes });
    if (!span.isRecording()) return undefined; // S2
    return new RequestSpan({ owner: this, span, tenant, method, at });
  }

  order({ tenant, task, event, at }: TracedOrder): string | undefined {
    const key = `${tenant} ${task}`;
    const followed = this.#tasks.get(key);
    if (followed === undefined) return undefined;
    const { context: parent, back } = followed;
    const attributes: Attributes = { 'muster.tenant': tenant, 'muster.task': task };
    if (back !== undefined && BEGINNINGS.has(event)) this.#retry(parent, back, { at, attributes });
    const span = this.#start(`push ${event}`, KIND.PRODUCER, { at, parent, attributes });
    span.end(this.time(at));
    if ((span.spanContext().traceFlags & SAMPLED) === 0) return undefined; // S2
    if (BEGINNINGS.has(event)) this.#tasks.set(key, { context: span.spanContext() });
    return traceparentOf(span.spanContext());
  }

  happened({ tenant, event, data, at }: TracedEvent): void {
    if (event === 'schedule.ran') return this.#ran(tenant, data, at);
    const name = BACK.get(event);
    if (name === undefined) return;
    const key = `${tenant} ${String(member(data, 'id'))}`;
    const followed = this.#tasks.get(key);
    if (followed === undefined) return;
    const reason = member(data, 'reason');
    const back = { name, at, reason: typeof reason === 'string' ? reason : undefined };
    this.#tasks.set(key, { context: followed.context, back });
  }

  /** S4. One that somebody triggered is in the trace of that request. */
  #ran(tenant: string, data: unknown, at: number): void {
    const task = member(member(data, 'run'), 'taskId');
    if (typeof task !== 'string' || this.#tasks.has(`${tenant} ${task}`)) return;
    const attributes: Attributes = {
      'muster.tenant': tenant,
      'muster.schedule': String(member(data, 'id')),
      'muster.task': task,
    };
    const span = this.#start('schedule.ran', KIND.PRODUCER, { at, parent: undefined, attributes });
    span.end(this.time(at));
    const context = span.spanContext();
    if ((context.traceFlags & SAMPLED) !== 0) this.follow(tenant, task, context); // S2
  }

  #retry(
    parent: SpanContext,
    back: NonNullable<Followed['back']>,
    { at, attributes }: { readonly at: number; readonly attributes: Attributes },
  ): void {
    const why: Attributes = back.reason === undefined ? {} : { 'muster.reason': back.reason };
    const of = { at: back.at, parent, attributes: { ...attributes, ...why } };
    this.#start(back.name, KIND.INTERNAL, of).end(this.time(at));
  }

  /** The task goes on in this trace. */
  follow(tenant: string, task: string, context: SpanContext): void {
    this.#tasks.set(`${tenant} ${task}`, { context });
    if (this.#tasks.size <= LIMITS.tracedTasks) return;
    for (const oldest of this.#tasks.keys()) {
      this.#tasks.delete(oldest); // S3
      return;
    }
  }

  forget(tenant: string, task: string): void {
    this.#tasks.delete(`${tenant} ${task}`);
  }

  /** A step of a request. */
  step(name: string, parent: SpanContext, { from, to }: { readonly from: number; readonly to: number }): void {
    this.#start(name, KIND.INTERNAL, { at: from, parent, attributes: {} }).end(this.time(to));
  }

  time(at: number): number {
    return this.#parts.originMs + at;
  }

  #start(
    name: string,
    kind: (typeof KIND)[keyof typeof KIND],
    of: { readonly at: number; readonly parent: SpanContext | undefined; readonly attributes: Attributes },
  ): Span {
    const { trace, root, tracer } = this.#parts;
    const context = of.parent === undefined ? root : trace.setSpanContext(root, of.parent);
    return tracer.startSpan(name, { kind, startTime: this.time(of.at), attributes: of.attributes }, context);
  }
}

class RequestSpan implements RequestTrace {
  readonly #owner: SpanTracing;
  readonly #span: Span;
  readonly #tenant: string;
  readonly #method: string;
  readonly #began: number;
  #submittedAt: number | undefined;

  constructor(parts: {
    readonly owner: SpanTracing;
    readonly span: Span;
    readonly tenant: string;
    readonly method: string;
    readonly at: number;
  }) {
    this.#owner = parts.owner;
    this.#span = parts.span;
    this.#tenant = parts.tenant;
    this.#method = parts.method;
    this.#began = parts.at;
  }

  submitted(at: number): void {
    this.#submittedAt = at;
    this.#owner.step('prepare', this.#span.spanContext(), { from: this.#began, to: at });
  }

  applied({ appendedAt, arrivedAt, applyBegan, applyEnded }: EntryTimes, result: unknown): void {
    const context = this.#span.spanContext();
    if (this.#submittedAt !== undefined && appendedAt > this.#submittedAt)
      this.#owner.step('queue', context, { from: this.#submittedAt, to: appendedAt });
    this.#owner.step('append', context, { from: appendedAt, to: arrivedAt });
    this.#owner.step('apply', context, { from: applyBegan, to: applyEnded });
    for (const { id, status } of tasksOf(result)) {
      if (FINAL.has(status)) this.#owner.forget(this.#tenant, id);
      else if (MAKERS.has(this.#method)) this.#owner.follow(this.#tenant, id, context);
    }
  }

  ended(at: number, code: ErrorCode | undefined): void {
    if (code !== undefined) {
      this.#span.setAttribute('error.type', code);
      if (FAULTS.has(code)) this.#span.setStatus({ code: STATUS_ERROR, message: code });
    }
    this.#span.end(this.#owner.time(at));
  }
}

function member(of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null ? Reflect.get(of, name) : undefined;
}

/** The task that a request is about. */
function taskNamed(params: unknown): string | undefined {
  const id = member(params, 'id');
  return typeof id === 'string' && id.startsWith('tsk_') ? id : undefined;
}

/** The tasks in an answer: `{task}` or `{tasks}`, as views. */
function tasksOf(result: unknown): { readonly id: string; readonly status: string }[] {
  const many = member(result, 'tasks');
  const all: unknown[] = Array.isArray(many) ? many : [member(result, 'task')];
  return all.flatMap((task) => {
    const id = member(task, 'id');
    return typeof id === 'string' ? [{ id, status: String(member(task, 'status')) }] : [];
  });
}
