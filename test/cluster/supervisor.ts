/** Starts nodes again that ended, on their data and ports, as `Restart=always` does: a node that was fenced or halted ends by itself. */
import type { ClusterNode, Fleet } from './fleet.ts';

export class Supervisor {
  #stopped = false;
  readonly #starts = new Map<ClusterNode, number>();

  constructor({ nodes }: Fleet) {
    for (const node of nodes) void this.#watch(node);
  }

  /** How often a node was started again. */
  startsOf(node: ClusterNode): number {
    return this.#starts.get(node) ?? 0;
  }

  get starts(): number {
    return [...this.#starts.values()].reduce((sum, count) => sum + count, 0);
  }

  stop(): void {
    this.#stopped = true;
  }

  async #watch(node: ClusterNode): Promise<void> {
    for (;;) {
      await node.place.server.ended;
      if (this.#stopped) return;
      try {
        await node.serve();
        this.#starts.set(node, this.startsOf(node) + 1);
      } catch {
        // It ended before it served, since Redis is not there or is empty: the next try follows.
      }
    }
  }
}
