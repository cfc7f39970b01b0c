import { describe, expect, it } from 'vitest';
import { OPERATIONS } from '../../protocol/wire/operations.ts';
import { TASK_STATUSES } from '../../protocol/wire/types.ts';
import { Metrics } from '../../src/telemetry/index.ts';
import type { NodeFigures } from '../../src/telemetry/port.ts';

const FIGURES: NodeFigures = {
  tenants: 2,
  tenantsHalted: 1,
  sessions: 5,
  attached: 3,
  agents: { active: 4 },
  tasks: { pending: 7, in_progress: 1 },
  deadLetters: 6,
  logHead: 100,
  logApplied: 98,
  pendingCommands: 9,
  ringPushes: 10,
  ringBytes: 11,
  records: { tasks: 8, timers: 13 },
  gaps: 12,
  unindexed: 14,
};

/** The scrape as `name{labels}` → value; a line that is not of the format fails. */
async function scrape(metrics: Metrics): Promise<Map<string, number>> {
  const values = new Map<string, number>();
  for (const line of (await metrics.text()).split('\n')) {
    if (line === '' || /^# (?:HELP [a-z_]+ \S.*|TYPE [a-z_]+ (?:counter|gauge|histogram|summary))$/.test(line))
      continue;
    const match = /^([a-z_]+(?:\{(?:[a-z_]+="[^"\\\n]*",?)*\})?) ([-+0-9.eE]+|NaN)$/.exec(line);
    expect(match, line).not.toBeNull();
    values.set(match?.[1] ?? '', Number(match?.[2]));
  }
  return values;
}

describe('operations', () => {
  it('are counted by service, operation and outcome, and errors by code', async () => {
    const metrics = new Metrics();
    metrics.edge.operation('task.create', { code: undefined, ms: 3 });
    metrics.edge.operation('task.create', { code: undefined, ms: 30 });
    metrics.edge.operation('task.create', { code: 'INVALID_PARAMS', ms: 1 });
    metrics.edge.operation('task.complete', { code: 'UNAVAILABLE', ms: 1 });
    metrics.edge.operation('task.complete', { code: 'INTERNAL', ms: 1 });
    metrics.edge.fault('INVALID_FRAME');
    const values = await scrape(metrics);
    const total = (operation: string, outcome: string) =>
      values.get(`service_operations_total{service="task",operation="${operation}",outcome="${outcome}"}`);
    expect([total('create', 'ok'), total('create', 'rejected'), total('create', 'error')]).toEqual([2, 1, 0]);
    expect([total('complete', 'ok'), total('complete', 'rejected'), total('complete', 'error')]).toEqual([0, 0, 2]);
    expect(values.get('service_errors_total{code="INVALID_PARAMS"}')).toBe(1);
    expect(values.get('service_errors_total{code="INVALID_FRAME"}')).toBe(1);
    const duration = (name: string, more = '') =>
      values.get(`service_operation_duration_seconds_${name}{service="task",operation="create"${more}}`);
    expect(duration('bucket', ',le="0.001"')).toBe(1);
    expect(duration('bucket', ',le="0.005"')).toBe(2);
    expect(duration('bucket', ',le="0.05"')).toBe(3);
    expect(duration('bucket', ',le="+Inf"')).toBe(3);
    expect(duration('count')).toBe(3);
    expect(duration('sum')).toBeCloseTo(0.034);
  });

  it('have a series each from the start, and a second scrape counts nothing twice', async () => {
    const metrics = new Metrics();
    metrics.edge.operation('agent.get', { code: undefined, ms: 1 });
    await scrape(metrics);
    const values = await scrape(metrics);
    const series = [...values.keys()].filter((name) => /^service_operations_total.*outcome="ok"/.test(name));
    expect(series).toHaveLength(Object.keys(OPERATIONS).length);
    expect(values.get('service_operations_total{service="agent",operation="get",outcome="ok"}')).toBe(1);
  });
});

describe('connections', () => {
  it('are counted with frames, bytes, drops and the reason of their end', async () => {
    const metrics = new Metrics();
    metrics.edge.connectionOpened();
    metrics.edge.connectionOpened();
    metrics.edge.connectionClosed('SLOW');
    metrics.edge.received(3, 100);
    metrics.edge.sent(4, 200);
    metrics.edge.dropped(5);
    metrics.edge.refused();
    const values = await scrape(metrics);
    expect(values.get('muster_connections')).toBe(1);
    expect(values.get('muster_connections_opened_total')).toBe(2);
    expect(values.get('muster_connections_closed_total{reason="SLOW"}')).toBe(1);
    expect(values.get('muster_frames_total{direction="in"}')).toBe(3);
    expect(values.get('muster_bytes_total{direction="out"}')).toBe(200);
    expect(values.get('muster_pushes_dropped_total{reason="superseded"}')).toBe(5);
    expect(values.get('muster_slow_readers_total')).toBe(1);
  });
});

describe('the node', () => {
  it('tells how long the parts of a write take', async () => {
    const metrics = new Metrics();
    metrics.node.appended({ commands: 3, bytes: 500, ms: 2 });
    metrics.node.applied(0.2);
    metrics.node.dispatched(700);
    metrics.node.lock('granted', 700);
    metrics.node.lock('timedOut');
    metrics.node.pushed('grant', 2);
    metrics.node.checkpoint({ ms: 40, bytes: 9_000 });
    metrics.node.storeDamaged();
    metrics.node.storeDamaged();
    metrics.node.snapshotTrouble();
    const values = await scrape(metrics);
    expect(values.get('muster_log_entry_commands_bucket{le="2"}')).toBe(0);
    expect(values.get('muster_log_entry_commands_bucket{le="4"}')).toBe(1);
    expect(values.get('muster_log_append_seconds_sum')).toBeCloseTo(0.002);
    expect(values.get('muster_log_bytes_total')).toBe(500);
    expect(values.get('muster_apply_seconds_bucket{le="0.0005"}')).toBe(1);
    expect(values.get('muster_dispatch_wait_seconds_bucket{le="0.5"}')).toBe(0);
    expect(values.get('muster_dispatch_wait_seconds_bucket{le="1"}')).toBe(1);
    expect(values.get('muster_lock_wait_seconds_count')).toBe(1);
    expect(values.get('muster_locks_total{outcome="granted"}')).toBe(1);
    expect(values.get('muster_locks_total{outcome="timed_out"}')).toBe(1);
    expect(values.get('muster_pushes_total{class="grant"}')).toBe(2);
    expect(values.get('muster_pushes_total{class="latest"}')).toBe(0);
    expect(values.get('muster_checkpoint_bytes')).toBe(9_000);
    expect(values.get('muster_store_damaged_total')).toBe(2);
    expect(values.get('muster_snapshot_troubles_total')).toBe(1);
  });

  it('is asked once at each scrape how things stand', async () => {
    const metrics = new Metrics();
    let asked = 0;
    metrics.watch(() => {
      asked += 1;
      return { ...FIGURES, sessions: asked };
    });
    const before = asked;
    const values = await scrape(metrics);
    expect(asked - before).toBe(1);
    expect(values.get('muster_sessions')).toBe(asked);
    expect(values.get('muster_gaps_total')).toBe(12);
    expect(values.get('muster_documents_unindexed')).toBe(14);
    expect(values.get('muster_tenants_halted')).toBe(1);
    expect(values.get('muster_tasks{status="pending"}')).toBe(7);
    expect(values.get('muster_agents{status="active"}')).toBe(4);
    expect(TASK_STATUSES.map((status) => values.has(`muster_tasks{status="${status}"}`))).not.toContain(false);
    expect(values.get('muster_log_head')).toBe(100);
    expect(values.get('muster_queue_depth')).toBe(9);
    expect(values.get('muster_records{table="timers"}')).toBe(13);
  });

  it('names at most 50 types of a backlog, those with most waiting, and drops what waits no more', async () => {
    const metrics = new Metrics();
    let types = Array.from({ length: 60 }, (_, i) => ({ type: `t${i}`, waiting: 100 - i, oldestMs: i * 1_000 }));
    metrics.watchBacklog(() => ({
      types,
      missing: [{ capability: 'gpu', type: 't0', waiting: 3 }],
      exact: false,
    }));
    const values = await scrape(metrics);
    const named = [...values.keys()].filter((name) => name.startsWith('muster_backlog_tasks'));
    expect(named).toHaveLength(51);
    expect(values.get('muster_backlog_tasks{type="t49"}')).toBe(51);
    expect(values.get('muster_backlog_tasks{type="other"}')).toBe(50 + 49 + 48 + 47 + 46 + 45 + 44 + 43 + 42 + 41);
    expect(values.get('muster_backlog_oldest_seconds{type="other"}')).toBe(59);
    expect(values.get('muster_backlog_missing_tasks{capability="gpu",type="t0"}')).toBe(3);
    expect(values.get('muster_backlog_exact')).toBe(0);
    types = [];
    const later = await scrape(metrics);
    expect([...later.keys()].filter((name) => name.startsWith('muster_backlog_tasks{'))).toEqual([]);
  });

  it('tells how much of quotas is used, as of the scrape', async () => {
    const metrics = new Metrics();
    let most = 0.25;
    const none = { most: 0, near: 0 };
    metrics.watchQuotas(() => ({
      storageBytes: { most, near: 3 },
      cpuSeconds: none,
      members: none,
      documents: none,
      agents: none,
      operations: none,
    }));
    expect((await scrape(metrics)).get('service_quota_usage{resource="storageBytes"}')).toBe(0.25);
    most = 1;
    const values = await scrape(metrics);
    expect(values.get('service_quota_usage{resource="storageBytes"}')).toBe(1);
    expect(values.get('service_quota_usage{resource="agents"}')).toBe(0);
    expect(values.get('muster_workspaces_near_quota{resource="storageBytes"}')).toBe(3);
  });

  it('counts runs of jobs', async () => {
    const metrics = new Metrics();
    metrics.jobRan('checkpoint', { ok: true, ms: 1 });
    metrics.jobRan('checkpoint', { ok: false, ms: 1 });
    metrics.jobRan('checkpoint', { ok: true, ms: 1 });
    const values = await scrape(metrics);
    expect(values.get('muster_job_runs_total{job="checkpoint",outcome="ok"}')).toBe(2);
    expect(values.get('muster_job_runs_total{job="checkpoint",outcome="error"}')).toBe(1);
  });

  it('tells of its process when asked to', async () => {
    expect(await new Metrics().text()).not.toContain('nodejs_eventloop_lag');
    const text = await new Metrics({ process: true }).text();
    expect(text).toContain('nodejs_eventloop_lag_p99_seconds');
    expect(text).toContain('process_resident_memory_bytes');
  });
});
