/**
 * Feeds runs over dead letters: reads the archive and hands the engine a few letters with each command.
 *
 * R1 Nothing is kept here that a restart would miss: the run in the state says where it stands, and a command that comes twice
 *    changes nothing.
 */
import { encodeValue } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Data, TaskView } from '../../protocol/wire/types.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { FedLetter } from '../engine/port.ts';
import { isOpenLetter } from '../engine/queries.ts';
import type { FinishedTask, TenantStore } from '../store/port.ts';
import { archiveFilter, fitsFilter } from './letters.ts';
import { viewOf } from './read-parts.ts';
import type { Tenant } from './tenant.ts';

interface Parts {
  readonly tenant: Tenant;
  readonly store: TenantStore;
  readonly scheduler: Scheduler;
}

/** Of the letters in one command. */
const FEED_BYTES = 256 * 1024;
/** Letters that are read for one command: most of them may have been dealt with before. */
const READ_MAX = 128;
/** After a command that was refused. */
const AGAIN_MS = 1_000;

interface Batch {
  readonly letters: readonly FedLetter[];
  /** Nothing above this is left; undefined: nothing at all. */
  readonly next: string | undefined;
}

export class LetterRuns {
  readonly #parts: Parts;
  /** Runs that are read for, fed or resting. */
  readonly #busy = new Map<string, (() => void) | undefined>();
  #stopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#busy.values()) cancel?.();
    this.#busy.clear();
  }

  /** Feeds every run that goes on and is not being fed. */
  look(): void {
    const { tenant } = this.#parts;
    if (this.#stopped || !tenant.serving) return;
    for (const run of tenant.engine.state.runningLetterRuns) if (!this.#busy.has(run.id)) this.#read(run.id);
  }

  #read(id: string): void {
    const { tenant, store } = this.#parts;
    const run = tenant.engine.state.letterRuns.get(id);
    if (run?.state !== 'running') return void this.#busy.delete(id);
    this.#busy.set(id, undefined);
    const { cursor, filter, kind, perSecond = Infinity } = run;
    const wanted = Math.min(LIMITS.lettersPerFeed, Math.max(1, Math.ceil(perSecond / 8)));
    store.listFinished(archiveFilter(filter, { below: cursor, limit: READ_MAX }), (rows) => {
      if (this.#stopped) return;
      const state = tenant.engine.state;
      const isOpen = (row: FinishedTask, task: TaskView): boolean =>
        isOpenLetter(state, row.id) && fitsFilter(filter, task);
      const { letters, next } = batch(rows, { isOpen, kind, wanted });
      const command = { kind: 'letters.feed', run: id, letters } as const;
      tenant.submit(
        {
          ...command,
          ...(cursor === undefined ? undefined : { cursor }),
          ...(next === undefined ? undefined : { next }),
        },
        ({ reply }) => {
          if (this.#stopped) return;
          if (!reply.ok) return this.#rest(id, AGAIN_MS);
          const waitMs = waitOf(reply.result);
          if (waitMs === undefined) this.#busy.delete(id);
          else this.#rest(id, waitMs);
        },
      );
    });
  }

  #rest(id: string, ms: number): void {
    this.#busy.set(
      id,
      this.#parts.scheduler.after(ms, () => this.#read(id)),
    );
  }
}

/** Undefined: the run has ended. */
function waitOf(result: Data): number | undefined {
  if (typeof result !== 'object' || result === null || !('waitMs' in result)) return undefined;
  const { waitMs } = result;
  return typeof waitMs === 'number' ? waitMs : undefined;
}

/** As many as are wanted and fit. */
function batch(
  rows: readonly FinishedTask[],
  by: {
    readonly isOpen: (row: FinishedTask, task: TaskView) => boolean;
    readonly kind: 'replay' | 'discard';
    readonly wanted: number;
  },
): Batch {
  const letters: FedLetter[] = [];
  let bytes = 0;
  for (const [i, row] of rows.entries()) {
    const view = viewOf(row);
    if (!by.isOpen(row, view)) continue;
    const { id, finishedAt } = row;
    const { result: _, error: __, errors: ___, checkpoint: ____, ...task } = view;
    bytes += by.kind === 'replay' ? encodeValue(task).length : 0;
    if (letters.length > 0 && (letters.length >= by.wanted || bytes > FEED_BYTES)) {
      return { letters, next: rows[i - 1]?.id };
    }
    letters.push(by.kind === 'replay' ? { id, finishedAt, task } : { id, finishedAt });
  }
  return { letters, next: rows.length < READ_MAX ? undefined : rows.at(-1)?.id };
}
