import { afterEach, describe, expect, it } from 'vitest';
import { MusterError } from '../../src/client/errors.ts';
import { testServer, type Muster, type TestServerOptions } from '../../src/testing/index.ts';

const open: Muster[] = [];
afterEach(async () => {
  for (const muster of open.splice(0)) await muster.close();
});

async function start(options: TestServerOptions = {}): Promise<Muster> {
  const muster = await testServer(options);
  open.push(muster);
  return muster;
}

const GREETER = { name: 'greeter', capabilities: ['greet'] };
const HOUR = 3_600_000;

function refusal(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => (error instanceof MusterError ? error.code : error),
  );
}

it('gives work to an agent, and its result to whoever asked, without any time', async () => {
  const muster = await start();
  const before = muster.now;
  const agent = await muster.connect({ role: 'agent', agent: GREETER });
  agent.agent.handle('greet', async (task) => ({ hello: task.parameters }));
  const client = await muster.connect({ role: 'member' });
  expect(await client.task.run({ type: 'greet', parameters: 'Ada' })).toEqual({ hello: 'Ada' });
  expect(muster.now).toBe(before);
});

it('knows the roles', async () => {
  const muster = await start();
  const viewer = await muster.connect({ role: 'viewer' });
  expect(await refusal(viewer.task.create({ type: 'greet' }))).toBe('UNAUTHORIZED');
  expect(viewer.principal?.role).toBe('viewer');
  const admin = await muster.connect();
  expect(admin.principal?.role).toBe('admin');
  const agent = await muster.connect({ role: 'agent', agent: GREETER });
  expect(agent.principal).toMatchObject({ role: 'agent', id: 'agent:greeter' });
  await expect(muster.connect({ role: 'agent' })).rejects.toThrow('needs the agent');
  expect(await refusal(muster.connect({ key: 'mu_default_none_none' }))).toBe('UNAUTHENTICATED');
});

it('lets the clock be moved: a delayed task begins when its time has come', async () => {
  const muster = await start({ now: 1_750_000_000_000 });
  const begun: number[] = [];
  const agent = await muster.connect({ agent: GREETER });
  agent.agent.handle('greet', () => void begun.push(muster.now));
  const { task } = await agent.task.create({ type: 'greet', delayMs: HOUR });
  await muster.advance(HOUR - 1);
  expect(begun).toEqual([]);
  expect((await agent.task.get({ id: task.id })).task.status).toBe('scheduled');
  await muster.advance(1);
  expect(begun).toEqual([task.createdAt + HOUR]);
  expect(muster.now).toBe(1_750_000_000_000 + HOUR);
});

it('finds the agent that stands still by its progress, and keeps the others', async () => {
  const muster = await start();
  const agent = await muster.connect({ agent: GREETER });
  const signals: AbortSignal[] = [];
  agent.agent.handle('greet', (_task, context) => {
    signals.push(context.signal);
    return new Promise(() => undefined);
  });
  const retry = { maxAttempts: 1, initialDelayMs: 0, maxDelayMs: 0, factor: 1 };
  const { task } = await agent.task.create({ type: 'greet', progressTimeoutMs: 60_000, retry });
  await muster.advance(59_000);
  expect((await agent.task.get({ id: task.id })).task.status).toBe('in_progress');
  await muster.advance(2_000);
  expect((await agent.task.get({ id: task.id })).task.error?.code).toBe('PROGRESS_TIMEOUT');
  expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
});

describe('faults', () => {
  it('drops sockets: clients resume, and what ended meanwhile is told', async () => {
    const muster = await start();
    const client = await muster.connect({ role: 'member' });
    const agent = await muster.connect({ agent: GREETER });
    const release: (() => void)[] = [];
    agent.agent.handle('greet', () => new Promise<void>((resolve) => release.push(resolve)));
    const states: string[] = [];
    client.on('state', (state) => states.push(state));
    const ended = client.task.run({ type: 'greet' });
    await muster.settle();
    await muster.dropSockets(client);
    expect([client.state, agent.state]).toEqual(['offline', 'online']);
    for (const end of release) end();
    await muster.dropSockets();
    expect(agent.state).toBe('offline');
    await muster.advance(2_000);
    expect(await ended).toBeNull();
    expect(states).toEqual(['offline', 'connecting', 'online']);
    expect(release).toHaveLength(1);
  });

  it('restarts the server: nothing is lost, nothing runs twice, and old sessions are resumed', async () => {
    const muster = await start();
    const agent = await muster.connect({ agent: { ...GREETER, capacity: 2 } });
    const run: string[] = [];
    const gaps: string[] = [];
    agent.on('gap', (reason) => gaps.push(reason));
    agent.agent.handle('greet', async (task, context) => {
      run.push(task.id);
      await new Promise<void>((resolve) => context.onSteer(() => resolve()));
      return 'done';
    });
    const { task } = await agent.task.create({ type: 'greet' });
    await muster.settle();
    await muster.restart();
    expect(agent.state).toBe('offline');
    const other = await muster.connect();
    await muster.advance(5_000);
    expect(agent.state).toBe('online');
    await other.task.steer({ id: task.id, message: 'now' });
    expect((await other.task.wait(task)).result).toBe('done');
    expect([run, gaps]).toEqual([[task.id], []]);
  });

  it('may happen again and again', async () => {
    const muster = await start();
    const client = await muster.connect({ agent: GREETER });
    client.agent.handle('greet', (task) => task.parameters);
    for (let round = 0; round < 5; round += 1) {
      const ended = client.task.run({ type: 'greet', parameters: round });
      if (round % 2 === 0) await muster.restart();
      else await muster.dropSockets();
      await muster.advance(10_000);
      expect(await ended).toBe(round);
    }
  });
});

it('is the same in every run', async () => {
  const tell = async (seed: number): Promise<string[]> => {
    const muster = await start({ seed, now: 1_700_000_000_000 });
    const client = await muster.connect({ role: 'member' });
    const { task } = await client.task.create({ type: 'greet' });
    return [muster.key, task.id];
  };
  expect(await tell(7)).toEqual(await tell(7));
  expect(await tell(7)).not.toEqual(await tell(8));
});

it('passes days at rest, with a schedule that fires in each', async () => {
  const muster = await start();
  const agent = await muster.connect({ agent: GREETER });
  agent.agent.handle('greet', () => null);
  await agent.schedule.create({ name: 'daily', everyMs: 24 * HOUR, task: { type: 'greet' } });
  await muster.advance(2 * 24 * HOUR + 60_000);
  const { tasks } = await agent.task.list({ type: 'greet', status: 'completed' });
  expect(tasks).toHaveLength(2);
  expect(agent.state).toBe('online');
});

it('is closed with all that it had, whatever handlers do, and only once', async () => {
  const muster = await testServer();
  const agent = await muster.connect({ agent: GREETER });
  agent.agent.handle('greet', () => new Promise(() => undefined));
  await agent.task.create({ type: 'greet' });
  await muster.settle();
  await muster.close();
  await muster.close();
  expect(agent.state).toBe('closed');
  await expect(muster.connect()).rejects.toThrow('closed');
  await expect(muster.restart()).rejects.toThrow('closed');
});

it('does not turn time back', async () => {
  const muster = await start();
  await expect(muster.advance(-1)).rejects.toThrow(RangeError);
  await expect(muster.advance(Number.NaN)).rejects.toThrow(RangeError);
});
