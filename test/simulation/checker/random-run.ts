/**
 * A long legal history: agents that take, finish, refuse and lose tasks, submitters, dropped sockets, kills, crashes.
 */
import { PRIORITIES } from '../../../protocol/wire/types.ts';
import type { NaiveClient } from './naive-run.ts';
import { NaiveRun, type RunOptions } from './naive-run.ts';

export interface Shape extends RunOptions {
  readonly steps: number;
  readonly agents?: number;
}

export function randomRun(shape: Shape): NaiveRun {
  const run = new NaiveRun(shape);
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(run.random() * list.length)];
  run.start('a', 'b');
  const submitters = [run.client('sub-a'), run.client('sub-b', { tenant: 'b' })];
  const watcher = run.client('watcher', { subs: ['news.x', 'agent.none'] });
  const agents: NaiveClient[] = [];
  for (let i = 0; i < (shape.agents ?? 6); i += 1) {
    const onLost = i === 2 ? ('hold' as const) : i === 3 ? ('fail' as const) : ('requeue' as const);
    const agent = { capabilities: i % 2 === 0 ? ['build', 'test'] : ['test'], capacity: 1 + (i % 3), onLost };
    agents.push(run.client(`agent-${i}`, { tenant: i === 5 ? 'b' : 'a', agent }));
  }
  const all = [...submitters, watcher, ...agents];
  for (let step = 0; step < shape.steps; step += 1) oneStep({ run, pick, submitters, agents, all, step });
  heal(run, all);
  return run;
}

interface Cast {
  readonly run: NaiveRun;
  readonly pick: <T>(list: readonly T[]) => T | undefined;
  readonly submitters: readonly NaiveClient[];
  readonly agents: readonly NaiveClient[];
  readonly all: readonly NaiveClient[];
  readonly step: number;
}

function oneStep(cast: Cast): void {
  const { run, pick, all } = cast;
  run.now += Math.floor(run.random() * 40);
  const dice = run.random();
  const connected = all.filter((client) => client.conn !== undefined);
  const away = all.filter((client) => client.conn === undefined);
  if (dice < 0.04) {
    run.batch(run.tenant('a'), () => {
      for (let i = 0; i < 4; i += 1) {
        const inA = {
          ...cast,
          submitters: cast.submitters.slice(0, 1),
          agents: cast.agents.slice(0, 5),
          step: cast.step + i / 10,
        };
        if (run.random() < 0.5) submit(inA);
        else work(inA);
      }
    });
  } else if (dice < 0.25) submit(cast);
  else if (dice < 0.9) work(cast);
  else if (dice < 0.92) run.pass(Math.floor(run.random() * 6_000));
  else if (dice < 0.93) {
    const victim = pick(connected);
    if (victim !== undefined) run.drop(victim);
  } else if (dice < 0.96) {
    const back = pick(away);
    if (back !== undefined) comeBack(run, back);
  } else if (dice < 0.97) {
    const pinged = pick(connected);
    if (pinged !== undefined) run.ping(pinged);
  } else if (dice < 0.972) {
    const victim = pick(cast.agents.filter((client) => client.conn !== undefined));
    if (victim === undefined) return;
    run.kill(victim);
    run.restart(victim);
  } else if (dice < 0.974) {
    run.crash();
    run.now += 500;
    run.start();
  }
}

function comeBack(run: NaiveRun, client: NaiveClient): void {
  const agentOf = run.tenant(client.tenant).sessionOf(client.session?.agentId ?? '');
  if (client.session?.ended === true || (agentOf !== undefined && agentOf !== client.session)) run.fresh(client);
  else run.resume(client);
}

