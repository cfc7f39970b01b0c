import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import type { Line } from './journal.ts';
import { frame } from './websocket-fixtures.ts';
import { WireTap } from './wire-tap.ts';

const HEAD = Buffer.from('HTTP/1.1 101 Switching Protocols\r\n\r\n');
const packr = new Packr({ useRecords: false });

function message(frames: readonly unknown[], mask: boolean): Buffer {
  return frame(Buffer.concat(frames.map((one) => packr.pack(one))), { mask });
}

function tapped(exchange: readonly (readonly ['client' | 'server', readonly unknown[]])[]): Line[] {
  const lines: Line[] = [];
  const tap = new WireTap({ connection: 'c1', now: () => 7, write: (line) => lines.push(line) });
  tap.client(HEAD);
  tap.server(HEAD);
  for (const [from, frames] of exchange) tap[from](message(frames, from === 'client'));
  return lines;
}

const about = { at: 7, connection: 'c1' };
/** Beyond 32 bits, as real positions are. */
const REV = 2 ** 40 + 5;

describe('the tap', () => {
  it('writes down positions of WELCOME, PUSH and PING', () => {
    const lines = tapped([
      ['server', [[3, 0, { rev: REV, session: 's' }]]],
      [
        'server',
        [
          [11, 0, { rev: REV + 1, e: 'task.assigned', d: { task: { id: 't1' }, token: '9' } }],
          [11, 0, { rev: REV + 2, e: 'task.completed', t: 'task.t1', d: { id: 't1', status: 'completed' } }],
          [11, 0, { e: 'task.progress', d: { id: 't1' } }],
          [15, 0, { rev: REV + 3 }],
          [15, 0, {}],
        ],
      ],
    ]);
    expect(lines).toEqual([
      { kind: 'wire', ...about, frame: 'welcome', rev: REV },
      { kind: 'wire', ...about, frame: 'push', rev: REV + 1, event: 'task.assigned', task: 't1', token: '9' },
      { kind: 'wire', ...about, frame: 'push', rev: REV + 2, event: 'task.completed', task: 't1' },
      { kind: 'wire', ...about, frame: 'ping', rev: REV + 3 },
    ]);
  });

  it('writes down consent to completions, and no refusal', () => {
    const lines = tapped([
      ['client', [[5, 3, { m: 'task.complete', p: { id: 't1', token: '9' } }, { k: 'x' }]]],
      [
        'client',
        [
          [5, 4, { m: 'task.complete', p: { id: 't2', token: '8' } }],
          [5, 5, { m: 'task.progress', p: { id: 't2', token: '8' } }],
        ],
      ],
      [
        'server',
        [
          [9, 4, { code: 'STALE_TOKEN' }],
          [7, 3, { rev: REV, r: {} }],
          [7, 5, { rev: REV, r: {} }],
        ],
      ],
    ]);
    expect(lines).toEqual([{ kind: 'accepted', ...about, task: 't1', token: '9' }]);
  });

  it('knows when the first message of the client has passed', () => {
    const tap = new WireTap({ connection: 'c1', now: () => 7, write: () => undefined });
    tap.client(HEAD);
    expect(tap.helloPassed).toBe(false);
    tap.client(message([[1, 0, { v: [1, 0, 0] }]], true));
    expect(tap.helloPassed).toBe(true);
  });
});
