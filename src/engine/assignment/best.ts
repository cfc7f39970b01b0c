/** The best of some agents for a task under rules, the earlier one of two alike; those on which it failed come last. */
import type { AgentRecord, TaskRecord } from '../records.ts';
import type { GroupRules } from './group-rules.ts';
import { byScores } from './agent-order.ts';

export class Best {
  agent: AgentRecord | undefined;
  readonly #task: TaskRecord;
  readonly #rules: GroupRules | undefined;
  #scores: readonly number[] = [];
  #failed = false;

  /** `rules`: they are asked how much each agent is wanted; without them the first is the best. */
  constructor(task: TaskRecord, rules: GroupRules | undefined) {
    this.#task = task;
    this.#rules = rules;
  }

  get weighs(): boolean {
    return this.#rules !== undefined;
  }

  /** No other can be better. */
  get settled(): boolean {
    return this.agent !== undefined && !this.#failed && this.#rules === undefined;
  }

  offer(agent: AgentRecord): void {
    const failed = this.#task.failedOn?.includes(agent.id) === true;
    const scores = this.#rules?.scores(this.#task, agent) ?? [];
    if (this.agent !== undefined) {
      if (failed && !this.#failed) return;
      if (failed === this.#failed && byScores(scores, this.#scores) >= 0) return;
    }
    this.agent = agent;
    this.#scores = scores;
    this.#failed = failed;
  }
}
