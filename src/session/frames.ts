/** The frames that the server's side makes, encoded. */
import { CLOSE, ERROR_CODES, mayResume, type CloseName, type Rejection } from '../../protocol/wire/codes.ts';
import { encodeBy, encodeFrameParts, Key } from '../../protocol/wire/codec.ts';
import {
  Op,
  type ErrorBody,
  type GoawayBody,
  type Data,
  type Value,
  type WelcomeBody,
} from '../../protocol/wire/types.ts';

export function welcomeFrame(body: WelcomeBody): Uint8Array {
  return encodeFrameParts(Op.WELCOME, 0, body);
}

const KEYS = { rev: new Key('rev'), r: new Key('r') };

export function resultFrame(id: number, rev: number, result: Data): Uint8Array {
  return encodeBy((to) => {
    to.arrayHead(3);
    to.number(Op.RESULT);
    to.number(id);
    to.mapHead(2);
    to.keyed(KEYS.rev, rev);
    to.keyed(KEYS.r, result);
  });
}

export function errorFrame(id: number, rejection: Rejection): Uint8Array {
  const row = ERROR_CODES[rejection.code];
  const { retryAfterMs, details } = rejection;
  const body: ErrorBody = {
    code: rejection.code,
    type: row.type,
    message: rejection.message ?? row.message,
    retryable: row.retryable,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(details === undefined ? {} : { details }),
  };
  return encodeFrameParts(Op.ERROR, id, body);
}

export function goawayFrame(body: GoawayBody): Uint8Array {
  return encodeFrameParts(Op.GOAWAY, 0, body);
}

/** The GOAWAY that stands before a close. */
export function closingFrame(name: CloseName): Uint8Array {
  const row = CLOSE[name];
  return goawayFrame({
    reason: row.reason,
    action: mayResume(row.code) ? 'resume' : 'stop',
    delayMs: mayResume(row.code) ? (DELAYS[name] ?? RESUME_SOON) : [0, 0],
  });
}

export function pingFrame(now: number, rev: number): Uint8Array {
  return encodeFrameParts(Op.PING, 0, { now, rev });
}

export function pongFrame(now: number): Uint8Array {
  return encodeFrameParts(Op.PONG, 0, { now });
}

export function noticeFrame(kind: string, details: { readonly [key: string]: Value }): Uint8Array {
  return encodeFrameParts(Op.NOTICE, 0, { kind, ...details });
}

type Delay = readonly [min: number, max: number];

/** Within which a client that was closed comes back, at a time of its own choice: so they do not all come at once. */
const RESUME_SOON: Delay = [0, 1_000];
const DELAYS: { readonly [N in CloseName]?: Delay } = {
  OVERLOADED: [1_000, 10_000],
  UNAVAILABLE: [500, 5_000],
};
