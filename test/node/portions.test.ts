/** Which commands share an entry: those that make many tasks do not, so that no entry holds the event loop for long. */
import { describe, expect, it } from 'vitest';
import { valueHash } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Method, Value } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import { LogFault, type LogEntry } from '../../src/log/port.ts';
import { decodeEntry } from '../../src/engine/entry.ts';
import { NodeRig } from '../support/node-rig.ts';

const batch = (tasks: number): Value => ({ tasks: Array.from({ length: tasks }, () => ({ type: 'a' })) });

/** How many entries of the log commands of one turn take; all must succeed. */
function entriesFor(commands: readonly (readonly [Method, Value])[]): number {
  const rig = new NodeRig().start();
  const client = rig.client(rig.operator);
  const { engine, log } = must(
    [...rig.node.servings].find(({ id }) => id === 'default'),
    'the tenant is served',
  ).tenant;
  const from = engine.state.counters.seq + 1;
  let answered = 0;
  for (const [method, params] of commands) {
    client.attached.request({ id: client.id, method, params, hash: valueHash([method, params]) }, (reply) => {
      expect(reply.ok, method).toBe(true);
      answered += 1;
    });
  }
  rig.scheduler.settle();
  expect(answered).toBe(commands.length);
  let entries = 0;
  log.read(from, 1_000, (read) => {
    if (read instanceof LogFault) throw new Error('the log can be read');
    const asks = (entry: LogEntry): boolean =>
      decodeEntry(entry.payload, entry).commands.some(({ kind }) => kind === 'request');
    entries = read.filter(asks).length;
  });
  rig.scheduler.settle();
  return entries;
}

describe('commands of one turn', () => {
  const one = ['task.create', { type: 'a' }] as const;
  const distribute = ['task.distribute', { type: 'a', copies: LIMITS.partsMax }] as const;

  it.each<readonly [string, readonly (readonly [Method, Value])[], number]>([
    ['that are small share an entry', Array.from({ length: LIMITS.entryCommandsMax }, () => one), 1],
    ['of which there are more take two', Array.from({ length: LIMITS.entryCommandsMax + 1 }, () => one), 2],
    [
      'with full batches take an entry each',
      Array.from({ length: 4 }, () => ['task.createBatch', batch(LIMITS.batchMax)]),
      4,
    ],
    [
      'with small batches share one',
      Array.from({ length: 4 }, () => ['task.createBatch', batch(LIMITS.batchMax / 10)]),
      1,
    ],
    [
      'with larger ones share as many as make half of what a batch may',
      Array.from({ length: 4 }, () => ['task.createBatch', batch(LIMITS.batchMax / 4)]),
      2,
    ],
    ['that distribute to many take an entry each', Array.from({ length: 4 }, () => distribute), 4],
    ['with a full batch among small ones leave it alone', [one, ['task.createBatch', batch(LIMITS.batchMax)], one], 3],
    ['keep their order around what does not fit', [['task.createBatch', batch(LIMITS.batchMax)], distribute, one], 2],
  ])('%s', (_name, commands, entries) => {
    expect(entriesFor(commands)).toBe(entries);
  });
});
