/**
 * Every error code and close code of protocol v1. A code is never reused for another meaning.
 *
 * Error codes are strings: generic clients look at `retryable` only. Close codes are numbers whose
 * range says what a client does: 4000–4499 come back and resume, 4500–4999 do not come back.
 */

export type ErrorType =
  | 'protocol'
  | 'authentication'
  | 'authorization'
  | 'rate_limit'
  | 'quota'
  | 'validation'
  | 'not_found'
  | 'conflict'
  | 'unavailable'
  | 'internal';

interface CodeRow {
  readonly type: ErrorType;
  readonly retryable: boolean;
  /** What happened, in one sentence; the default message. */
  readonly message: string;
}

export const ERROR_CODES = {
  INVALID_FRAME: { type: 'protocol', retryable: false, message: 'The bytes are not a frame of this protocol.' },
  UNKNOWN_METHOD: { type: 'protocol', retryable: false, message: 'No such method.' },
  INVALID_PARAMS: {
    type: 'validation',
    retryable: false,
    message: 'The parameters do not fit the method; details name every fault.',
  },
  TOO_LARGE: { type: 'validation', retryable: false, message: 'A value is larger than its limit.' },
  UNAUTHENTICATED: {
    type: 'authentication',
    retryable: false,
    message: 'The credential is missing, unknown, expired or revoked.',
  },
  UNAUTHORIZED: { type: 'authorization', retryable: false, message: 'The credential does not allow this.' },
  NOT_FOUND: { type: 'not_found', retryable: false, message: 'No such entity.' },
  TASK_NOT_FOUND: { type: 'not_found', retryable: false, message: 'No such task.' },
  RULE_NOT_FOUND: { type: 'not_found', retryable: false, message: 'No such rule.' },
  AGENT_NOT_FOUND: { type: 'not_found', retryable: false, message: 'No such agent.' },
  ALREADY_EXISTS: { type: 'conflict', retryable: false, message: 'An entity of this name exists.' },
  INVALID_TRANSITION: {
    type: 'conflict',
    retryable: false,
    message: 'The entity is in a status that does not allow this.',
  },
  STALE_TOKEN: { type: 'conflict', retryable: false, message: 'The token is not that of the current assignment.' },
  OFFSET_MISMATCH: {
    type: 'conflict',
    retryable: false,
    message: 'The piece does not begin where the output ends; details name the offset that is expected.',
  },
  IDEMPOTENCY_MISMATCH: {
    type: 'conflict',
    retryable: false,
    message: 'This id or key was used before with another body.',
  },
  OUTCOME_UNKNOWN: {
    type: 'conflict',
    retryable: false,
    message: 'The request is older than what is remembered; it was not executed now.',
  },
  STATE_CONFLICT: {
    type: 'conflict',
    retryable: false,
    message:
      'The shared state has another version, or the value is none that this can be done with; details say which.',
  },
  DOCUMENT_CONFLICT: {
    type: 'conflict',
    retryable: false,
    message:
      'What the edit changes was changed since the version that it was made of; details name the conflict that keeps it.',
  },
  DELEGATION_CYCLE: {
    type: 'conflict',
    retryable: false,
    message: 'The task would come back to an agent that handed it on.',
  },
  CANCELLED: { type: 'conflict', retryable: false, message: 'The request was cancelled.' },
  SESSION_EXPIRED: { type: 'conflict', retryable: false, message: 'The session has ended.' },
  BUSY: { type: 'conflict', retryable: true, message: 'Others hold the lock, or wait for it.' },
  DEADLOCK: {
    type: 'conflict',
    retryable: true,
    message: 'The request would wait for others that wait for the caller; details name them.',
  },
  WAIT_TIMEOUT: { type: 'conflict', retryable: true, message: 'The lock was not granted in the time that was given.' },
  NOT_HELD: {
    type: 'conflict',
    retryable: false,
    message: 'The caller does not hold this lock, or not under this token.',
  },
  REENTRY_LIMIT: { type: 'conflict', retryable: false, message: 'The lock was acquired too often without a release.' },
  RESOURCE_GONE: {
    type: 'conflict',
    retryable: false,
    message: 'What the lock was to guard was deleted while the request waited.',
  },
  QUEUE_FULL: { type: 'quota', retryable: true, message: 'No more may wait here.' },
  LIMIT_EXCEEDED: { type: 'quota', retryable: false, message: 'A bounded collection is full.' },
  RATE_LIMIT_EXCEEDED: { type: 'rate_limit', retryable: true, message: 'Too many requests.' },
  QUOTA_EXCEEDED: { type: 'quota', retryable: false, message: 'The quota is used up.' },
  UNAVAILABLE: { type: 'unavailable', retryable: true, message: 'The server cannot take this now.' },
  INTERNAL: { type: 'internal', retryable: false, message: 'The server failed; the request had no effect.' },
} as const satisfies Record<string, CodeRow>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** A refused command: a value, never thrown. */
export interface Rejection {
  readonly code: ErrorCode;
  readonly message?: string;
  readonly details?: import('./types.ts').Value;
  readonly retryAfterMs?: number;
}

interface CloseRow {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
}

export const CLOSE = {
  SHUTDOWN: { code: 4001, reason: 'shutdown', message: 'The server stops or is replaced; resume.' },
  AUTH_EXPIRED: { code: 4005, reason: 'auth_expired', message: 'The credential expired; resume with a fresh one.' },
  SLOW: { code: 4008, reason: 'slow', message: 'The client reads too slowly; resume.' },
  NO_PONG: { code: 4012, reason: 'no_pong', message: 'No frame arrived in time; resume.' },
  OVERLOADED: { code: 4013, reason: 'overloaded', message: 'The server cannot take the session now; resume later.' },
  UNAVAILABLE: { code: 4014, reason: 'unavailable', message: 'The tenant is not served now; resume later.' },
  BAD_AUTH: { code: 4500, reason: 'bad_auth', message: 'The credential is missing, unknown, expired or revoked.' },
  PROTOCOL_ERROR: { code: 4501, reason: 'protocol_error', message: 'The bytes are not a message of this protocol.' },
  HELLO_TIMEOUT: { code: 4502, reason: 'hello_timeout', message: 'HELLO did not arrive in time.' },
  HELLO_EXPECTED: { code: 4503, reason: 'hello_expected', message: 'The first frame must be HELLO, and there is one.' },
  REPLACED: {
    code: 4507,
    reason: 'replaced',
    message: 'A newer connection of this session or agent instance took over.',
  },
  FORBIDDEN: {
    code: 4508,
    reason: 'forbidden',
    message: 'The session belongs to another principal, or the role does not allow it.',
  },
  VERSION: { code: 4510, reason: 'version', message: 'No common protocol version.' },
  ENDED: { code: 4511, reason: 'ended', message: 'The session was ended, by BYE or by an administrator.' },
} as const satisfies Record<string, CloseRow>;

export type CloseName = keyof typeof CLOSE;

/** True if a client that saw this close code comes back and resumes. Codes that we did not send, and none at all, count as such. */
export function mayResume(closeCode: number): boolean {
  return closeCode < 4500 || closeCode > 4999;
}
