/** The two forms of messages, for suites that run with each of them. */
import type { Frame, HelloBody, ValueMap } from '../../protocol/wire/types.ts';
import { fromText, toText } from '../protocol/json-text.ts';
import { upgradeRequest, wsFrame, type UpgradeParts } from '../support/raw-socket.ts';
import { anyRequest, frameOf, framesOf, hello } from '../support/session-rig.ts';

export const FORMS = ['msgpack', 'json'] as const;
export type Form = (typeof FORMS)[number];

export interface Speech {
  readonly subprotocol: string;
  /** Of WebSocket messages. */
  readonly opcode: 1 | 2;
  readonly hello: (token?: string, more?: Partial<HelloBody>) => Uint8Array;
  readonly anyRequest: (id: number) => Uint8Array;
  readonly frameOf: (op: number, id?: number, body?: ValueMap) => Uint8Array;
  readonly framesOf: (message: Uint8Array) => readonly Frame[];
  readonly wsFrame: typeof wsFrame;
  readonly upgradeRequest: (parts?: UpgradeParts) => string;
  /** Text messages that are none of the protocol. */
  readonly faulty: readonly string[];
  /** Any message that is none. */
  readonly garbage: Uint8Array;
}

export function speaking(form: Form): Speech {
  if (form === 'msgpack') {
    return {
      subprotocol: 'muster.v1.msgpack',
      opcode: 2,
      hello,
      anyRequest,
      frameOf,
      framesOf,
      wsFrame,
      upgradeRequest,
      faulty: ['[1,0,{}]', '', 'hello', '\u0700\u0701', 'ܓ'.repeat(100)],
      garbage: Uint8Array.of(0xc1),
    };
  }
  const subprotocol = 'muster.v1.json';
  return {
    subprotocol,
    opcode: 1,
    hello: (token, more) => toText(hello(token, more)),
    anyRequest: (id) => toText(anyRequest(id)),
    frameOf: (op, id, body) => toText(frameOf(op, id, body)),
    framesOf: (message) => framesOf(fromText(message)),
    wsFrame: (payload, options) => wsFrame(payload, { opcode: 1, ...options }),
    upgradeRequest: ({ headers, ...parts } = {}) =>
      upgradeRequest({ ...parts, headers: { 'Sec-WebSocket-Protocol': subprotocol, ...headers } }),
    faulty: ['[5,1,{}', '', 'hello', '{"op":5}', '[5,1,{"a":1,"a":1}]', '[5,1,{"__proto__":1}]', '['.repeat(100_000)],
    garbage: Buffer.from('no'),
  };
}
