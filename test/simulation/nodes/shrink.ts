/**
 * Makes a failing run of several nodes small, as long as the same invariant is violated: actions are left out by halves, quarters
 * and so on, then programs and nodes; the faults end earlier.
 */
import type { ShrinkOptions } from '../shrink.ts';
import type { NodesPlan } from './plan.ts';
import { simulateNodes } from './simulation.ts';

export async function shrinkNodes(plan: NodesPlan, options: ShrinkOptions): Promise<NodesPlan> {
  const shrinker = new NodesShrinker(plan, options);
  for (let before: NodesPlan | undefined; before !== shrinker.best && !shrinker.over;) {
    before = shrinker.best;
    await shrinker.round();
  }
  return shrinker.best;
}

class NodesShrinker {
  best: NodesPlan;
  readonly #options: ShrinkOptions;
  #runs = 0;

  constructor(plan: NodesPlan, options: ShrinkOptions) {
    this.best = plan;
    this.#options = options;
  }

  get over(): boolean {
    return this.#runs >= this.#options.runsMax || this.#options.over?.() === true;
  }

  async round(): Promise<void> {
    await this.#fewerActions();
    for (const { name } of this.best.clients) {
      const clients = this.best.clients.filter((client) => client.name !== name);
      const actions = this.best.actions.filter((action) => !('program' in action) || action.program !== name);
      await this.#take({ ...this.best, clients, actions });
    }
    if (this.best.nodes > 1) await this.#take({ ...this.best, nodes: this.best.nodes - 1 });
    const last = this.best.actions.at(-1)?.at ?? 0;
    if (last + 1 < this.best.healAt) await this.#take({ ...this.best, healAt: last + 1 });
  }

  async #take(candidate: NodesPlan): Promise<boolean> {
    if (this.over) return false;
    this.#runs += 1;
    const { violations } = await simulateNodes(candidate);
    if (!violations.some(({ invariant }) => this.#options.invariants.includes(invariant))) return false;
    this.best = candidate;
    return true;
  }

  async #fewerActions(): Promise<void> {
    const first = Math.ceil(this.best.actions.length / 2);
    for (let size = first; size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = 0; at < this.best.actions.length && !this.over;) {
        const without = { ...this.best, actions: this.best.actions.toSpliced(at, size) };
        if (!(await this.#take(without))) at += size;
      }
    }
  }
}
