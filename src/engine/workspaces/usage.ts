/**
 * What a workspace may use, and uses.
 *
 * WU1 What is used is counted from what is there, or added up as it happens; it is exact between two commands.
 * WU2 What is asked for is refused at the quota, before anything is done; what is there already stays when a quota falls below it.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type {
  UsageView,
  WorkspaceParams,
  WorkspaceResource,
  WorkspaceResults,
} from '../../../protocol/wire/workspaces.ts';
import { WORKSPACE_RESOURCES } from '../../../protocol/wire/workspaces.ts';
import { accepted, rejected, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { Refusal } from '../port.ts';
import { permitted } from './roles.ts';
import type { WorkspaceRecord } from './workspace-records.ts';

const DAY_MS = 86_400_000;

export const dayOf = (now: number): number => Math.floor(now / DAY_MS);

export function quotaOf({ quotas }: WorkspaceRecord, resource: WorkspaceResource): number {
  return quotas[resource] ?? LIMITS.workspaceQuotas[resource];
}

/** WU1 */
export function usageOf(s: State, known: WorkspaceRecord, resource: WorkspaceResource): number {
  switch (resource) {
    case 'storageBytes':
      return known.storageBytes + known.stateBytes + known.snapshotBytes + known.documentBytes;
    case 'cpuSeconds':
      return known.cpuSeconds;
    case 'members':
      return s.membersByWorkspace.count(known.id);
    case 'documents':
      return known.documents;
    case 'agents':
      return s.agentMembersByWorkspace.count(known.id);
    case 'operations':
      return known.day === dayOf(s.counters.now) ? known.operations : 0;
  }
}

/** Something of each resource. */
export function ofEach<T>(of: (resource: WorkspaceResource) => T): { readonly [R in WorkspaceResource]: T } {
  return {
    storageBytes: of('storageBytes'),
    cpuSeconds: of('cpuSeconds'),
    members: of('members'),
    documents: of('documents'),
    agents: of('agents'),
    operations: of('operations'),
  };
}

export function usageView(s: State, known: WorkspaceRecord): UsageView {
  return ofEach((one) => ({ used: usageOf(s, known, one), limit: quotaOf(known, one) }));
}

/** WU2: why so much more may not be used. */
export function refuseUse(
  s: State,
  known: WorkspaceRecord,
  wanted: { readonly [R in WorkspaceResource]?: number },
): Refusal | undefined {
  for (const resource of WORKSPACE_RESOURCES) {
    const more = wanted[resource] ?? 0;
    if (more <= 0) continue;
    const [used, limit] = [usageOf(s, known, resource), quotaOf(known, resource)];
    if (used + more <= limit) continue;
    const again = resource === 'operations' ? { resetsAt: (dayOf(s.counters.now) + 1) * DAY_MS } : undefined;
    return rejected('QUOTA_EXCEEDED', `The workspace uses ${used} of ${limit} ${resource}.`, {
      workspaceId: known.id,
      resource,
      limit,
      used,
      wanted: more,
      ...again,
    });
  }
  return undefined;
}

export const updateUsage: Decide<WorkspaceParams['usage.update']> = (s, c, { session, params }) => {
  const known = permitted(s, session.principal, { workspace: params.workspaceId, to: 'write' });
  if ('ok' in known) return known;
  const { storageBytes = 0, cpuSeconds = 0 } = params;
  const refused = refuseUse(s, known, { storageBytes, cpuSeconds });
  if (refused !== undefined) return refused;
  const next = {
    ...known,
    storageBytes: known.storageBytes + storageBytes,
    cpuSeconds: known.cpuSeconds + cpuSeconds,
  };
  if (next.storageBytes < 0 || next.cpuSeconds < 0) {
    return rejected('INVALID_PARAMS', 'More would be given back than was reported.', {
      storageBytes: known.storageBytes,
      cpuSeconds: known.cpuSeconds,
    });
  }
  c.events.push({ kind: 'workspaces', change: { kind: 'put', record: next } });
  return accepted({ usage: usageView(s, next) });
};

/** Of what is wanted beside what is used. */
export function checkUsage(
  s: State,
  known: WorkspaceRecord,
  wanted: WorkspaceParams['usage.check']['wanted'] = {},
): WorkspaceResults['usage.check'] {
  const usage = usageView(s, known);
  const exceeded = WORKSPACE_RESOURCES.filter((one) => usage[one].used + (wanted[one] ?? 0) > usage[one].limit);
  return { withinLimits: exceeded.length === 0, exceeded, usage };
}
