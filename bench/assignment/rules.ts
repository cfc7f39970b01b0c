/** Rules as an operator might have them: some for every task, some for one type, some that read the task. */
import type { RuleAdd } from '../../protocol/wire/rules.ts';
import { assert } from '../../src/base/assert.ts';
import { compileRule } from '../../src/rules/index.ts';
import type { Crowd } from './crowd.ts';

const RULES: readonly RuleAdd[] = [
  // Read the agent alone: kept as an index.
  { name: 'builds-want-room', type: 'build', filter: 'agent.labels.size == "large" || agent.capacity >= 4' },
  { name: 'not-the-dearest', filter: 'agent.cost < 145' },
  // Reads the task: tried on the candidates.
  { name: 'team-zero', condition: 'task.labels.team == "team-0"', filter: 'agent.labels.zone != task.type' },
  { name: 'cheap-first', prefer: '0.0 - double(agent.cost)' },
];

/** Through the compiler of the edge, as `rule.add` brings them. */
export function addRules(crowd: Crowd): void {
  for (const rule of RULES) {
    const trees = compileRule(rule);
    assert(trees.ok, `the rule ${rule.name} is right`);
    crowd.ask('rule.add', { ...rule, trees: trees.value });
  }
}
