/**
 * Timers that should have fired (72), caps (74). Looked at whenever the clocks of a tenant have moved on a little.
 */
import { graceOf } from './causes.ts';
import { lastMark, latest, type AgentRec, type Mark, type TaskRec, type Tenant } from './records.ts';
import { isTerminal } from './views.ts';
import type { Family, Step, World } from './world.ts';

/** Clocks of a tenant: those of its last entry, or what they would be if an entry came now. */
export interface Clocks {
  readonly ts: number;
  readonly live: number;
}

const EVERY_MS = 250;

export class Timers implements Family {
  readonly #world: World;
  readonly #looked = new Map<Tenant, Mark>();
  readonly #reported = new Set<TaskRec>();

  constructor(world: World) {
    this.#world = world;
  }

  on({ applied, event, index }: Step): void {
    if (event.kind === 'caps') {
      for (const { name, size, cap } of event.readings) {
        if (size > cap || size < 0) this.#world.report('74', `${name} holds ${size} of ${cap}`, [index]);
      }
    }
    // An opening only puts things in order; what is due fires with the next entry.
    if (applied === undefined || !applied.mark.drained || applied.mark.up) return;
    const { tenant, mark } = applied;
    const before = this.#looked.get(tenant);
    if (before !== undefined && mark.ts - before.ts < EVERY_MS && mark.live - before.live < EVERY_MS) return;
    this.#looked.set(tenant, mark);
    this.#sweep(tenant, mark, index);
  }

  #sweep(tenant: Tenant, now: Clocks, index: number): void {
    for (const task of [...tenant.scheduled, ...tenant.held, ...tenant.waiting]) {
      const overdue = overdueTimer(this.#world, task, now);
      if (overdue === undefined || this.#reported.has(task)) continue;
      this.#reported.add(task);
      this.#world.report('72', `${task.id}: ${overdue}`, [latest(task).mark.index, index]);
    }
    for (const tasks of tenant.pending.values()) {
      for (const task of tasks) {
        const { deadlineAt = Infinity } = latest(task).task;
        if (deadlineAt + this.#world.options.timerSlackMs >= now.ts || this.#reported.has(task)) continue;
        this.#reported.add(task);
        this.#world.report('72', `${task.id}: its deadline passed`, [latest(task).mark.index, index]);
      }
    }
  }

  /** At a settled end clocks have gone on since the last entry, if somebody was there to move them. */
  finish(): void {
    const { end, options, running } = this.#world;
    if (end === undefined || !end.event.settled || !running) return;
    for (const tenant of this.#world.tenants.values()) {
      const mark = lastMark(tenant);
      if (mark === undefined) continue;
      const ts = Math.max(mark.ts, (end.event.wall ?? 0) - options.idleSlackMs);
      this.#sweep(tenant, { ts, live: mark.live + this.#idle(mark) }, end.index);
    }
  }

  #idle(mark: Mark): number {
    const { end, options, atOf } = this.#world;
    return Math.max(0, (end?.event.at ?? 0) - (atOf.get(mark.tenant) ?? 0) - options.idleSlackMs);
  }
}

/** Which timer of a task is overdue, if any. */
export function overdueTimer(world: World, task: TaskRec, now: Clocks): string | undefined {
  const { timerSlackMs } = world.options;
  const view = latest(task).task;
  if (isTerminal(view.status)) return undefined;
  if (view.deadlineAt !== undefined && now.ts - view.deadlineAt > timerSlackMs) return 'its deadline passed';
  if (view.status === 'scheduled') {
    return now.ts - (view.runAt ?? Infinity) > timerSlackMs ? 'still scheduled after runAt' : undefined;
  }
  const { current } = task;
  const agent = task.tenant.agents.get(current?.agentId ?? '');
  const server = agent?.session?.server;
  if (current === undefined || agent === undefined || server === undefined) return undefined;
  const ran = now.live - current.start.live;
  // While it was paused its clocks stood still, and limits may have been set anew.
  const moved = task.ops.some(({ method }) => method === 'task.pause' || method === 'task.extend');
  if (!moved && view.timeoutMs !== undefined && ran > view.timeoutMs + timerSlackMs)
    return 'runs longer than its timeout';
  if (!server.attached) return overdueLease(world, agent, now);
  const since = Math.max(current.start.live, server.since.live);
  const waited = now.live - since;
  if (!moved && current.confirmed === undefined && waited > agent.view.acceptMs + timerSlackMs)
    return 'neither accepted nor passed on';
  return undefined;
}

function overdueLease(world: World, agent: AgentRec, now: Clocks): string | undefined {
  const server = agent.session?.server;
  if (server === undefined) return undefined;
  const away = now.live - server.since.live;
  const { opened } = agent.tenant;
  // An opening gives the longer grace to those who were away already, too.
  const renewed = opened !== undefined && opened.seq >= server.since.seq ? now.live - opened.live : Infinity;
  const left = Math.min(away - graceOf(world, agent, server.byOpening), renewed - graceOf(world, agent, true));
  return left > world.options.timerSlackMs
    ? `still held by ${agent.id}, whose session is away for ${away} ms`
    : undefined;
}
