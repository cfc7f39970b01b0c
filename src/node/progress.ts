/**
 * Progress of one task enters the log at most once a second: what is reported in between is answered from the
 * state and the newest of it follows at the end of the second.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Params } from '../../protocol/wire/types.ts';
import type { Scheduler } from '../base/scheduler.ts';
import { isHeld } from '../engine/tasks/transitions.ts';
import { taskView } from '../engine/tasks/view.ts';
import type { Reply, RequestIn } from './port.ts';
import type { Tenant } from './tenant.ts';

interface Held {
  readonly token: string;
  newest: { readonly session: string; readonly params: Params['task.progress'] } | undefined;
  readonly cancel: () => void;
}

export class Progress {
  readonly #tenant: Tenant;
  readonly #scheduler: Scheduler;
  readonly #tasks = new Map<string, Held>();

  constructor(tenant: Tenant, scheduler: Scheduler) {
    this.#tenant = tenant;
    this.#scheduler = scheduler;
  }

  /** The answer, if this report waits for the end of the second; undefined if it goes to the log now. */
  hold(session: string, request: RequestIn): Reply | undefined {
    const params = request.params as Params['task.progress'];
    const { state } = this.#tenant.engine;
    const task = state.tasks.get(params.id);
    // Whatever is not plainly the current holder's is for the log to judge.
    if (
      task === undefined ||
      !isHeld(task) ||
      String(task.token) !== params.token ||
      state.sessions.get(session)?.agentId !== task.agentId
    ) {
      return undefined;
    }
    // Where silence is punished within seconds every report counts.
    if (task.progressTimeoutMs !== undefined && task.progressTimeoutMs < 3 * LIMITS.progressMs) return undefined;
    const held = this.#tasks.get(params.id);
    if (held === undefined || held.token !== params.token || task.status !== 'in_progress') {
      if (held === undefined) this.#begin(params);
      return undefined;
    }
    held.newest = { session, params };
    const percentComplete = Math.max(task.percent ?? 0, params.percentComplete);
    const progress = params.status === undefined ? { percentComplete } : { percentComplete, status: params.status };
    return { ok: true, rev: state.rev, result: { task: { ...taskView(task), progress } } };
  }

  stop(): void {
    for (const held of this.#tasks.values()) held.cancel();
    this.#tasks.clear();
  }

  #begin(params: Params['task.progress']): void {
    const cancel = this.#scheduler.after(LIMITS.progressMs, () => this.#flush(params.id));
    this.#tasks.set(params.id, { token: params.token, newest: undefined, cancel });
  }

  #flush(id: string): void {
    const newest = this.#tasks.get(id)?.newest;
    this.#tasks.delete(id);
    if (newest === undefined) return;
    this.#begin(newest.params);
    const { session, params } = newest;
    this.#tenant.submit({
      kind: 'request',
      session,
      id: 0,
      hash: 0,
      ack: 0,
      method: 'task.progress',
      params: { ...params },
    });
  }
}
