/** What a server counts of its tenants, for metrics. */
import { TASK_STATUSES, type TaskStatus } from '../protocol/wire/types.ts';
import { recordCounts } from './engine/kernel/image.ts';
import type { Node } from './node/node.ts';
import { backlogFigures } from './node/backlog.ts';
import { BlobCount } from './node/blob-count.ts';
import { QuotaLook } from './node/quotas.ts';
import type { Scheduler } from './base/scheduler.ts';
import type { Metrics } from './telemetry/index.ts';
import type { NodeFigures } from './telemetry/port.ts';

/** Has the metrics ask for all of them at each scrape. */
export function watchNode(
  metrics: Metrics,
  { node, scheduler }: { readonly node: Node; readonly scheduler: Scheduler },
): void {
  const servings = (): Node['servings'] => node.servings;
  metrics.watch(() => figures(node));
  metrics.watchBacklog(() => backlogFigures(servings()));
  const quotas = new QuotaLook({ scheduler, servings });
  metrics.watchQuotas(() => quotas.shares());
  const { texts } = node;
  if (texts === undefined) return;
  const blobs = new BlobCount({ texts, servings });
  metrics.watchBlobs(() => blobs.figures());
}

function figures(node: Node): NodeFigures {
  const tasks: { [S in TaskStatus]?: number } = {};
  const records: { [table: string]: number } = {};
  const sum = {
    sessions: 0,
    attached: 0,
    active: 0,
    offline: 0,
    applied: 0,
    behind: 0,
    queued: 0,
    ringPushes: 0,
    ringBytes: 0,
    dead: 0,
    gaps: 0,
    unindexed: 0,
  };
  for (const { tenant, hub, index } of node.servings) {
    const { state } = tenant.engine;
    const { ring } = hub;
    for (const status of TASK_STATUSES) tasks[status] = (tasks[status] ?? 0) + state.taskStatus.of(status);
    for (const [table, count] of Object.entries(recordCounts(state))) records[table] = (records[table] ?? 0) + count;
    sum.sessions += state.sessions.size;
    sum.attached += state.attachedSessions.size;
    sum.active += state.agentStatus.of('active');
    sum.offline += state.agentStatus.of('offline');
    sum.dead += state.deadTasks.size;
    sum.applied += state.counters.seq;
    sum.behind += tenant.beside?.lag.entries ?? 0;
    sum.queued += tenant.queued;
    sum.ringPushes += ring.size;
    sum.ringBytes += ring.bytes;
    sum.gaps += hub.counts.gaps;
    sum.unindexed += index?.behind ?? 0;
  }
  return {
    tenants: node.servings.filter(({ tenant }) => tenant.serving).length,
    tenantsHalted: node.refused.size,
    sessions: sum.sessions,
    attached: sum.attached,
    agents: { active: sum.active, offline: sum.offline },
    tasks,
    deadLetters: sum.dead,
    logHead: sum.applied + sum.behind,
    logApplied: sum.applied,
    pendingCommands: sum.queued,
    ringPushes: sum.ringPushes,
    ringBytes: sum.ringBytes,
    records,
    gaps: sum.gaps,
    unindexed: sum.unindexed,
  };
}
