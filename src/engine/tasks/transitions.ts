/**
 * The state machine of a task, as data. Every change of status is checked against it, also the engine's own.
 *
 *   scheduled ──► pending ──► assigned ──► accepted ──► in_progress ──► completed
 *       ▲            │  ▲        │  ▲         │             │
 *       │            ▼  │        │  │         │             │
 *       │         offered ───────┘  │         │             │         failed, cancelled, timed_out
 *       └──── retry, release ◄──────┴─────────┴─────────────┘         from every status before them
 *
 * Each status before the end can be paused and comes back from there; what is withdrawn from an agent while it is
 * paused stays so. completed, failed, cancelled and timed_out have no exit: another try is a new task.
 */
import type { TaskStatus } from '../../../protocol/wire/types.ts';

const ENDS = ['failed', 'cancelled', 'timed_out'] as const;

export const TRANSITIONS: { readonly [S in TaskStatus]: readonly TaskStatus[] } = {
  scheduled: ['pending', 'paused', ...ENDS],
  pending: ['offered', 'assigned', 'paused', ...ENDS],
  offered: ['accepted', 'pending', 'scheduled', 'paused', ...ENDS],
  assigned: ['accepted', 'in_progress', 'completed', 'pending', 'scheduled', 'paused', ...ENDS],
  accepted: ['in_progress', 'completed', 'pending', 'scheduled', 'paused', ...ENDS],
  in_progress: ['completed', 'pending', 'scheduled', 'paused', ...ENDS],
  paused: ['scheduled', 'pending', 'assigned', 'accepted', 'in_progress', 'completed', ...ENDS],
  completed: [],
  failed: [],
  cancelled: [],
  timed_out: [],
};

export function allows(from: TaskStatus, to: TaskStatus): boolean {
  return TRANSITIONS[from].includes(to);
}

export function isTerminal(status: TaskStatus): boolean {
  return TRANSITIONS[status].length === 0;
}

/**
 * An agent holds the task. One that is paused is held if an agent had it then, and has it still; one that waits for those
 * below it is in progress, and nobody's.
 */
export function isHeld({
  status,
  agentId,
  tree,
}: {
  readonly status: TaskStatus;
  readonly agentId?: string | undefined;
  readonly tree?: { readonly waits?: unknown } | undefined;
}): boolean {
  if (tree?.waits !== undefined) return false;
  switch (status) {
    case 'offered':
    case 'assigned':
    case 'accepted':
    case 'in_progress':
      return true;
    case 'paused':
      return agentId !== undefined;
    case 'scheduled':
    case 'pending':
    case 'completed':
    case 'failed':
    case 'cancelled':
    case 'timed_out':
      return false;
  }
}
