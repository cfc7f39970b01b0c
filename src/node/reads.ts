/** Reads: from the state, and for what is finished and archived from the store. */
import { decodeValue, encodeValue } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { ReadMethod } from '../../protocol/wire/operations.ts';
import type { Data, Params, TaskView, Value } from '../../protocol/wire/types.ts';
import { byCodeUnits } from '../base/order.ts';
import type { Scheduler } from '../base/scheduler.ts';
import { getAgent, getTask, listAgents, listApiKeys, listTasks, workload } from '../engine/queries.ts';
import { sessionSnapshot } from '../engine/sessions/snapshot.ts';
import type { TenantStore } from '../store/port.ts';
import type { Reply } from './port.ts';
import type { Tenant } from './tenant.ts';

export interface ReadParts {
  readonly tenant: Tenant;
  readonly store: TenantStore;
  readonly scheduler: Scheduler;
  readonly caller: { readonly session: string };
}

type Answer = (reply: Reply) => void;
/** tenant.list is read from the system tenant. */
type Read = { readonly method: Exclude<ReadMethod, 'tenant.list'>; readonly params: Value };

export function read(parts: ReadParts, asked: Read, done: Answer): void {
  const { tenant, scheduler } = parts;
  const s = tenant.engine.state;
  const now = (result: Data): void => {
    const { rev } = s;
    scheduler.defer(() => done({ ok: true, rev, result }));
  };
  const missing = (code: 'AGENT_NOT_FOUND'): void => scheduler.defer(() => done({ ok: false, rejection: { code } }));
  switch (asked.method) {
    case 'session.snapshot': {
      const { cursor } = asked.params as Params['session.snapshot'];
      const { session } = parts.caller;
      return now({ ...sessionSnapshot(s, cursor === undefined ? { session } : { session, cursor }), rev: s.rev });
    }
    case 'agent.get': {
      const agent = getAgent(s, (asked.params as Params['agent.get']).id);
      return agent === undefined ? missing('AGENT_NOT_FOUND') : now({ agent });
    }
    case 'agent.list': {
      const page = listAgents(s, asked.params as Params['agent.list']);
      return now(withCursor({ agents: page.items }, page.next));
    }
    case 'agent.workload': {
      const found = workload(tenant.engine, (asked.params as Params['agent.workload']).id);
      return found === undefined ? missing('AGENT_NOT_FOUND') : now({ workload: found });
    }
    case 'agent.heartbeat':
      return now({ now: scheduler.now() });
    case 'apiKey.list': {
      const page = listApiKeys(s, asked.params as Params['apiKey.list']);
      return now(withCursor({ keys: page.items }, page.next));
    }
    case 'task.get':
      return readTask(parts, (asked.params as Params['task.get']).id, done);
    case 'task.list':
      return readTasks(parts, asked.params as Params['task.list'], done);
    case 'deadLetter.list':
      return readTasks(parts, { ...(asked.params as Params['deadLetter.list']), dead: true }, done);
  }
}

/** To say that there is no such task would be wrong: it ended, and what became of it cannot be read. */
export const DAMAGED: Reply = {
  ok: false,
  rejection: { code: 'INTERNAL', message: "The task has ended, and its record is damaged on the server's disk." },
};

export function withCursor(result: object, cursor: string | undefined): object {
  return cursor === undefined ? result : { ...result, cursor };
}

function readTask(parts: ReadParts, id: string, done: Answer): void {
  const { tenant, store, scheduler } = parts;
  const { rev } = tenant.engine.state;
  const task = getTask(tenant.engine.state, id);
  if (task !== undefined) return scheduler.defer(() => done({ ok: true, rev, result: { task } }));
  store.getFinished(id, (found) => {
    if (found === 'damaged') done(DAMAGED);
    else if (found === undefined) done({ ok: false, rejection: { code: 'TASK_NOT_FOUND' } });
    else done({ ok: true, rev, result: { task: decodeValue(found.view) } });
  });
}

/** Memory and archive as one list, newest first; a task that is in both counts once, as memory has it. */
function readTasks(parts: ReadParts, filter: Params['task.list'] & { readonly dead?: true }, done: Answer): void {
  const { tenant, store } = parts;
  const limit = filter.limit ?? LIMITS.pageDefault;
  const { rev } = tenant.engine.state;
  const memory = listTasks(tenant.engine.state, { ...filter, limit });
  const { cursor, limit: _, ...rest } = filter;
  store.listFinished({ ...rest, limit, ...(cursor === undefined ? undefined : { below: cursor }) }, (rows) => {
    const seen = new Set(memory.items.map((task) => task.id));
    const archived = rows.filter((row) => !seen.has(row.id)).map((row) => decodeValue(row.view) as unknown as TaskView);
    // Neither list is known below the point where it was cut off.
    const ends = [memory.next, rows.length < limit ? undefined : rows.at(-1)?.id].filter((id) => id !== undefined);
    const floor = ends.toSorted(byCodeUnits).at(-1);
    const merged = [...memory.items, ...archived]
      .filter((task) => floor === undefined || task.id >= floor)
      .toSorted((a, b) => byCodeUnits(b.id, a.id));
    const tasks = fitting(merged.slice(0, limit));
    const next = tasks.length < merged.length ? tasks.at(-1)?.id : floor;
    done({ ok: true, rev, result: withCursor({ tasks }, next) });
  });
}

/** As many as fit into an answer, at least one. */
function fitting(tasks: readonly TaskView[]): readonly TaskView[] {
  let bytes = 0;
  for (const [i, task] of tasks.entries()) {
    bytes += encodeValue(task).length;
    if (i > 0 && bytes > LIMITS.pageBytes) return tasks.slice(0, i);
  }
  return tasks;
}
