/** What shows how work goes, on the command line and in the metrics of a real server. */
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentView } from '../../protocol/wire/types.ts';
import { explained } from '../../src/cli/commands/observe.ts';
import { Place } from './processes.ts';

let place: Place;

describe('seeing how work goes', { timeout: 90_000 }, () => {
  beforeEach(async () => {
    place = new Place();
    await place.serve();
  });

  afterEach(async () => {
    await place.close();
  });

  it('from a task that nobody can take to its report', async () => {
    const client = await place.client();
    const { task } = await client.task.create({ type: '=cmd', requirements: ['gpu'], labels: { customer: 'acme' } });
    const explain = await place.runQuickly('explain', task.id);
    expect(explain.out).toContain('verdict   noAgents: there is no agent');
    expect((await place.runQuickly('backlog')).out).toContain('no agent has gpu: 1 of =cmd');
    const address = JSON.parse(place.read('data/address.json')) as { readonly httpUrl: string };
    const metrics = await (await fetch(`${address.httpUrl}/metrics`)).text();
    expect(metrics).toContain('muster_backlog_tasks{type="=cmd"} 1');
    expect(metrics).toContain('muster_backlog_missing_tasks{capability="gpu",type="=cmd"} 1');

    const worker = place.start(
      'agent',
      '--name',
      'worker',
      '--capability',
      'gpu',
      '--json',
      '--',
      'sh',
      '-c',
      'echo 1',
    );
    await worker.event('online');
    expect((await client.task.wait(task, { timeoutMs: 30_000 })).status).toBe('completed');
    const timeline = await place.runQuickly('task', 'timeline', task.id);
    expect(timeline.out.split('\n').map((line) => line.slice(21).split(' ')[0])).toEqual(
      expect.arrayContaining(['created', 'assigned', 'completed']),
    );
    expect((await place.runQuickly('task', 'search', '--label', 'customer=acme')).out).toContain(task.id);
    expect((await place.runQuickly('task', 'search', '--text', 'nowhere')).out).toBe('no tasks here\n');
    expect((await place.runQuickly('task', 'stats')).out).toMatch(/=cmd +1 +0 +0 +0 +100\.0 %/);
    const { agents } = await client.agent.list();
    const [agent] = agents as readonly [AgentView];
    expect((await place.runQuickly('inbox', agent.id)).out).toBe('nothing\n');

    const file = place.path('report.csv');
    expect((await place.runQuickly('task', 'report', '--out', file)).code).toBe(0);
    const lines = readFileSync(file, 'utf8').split('\r\n');
    expect(lines[1]?.startsWith(`${task.id},'=cmd,completed,normal,`)).toBe(true);
    const json = await place.runQuickly('task', 'report', '--format', 'json', '--status', 'completed');
    expect(JSON.parse(json.out)).toMatchObject({ id: task.id, type: '=cmd' });
    const bad = await place.runQuickly('task', 'report', '--out', place.path('none/report.csv'));
    expect(bad.code).toBe(1);
    expect(existsSync(place.path('none'))).toBe(false);
    expect((await place.runQuickly('task', 'search', '--finished-from', 'tomorrow')).code).toBe(2);
  });
});

describe('an explanation in words', () => {
  it('names the nearest miss and the terms of each score', () => {
    const words = explained({
      task: { id: 't1', type: 'render', status: 'pending', strategy: 'least_loaded' },
      verdict: 'full',
      waitingMs: 1_500,
      agents: [
        {
          agentId: 'a1',
          name: 'one',
          verdict: 'full',
          score: { active: 2, capacity: 2, weight: 3, cost: 5, ok: 0.5, ms: 1_200, failedBefore: true },
        },
        { agentId: 'a2', name: 'two', verdict: 'capability', missing: ['gpu'], also: 'offline' },
      ],
      counts: { full: 1, capability: 1 },
      concurrency: { key: 'k', max: 3, held: 1 },
    });
    for (const part of [
      'verdict   full: agents that fit have no free slot',
      'waiting   1.5 s',
      'key       k: 1 of 3 held',
      'nearest   two: gpu, (offline)',
      'weight 3, cost 5, ok 50.0 %, 1.2 s, failed it before',
    ]) {
      expect(words).toContain(part);
    }
  });
});
