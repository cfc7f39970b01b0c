import { describe, expect, it } from 'vitest';
import { frame } from './websocket-fixtures.ts';
import { MessageReader } from './websocket-frames.ts';

const HEAD = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n');

function readAll(chunks: readonly Buffer[]): string[] {
  const messages: string[] = [];
  const reader = new MessageReader((bytes) => messages.push(bytes.toString('latin1')));
  for (const chunk of chunks) reader.take(chunk);
  return messages;
}

describe('messages out of a TCP stream', () => {
  const payloads = [Buffer.alloc(0), Buffer.from('one'), Buffer.alloc(126, 'a'), Buffer.alloc(70_000, 'b')];

  it.each([{ mask: false }, { mask: true }])('are found however the stream is cut (mask: $mask)', ({ mask }) => {
    const stream = Buffer.concat([HEAD, ...payloads.map((payload) => frame(payload, { mask }))]);
    const expected = payloads.map((payload) => payload.toString('latin1'));
    expect(readAll([stream])).toEqual(expected);
    for (const size of [1, 2, 3, 125, 4_096]) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < Math.min(stream.length, size * 2_000); at += size)
        chunks.push(stream.subarray(at, at + size));
      const seen = readAll(chunks);
      expect(seen).toEqual(expected.slice(0, seen.length));
      expect(seen.length).toBeGreaterThanOrEqual(3);
    }
  });

  it('are put together from continuations, with control frames between them', () => {
    const stream = Buffer.concat([
      HEAD,
      frame(Buffer.from('hel'), { mask: false, fin: false }),
      frame(Buffer.from('ping'), { mask: false, opcode: 9 }),
      frame(Buffer.from('lo'), { mask: false, opcode: 0 }),
    ]);
    expect(readAll([stream])).toEqual(['hello']);
  });

  it('are refused when an extension is in use', () => {
    expect(() => readAll([HEAD, Buffer.from([0xc2, 0x00])])).toThrow('no extension');
  });
});
