/**
 * Moves of work that nobody has begun: proposed of a state, put into the log, and what became of them.
 *
 * Owns: the way of a proposal. Does not own: what is proposed and what is done (../engine/assignment/rebalance.ts, ../engine/tasks/shift.ts).
 *
 * MO1 A move was applied if its task has another token and is with the agent that it was to go to, when the entry was applied that decided it;
 *     else it was refused: something else came first in the log.
 */
import type { Move } from '../engine/port.ts';
import { proposeMoves } from '../engine/queries.ts';
import type { Tenant } from './tenant.ts';

export interface MovesMade {
  readonly proposed: number;
  /** The others were refused. */
  readonly applied: number;
}

/** Of the work that a decision leaves over, so many entries are waited for. */
const ENTRIES_MAX = 16;

/** `now`: wall ms. `told` later, or at once if there is nothing to move. */
export function moveWork(tenant: Tenant, now: number, told: (made: MovesMade) => void): void {
  const moves = proposeMoves(tenant.engine, now);
  const proposed = moves.length;
  if (proposed === 0) return told({ proposed, applied: 0 });
  const judge = (left: number): void => {
    const { state } = tenant.engine;
    // Each move is a step of its own, and stands in the state as long as there was no room for it in an entry.
    const isOpen = state.work.size > 0 && moves.some(({ task, token }) => state.tasks.get(task)?.token === token);
    if (isOpen && left > 0 && tenant.serving) return tenant.submit({ kind: 'tick' }, () => judge(left - 1));
    told({ proposed, applied: moves.filter((move) => isDone(tenant, move)).length });
  };
  tenant.submit({ kind: 'task.move', moves }, ({ reply }) => {
    if (reply.ok) judge(ENTRIES_MAX);
    else told({ proposed, applied: 0 });
  });
}

/** MO1 */
function isDone({ engine }: Tenant, { task, token, to }: Move): boolean {
  const found = engine.state.tasks.get(task);
  return found !== undefined && found.token !== token && found.agentId === to;
}
