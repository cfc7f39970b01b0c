/**
 * The state machine of a task, as data. Every change of status is checked against it, also the engine's own.
 *
 *   scheduled ──► pending ──► assigned ──► accepted ──► in_progress ──► completed
 *       ▲            │  ▲        │  ▲         │             │
 *       │            ▼  │        │  │         │             │
 *       │         offered ───────┘  │         │             │         failed, cancelled, timed_out
 *       └──── retry, release ◄──────┴─────────┴─────────────┘         from every status before them
 *
 * completed, failed, cancelled and timed_out have no exit: another try is a new task.
 */
import type { TaskStatus } from '../../../protocol/wire/types.ts';

const ENDS = ['failed', 'cancelled', 'timed_out'] as const;

export const TRANSITIONS: { readonly [S in TaskStatus]: readonly TaskStatus[] } = {
  scheduled: ['pending', ...ENDS],
  pending: ['offered', 'assigned', ...ENDS],
  offered: ['accepted', 'pending', 'scheduled', ...ENDS],
  assigned: ['accepted', 'in_progress', 'completed', 'pending', 'scheduled', ...ENDS],
  accepted: ['in_progress', 'completed', 'pending', 'scheduled', ...ENDS],
  in_progress: ['paused', 'completed', 'pending', 'scheduled', ...ENDS],
  paused: ['in_progress', 'pending', 'scheduled', ...ENDS],
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

/** An agent holds the task. */
export function isHeld(status: TaskStatus): boolean {
  switch (status) {
    case 'offered':
    case 'assigned':
    case 'accepted':
    case 'in_progress':
    case 'paused':
      return true;
    case 'scheduled':
    case 'pending':
    case 'completed':
    case 'failed':
    case 'cancelled':
    case 'timed_out':
      return false;
  }
}
