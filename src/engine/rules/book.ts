/**
 * The rules of a tenant, compiled, in their order; which of them apply to a task, and what they say.
 *
 * B1 Derived from table `rules`, which tells of every change (rollback included); not part of the snapshot.
 * B2 What is said depends on the records alone. Counts of failures are for people: they begin anew with each start.
 * B3 A rule that fails does not apply: a condition to the task, a filter to the agent (with `onError: exclude` the agent
 *    may not have the task), a prefer to the agent, which then comes last.
 */
import type { PlainStrategy } from '../../../protocol/wire/rules.ts';
import { byCodeUnits } from '../../base/order.ts';
import type { State } from '../kernel/state.ts';
import { copyOfTask, type AgentRecord, type RuleRecord, type Ruling, type TaskRecord } from '../records.ts';
import { compile, type Expression } from './compile.ts';
import { Mishap, type CelValue } from './values.ts';

interface About {
  readonly task?: TaskRecord | undefined;
  readonly agent?: AgentRecord | undefined;
}

export class Rule {
  readonly record: RuleRecord;
  readonly condition: Expression | undefined;
  readonly filter: Expression | undefined;
  readonly prefer: Expression | undefined;
  /** What was said of the agent that changed last: each of its groups asks. */
  #let: { readonly agent: AgentRecord; readonly lets: boolean } | undefined;
  #scored: { readonly agent: AgentRecord; readonly score: number } | undefined;
  /** What explanations were told of agents as they are: each of them asks about all. */
  readonly #told = new WeakMap<AgentRecord, boolean | Mishap>();
  #failed = 0;
  #last = '';

  constructor(record: RuleRecord) {
    const { condition, filter, prefer } = record.trees;
    this.record = record;
    this.condition = condition === undefined ? undefined : compile(condition);
    this.filter = filter === undefined ? undefined : compile(filter);
    this.prefer = prefer === undefined ? undefined : compile(prefer);
  }

  get errors(): { readonly count: number; readonly last: string } | undefined {
    return this.#failed === 0 ? undefined : { count: this.#failed, last: this.#last };
  }

  isFor({ type, workspaceId }: Pick<TaskRecord, 'type' | 'workspaceId'>): boolean {
    const { record } = this;
    return (
      (record.type === undefined || record.type === type) &&
      (record.workspaceId === undefined || record.workspaceId === workspaceId)
    );
  }

  /** Whether its condition holds. */
  applies(task: TaskRecord): boolean | Mishap {
    if (this.condition === undefined) return true;
    return truth('condition', this.condition.evaluate({ task }));
  }

  /** Whether the agent may have the task, as far as this rule is concerned. */
  lets(about: About): boolean {
    const value = this.judges(about);
    return value instanceof Mishap ? this.note(value) && this.record.onError === 'ignore' : value;
  }

