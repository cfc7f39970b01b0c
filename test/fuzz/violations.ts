/** WebSocket frames that break RFC 6455, or come as close to it as they may. */
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Random } from '../chaos/random.ts';
import { wsFrame } from '../support/raw-socket.ts';
import { bytes, spread } from './wild.ts';

const PING = 9;
const PONG = 10;
const CLOSE = 8;

export interface Violation {
  readonly name: string;
  /** What is written; each piece by itself. */
  readonly pieces: readonly Uint8Array[];
}

/** `message` is one that the server would take. */
export function violation(random: Random, message: Uint8Array, opcode: number): Violation {
  const make = random.pick(VIOLATIONS);
  return { name: make.name, pieces: make.pieces(random, message, opcode) };
}

/** What the RFC allows and few do; the server must take it as it takes the plain message. */
export function oddly(random: Random, message: Uint8Array, opcode: number): readonly Uint8Array[] {
  const draw = random.unit();
  if (draw < 0.4) {
    const at = random.between(0, message.length);
    return [
      wsFrame(message.subarray(0, at), { opcode, fin: false }),
      wsFrame(new Uint8Array(0), { opcode: PING }),
      wsFrame(message.subarray(at), { opcode: 0 }),
    ];
  }
  if (draw < 0.6) return [masked(wsFrame(message, { opcode }), random)];
  if (draw < 0.8) {
    const frame = wsFrame(message, { opcode });
    const at = random.between(1, frame.length - 1);
    return [frame.subarray(0, at), frame.subarray(at)];
  }
  return [wsFrame(bytes(random, 125), { opcode: random.chance(0.5) ? PING : PONG }), wsFrame(message, { opcode })];
}

/** With a mask that is not zero. */
function masked(frame: Buffer, random: Random): Buffer {
  const long = frame.readUInt8(1) & 0x7f;
  const at = long === 126 ? 4 : long === 127 ? 10 : 2;
  const mask = bytes(random, 4);
  const all = Buffer.from(frame);
  all.set(mask, at);
  for (let i = at + 4; i < all.length; i += 1) all[i] = (all[i] ?? 0) ^ (mask[(i - at) % 4] ?? 0);
  return all;
}

interface Kind {
  readonly name: string;
  readonly pieces: (random: Random, message: Uint8Array, opcode: number) => readonly Uint8Array[];
}

const VIOLATIONS: readonly Kind[] = [
  { name: 'unmasked', pieces: (_random, message, opcode) => [wsFrame(message, { opcode, mask: false })] },
  {
    name: 'reserved bits',
    pieces: (random, message, opcode) => [wsFrame(message, { opcode, rsv: random.between(1, 7) })],
  },
  {
    name: 'a compressed message',
    pieces: (random, _message, opcode) => [wsFrame(bytes(random, spread(random, 500)), { opcode, rsv: 4 })],
  },
  {
    name: 'a reserved opcode',
    pieces: (random, message) => [wsFrame(message, { opcode: random.pick([3, 4, 7, 11, 15]) })],
  },
  { name: 'a continuation of nothing', pieces: (_random, message) => [wsFrame(message, { opcode: 0 })] },
  {
    name: 'a message within a message',
    pieces: (_random, message, opcode) => [wsFrame(message, { opcode, fin: false }), wsFrame(message, { opcode })],
  },
  {
    name: 'a fragmented control frame',
    pieces: (random) => [wsFrame(bytes(random, 3), { opcode: random.pick([CLOSE, PING, PONG]), fin: false })],
  },
  {
    name: 'a long control frame',
    pieces: (random) => [wsFrame(bytes(random, 126), { opcode: random.pick([CLOSE, PING, PONG]) })],
  },
  {
    name: 'a faulty close',
    pieces: (random) => [
      wsFrame(random.pick([Uint8Array.of(1), Uint8Array.of(0, 5), bytes(random, 20)]), { opcode: CLOSE }),
    ],
  },
  {
    name: 'the other kind of message',
    pieces: (_random, message, opcode) => [wsFrame(message, { opcode: opcode === 1 ? 2 : 1 })],
  },
  { name: 'text that is no UTF-8', pieces: (random) => [wsFrame(bytes(random, 40), { opcode: 1 })] },
  {
    name: 'a length that does not come',
    pieces: (random, message, opcode) => [
      wsFrame(Buffer.alloc(random.pick([70_000, LIMITS.messageBytes + 1, 2 * LIMITS.messageBytes + 1])), {
        opcode,
      }).subarray(0, 14),
      message,
    ],
  },
  {
    name: 'a length of 2^63',
    pieces: (_random, _message, opcode) => [Uint8Array.of(0x80 | opcode, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4)],
  },
  {
    name: 'a length in the long form',
    pieces: (_random, message, opcode) => [
      Buffer.concat([
        Buffer.from([0x80 | opcode, 0xfe, 0, message.length & 0x7f, 0, 0, 0, 0]),
        message.subarray(0, message.length & 0x7f),
      ]),
    ],
  },
  {
    name: 'many fragments',
    pieces: (random, _message, opcode) => [
      wsFrame(new Uint8Array(1), { opcode, fin: false }),
      Buffer.concat(
        Array.from({ length: spread(random, 2_000) }, () => wsFrame(new Uint8Array(1), { opcode: 0, fin: false })),
      ),
    ],
  },
  { name: 'no frame at all', pieces: (random) => [bytes(random, spread(random, 300))] },
];
