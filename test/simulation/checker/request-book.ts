/**
 * The index of requests: by (session, id), by mark, by the task that they name.
 */
import type { EventOf } from './history.ts';
import type { Answer, Group, MarkedEffect, Op, Tenant } from './records.ts';
import { items, text } from './values.ts';
import type { Step, World } from './world.ts';

/** Codes that say only that this sending was not executed; another sending may have been, or may be. */
const NOW_ONLY: ReadonlySet<string> = new Set([
  'INVALID_FRAME',
  'UNKNOWN_METHOD',
  'INVALID_PARAMS',
  'TOO_LARGE',
  'UNAUTHENTICATED',
  'UNAUTHORIZED',
  'IDEMPOTENCY_MISMATCH',
  'OUTCOME_UNKNOWN',
  'CANCELLED',
  'SESSION_EXPIRED',
  // The library asks again, under the key that it drew, which was forgotten with the answer (Q15).
  'QUEUE_FULL',
  'RATE_LIMIT_EXCEEDED',
  'UNAVAILABLE',
  'INTERNAL',
]);

const MAKERS: ReadonlySet<string> = new Set([
  'task.create',
  'task.createBatch',
  'task.retry',
  'deadLetter.replay',
  'deadLetter.replayMany',
]);

/** What concerns the calling session alone: a key has no effect on it. */
const OF_SESSION: ReadonlySet<string> = new Set(['agent.register', 'topic.subscribe', 'topic.unsubscribe']);

/** The key under which a request is one with others of its principal. */
export function keyOn({ method, k }: Op): string | undefined {
  return OF_SESSION.has(method) ? undefined : k;
}

/** True for a refusal that the log decided: it holds for every repeat. */
export function isFinal(code: string): boolean {
  return !NOW_ONLY.has(code);
}

/** False once the answers rule out that the request had an effect. */
export function mayHaveRun(op: Op): boolean {
  let refusals = 0;
  for (const { event } of op.answers) {
    if (event.ok) return true;
    if (isFinal(event.code)) return false;
    refusals += 1;
  }
  return refusals < op.sends.length;
}

export function wasOk(op: Op): boolean {
  return op.answers.some((answer) => answer.event.ok);
}

/** What is delegated as a task below. */
export function isChildCall({ method, params }: Op): boolean {
  return method === 'task.delegate' && text(params, 'as') === 'child';
}

/** The marks of the effects that a request asks for. */
export function marksOf(method: string, params: unknown): string[] {
  const marked = (item: unknown): string[] => {
    const mark = text((item as { parameters?: unknown } | null)?.parameters, 'mark');
    return mark === undefined ? [] : [mark];
  };
  if (
    method === 'task.create' ||
    method === 'task.distribute' ||
    (method === 'task.delegate' && text(params, 'as') === 'child')
  )
    return marked(params);
  if (method === 'task.createBatch') return items(params, 'tasks').flatMap(marked);
  if (method === 'topic.publish') {
    const mark = text((params as { data?: unknown } | null)?.data, 'mark');
    return mark === undefined ? [] : [mark];
  }
  return [];
}

export function effectOf(tenant: Tenant, mark: string): MarkedEffect {
  let effect = tenant.effects.get(mark);
  if (effect === undefined) tenant.effects.set(mark, (effect = { ops: [], tasks: [], revs: new Set() }));
  return effect;
}

/** Requests that name a task, in the order of sending. */
export function opsOn(tenant: Tenant, taskId: string): Op[] {
  let ops = tenant.opsByTask.get(taskId);
  if (ops === undefined) tenant.opsByTask.set(taskId, (ops = []));
  return ops;
}

/**
 * Of several bodies under one id the one that was answered: it was sent on that connection, and is the first of these that may have been
 * executed. An edge that refuses a body knows nothing of it when another one comes under its id.
 */
