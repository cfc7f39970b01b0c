/**
 * Which work that nobody has begun would be better off with another agent, and whether it is.
 *
 * Owns: the proposal, read off the path of any command, and the rule that a move is held to. Does not own: the move
 * (tasks/shift.ts).
 *
 * RB1 `relieves` is the only reason for a move. It is asked when a move is proposed and when it is done. What was moved for load
 *     never comes back by the same loads: a move makes the fuller of two agents no emptier than the other.
 * RB2 Nothing is proposed that its holder may just be about to begin: whoever is there has had half of the time that it has to
 *     confirm.
 * RB3 At most `movesMax` moves, and so much is looked at; loads count with the moves that were proposed before.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { must } from '../../base/assert.ts';
import type { State } from '../kernel/state.ts';
import { MOVES_VERSION, type Move } from '../port.ts';
import type { AgentRecord, AssignmentRecord, TaskRecord } from '../records.ts';
import type { Groups } from './groups.ts';

/** An agent that is away, or takes no work, is left what it has not begun for so long. */
const SETTLE_MS = 2_000;
/** Agents and assignments that are looked at. */
const LOOKED_AT = 20_000;
/** Agents that are tried for one task. */
const TRIED = 64;

/** What an agent has to do. A slot that is taken until its holder has stopped is none of it. */
export function heldBy(s: State, agent: AgentRecord): number {
  let held = 0;
  if (agent.active > 0)
    for (const { state } of s.assignmentsByAgent.of(agent.id) ?? []) if (state === 'current') held += 1;
  return held;
}

/** RB1. `held`: what the two have to do. */
export function relieves(
  from: AgentRecord,
  to: AgentRecord,
  held: { readonly from: number; readonly to: number },
): boolean {
  if (from.id === to.id) return false;
  if (!from.attached || from.status !== 'active') return true;
  return (held.to + 1) * from.capacity <= (held.from - 1) * to.capacity;
}

/**
 * Nobody has confirmed it. What needs locks has them under the tokens that its holder was told, and stays; so does what a hard key
 * binds to the agent.
 */
export function isMovable({ status, locks, sticky }: TaskRecord): boolean {
  return (status === 'assigned' || status === 'offered') && locks === undefined && sticky?.mode !== 'hard';
}

/** A soft key holds it with its agent for as long as that is there: then load is no reason. */
export function mayLeave({ sticky }: TaskRecord, from: AgentRecord): boolean {
  return sticky === undefined || !from.attached || from.status !== 'active';
}

/** `now`: wall ms; the state's own time stands still while nothing happens. */
export function proposeMoves(parts: { readonly state: State; readonly groups: Groups }, now: number): readonly Move[] {
  const { state: s } = parts;
  if (s.counters.engineVersion < MOVES_VERSION) return [];
  if (s.taskStatus.of('assigned') + s.taskStatus.of('offered') === 0) return [];
  return new Proposal(parts, now).make();
}

class Proposal {
  readonly #state: State;
  readonly #groups: Groups;
  readonly #now: number;
  readonly #moves: Move[] = [];
  /** With the moves that were proposed before. */
  readonly #held = new Map<string, number>();
  readonly #gained = new Map<string, number>();
  #left = LOOKED_AT;

  constructor(parts: { readonly state: State; readonly groups: Groups }, now: number) {
    this.#state = parts.state;
    this.#groups = parts.groups;
    this.#now = now;
  }

  make(): readonly Move[] {
    for (const agent of this.#state.agentsById) {
      this.#left -= 1;
      if (agent.active > 0) this.#relieve(agent);
      if (this.#left <= 0 || this.#moves.length >= LIMITS.movesMax) break;
    }
    return this.#moves;
  }

  #relieve(from: AgentRecord): void {
    for (const slot of this.#state.assignmentsByAgent.of(from.id) ?? []) {
      this.#left -= 1;
      if (this.#left <= 0 || this.#moves.length >= LIMITS.movesMax) return;
      const task = this.#waiting(from, slot);
      const to = task === undefined ? undefined : this.#better(from, task);
      if (to === undefined) continue;
      this.#moves.push({ task: slot.task, token: slot.token, to: to.id });
      this.#held.set(from.id, this.#heldBy(from) - 1);
      this.#held.set(to.id, this.#heldBy(to) + 1);
      this.#gained.set(to.id, (this.#gained.get(to.id) ?? 0) + 1);
    }
  }

  /** Its task, if it could be moved and has waited for long enough (RB2). */
  #waiting(from: AgentRecord, slot: AssignmentRecord): TaskRecord | undefined {
    if (slot.state !== 'current' || slot.at === undefined) return undefined;
    const present = from.attached && from.status === 'active';
    if (this.#now - slot.at < (present ? from.acceptMs / 2 : SETTLE_MS)) return undefined;
    const task = must(this.#state.tasks.get(slot.task), 'a held task is in memory');
    return isMovable(task) && mayLeave(task, from) ? task : undefined;
  }

  /** The first in the order of its strategy that is better off with it. */
  #better(from: AgentRecord, task: TaskRecord): AgentRecord | undefined {
    let tried = 0;
    for (const to of this.#groups.free(task)) {
      tried += 1;
      if (tried > TRIED) return undefined;
      if (to.active + (this.#gained.get(to.id) ?? 0) >= to.capacity) continue;
      if (!relieves(from, to, { from: this.#heldBy(from), to: this.#heldBy(to) })) continue;
      if (this.#groups.takes(task, to)) return to;
    }
    return undefined;
  }

  #heldBy(agent: AgentRecord): number {
    let held = this.#held.get(agent.id);
    if (held === undefined) this.#held.set(agent.id, (held = heldBy(this.#state, agent)));
    return held;
  }
}
