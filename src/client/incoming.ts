/**
 * Bodies of frames from the server, checked before anything relies on them.
 *
 * Owns: the shape of what the session layer itself reads. Entities inside (tasks, results) are the server's word and
 * are passed on as it sent them: a later server may add to them.
 */
import { isMap } from '../../protocol/wire/codec.ts';
import type {
  ErrorBody,
  GoawayBody,
  SessionSnapshot,
  Value,
  ValueMap,
  WelcomeBody,
} from '../../protocol/wire/types.ts';

export interface PushIn {
  readonly event: string;
  /** Set for events to watchers and for published data; orders to an agent have none. */
  readonly topic: string | undefined;
  readonly data: Value;
  /** None for pushes of class latest and ephemeral. */
  readonly rev: number | undefined;
  /** W3C traceparent of an order: the trace that its task is part of. */
  readonly traceparent?: string;
}

function integer(value: Value | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value);
}

/** The body of a PUSH. */
export function readPush(body: ValueMap, traceparent?: string): PushIn | undefined {
  const { e: event, t: topic, d: data = null, rev } = body;
  if (typeof event !== 'string' || (topic !== undefined && typeof topic !== 'string')) return undefined;
  const push = { event, topic, data, rev: integer(rev) ? rev : undefined };
  return traceparent === undefined ? push : { ...push, traceparent };
}

export function readError(body: ValueMap): ErrorBody | undefined {
  const { code, type, message, retryable, retryAfterMs, details } = body;
  if (typeof code !== 'string') return undefined;
  return {
    code,
    type: typeof type === 'string' ? type : 'internal',
    message: typeof message === 'string' ? message : code,
    retryable: retryable === true,
    ...(integer(retryAfterMs) && retryAfterMs >= 0 ? { retryAfterMs } : {}),
    ...(details === undefined ? {} : { details }),
  };
}

export function readGoaway(body: ValueMap): GoawayBody {
  const { reason, action, delayMs } = body;
  const [min, max] = Array.isArray(delayMs) ? (delayMs as readonly Value[]) : [];
  const least = integer(min) && min > 0 ? min : 0;
  return {
    reason: typeof reason === 'string' ? reason : '',
    action: action === 'fresh' || action === 'stop' ? action : 'resume',
    delayMs: [least, integer(max) && max > least ? max : least],
  };
}

/** The parts that the session depends on; undefined when one of them is missing. */
export function readWelcome(body: ValueMap): WelcomeBody | undefined {
  const { session, secret, rev, resumed, ping, limits, snapshot } = body;
  if (typeof session !== 'string' || typeof secret !== 'string' || !integer(rev) || typeof resumed !== 'boolean')
    return undefined;
  if (ping === undefined || !isMap(ping) || !positive(ping['intervalMs']) || !positive(ping['timeoutMs']))
    return undefined;
  if (limits === undefined || !isMap(limits) || !positive(limits['inFlight'])) return undefined;
  if (snapshot !== undefined && readSnapshot(snapshot) === undefined) return undefined;
  return body as unknown as WelcomeBody;
}

export function readSnapshot(snapshot: Value): SessionSnapshot | undefined {
  if (!isMap(snapshot)) return undefined;
  const { tasks, more } = snapshot;
  if (!Array.isArray(tasks) || (more !== undefined && typeof more !== 'string')) return undefined;
  if (!(tasks as readonly Value[]).every(isOrder)) return undefined;
  return snapshot as unknown as SessionSnapshot;
}

/** `{task: {id, type}, attempt, token}`: what an agent needs in order to work. */
export function isOrder(value: Value | undefined): boolean {
  if (value === undefined || !isMap(value) || typeof value['token'] !== 'string' || !integer(value['attempt']))
    return false;
  const task = value['task'];
  return task !== undefined && isMap(task) && typeof task['id'] === 'string' && typeof task['type'] === 'string';
}

function positive(value: Value | undefined): boolean {
  return integer(value) && value > 0;
}
