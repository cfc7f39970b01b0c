/**
 * Following the partial output of a task, from any offset to the end of the task.
 *
 * F1 Pieces come once and in order: what is pushed is taken if it goes on where the text so far ends, else it is read.
 * F2 After anything that may have swallowed a push (a fresh session, a gap, more pushes than are kept here) it is read.
 */
import { isMap } from '../../protocol/wire/codec.ts';
import { pieceBytes, type OutputPiece } from '../../protocol/wire/control.ts';
import type { Results } from '../../protocol/wire/types.ts';
import type { PushIn } from './incoming.ts';
import { isTerminal } from './waits.ts';

export interface WatchOptions {
  /** Default 0. The first piece is whole, and may begin before it. */
  readonly from?: number;
  readonly signal?: AbortSignal;
}

/** What following needs of a client. */
export interface OutputSource {
  read(offset: number): Promise<Results['task.readOutput']>;
  /** Calls back for each push of the topic, and without one when pushes may have been missed. Resolves with how to end it. */
  listen(heard: (push: PushIn | undefined) => void): Promise<() => void>;
  /** Settles when the task has ended. */
  ended(signal: AbortSignal): Promise<unknown>;
}

/** Pushes kept while the reader is busy. */
const KEPT = 256;

export async function* watchOutput(
  source: OutputSource,
  options: WatchOptions = {},
): AsyncGenerator<OutputPiece, void> {
  const { signal } = options;
  const pushes: OutputPiece[] = [];
  let stale = true;
  let wake = (): void => undefined;
  const stop = await source.listen((push) => {
    const piece = push === undefined ? undefined : pieceOf(push);
    if (piece === undefined || pushes.length >= KEPT) stale = true;
    else pushes.push(piece);
    wake();
  });
  const waiting = new AbortController();
  const over = (): void => {
    stale = true;
    wake();
  };
  void source.ended(waiting.signal).then(over, over);
  signal?.addEventListener('abort', over);
  let offset = options.from ?? 0;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const pushed = pushes.shift();
      if (pushed !== undefined && !stale) {
        if (pushed.offset > offset) stale = true;
        else if (pushed.offset + pieceBytes(pushed.data) > offset) {
          offset = pushed.offset + pieceBytes(pushed.data);
          yield pushed;
        }
        continue;
      }
      if (!stale) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      pushes.length = 0;
      stale = false;
      const page = await source.read(offset);
      for (const piece of page.pieces) yield piece;
      offset = Math.max(offset, page.next);
      if (offset < page.bytes) stale = true;
      else if (isTerminal(page.status)) return;
    }
  } finally {
    stop();
    waiting.abort();
    signal?.removeEventListener('abort', over);
  }
}

function pieceOf({ event, data }: PushIn): OutputPiece | undefined {
  if (event !== 'task.output' || !isMap(data)) return undefined;
  const { offset, attempt, data: piece } = data;
  if (typeof offset !== 'number' || typeof attempt !== 'number') return undefined;
  if (typeof piece !== 'string' && !(piece instanceof Uint8Array)) return undefined;
  return { offset, attempt, data: piece };
}
