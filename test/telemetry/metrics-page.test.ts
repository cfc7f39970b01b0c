/** docs/metrics.md names every metric of the server, with its type and the text that the server itself gives it, and no other. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { WORKSPACE_RESOURCES } from '../../protocol/wire/workspaces.ts';
import { Metrics } from '../../src/telemetry/index.ts';
import type { NodeFigures, QuotaFigures } from '../../src/telemetry/port.ts';

const NODE: NodeFigures = {
  tenants: 0,
  tenantsHalted: 0,
  sessions: 0,
  attached: 0,
  agents: {},
  tasks: {},
  deadLetters: 0,
  logHead: 0,
  logApplied: 0,
  pendingCommands: 0,
  ringPushes: 0,
  ringBytes: 0,
  records: {},
  gaps: 0,
  unindexed: 0,
};

/** A server that has its log and its jobs on Redis has them all. */
function whole(): Metrics {
  const metrics = new Metrics();
  metrics.transport('ws');
  metrics.watch(() => NODE);
  metrics.watchCommits(() => ({ main: 0, log: 0 }));
  metrics.watchBacklog(() => ({ types: [], missing: [], exact: true }));
  metrics.watchQuotas(
    () => Object.fromEntries(WORKSPACE_RESOURCES.map((one) => [one, { most: 0, near: 0 }])) as QuotaFigures,
  );
  const none = { count: 0, bytes: 0 };
  metrics.watchBlobs(() => ({ kept: none, uploads: none, receivedBytes: 0, sentBytes: 0, damaged: 0 }));
  metrics.watchJobs(() => ({ scheduler: 'bullmq', connected: true, jobs: [] }));
  const talk = { said: 0, heard: 0, lost: 0 };
  metrics.watchRedis(() => ({ connected: true, unsafe: [], warnings: [], repaired: 0, connections: 0, talk }));
  return metrics;
}

async function printed(): Promise<string[]> {
  const types = new Map<string, string>();
  const helps = new Map<string, string>();
  for (const line of (await whole().text()).split('\n')) {
    const [, what, name = '', rest = ''] = /^# (HELP|TYPE) (\w+) (.*)$/.exec(line) ?? [];
    if (what === 'HELP') helps.set(name, rest);
    if (what === 'TYPE') types.set(name, rest);
  }
  return [...types].map(([name, type]) => `${name} ${type} ${helps.get(name) ?? ''}`).toSorted();
}

it('has a row for each metric that the server prints', async () => {
  const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` +\| (\w+) +\| (.*?) +\|$/gm)];
  expect(rows.length).toBeGreaterThan(50);
  expect(rows.map(([, name = '', type = '', help = '']) => `${name} ${type} ${help}`).toSorted()).toEqual(
    await printed(),
  );
});