function answeredOf(group: Group, event: EventOf<'answer'>): Op | undefined {
  const sent = group.ops.filter(({ sends }) => sends.some((one) => one.group === group && one.conn === event.conn));
  if (!event.ok && event.code === 'IDEMPOTENCY_MISMATCH') return sent.at(-1) ?? group.ops.at(-1);
  return sent.find(mayHaveRun) ?? sent[0];
}

export class RequestBook {
  readonly #world: World;
  readonly #groups = new Map<string, Group>();
  readonly ops = new Map<string, Op>();

  constructor(world: World) {
    this.#world = world;
  }

  group(session: string, reqId: number): Group | undefined {
    return this.#groups.get(`${session}#${reqId}`);
  }

  on(event: EventOf<'invoke' | 'send' | 'answer' | 'info'>, index: number): Step {
    if (event.kind === 'invoke') return this.#invoke(event, index);
    if (event.kind === 'answer') return this.#answer(event, index);
    const op = this.ops.get(event.opId);
    if (op === undefined) {
      this.#world.report('H', `${event.kind} of an unknown request`, [index]);
      return { index, event };
    }
    if (event.kind === 'info') op.info = true;
    else this.#send(op, event, index);
    return { index, event, op };
  }

  #invoke(event: EventOf<'invoke'>, index: number): Step {
    const session = this.#world.sessions.get(event.session);
    if (session === undefined || this.ops.has(event.opId)) {
      this.#world.report('H', 'a request of an unknown session, or an opId twice', [index]);
      return { index, event };
    }
    const { tenant } = session;
    const op: Op = {
      opId: event.opId,
      tenant,
      session,
      k: event.k,
      method: event.method,
      params: event.params,
      index,
      sends: [],
      answers: [],
      info: false,
      floor: tenant.okRev,
    };
    this.ops.set(op.opId, op);
    tenant.ops.push(op);
    if (op.method === 'agent.register') session.registers.push(op);
    if (op.method === 'apiKey.revoke' || op.method === 'agent.deregister') tenant.adminOps.push(op);
    if (op.method === 'agent.drain') tenant.drains.push(op);
    if (MAKERS.has(op.method)) tenant.makers.push(op);
    for (const mark of marksOf(op.method, op.params)) effectOf(tenant, mark).ops.push(op);
    const target = op.method.startsWith('task.') ? text(op.params, 'id') : undefined;
    if (target !== undefined) opsOn(tenant, target).push(op);
    this.#send(op, event, index);
    const conn = this.#world.conns.get(event.conn);
    return { index, event, op, ...(conn && { conn }) };
  }

  #send(op: Op, event: EventOf<'invoke' | 'send'>, index: number): void {
    const session = this.#world.sessions.get(event.session);
    if (session === undefined) {
      this.#world.report('H', 'a request of an unknown session', [index]);
      return;
    }
    const key = `${event.session}#${event.reqId}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      this.#groups.set(key, (group = { session, reqId: event.reqId, ops: [], answers: [] }));
      session.groups.push(group);
    }
    if (!group.ops.includes(op)) group.ops.push(op);
    op.sends.push({ conn: event.conn, group, index });
    session.maxReqId = Math.max(session.maxReqId, event.reqId);
    session.acked = Math.max(session.acked, event.ack ?? 0);
  }

  #answer(event: EventOf<'answer'>, index: number): Step {
    const conn = this.#world.conns.get(event.conn);
    const group = this.group(event.session, event.reqId);
    const first = group?.ops[0];
    const withConn = conn === undefined ? {} : { conn };
    if (group === undefined || first === undefined) {
      this.#world.report('7', 'an answer to a request that was never sent', [index]);
      return { index, event, ...withConn };
    }
    const op = answeredOf(group, event) ?? first;
    const answer: Answer = { event, index, group, op };
    group.answers.push(answer);
    op.answers.push(answer);
    if (event.ok) op.tenant.okRev = Math.max(op.tenant.okRev, event.rev);
    return { index, event, op, answer, ...withConn };
  }
}
