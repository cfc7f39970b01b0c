/** The transition table of tasks, and what of it can be seen between two entries. */
import type { TaskStatus } from '../../../protocol/wire/types.ts';
import { isTerminal } from './views.ts';

/** Along one assignment. */
const HOLDER: { readonly [S in TaskStatus]?: readonly TaskStatus[] } = {
  offered: ['accepted', 'in_progress', 'paused'],
  assigned: ['accepted', 'in_progress', 'paused'],
  accepted: ['in_progress', 'paused'],
  in_progress: ['paused'],
  paused: ['assigned', 'accepted', 'in_progress'],
};

const ENDS: readonly TaskStatus[] = ['failed', 'cancelled', 'timed_out'];

/** Out of an assignment, or of waiting; what is paused may be so without a holder. `completed` is entered only from what `HOLDER` reaches. */
const LEAVES: { readonly [S in TaskStatus]?: readonly TaskStatus[] } = {
  scheduled: ['pending', 'paused', 'cancelled', 'timed_out'],
  pending: ['paused', 'cancelled', 'timed_out'],
  offered: ['pending', 'scheduled', 'paused', ...ENDS],
  assigned: ['pending', 'scheduled', 'paused', 'completed', ...ENDS],
  accepted: ['pending', 'scheduled', 'paused', 'completed', ...ENDS],
  in_progress: ['pending', 'scheduled', 'paused', 'completed', ...ENDS],
  paused: ['pending', 'scheduled', 'paused', 'completed', ...ENDS],
};

/** Statuses in which a new task or a new assignment may first be seen. */
const FIRST: readonly TaskStatus[] = ['scheduled', 'pending', 'assigned', 'offered'];
const FRESH: readonly TaskStatus[] = ['assigned', 'offered', 'paused'];

function holderReach(from: TaskStatus): readonly TaskStatus[] {
  const reached = new Set([from]);
  for (const status of reached) for (const next of HOLDER[status] ?? []) reached.add(next);
  return [...reached];
}

interface Seen {
  readonly status: TaskStatus;
  readonly held: boolean;
  readonly waits?: 'children' | 'parts' | undefined;
}

/**
 * True if one entry may lead from one status to the other. An entry carries many commands, so several steps may lie
 * between; but nobody can use a token before the entry that made it has left the server, so a new assignment
 * (`other`) is still `assigned` or `offered` at its end.
 */
export function maySee(before: Seen | undefined, after: Seen, other: boolean): boolean {
  const to = after.status;
  if (after.waits !== undefined) return mayWait(before, after);
  if (before?.waits !== undefined) return to === 'completed' || ENDS.includes(to);
  if (before === undefined) return FIRST.includes(to);
  const from = before.status;
  if (isTerminal(from)) return from === to;
  if (before.held && after.held && !other) return holderReach(from).includes(to);
  const ways = (before.held ? holderReach(from) : waits(from)).flatMap((status) => LEAVES[status] ?? []);
  if (!after.held) return from === to || ways.includes(to) || (isWaiting(to) && ways.some(isWaiting));
  const waiting = from === 'pending' || from === 'scheduled' || ways.includes('pending');
  return waiting && FRESH.includes(to);
}

/** Its holder has completed it while those below it go on; what is distributed is so from the first. */
function mayWait(before: Seen | undefined, { status, waits }: Seen): boolean {
  if (status !== 'in_progress') return false;
  if (before?.waits !== undefined || before === undefined) return waits === (before?.waits ?? 'parts');
  return waits === 'children' && before.held;
}

/** Somebody may pause and resume it within the entry. */
function waits(from: TaskStatus): readonly TaskStatus[] {
  return isWaiting(from) ? ['scheduled', 'pending', 'paused'] : [from];
}

function isWaiting(status: TaskStatus): boolean {
  return status === 'scheduled' || status === 'pending' || status === 'paused';
}
