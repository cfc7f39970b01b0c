/** The agents that advertise a capability: whom the hub hands what is said to it. Derived from the agents of the state. */
import type { State } from '../engine/kernel/state.ts';

interface Capable {
  readonly id: string;
  readonly capabilities: readonly { readonly name: string }[];
}

export class CapabilityIndex {
  readonly #agents = new Map<string, Set<string>>();

  constructor(state: State) {
    for (const agent of state.agentsById) this.#change(undefined, agent);
    state.agents.watch((before, after) => this.#change(before, after));
  }

  of(capability: string): Iterable<string> {
    return this.#agents.get(capability) ?? [];
  }

  #change(before: Capable | undefined, after: Capable | undefined): void {
    // The same array as long as it says the same: assignments change agents all the time, and not this.
    if (before !== undefined && after !== undefined && before.capabilities === after.capabilities) return;
    for (const { name } of before?.capabilities ?? []) this.#leave(name, before?.id ?? '');
    for (const { name } of after?.capabilities ?? []) {
      const agents = this.#agents.get(name) ?? new Set();
      agents.add(after?.id ?? '');
      this.#agents.set(name, agents);
    }
  }

  #leave(capability: string, id: string): void {
    const agents = this.#agents.get(capability);
    agents?.delete(id);
    if (agents?.size === 0) this.#agents.delete(capability);
  }
}
