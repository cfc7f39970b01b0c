/**
 * What rules can read of a task and of an agent. The edge takes names and types from here, the engine the values.
 *
 * F1 Of a task only what cannot change while it waits, apart from priority and failures, by which a ruling is known to be
 *    old (book.ts).
 * F2 Only what is in the records: no clock, no counts of the tenant, nothing that another node could see differently.
 */
import { PRIORITIES, type Value } from '../../../protocol/wire/types.ts';
import type { AgentRecord, Rating, TaskRecord, WeightedCapability } from '../records.ts';
import { WHOLE } from '../agents/ratings.ts';
import type { CelMap, CelObject, CelValue } from './values.ts';

interface Field<R> {
  /** As CEL names it. */
  readonly type: string;
  /** Undefined: the record has none, `has()` is false. */
  read(record: R): CelValue | undefined;
  /** Of an agent: it changes while the agent works, so it is asked again with each change. */
  readonly moves?: true;
}

const NO_LABELS: CelObject = {};

export const TASK_FIELDS: { readonly [name: string]: Field<TaskRecord> } = {
  id: { type: 'string', read: (task) => task.id },
  type: { type: 'string', read: (task) => task.type },
  priority: { type: 'string', read: (task) => PRIORITIES[task.priority] },
  priorityLevel: { type: 'int', read: (task) => BigInt(task.priority) },
  parameters: { type: 'dyn', read: (task) => task.parameters },
  labels: { type: 'map<string, string>', read: (task) => task.labels ?? NO_LABELS },
  requirements: { type: 'list<string>', read: (task) => task.requirements },
  workspaceId: { type: 'string', read: (task) => task.workspaceId ?? '' },
  parentId: { type: 'string', read: (task) => task.parentId ?? '' },
  createdBy: { type: 'string', read: (task) => task.createdBy },
  createdAt: { type: 'int', read: (task) => BigInt(task.createdAt) },
  /** Of the attempt that would begin now, from 1. */
  attempt: { type: 'int', read: (task) => BigInt(task.failures + 1) },
  mode: { type: 'string', read: (task) => task.mode },
};

export const AGENT_FIELDS: { readonly [name: string]: Field<AgentRecord> } = {
  id: { type: 'string', read: (agent) => agent.id },
  name: { type: 'string', read: (agent) => agent.name },
  instance: { type: 'string', read: (agent) => agent.instance },
  labels: { type: 'map<string, string>', read: (agent) => agent.labels ?? NO_LABELS },
  capabilities: { type: 'map<string, int>', read: (agent) => weights(agent.capabilities) },
  type: { type: 'string', moves: true, read: (agent) => agent.type ?? '' },
  metadata: { type: 'dyn', moves: true, read: (agent) => agent.metadata ?? NO_METADATA },
  capacity: { type: 'int', moves: true, read: (agent) => BigInt(agent.capacity) },
  active: { type: 'int', moves: true, read: (agent) => BigInt(agent.active) },
  free: { type: 'int', moves: true, read: (agent) => BigInt(Math.max(0, agent.capacity - agent.active)) },
  load: { type: 'double', moves: true, read: (agent) => agent.active / agent.capacity },
  cost: { type: 'int', moves: true, read: ({ cost }) => (cost === undefined ? undefined : BigInt(cost)) },
  createdAt: { type: 'int', read: (agent) => BigInt(agent.createdAt) },
  successRate: { type: 'double', moves: true, read: (agent) => successRate(agent.ratings) },
  ratings: { type: 'map<string, map<string, double>>', moves: true, read: (agent) => ratings(agent.ratings) },
};

const NO_METADATA: { readonly [key: string]: Value } = {};

function weights(capabilities: readonly WeightedCapability[]): CelMap {
  const byName = new Map<string, CelValue>();
  for (const { name, weight } of capabilities) byName.set(name, BigInt(weight));
  return byName;
}

/** Of all types together; 1 while it has finished nothing. */
function successRate(all: readonly Rating[] | undefined): number {
  let count = 0;
  let ok = 0;
  for (const one of all ?? []) {
    count += one.count;
    ok += one.count * (one.ok / WHOLE);
  }
  return count === 0 ? 1 : ok / count;
}

function ratings(all: readonly Rating[] | undefined): CelMap {
  const byType = new Map<string, CelValue>();
  for (const { type, count, ok, ms } of all ?? []) {
    byType.set(type, ms === undefined ? { count, ok: ok / WHOLE } : { count, ok: ok / WHOLE, ms });
  }
  return byType;
}
