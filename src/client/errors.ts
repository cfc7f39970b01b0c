/**
 * Every error that the SDK gives to its caller.
 *
 * Owns: MusterError (what a server or the SDK refused), TaskFailure (how a handler says why its task failed).
 * Codes of the server stand in protocol/wire/codes.ts; those that only a client can know, here.
 */
import { ERROR_CODES, type ErrorCode, type ErrorType } from '../../protocol/wire/codes.ts';
import type { ErrorBody, TaskView, Value } from '../../protocol/wire/types.ts';

interface ClientCodeRow {
  readonly type: ErrorType | 'client';
  readonly message: string;
}

export const CLIENT_CODES = {
  CLIENT_CLOSED: { type: 'client', message: 'The client was closed before the answer came.' },
  CONNECTION_REFUSED: { type: 'unavailable', message: 'The server refused the connection for good.' },
  CONNECT_TIMEOUT: { type: 'unavailable', message: 'No server answered in time.' },
  REQUEST_TIMEOUT: {
    type: 'client',
    message: 'The deadline of the request passed; whether it was executed is not known.',
  },
  REQUEST_ABORTED: { type: 'client', message: 'The caller gave up; whether the request was executed is not known.' },
  OUTBOX_FULL: { type: 'client', message: 'Too many requests wait to be sent.' },
  VALUE_UNSUPPORTED: { type: 'client', message: 'The value has a part that the protocol cannot carry.' },
  INVALID_OPTIONS: { type: 'client', message: 'The options do not fit.' },
  OUTBOX_LOCKED: { type: 'client', message: 'Another process uses this outbox file.' },
  OUTBOX_DAMAGED: { type: 'client', message: 'The file is not an outbox that this version can read.' },
  ASK_EXPIRED: { type: 'client', message: 'Nobody answered the question in time.' },
  UPLOAD_FAILED: { type: 'client', message: 'A text did not come to the server, or from it, as it is.' },
  LOCK_LOST: { type: 'conflict', message: 'The lock ended before the work under it did.' },
  TASK_STOPPED: { type: 'client', message: 'The work on the task must stop.' },
  TASK_FAILED: { type: 'conflict', message: 'The task failed.' },
  TASK_CANCELLED: { type: 'conflict', message: 'The task was cancelled.' },
  TASK_TIMED_OUT: { type: 'conflict', message: 'The task ran out of time.' },
} as const satisfies Record<string, ClientCodeRow>;

export type ClientCode = keyof typeof CLIENT_CODES;

interface Extra {
  readonly type?: string;
  readonly retryable?: boolean;
  readonly retryAfterMs?: number;
  readonly details?: Value;
  readonly task?: TaskView;
  readonly cause?: unknown;
}

/** A refused request or connection. `code` is stable; generic callers look at `retryable` only. */
export class MusterError extends Error {
  override readonly name = 'MusterError';
  readonly code: string;
  readonly type: string;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly details: Value | undefined;
  /** The task that ended otherwise than completed, for `task.run`. */
  readonly task: TaskView | undefined;

  constructor(code: string, message: string, extra: Extra = {}) {
    super(message, extra.cause === undefined ? undefined : { cause: extra.cause });
    this.code = code;
    this.type = extra.type ?? 'client';
    this.retryable = extra.retryable ?? false;
    this.retryAfterMs = extra.retryAfterMs;
    this.details = extra.details;
    this.task = extra.task;
  }
}

/** An error of the SDK itself. `message` replaces the default sentence. */
export function clientError(code: ClientCode, message?: string, extra: Extra = {}): MusterError {
  const row = CLIENT_CODES[code];
  return new MusterError(code, message ?? row.message, { type: row.type, ...extra });
}

/** What an ERROR frame says. Codes of later servers are passed on as they are. */
export function serverError(body: ErrorBody): MusterError {
  return new MusterError(body.code, body.message, {
    type: body.type,
    retryable: body.retryable,
    ...(body.retryAfterMs === undefined ? {} : { retryAfterMs: body.retryAfterMs }),
    ...(body.details === undefined ? {} : { details: body.details }),
  });
}

/** As if the server had refused with this code: for what the SDK can tell without asking. */
export function asServerError(code: ErrorCode, message?: string): MusterError {
  const row = ERROR_CODES[code];
  return new MusterError(code, message ?? row.message, { type: row.type, retryable: row.retryable });
}

export interface TaskFailureOptions {
  /** False: the task is not tried again. Default true. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/** Thrown by a handler to choose the error code of its task, and whether it is worth another attempt. */
export class TaskFailure extends Error {
  override readonly name = 'TaskFailure';
  readonly code: string;
  readonly retryable: boolean;

  constructor(code: string, message: string, options: TaskFailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? true;
  }
}
