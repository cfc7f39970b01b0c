/** Chunks of snapshots, against an encoding of everything. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeValue } from '../../protocol/wire/codec.ts';
import type { Value } from '../../protocol/wire/types.ts';
import { ImageRecord, StateHasher } from '../../src/engine/kernel/image.ts';
import { ChunkEncoder, KeptChunks } from '../../src/node/snapshot-chunks.ts';

const CHUNK_BYTES = 200;

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

interface Row {
  readonly id: number;
  readonly text: string;
}

/** A table of rows behind a record that is no row, as images are. */
function imageOf(rows: readonly Row[], counter: number): readonly ImageRecord[] {
  return [
    new ImageRecord('counters', () => counter),
    ...rows.map((row) => new ImageRecord('rows', () => ({ ...row }), row)),
    new ImageRecord('key', () => counter),
  ];
}

function encoded(records: readonly ImageRecord[], kept: KeptChunks): ChunkEncoder {
  const encoder = new ChunkEncoder({ records: records.values(), kept, sha256, chunkBytes: CHUNK_BYTES });
  while (encoder.step());
  return encoder;
}

function recordsIn(chunk: Uint8Array): Value[] {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  const records: Value[] = [];
  for (let at = 0; at < chunk.length; at += 4 + view.getUint32(at)) {
    records.push(decodeValue(chunk.subarray(at + 4, at + 4 + view.getUint32(at))));
  }
  return records;
}

/** What happens to a table between two snapshots: rows change, go, come, and change their places. */
const change = fc.record({
  kind: fc.constantFrom('change', 'drop', 'add', 'add', 'swap', 'twin'),
  at: fc.nat(200),
  bytes: fc.nat(250),
});

test('whatever changes between them, snapshots hold each record as it is, once, and their hash is that of the state', () => {
  let reused = 0;
  fc.assert(
    fc.property(fc.array(fc.array(change, { maxLength: 12 }), { minLength: 2, maxLength: 6 }), (rounds) => {
      const kept = new KeptChunks();
      let nextId = 0;
      const made = (bytes: number): Row => ({ id: (nextId += 1), text: 'x'.repeat(bytes) });
      const rows = Array.from({ length: 60 }, () => made(20));
      for (const [round, changes] of rounds.entries()) {
        for (const { kind, at, bytes } of changes) {
          const place = at % Math.max(1, rows.length);
          const row = rows[place];
          if (kind === 'add') rows.splice(at, 0, made(bytes));
          else if (row === undefined) continue;
          else if (kind === 'change') rows[place] = { ...row, text: `${round} ${'y'.repeat(bytes)}` };
          // The same members, another object.
          else if (kind === 'twin') rows[place] = { ...row };
          else if (kind === 'drop') rows.splice(place, 1);
          else rows.push(...rows.splice(place, 1));
        }
        const records = imageOf(rows, round);
        const encoder = encoded(records, kept);
        expect(encoder.chunks.flatMap(({ bytes }) => recordsIn(bytes))).toEqual(
          records.map((record) => decodeValue(record.bytes())),
        );
        const hasher = new StateHasher(sha256);
        for (const record of records) hasher.add(record.bytes());
        expect(encoder.hex()).toBe(hasher.hex());
        for (const { bytes } of encoder.chunks) {
          expect(bytes.length <= CHUNK_BYTES || recordsIn(bytes).length === 1).toBe(true);
        }
        reused += encoder.reused;
      }
    }),
    { numRuns: 150 },
  );
  expect(reused).toBeGreaterThan(500);
});

test('what did not change is not encoded again, and one changed record costs its chunk', () => {
  const kept = new KeptChunks();
  let asked = 0;
  const rows = Array.from({ length: 100 }, (_, id): Row => ({ id, text: 'x'.repeat(20) }));
  const image = (): ImageRecord[] =>
    rows.map((row) => {
      const value = (): Row => {
        asked += 1;
        return row;
      };
      return new ImageRecord('rows', value, row);
    });
  const first = encoded(image(), kept);
  expect([asked, first.reused]).toEqual([100, 0]);
  const whole = first.chunks.length;
  const perChunk = first.chunks[0]?.rows?.length ?? 0;
  expect(perChunk).toBeGreaterThan(2);

  // The last chunk may be less than half full.
  encoded(image(), kept);
  expect(asked - 100).toBeLessThan(perChunk);

  asked = 0;
  rows[perChunk + 1] = { id: perChunk + 1, text: 'changed' };
  const third = encoded(image(), kept);
  expect(asked).toBeLessThan(2 * perChunk);
  expect(third.reused).toBeGreaterThanOrEqual(whole - 2);
});

test('what is left of many chunks ends in common ones', () => {
  const kept = new KeptChunks();
  let rows = Array.from({ length: 400 }, (_, id): Row => ({ id, text: 'x'.repeat(20) }));
  const image = (): ImageRecord[] => rows.map((row) => new ImageRecord('rows', () => row, row));
  for (let round = 0; round < 20; round += 1) {
    const { chunks } = encoded(image(), kept);
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0);
    // A small one can stand before each that is taken again.
    expect(chunks.length).toBeLessThanOrEqual(2 + (2 * bytes) / (CHUNK_BYTES / 2));
    rows = rows.filter((_, at) => (at * 7 + round) % 5 > 0);
  }
  expect(rows.length).toBeLessThan(20);
});
