/** The transition table of tasks, and what of it can be seen between two entries. */
import type { TaskStatus } from '../../../protocol/wire/types.ts';
import { isHeld, isTerminal } from './views.ts';

/** Along one assignment. */
const HOLDER: { readonly [S in TaskStatus]?: readonly TaskStatus[] } = {
  offered: ['accepted', 'in_progress'],
  assigned: ['accepted', 'in_progress'],
  accepted: ['in_progress'],
};

/** Out of an assignment, or of waiting. `completed` is entered only from what `HOLDER` reaches. */
const LEAVES: { readonly [S in TaskStatus]?: readonly TaskStatus[] } = {
  scheduled: ['pending', 'cancelled', 'timed_out'],
  pending: ['cancelled', 'timed_out'],
  offered: ['pending', 'scheduled', 'failed', 'cancelled', 'timed_out'],
  assigned: ['pending', 'scheduled', 'completed', 'failed', 'cancelled', 'timed_out'],
  accepted: ['pending', 'scheduled', 'completed', 'failed', 'cancelled', 'timed_out'],
  in_progress: ['pending', 'scheduled', 'completed', 'failed', 'cancelled', 'timed_out'],
};

/** Statuses in which a new task or a new assignment may first be seen. */
const FIRST: readonly TaskStatus[] = ['scheduled', 'pending', 'assigned', 'offered'];
const FRESH: readonly TaskStatus[] = ['assigned', 'offered'];

function holderReach(from: TaskStatus): readonly TaskStatus[] {
  return [from, ...(HOLDER[from] ?? []).flatMap(holderReach)];
}

/**
 * True if one entry may lead from one status to the other. An entry carries many commands, so several steps may lie
 * between; but nobody can use a token before the entry that made it has left the server, so a new assignment
 * (`other`) is still `assigned` or `offered` at its end.
 */
export function maySee(from: TaskStatus | undefined, to: TaskStatus, other: boolean): boolean {
  if (from === undefined) return FIRST.includes(to);
  if (isTerminal(from)) return from === to;
  if (isHeld(from) && isHeld(to) && !other) return holderReach(from).includes(to);
  const ways = holderReach(from).flatMap((status) => LEAVES[status] ?? []);
  if (!isHeld(to)) return from === to || ways.includes(to);
  const waiting = from === 'pending' || from === 'scheduled' || ways.includes('pending');
  return waiting && FRESH.includes(to);
}
