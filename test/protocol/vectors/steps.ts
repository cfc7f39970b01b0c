/** The words that transcripts are written in. */
import type { Step } from '../transcript.ts';
import type { Json } from './json-form.ts';

type JsonMap = { readonly [key: string]: Json };

export const connect = (on: string): Step => ({ do: 'connect', on });
export const send = (on: string, ...frames: readonly Json[]): Step => ({ do: 'send', on, frames });
export const sendHex = (on: string, hex: string): Step => ({ do: 'sendHex', on, hex });
export const expect = (on: string, frame: Json): Step => ({ do: 'expect', on, frame });
export const expectAll = (on: string, ...frames: readonly Json[]): Step => ({ do: 'expectAll', on, frames });
export const expectClose = (on: string, code: number): Step => ({ do: 'expectClose', on, code });
export const drop = (on: string): Step => ({ do: 'drop', on });
export const advance = (ms: number): Step => ({ do: 'advance', ms });
export const restart: Step = { do: 'restart' };

export const absent = { $absent: true };
export const int = { $is: 'int' };
export const text = { $is: 'str' };
export const above = (placeholder: string): Json => ({ $above: placeholder });
export const other = (than: string, as: string): Json => ({ $differs: than, $as: as });

export const hello = (token: string, more: JsonMap = {}): Json => [
  1,
  0,
  { v: [1, 0, 0], client: { name: 'vectors', version: '1' }, auth: { token }, ...more },
];
export const welcome = (more: JsonMap = {}): Json => [3, 0, more];
export const request = (id: number, m: string, p: JsonMap): Json => [5, id, { m, p }];
export const result = (id: number, r: JsonMap): Json => [7, id, { rev: int, r }];
export const error = (id: number, code: string, more: JsonMap = {}): Json => [9, id, { code, ...more }];
export const goaway = (action: 'resume' | 'fresh' | 'stop'): Json => [
  13,
  0,
  { reason: text, action, delayMs: [int, int] },
];

/** An order to an agent has no topic. */
export const order = (e: string, d: JsonMap): Json => [11, 0, { rev: int, e, t: absent, d }];
export const event = (e: string, d: JsonMap): Json => [11, 0, { rev: int, e, t: text, d }];

/** A session on a connection of its own: binds `$session`, `$secret`, `$rev` with the name of the connection behind them. */
export const open = (on: string, token = '$admin', more: JsonMap = {}): readonly Step[] => [
  connect(on),
  send(on, hello(token, more)),
  expect(on, welcome({ session: `$session-${on}`, secret: `$secret-${on}`, rev: `$rev-${on}`, resumed: false })),
];

export const resumeOf = (on: string): JsonMap => ({
  resume: { session: `$session-${on}`, secret: `$secret-${on}`, rev: `$rev-${on}` },
});

export const worker = (more: JsonMap = {}): JsonMap => ({
  agent: { name: 'resizer', capabilities: ['resize'], capacity: 1, ...more },
});

/** A request and its RESULT. */
export const call = (on: string, [id, m, p]: readonly [number, string, JsonMap], r: JsonMap): readonly Step[] => [
  send(on, request(id, m, p)),
  expect(on, result(id, r)),
];

/** A request and its ERROR. */
export const fails = (
  on: string,
  [id, m, p]: readonly [number, string, JsonMap],
  code: string,
  ...details: readonly Json[]
): readonly Step[] => [
  send(on, request(id, m, p)),
  expect(on, error(id, code, details[0] === undefined ? {} : { details: details[0] })),
];

/** How the server ends a connection for good. */
export const refused = (on: string, code: string, close: number): readonly Step[] => [
  expect(on, error(0, code)),
  expect(on, goaway('stop')),
  expectClose(on, close),
];

export const submit = (on: string, id: number, as: string, more: JsonMap = {}): readonly Step[] =>
  call(on, [id, 'task.create', { type: 'resize', watch: false, ...more }], { task: { id: as, attempt: 0 } });

/** The order for a task whose id is bound; binds its token. */
export const assigned = (on: string, task: string, token: Json, more: JsonMap = {}): Step =>
  expect(on, order('task.assigned', { task: { id: task }, attempt: 1, token, leaseMs: int, ...more }));
