/**
 * Rules: who may have which task, told apart from the engine's expressions: each filter that a plan may use stands here
 * beside what it means. 44 and 23 are judged by them.
 */
import { PRIORITIES, type AgentView, type TaskView } from '../../../protocol/wire/types.ts';
import { latest, type Mark, type RuleRec, type TaskRec } from './records.ts';

/** Undefined: it fails. */
type Meaning = (agent: AgentFacts, task: TaskFacts) => boolean | undefined;

export type AgentFacts = Pick<AgentView, 'labels' | 'capacity'>;
export type TaskFacts = Pick<TaskView, 'type' | 'priority' | 'mode' | 'requirements'>;

const label = (agent: AgentFacts, name: string): string => agent.labels?.[name] ?? '';

export const FILTERS: { readonly [source: string]: Meaning } = {
  'agent.labels.zone != "a"': (agent) => label(agent, 'zone') !== 'a',
  '"gpu" in agent.labels || agent.capacity > 2': (agent) => agent.labels?.['gpu'] !== undefined || agent.capacity > 2,
  'agent.capacity >= 2': (agent) => agent.capacity >= 2,
  'int(agent.labels.mem) >= 16': (agent) => {
    const mem = label(agent, 'mem');
    return /^\d+$/.test(mem) ? Number(mem) >= 16 : undefined;
  },
  'task.priorityLevel < 2 || agent.labels.zone == "b"': (agent, task) =>
    PRIORITIES.indexOf(task.priority) < 2 || label(agent, 'zone') === 'b',
  'size(task.requirements) < 2 || agent.labels.zone != "c"': (agent, task) =>
    task.requirements.length < 2 || label(agent, 'zone') !== 'c',
};

/** It says of an agent what stays so, so that a hard sticky key goes elsewhere if its agent does not pass. */
export function isStanding({ filter = '' }: RuleRec): boolean {
  return !filter.includes('capacity') && !filter.includes('task.');
}

export const CONDITIONS: { readonly [source: string]: (task: TaskFacts) => boolean } = {
  'task.priority == "low"': ({ priority }) => priority === 'low',
  'task.mode == "offer" || task.priorityLevel > 0': ({ mode, priority }) => mode === 'offer' || priority !== 'low',
};

export function lets(rule: RuleRec, agent: AgentFacts, task: TaskFacts): boolean {
  if (rule.filter === undefined || (rule.type !== undefined && rule.type !== task.type)) return true;
  if (rule.condition !== undefined && CONDITIONS[rule.condition]?.(task) !== true) return true;
  return FILTERS[rule.filter]?.(agent, task) ?? rule.onError === 'ignore';
}

/** No rule that is in force keeps the agent from the task, as it was when it was given: it may have changed again since. */
export function isLet(agent: AgentView, task: TaskRec, view: TaskFacts = latest(task).task): boolean {
  return task.tenant.rules.every((rule) => lets(rule, agent, view));
}

/** Which of several rules were in force when something happened in this entry is not seen. */
export function rulesMoved(task: TaskRec, mark: Mark): boolean {
  return task.tenant.ruled?.seq === mark.seq;
}