  /** The same, of a filter that does not read the task. */
  letsAgent(agent: AgentRecord): boolean {
    if (this.#let?.agent !== agent) this.#let = { agent, lets: this.lets({ agent }) };
    return this.#let.lets;
  }

  judges(about: About): boolean | Mishap {
    return this.filter === undefined ? true : truth('filter', this.filter.evaluate(about));
  }

  /** The same for an explanation. */
  tells(task: TaskRecord, agent: AgentRecord): boolean | Mishap {
    if (this.filter === undefined || this.filter.readsTask) return this.judges({ task, agent });
    let told = this.#told.get(agent);
    if (told === undefined) this.#told.set(agent, (told = this.judges({ agent })));
    return told;
  }

  /** The higher, the sooner. */
  score(about: About): number {
    const value = this.weighs(about);
    if (!(value instanceof Mishap)) return value;
    this.note(value);
    return -Infinity;
  }

  /** The same, of a prefer that does not read the task. */
  scoreOf(agent: AgentRecord): number {
    if (this.#scored?.agent !== agent) this.#scored = { agent, score: this.score({ agent }) };
    return this.#scored.score;
  }

  weighs(about: About): number | Mishap {
    if (this.prefer === undefined) return 0;
    const value = this.prefer.evaluate(about);
    if (value instanceof Mishap) return value;
    if (typeof value === 'boolean' || typeof value === 'bigint') return Number(value);
    if (typeof value !== 'number') return new Mishap('prefer gave neither a number nor true or false');
    return Number.isNaN(value) ? new Mishap('prefer gave no number') : value;
  }

  /** Counts a failure. */
  note(mishap: Mishap): true {
    this.#failed += 1;
    this.#last = mishap.message;
    return true;
  }
}

function truth(part: string, value: CelValue): boolean | Mishap {
  if (typeof value === 'boolean' || value instanceof Mishap) return value;
  return new Mishap(`${part} gave neither true nor false`);
}

export function byOrder(a: Pick<RuleRecord, 'name' | 'order'>, b: Pick<RuleRecord, 'name' | 'order'>): number {
  return a.order - b.order || byCodeUnits(a.name, b.name);
}

/** The rules that have a say in the order of agents, up to the first that names a strategy; then that decides, else the least loaded agent. */
export function orderingOf(rules: readonly Rule[]): {
  readonly prefers: readonly Rule[];
  readonly base: PlainStrategy;
} {
  const prefers: Rule[] = [];
  for (const rule of rules) {
    if (rule.prefer !== undefined) prefers.push(rule);
    if (rule.record.strategy !== undefined) return { prefers, base: rule.record.strategy };
  }
  return { prefers, base: 'least_loaded' };
}

const NONE: readonly string[] = [];

export class RuleBook {
  readonly #state: State;
  readonly #rules = new Map<string, Rule>();
  #active: readonly Rule[] | undefined;

  constructor(state: State) {
    this.#state = state;
    state.rules.watch((before, after) => {
      this.#active = undefined;
      if (after !== undefined) this.#rules.set(after.name, new Rule(after));
      else if (before !== undefined) this.#rules.delete(before.name);
    });
  }

  get version(): number | undefined {
    return this.#state.counters.rules;
  }

  /** All of them, in their order. */
  all(): readonly Rule[] {
    return [...this.#rules.values()].toSorted((a, b) => byOrder(a.record, b.record));
  }

  get(name: string): Rule | undefined {
    return this.#rules.get(name);
  }

  /** Those that are enabled, in their order. */
  get active(): readonly Rule[] {
    this.#active ??= this.all().filter(({ record }) => record.enabled);
    return this.#active;
  }

  /** Some filter may come to another answer when an agent is given something. */
  get moves(): boolean {
    return this.active.some(({ filter }) => filter?.moves === true);
  }

  /** Those that were found to apply, as long as that holds. */
  of(ruling: Ruling | undefined): readonly Rule[] {
    if (ruling === undefined || ruling.version !== this.version) return [];
    return ruling.rules.flatMap((name) => this.#rules.get(name) ?? []);
  }

  /** Nothing has changed since the rules were asked about the task. */
  isJudged(task: TaskRecord): boolean {
    const { ruling } = task;
    if (ruling === undefined) return this.version === undefined;
    return ruling.version === this.version && isOf(ruling, task);
  }

  /** What the rules say of the task now. */
  judge(task: TaskRecord): Ruling | undefined {
    const { version } = this;
    if (version === undefined) return undefined;
    const ordered = task.strategy === 'rule_based';
    const names: string[] = [];
    for (const rule of this.active) {
      const matters = rule.filter !== undefined || (ordered && (rule.prefer ?? rule.record.strategy) !== undefined);
      if (!matters || !rule.isFor(task)) continue;
      const applies = rule.applies(task);
      if (applies instanceof Mishap) rule.note(applies);
      else if (applies) names.push(rule.record.name);
    }
    return { version, priority: task.priority, failures: task.failures, rules: names.length === 0 ? NONE : names };
  }

  /** The task with what the rules say of it; the same record if nothing is new. */
  judged(task: TaskRecord): TaskRecord {
    if (this.isJudged(task)) return task;
    const next = copyOfTask(task);
    next.ruling = this.judge(task);
    return next;
  }
}

/** What the rules were asked about is still so. */
export function isOf(ruling: Ruling, task: TaskRecord): boolean {
  return ruling.priority === task.priority && ruling.failures === task.failures;
}
