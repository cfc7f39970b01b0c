/** Sticky keys: which agent the tasks of a key go to, and until when. */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { AgentRecord, TaskRecord } from '../records.ts';

/** The task was given to the agent: its key sticks to it from now on. */
export function stick(s: State, c: Context, given: { readonly task: TaskRecord; readonly agent: AgentRecord }): void {
  const { sticky } = given.task;
  if (sticky === undefined) return;
  const known = s.sticky.get(sticky.key);
  if (known === undefined && s.sticky.size >= LIMITS.stickyKeysMax) return;
  // What waits for the former agent may go to this one now, in its turn among what else the agent can take.
  if (known !== undefined && known.agent !== given.agent.id) {
    c.events.push({ kind: 'followed', work: { kind: 'fill', agent: given.agent.id } });
    // Whom this one does not fit is bound to nobody any more.
    for (const task of s.pendingByStickyKey.of(sticky.key) ?? []) {
      if (c.groups.fits(task, given.agent.id)) continue;
      c.events.push({ kind: 'followed', work: { kind: 'place', task: task.id } });
    }
  }
  const until = c.now + sticky.ttlMs;
  c.events.push(
    { kind: 'stuck', record: { key: sticky.key, agent: given.agent.id, until } },
    { kind: 'timerSet', timer: 'unstick', entity: sticky.key, due: until },
  );
}

/** The key is bound to nobody any more: its tasks go wherever they may. */
export function unstick(s: State, c: Context, key: string): void {
  if (s.sticky.get(key) === undefined) return;
  c.events.push({ kind: 'unstuck', key }, { kind: 'timerCleared', timer: 'unstick', entity: key });
  replace(s, c, key);
}

/** The pending tasks of a key are placed anew. */
function replace(s: State, c: Context, key: string): void {
  for (const task of s.pendingByStickyKey.of(key) ?? []) {
    c.events.push({ kind: 'followed', work: { kind: 'place', task: task.id } });
  }
}

/** What the agent can do has changed: tasks that waited for it alone may have to go to others. */
export function restick(s: State, c: Context, agent: string): void {
  for (const { key } of s.stickyByAgent.of(agent) ?? []) replace(s, c, key);
}

/** The agent is no more. */
export function unstickAll(s: State, c: Context, agent: string): void {
  for (const { key } of s.stickyByAgent.of(agent) ?? []) unstick(s, c, key);
}
