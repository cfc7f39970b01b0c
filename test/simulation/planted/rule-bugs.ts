/** Planted bugs in rules: who may have a task, and what becomes of tasks when that changes. */
import type { PlantedBug } from './bug.ts';

export const RULE_BUGS: readonly PlantedBug[] = [
  {
    name: 'rule-of-agents-not-looked-at',
    file: 'src/engine/assignment/group-rules.ts',
    find: 'return this.#standing.every((rule) => rule.lets({ agent }));',
    replace: 'return true;',
    breaks: 'Tasks go to agents that a filter keeps from them.',
    invariants: ['44'],
  },
  {
    name: 'rule-of-pairs-not-looked-at',
    file: 'src/engine/assignment/group-rules.ts',
    find: 'return this.#tested.every((rule) => rule.lets({ task, agent }));',
    replace: 'return true;',
    breaks: 'A filter that reads the task keeps nobody from it.',
    invariants: ['44'],
  },
  {
    name: 'rule-failure-always-ignored',
    file: 'src/engine/rules/book.ts',
    find: "return value instanceof Mishap ? this.note(value) && this.record.onError === 'ignore' : value;",
    replace: 'return value instanceof Mishap ? this.note(value) : value;',
    breaks: 'An agent of which a filter with onError exclude cannot say anything gets the task.',
    invariants: ['44'],
  },
  {
    name: 'waiting-not-judged-anew',
    file: 'src/engine/rules/rules.ts',
    find: "    { kind: 'followed', work: { kind: 'rejudge', version, after: '' } },\n",
    replace: '',
    breaks: 'After a change of the rules, tasks that waited before are given to nobody.',
    invariants: ['23', '47'],
  },
];
