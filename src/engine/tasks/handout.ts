/**
 * What a holder hands out before its task has ended: a checkpoint for the next attempt, pieces of output for whoever
 * watches.
 *
 * O1 The output of a task is one stream over all its attempts: a new one goes on where it ends. A piece that begins
 *    anywhere else is refused, and told where it would have to begin.
 * O2 The newest pieces may be sent again: the same bytes at the same place are taken once.
 * O3 The bytes are not in the state. They leave with the entry, for the store, which keeps them.
 */
import { pieceBytes } from '../../../protocol/wire/control.ts';
import { encodeValue, valueHash } from '../../../protocol/wire/codec.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { Params } from '../../../protocol/wire/types.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { Reply } from '../port.ts';
import type { TaskRecord } from '../records.ts';
import { controlled, statusBelow, type Controlled, type OutputEnd, type Piece } from './control-record.ts';
import { advanced, confirmed, guard, WORKING } from './hold.ts';
import { touch } from './moves.ts';
import { tell } from './view.ts';

/** The holder does something, so it works: as after `task.start`. */
export function atWork(c: Context, held: TaskRecord, control: Controlled): TaskRecord {
  const began = statusBelow(held) !== 'in_progress';
  const task = advanced(c, { ...held, ...control }, { status: 'in_progress', startedAt: held.startedAt ?? c.now });
  if (began) {
    confirmed(c, task);
    tell(c, task, 'started');
  } else {
    c.events.push({ kind: 'taskChanged', record: task });
    touch(c, task);
  }
  return task;
}

export const storeCheckpoint: Decide<Params['task.checkpoint']> = (s, c, call) => {
  const held = guard(s, call, WORKING);
  if (!held.ok) return held.reply;
  if (s.taskBytes.sum > LIMITS.tasksBytesMax) {
    return rejected('LIMIT_EXCEEDED', `The tasks in memory take ${s.taskBytes.sum} bytes, which is over their limit.`);
  }
  const { data } = call.params;
  const checkpoint = { data, bytes: encodeValue(data).length, attempt: held.task.attempt, at: c.now };
  // It covers what its holder has heard (S3 of control-record.ts).
  const orders = held.task.control?.orders?.filter(({ seen }) => seen === undefined);
  const task = atWork(c, held.task, controlled(held.task, { checkpoint, orders }));
  tell(c, task, 'checkpointed');
  return accepted({ id: task.id, at: c.now });
};

const NOTHING: OutputEnd = { bytes: 0, pieces: 0 };

export const takeOutput: Decide<Params['task.output']> = (s, c, call) => {
  const held = guard(s, call, WORKING);
  if (!held.ok) return held.reply;
  const { offset, data } = call.params;
  const before = held.task.control?.output ?? NOTHING;
  const piece: Piece = { offset, bytes: pieceBytes(data), hash: valueHash(data) };
  if (offset !== before.bytes) return notAtEnd(held.task, before, piece);
  if (before.bytes + piece.bytes > LIMITS.outputBytesMax || before.pieces >= LIMITS.outputPiecesMax) {
    return rejected(
      'LIMIT_EXCEEDED',
      `A task hands out at most ${LIMITS.outputBytesMax} bytes in ${LIMITS.outputPiecesMax} pieces.`,
    );
  }
  const output: OutputEnd = {
    bytes: before.bytes + piece.bytes,
    pieces: before.pieces + 1,
    newest: [...(before.newest ?? []), piece].slice(-LIMITS.outputRepeatsMax),
  };
  const task = atWork(c, held.task, controlled(held.task, { output }));
  const topic = `${task.topic}.output`;
  c.events.push({
    kind: 'handedOut',
    task: task.id,
    piece: { offset, attempt: task.attempt, data },
  });
  c.events.push({
    kind: 'pushed',
    event: 'task.output',
    to: [`t:${topic}`],
    topic,
    data: { id: task.id, offset, attempt: task.attempt, data },
  });
  return accepted({ id: task.id, offset: output.bytes });
};

/** O1, O2 */
function notAtEnd(task: TaskRecord, end: OutputEnd, piece: Piece): Reply {
  const again = end.newest?.some(
    (one) => one.offset === piece.offset && one.bytes === piece.bytes && one.hash === piece.hash,
  );
  if (again === true) return accepted({ id: task.id, offset: piece.offset + piece.bytes });
  return rejected('OFFSET_MISMATCH', `The output has ${end.bytes} bytes; the next piece begins there.`, {
    expected: end.bytes,
  });
}