function submit({ run, pick, submitters, step }: Cast): void {
  const client = pick(submitters.filter((one) => one.conn !== undefined));
  if (client === undefined) return;
  const dice = run.random();
  // Nobody knows the id of a task before its entry has left the server.
  const tenant = run.tenant(client.tenant);
  const known = [...tenant.tasks.values()].filter(({ view }) => !run.batching || view.createdAt < tenant.ts);
  const recent = pick(known.slice(-30))?.view.id;
  if (dice < 0.7 || recent === undefined) {
    const type = run.random() < 0.5 ? 'build' : 'test';
    const params: Record<string, unknown> = { type, parameters: { mark: `m${step}` } };
    if (run.random() < 0.1) params['delayMs'] = 700;
    if (run.random() < 0.1) params['mode'] = 'offer';
    if (run.random() < 0.05) params['deadlineMs'] = 5_000;
    if (run.random() < 0.1) params['timeoutMs'] = 3_000;
    if (run.random() < 0.3) params['priority'] = pick(PRIORITIES);
    const opId = `create ${step}`;
    const loseAnswer = !run.batching && run.random() < 0.02;
    run.call(client, { method: 'task.create', params, opId, loseAnswer, ...(run.random() < 0.1 && { k: `k${step}` }) });
    if (!loseAnswer) return;
    run.resume(client);
    run.again(client, opId);
  } else if (dice < 0.75) run.call(client, { method: 'task.cancel', params: { id: recent } });
  else if (dice < 0.8) run.call(client, { method: 'task.retry', params: { id: recent } });
  else if (dice < 0.9 && !run.batching) run.call(client, { method: 'task.get', params: { id: recent } });
  else if (dice < 0.95 || run.batching) {
    run.call(client, {
      method: 'topic.publish',
      params: { topic: 'news.x', kind: 'reliable', data: { mark: `m${step}` } },
    });
  } else run.call(client, { method: 'task.list', params: {} });
}

/** One agent does the next thing that it has to do. */
function work({ run, pick, agents }: Cast): void {
  const client = pick(agents.filter((one) => one.conn !== undefined));
  if (client === undefined) return;
  const tenant = run.tenant(client.tenant);
  const agentId = client.session?.agentId;
  for (const [token, id] of client.running) {
    if (tenant.tasks.get(id)?.token === token) continue;
    run.handlerEnd(client, token);
    run.call(client, { method: 'task.acknowledge', params: { id, token, control: 'cancel' } });
    return;
  }
  // Nobody can use a token before the entry that made it has left the server.
  const known = ({ startedRev }: { readonly startedRev: number }): boolean =>
    !run.batching || startedRev <= tenant.entryRev;
  const held = [...tenant.open].filter(({ view, token }) => token !== undefined && view.agentId === agentId);
  const task = pick(held.filter(known));
  if (task === undefined) return;
  const { id, status } = task.view;
  const token = task.token ?? '';
  const dice = run.random();
  if (!client.running.has(token)) {
    if (dice < 0.05) run.call(client, { method: 'task.reject', params: { id, token, reason: 'busy' } });
    else {
      run.handlerStart(client, id);
      run.call(client, { method: 'task.accept', params: { id, token } });
    }
    return;
  }
  if (status !== 'in_progress')
    run.call(client, { method: status === 'accepted' ? 'task.start' : 'task.accept', params: { id, token } });
  else if (dice < 0.3) {
    const percentComplete = Math.min(100, (task.view.progress?.percentComplete ?? 0) + 10);
    run.call(client, { method: 'task.progress', params: { id, token, percentComplete } });
  } else {
    run.handlerEnd(client, token);
    if (dice < 0.45)
      run.call(client, { method: 'task.fail', params: { id, token, error: { code: 'E', message: 'no' } } });
    else if (dice < 0.5) run.call(client, { method: 'task.release', params: { id, token, delayMs: 300 } });
    else run.call(client, { method: 'task.complete', params: { id, token, output: { by: client.name } } });
  }
}

/** Everybody comes back, and works until nothing is left to do. */
function heal(run: NaiveRun, all: readonly NaiveClient[]): void {
  run.emit({ kind: 'heal' });
  for (const client of all) if (client.conn === undefined) comeBack(run, client);
  const agents = all.filter((client) => client.agent !== undefined);
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(run.random() * list.length)];
  for (let round = 0; round < 400; round += 1) {
    for (let i = 0; i < 40; i += 1) work({ run, pick, submitters: [], agents, all, step: 0 });
    run.pass(2_000);
    const left = [...run.tenants.values()].flatMap((tenant) => [...tenant.open]);
    const moving = left.some(({ view }) => view.status !== 'pending');
    if (!moving && agents.every((client) => client.running.size === 0)) break;
  }
  run.emit({ kind: 'end', settled: true, wall: run.now });
}
