/** Dead letters as they are read: tasks of the archive, by what was done with them. */
import type { LetterFilter, LetterMark } from '../../protocol/wire/letters.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Params, TaskView } from '../../protocol/wire/types.ts';
import { markOf, viewLetter } from '../engine/queries.ts';
import type { TaskFilter, TenantStore } from '../store/port.ts';
import { DAMAGED, fitting, listedView, viewOf, withCursor, type Answer } from './read-parts.ts';
import type { Tenant } from './tenant.ts';

interface Parts {
  readonly tenant: Tenant;
  readonly store: TenantStore;
}

/** Letters that one read looks at before it returns what it has, with a cursor. */
const LOOKED_MAX = 2_000;
const PAGE = 200;

/** What the archive can filter by itself. */
export function archiveFilter(
  filter: LetterFilter,
  page: { readonly below: string | undefined; readonly limit: number },
): TaskFilter {
  const { type, status, agentId, workspaceId } = filter;
  const { below, limit } = page;
  return {
    dead: true,
    limit,
    ...(below === undefined ? undefined : { below }),
    ...(type === undefined ? undefined : { type }),
    ...(status === undefined ? undefined : { status }),
    ...(agentId === undefined ? undefined : { agentId }),
    ...(workspaceId === undefined ? undefined : { workspaceId }),
  };
}

/** The rest of a filter. */
export function fitsFilter({ code, from = 0, until = Infinity }: LetterFilter, task: TaskView): boolean {
  const { finishedAt = 0, error } = task;
  return finishedAt >= from && finishedAt < until && (code === undefined || error?.code === code);
}

export function readLetter(parts: Parts, { id }: Params['deadLetter.get'], done: Answer): void {
  const { state } = parts.tenant.engine;
  const { rev } = state;
  parts.store.getFinished(id, (found) => {
    if (found === 'damaged') return done(DAMAGED);
    if (found?.dead !== true) {
      const message = found === undefined ? undefined : 'The task is no dead letter.';
      return done({
        ok: false,
        rejection: { code: 'TASK_NOT_FOUND', ...(message === undefined ? undefined : { message }) },
      });
    }
    done({ ok: true, rev, result: { letter: viewLetter(state, viewOf(found)) } });
  });
}

/** Newest first. The archive has them all; which are open is known in memory. */
export function readLetters(parts: Parts, params: Params['deadLetter.list'], done: Answer): void {
  const { state = 'open', limit = LIMITS.pageDefault } = params;
  const engine = parts.tenant.engine.state;
  const { rev } = engine;
  const found: { readonly task: TaskView; readonly mark: LetterMark | undefined }[] = [];
  let looked = 0;
  const answer = (end: string | undefined): void => {
    const tasks = fitting(found.slice(0, limit).map(({ task }) => task));
    const next = tasks.length < found.length ? tasks.at(-1)?.id : end;
    const letters = found.slice(0, tasks.length).flatMap(({ mark }) => mark ?? []);
    done({ ok: true, rev, result: withCursor(letters.length === 0 ? { tasks } : { tasks, letters }, next) });
  };
  const page = (below: string | undefined): void => {
    parts.store.listFinished(archiveFilter(params, { below, limit: PAGE }), (rows) => {
      for (const row of rows) {
        looked += 1;
        const mark = markOf(engine, row.id);
        if ((mark?.state ?? 'open') !== state) continue;
        const task = listedView(row);
        if (fitsFilter(params, task)) found.push({ task, mark });
      }
      const last = rows.at(-1)?.id;
      if (rows.length < PAGE || last === undefined) return answer(undefined);
      if (found.length > limit || looked >= LOOKED_MAX) return answer(last);
      page(last);
    });
  };
  page(params.cursor);
}
