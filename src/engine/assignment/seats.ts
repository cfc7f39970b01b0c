/**
 * Seats: an agent with its places in all its groups. A change of an agent, of which each task makes two, finds them
 * here: looking it up by id in each of a dozen groups cost more than all else that the change means.
 *
 * S1 `agent` is the record that the state has now.
 * S2 An agent has one seat in each group that it fits, none in others.
 */
import type { AgentRecord } from '../records.ts';
import type { Group } from './group.ts';
import type { Fit } from './strategies.ts';

export class Member {
  agent: AgentRecord;
  readonly seats: Seat[] = [];

  constructor(agent: AgentRecord) {
    this.agent = agent;
  }

  leave(group: Group): void {
    const at = this.seats.findIndex((seat) => seat.group === group);
    if (at >= 0) this.seats.splice(at, 1);
  }
}

export class Seat {
  readonly id: string;
  readonly member: Member;
  readonly group: Group;
  readonly fit: Fit;
  /** It stands in the orders of the group: the agent is free, as far as the group is concerned. */
  placed = false;
  /** What rules gave the agent as it stands in the orders that ask for that. */
  scores: readonly number[] = [];

  constructor(of: { readonly member: Member; readonly group: Group; readonly fit: Fit }) {
    this.id = of.member.agent.id;
    this.member = of.member;
    this.group = of.group;
    this.fit = of.fit;
  }
}
