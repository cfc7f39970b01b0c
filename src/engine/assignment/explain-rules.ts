/** What the rules have to do with where a task is; asked anew, so that nothing is counted as a failure for being explained. */
import type { RuleVerdict } from '../../../protocol/wire/rules.ts';
import { byCodeUnits } from '../../base/order.ts';
import type { AgentRecord, TaskRecord } from '../records.ts';
import { orderingOf, type Rule, type RuleBook } from '../rules/book.ts';
import { Mishap } from '../rules/values.ts';

interface Finding {
  readonly rule: Rule;
  readonly applies: boolean | Mishap;
  excludes: number;
  agentError: string | undefined;
}

export class RuleFindings {
  readonly #task: TaskRecord;
  readonly #findings: readonly Finding[];
  readonly #ordering: ReturnType<typeof orderingOf> | undefined;

  constructor(book: RuleBook, task: TaskRecord) {
    this.#task = task;
    this.#findings = book.active
      .filter((rule) => rule.isFor(task))
      .map((rule) => ({ rule, applies: rule.applies(task), excludes: 0, agentError: undefined }));
    const applying = this.#findings.filter(({ applies }) => applies === true).map(({ rule }) => rule);
    this.#ordering = task.strategy === 'rule_based' ? orderingOf(applying) : undefined;
  }

  /** The first rule that keeps the agent, which has what the task requires, from it. */
  excluding(agent: AgentRecord): string | undefined {
    let excluding: string | undefined;
    for (const finding of this.#findings) {
      const { rule, applies } = finding;
      if (applies !== true || rule.filter === undefined) continue;
      const lets = rule.tells(this.#task, agent);
      if (lets === true) continue;
      if (lets instanceof Mishap) finding.agentError = first(finding.agentError, lets.message);
      if (lets instanceof Mishap && rule.record.onError === 'ignore') continue;
      finding.excludes += 1;
      excluding ??= rule.record.name;
    }
    return excluding;
  }

  /** How much each rule wants the agent; null: it failed. Undefined: rules do not order the agents for this task. */
  scores(agent: AgentRecord): readonly (number | null)[] | undefined {
    if (this.#ordering === undefined || this.#ordering.prefers.length === 0) return undefined;
    return this.#ordering.prefers.map((rule) => {
      const score = rule.weighs({ task: this.#task, agent });
      if (!(score instanceof Mishap)) return score;
      const finding = this.#findings.find((one) => one.rule === rule);
      if (finding !== undefined) finding.agentError = first(finding.agentError, score.message);
      return null;
    });
  }

  view(): readonly RuleVerdict[] | undefined {
    if (this.#findings.length === 0) return undefined;
    return this.#findings.map(({ rule, applies, excludes, agentError }) => {
      const orders = applies === true ? this.#ordersBy(rule) : undefined;
      return {
        name: rule.record.name,
        applies: applies === true,
        ...(applies instanceof Mishap ? { error: applies.message } : undefined),
        ...(applies === true && rule.filter !== undefined ? { excludes } : undefined),
        ...(agentError === undefined ? undefined : { agentError }),
        ...(orders === undefined ? undefined : { orders }),
      };
    });
  }

  #ordersBy(rule: Rule): RuleVerdict['orders'] {
    if (this.#ordering === undefined) return undefined;
    const prefers = this.#ordering.prefers.includes(rule);
    if (rule !== this.#strategist()) return prefers ? 'prefer' : undefined;
    return prefers ? 'both' : 'strategy';
  }

  /** The rule whose strategy decides. */
  #strategist(): Rule | undefined {
    return this.#findings.find(({ rule, applies }) => applies === true && rule.record.strategy !== undefined)?.rule;
  }
}

/** Of the agents' errors one is told, whichever agent is looked at first. */
function first(known: string | undefined, message: string): string {
  return known === undefined || byCodeUnits(message, known) < 0 ? message : known;
}
