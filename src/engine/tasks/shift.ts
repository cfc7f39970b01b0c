/**
 * Work that nobody has begun, given to another agent.
 *
 * Which is computed outside, of a state that may be another when the command comes (assignment/rebalance.ts): so all that makes a
 * move right is asked here again.
 *
 * MV1 A move ends one assignment and makes another in the same step: the task is never with nobody, and never with two. The
 *     holder's token is dead with it.
 * MV2 Only what the holder has not confirmed is moved. Whose confirmation comes first in the log keeps it.
 * MV3 A move is no failure and no loss: nothing is charged, nobody is excluded.
 */
import { heldBy, isMovable, mayLeave, relieves } from '../assignment/rebalance.ts';
import { accepted, rejected, type Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { MOVES_VERSION, type Reply, type SystemCommand } from '../port.ts';
import type { FollowUp } from '../records.ts';
import { afterHolder } from './control-record.ts';
import { changed, give, letGo } from './moves.ts';
import { tell } from './view.ts';

/** Each is a step of its own: the next one sees the loads that this one makes. */
export function moveTasks(s: State, c: Context, command: Extract<SystemCommand, { kind: 'task.move' }>): Reply {
  if (s.counters.engineVersion < MOVES_VERSION) return rejected('UNAVAILABLE');
  for (const { task, token, to } of command.moves) {
    c.events.push({ kind: 'followed', work: { kind: 'move', task, token, to } });
  }
  return accepted(null);
}

export function moveTask(s: State, c: Context, work: Extract<FollowUp, { kind: 'move' }>): void {
  const task = s.tasks.get(work.task);
  if (task === undefined || task.token !== work.token || !isMovable(task)) return;
  const from = task.agentId === undefined ? undefined : s.agents.get(task.agentId);
  const to = s.agents.get(work.to);
  if (from === undefined || to === undefined || !mayLeave(task, from)) return;
  if (!relieves(from, to, { from: heldBy(s, from), to: heldBy(s, to) }) || !c.groups.takes(task, to)) return;
  const told = from.session !== undefined;
  letGo(
    s,
    c,
    told ? { task, slot: 'stop', stop: { control: 'leaseLost', reason: 'rebalanced' } } : { task, slot: 'free' },
  );
  const back = changed(c, task, {
    ...afterHolder(task, 'pending'),
    status: 'pending',
    agentId: undefined,
    runAt: undefined,
  });
  c.events.push({ kind: 'taskChanged', record: back });
  tell(c, back, { what: 'requeued', reason: 'rebalanced' });
  give(s, c, { task: back, agent: to });
}
