/** What a task has handed out so far, from any offset, while it runs and after it has ended. */
import { pieceBytes, type OutputPiece } from '../../protocol/wire/control.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Params, TaskView } from '../../protocol/wire/types.ts';
import { getTask } from '../engine/queries.ts';
import { DAMAGED, viewOf, type Answer, type ReadParts } from './read-parts.ts';

export function readOutput(parts: ReadParts, params: Params['task.readOutput'], done: Answer): void {
  const { tenant, store } = parts;
  const task = getTask(tenant.engine.state, params.id);
  if (task !== undefined) return readPieces(parts, { task, params }, done);
  store.getFinished(params.id, (found) => {
    if (found === 'damaged') done(DAMAGED);
    else if (found === undefined) done({ ok: false, rejection: { code: 'TASK_NOT_FOUND' } });
    else readPieces(parts, { task: viewOf(found), params }, done);
  });
}

/** Whole pieces: the first may begin before the offset that was asked for, and a text is never cut. */
function readPieces(
  parts: ReadParts,
  asked: { readonly task: TaskView; readonly params: Params['task.readOutput'] },
  done: Answer,
): void {
  const { task, params } = asked;
  const { offset = 0, limit = LIMITS.pageDefault } = params;
  const { rev } = parts.tenant.engine.state;
  const bytes = task.output?.bytes ?? 0;
  parts.store.readOutput({ task: task.id, from: offset, limit }, (stored) => {
    const pieces: OutputPiece[] = [];
    let next = offset;
    let gap = false;
    let size = 0;
    for (const piece of stored) {
      const end = piece.offset + pieceBytes(piece.data);
      size += end - piece.offset;
      // What was handed out since the task was looked at is for the next page.
      if (piece.offset >= bytes || (pieces.length > 0 && size > LIMITS.pageBytes)) break;
      if (end <= offset) continue;
      gap ||= piece.offset > next;
      pieces.push({ offset: piece.offset, attempt: piece.attempt, data: piece.data });
      next = end;
    }
    // All that is left was dropped.
    if (pieces.length === 0 && next < bytes) {
      gap = true;
      next = bytes;
    }
    const result = { id: task.id, status: task.status, pieces, next, bytes, ...(gap ? { gap } : undefined) };
    done({ ok: true, rev, result });
  });
}
