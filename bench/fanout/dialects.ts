/** How each server is greeted, published to and answered. */
import { decodeFrames, encodeFrameParts, isMap } from '../../protocol/wire/codec.ts';
import { SERVER_FRAME_LIMITS } from '../../protocol/wire/scan.ts';
import { Op, type Value } from '../../protocol/wire/types.ts';
import { BINARY, frame, TEXT } from './raw-socket.ts';
import type { CrowdTarget, Dialect } from './roles.ts';

export const TOPIC = 'bench.fan';

/** What came, beside texts that were published: what to answer, and the texts. */
export interface Read {
  readonly answer?: Buffer;
  /** The connection has joined those who listen. */
  readonly joined?: true;
  readonly texts: readonly string[];
}

export interface Speech {
  readonly path: string;
  readonly subprotocol: string;
  /** The first bytes of a connection. */
  greet(target: CrowdTarget, listens: boolean): Buffer | undefined;
  publish(number: number, text: string): Buffer;
  /** Says that somebody is there who does not read; undefined: nobody asks. */
  readonly alive?: Buffer;
  /** A message that is not only texts of known length. Throws if the server refuses something. */
  read(message: Buffer): Read;
}

const HELLO = { v: [1, 0, 0], client: { name: 'bench-fanout', version: '1' } } as const;

function textIn(data: Value | undefined): string {
  const said = data !== undefined && isMap(data) ? data['data'] : undefined;
  return said !== undefined && isMap(said) ? String(said['text']) : '';
}

const muster: Speech = {
  path: '/v1',
  subprotocol: 'muster.v1.msgpack',
  greet: ({ key }, listens) =>
    frame(
      BINARY,
      encodeFrameParts(Op.HELLO, 0, { ...HELLO, auth: { token: key }, ...(listens ? { subs: [TOPIC] } : {}) }),
    ),
  publish: (number, text) =>
    frame(
      BINARY,
      encodeFrameParts(Op.REQUEST, number + 1, { m: 'topic.publish', p: { topic: TOPIC, data: { text } } }),
    ),
  alive: frame(BINARY, encodeFrameParts(Op.PING, 0, {})),
  read: (message) => {
    const frames = decodeFrames(message, SERVER_FRAME_LIMITS);
    if (!frames.ok) throw new Error(`The server sent what is none of its frames: ${frames.error.code}`);
    let joined = false;
    let answer: Buffer | undefined;
    const texts: string[] = [];
    for (const { op, body } of frames.value) {
      if (op === Op.WELCOME) joined = true;
      else if (op === Op.PING) answer = frame(BINARY, encodeFrameParts(Op.PONG, 0, { rev: body['rev'] }));
      else if (op === Op.PUSH) texts.push(textIn(body['d']));
      else if (op === Op.ERROR || op === Op.GOAWAY) throw new Error(`The server says ${JSON.stringify(body)}`);
    }
    return { texts, ...(answer === undefined ? {} : { answer }), ...(joined ? { joined } : {}) };
  },
};

const plain: Speech = {
  path: '/v1',
  subprotocol: '',
  // The publisher is told apart by its first message.
  greet: (_target, listens) => frame(BINARY, Buffer.from(listens ? 'listen' : 'speak')),
  publish: (_number, text) => frame(BINARY, Buffer.from(text, 'latin1')),
  read: (message) => {
    const text = message.toString('latin1');
    return text === 'welcome' ? { joined: true, texts: [] } : { texts: [text] };
  },
};

/** Engine.IO's and Socket.IO's packets: 0 open, 2 ping, 3 pong, 40 connect, 42 event. */
const socketio: Speech = {
  path: '/socket.io/?EIO=4&transport=websocket',
  subprotocol: '',
  greet: () => undefined,
  publish: (_number, text) => frame(TEXT, Buffer.from(`42["p","${text}"]`)),
  read: (message) => {
    const text = message.toString('latin1');
    if (text.startsWith('42')) return { texts: [String(JSON.parse(text.slice(2))[1])] };
    if (text.startsWith('40')) return { joined: true, texts: [] };
    if (text.startsWith('0')) return { answer: frame(TEXT, Buffer.from('40')), texts: [] };
    if (text === '2') return { answer: frame(TEXT, Buffer.from('3')), texts: [] };
    throw new Error(`The server says ${text}`);
  },
};

export const SPEECH: { readonly [D in Dialect]: Speech } = { muster, plain, socketio };
