/** The command line with a real server, real agents and real programs. */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TaskView } from '../../src/client/node.ts';
import { until } from '../support/until.ts';
import { Place, type Running } from './processes.ts';

let place: Place;

async function open(): Promise<void> {
  place = new Place();
  await place.serve();
}

const close = (): Promise<void> => place.close();

/** An agent whose program is a line of shell; it works in the place's folder. */
async function agent(script: string, ...flags: string[]): Promise<Running> {
  const running = place.start(
    'agent',
    '--name',
    'worker',
    '--capability',
    'work',
    '--json',
    ...flags,
    '--',
    'sh',
    '-c',
    script,
  );
  await running.event('online');
  return running;
}

async function create(): Promise<string> {
  const client = await place.client();
  return (await client.task.create({ type: 'work' })).task.id;
}

async function createByHand(...flags: string[]): Promise<string> {
  const { task } = await place.json<{ task: TaskView }>('task', 'create', '--type', 'work', ...flags);
  return task.id;
}

async function ended(id: string): Promise<TaskView> {
  const client = await place.client();
  return client.task.wait(id, { timeoutMs: 30_000 });
}
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('serve', { timeout: 60_000 }, () => {
  beforeEach(open);
  afterEach(close);

  it('writes address and key where the other commands find them, and takes the address away when it stops', async () => {
    const [said] = place.server.events;
    expect(said?.['firstKey']).toBe(place.read('data/admin.key').trim());
    expect(statSync(place.path('data/admin.key')).mode & 0o777).toBe(0o600);
    expect(JSON.parse(place.read('data/address.json'))).toMatchObject({ url: place.url });
    expect((await place.run('task', 'list')).out).toBe('no tasks\n');
    expect(await place.server.stop('SIGTERM')).toBe(0);
    expect(place.read('data/address.json')).toBe('');
    await place.serve();
    expect(place.server.events[0]?.['firstKey']).toBeUndefined();
  });

  it('is refused where another server runs, and leaves that one to be found', async () => {
    const second = await place.run('serve', '--port', '0', '--http-port', '0', '--log-level', 'silent', '--json');
    expect([second.code, JSON.parse(second.err)]).toMatchObject([1, { error: { code: 'LOCKED' } }]);
    expect(JSON.parse(place.read('data/address.json'))).toMatchObject({ url: place.url });
    expect((await place.run('task', 'list')).out).toBe('no tasks\n');
  });

  it('says everywhere that a tenant is not served whose log has become shorter', async () => {
    await createByHand();
    await place.server.stop('SIGTERM');
    const db = new Database(place.path('data/muster.db'));
    // The newest entry of the last tenant, which is default.
    db.exec('DELETE FROM entry WHERE pos = (SELECT max(pos) FROM entry)');
    db.close();
    const said = await place.serve();
    expect(said).toMatchObject({ notServed: [{ tenant: 'default', reason: expect.stringContaining('TRUNCATED') }] });
    expect(place.server.err.match(/tenant not served/g)).toHaveLength(1);
    const page = async (name: string): Promise<{ status: number; body: string }> => {
      const answer = await fetch(`${String(said['httpUrl'])}/${name}`);
      return { status: answer.status, body: await answer.text() };
    };
    expect(JSON.parse((await page('healthz')).body)).toMatchObject({ status: 'degraded', tenantsHalted: 1 });
    expect(await page('readyz')).toEqual({ status: 503, body: '{"status":"not ready","tenantsHalted":1}\n' });
    expect((await page('metrics')).body).toMatch(/^muster_tenants_halted 1$/m);
    const asked = await place.run('task', 'list', '--connect-timeout', '500ms');
    expect([asked.code, asked.err]).toEqual([3, expect.stringMatching(/answered UNAVAILABLE .*not served now/)]);
  });

  it('proposes commands that find it', async () => {
    const other = place.path('other');
    const child = spawn(
      process.execPath,
      ['dist/src/cli/muster.js', 'serve', '--port', '0', '--http-port', '0', '--log-level', 'error', '--data', other],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const end = new Promise((resolve) => child.once('close', resolve));
    await until(() => out.includes('--wait\n'), 'what to do next');
    child.kill('SIGTERM');
    await end;
    expect(out).toContain(`npx muster agent --data ${other} --name`);
    expect(out).toContain(`npx muster task create --data ${other} --type`);
  });

  it('says what is wrong with its data directory', async () => {
    writeFileSync(place.path('a-file'), '');
    const file = await place.run('serve', '--data', place.path('a-file'), '--log-level', 'silent');
    expect([file.code, file.err]).toEqual([1, expect.stringContaining('error: EEXIST: file already exists, mkdir')]);
  });

  it('takes its limits, hosts and proxies from flags', async () => {
    const flags = ['--limit', 'connectionsPerAddress=1', 'workPerSecond=7', '--allow-host', 'muster.example'];
    const more = ['--trust-proxy', '10.0.0.0/8', '--port', '0', '--http-port', '0', '--log-level', 'silent', '--json'];
    const server = place.start('serve', ...flags, ...more, '--data', place.path('limited'));
    const { httpUrl } = await server.event('serving');
    expect((await fetch(`${String(httpUrl)}/metrics`)).status).toBe(421);
    expect((await fetch(`${String(httpUrl)}/healthz`)).status).toBe(200);
    await server.stop();
  });

  it('says what is wrong with its options or its port', async () => {
    const wrong = await place.run('serve', '--transport', 'pigeon', '--data', place.path('other'), '--json');
    expect([wrong.code, JSON.parse(wrong.err)]).toMatchObject([2, { error: { code: 'CONFIG' } }]);
    for (const [flag, value, said] of [
      ['--limit', 'connections', 'name=number'],
      ['--limit', 'conections=1', 'conections'],
      ['--trust-proxy', 'proxy.example', 'proxy.example'],
    ] as const) {
      const bad = await place.run('serve', flag, value, '--data', place.path('other'));
      expect([bad.code, bad.err]).toEqual([2, expect.stringContaining(said)]);
    }
    const taken = await place.run(
      'serve',
      '--port',
      new URL(place.url).port,
      '--http-port',
      '0',
      '--data',
      place.path('other'),
      '--log-level',
      'silent',
    );
    expect([taken.code, taken.err]).toEqual([
      1,
      expect.stringMatching(/^error: EADDRINUSE: address already in use.*\n.*--port, --http-port/),
    ]);
  });
});

describe('agent', { timeout: 60_000 }, () => {
  beforeEach(open);
  afterEach(close);

  it('runs a program per task: input, environment, progress, result', async () => {
    await agent(
      'cat > "$PLACE/in.json"; echo "::progress 40 half way"; echo "{\\"id\\": \\"$MUSTER_TASK_ID\\", \\"type\\": \\"$MUSTER_TASK_TYPE\\", \\"token\\": \\"$MUSTER_TASK_TOKEN\\"}"',
    );
    const { task } = await place.json<{ task: TaskView }>(
      'task',
      'create',
      '--type',
      'work',
      '--params',
      '{"n": 7}',
      '--wait',
    );
    expect(task).toMatchObject({
      status: 'completed',
      result: { id: task.id, type: 'work', token: expect.stringMatching(/^\d+$/) },
    });
    expect(JSON.parse(place.read('in.json'))).toMatchObject({ id: task.id, parameters: { n: 7 }, attempt: 1 });
  });

  it('prints the result of a task that was waited for, and exits with 5 when it does not complete', async () => {
    await agent('cat > /dev/null; echo oops >&2; exit 3', '--final-exit', '3');
    const failed = await place.run('task', 'create', '--type', 'work', '--wait');
    expect(failed.code).toBe(5);
    expect(failed.out).toBe('');
    expect(failed.err).toContain('error: TASK_FAILED');
    expect(failed.err).toContain('EXIT_3: The program ended with code 3.\noops');
  });

  it('tries again after a failure, and reports a program that was ended by a signal', async () => {
    await agent('cat > /dev/null; if [ "$MUSTER_TASK_ATTEMPT" = 1 ]; then kill -9 $$; fi; echo second');
    const { task } = await place.json<{ task: TaskView }>('task', 'create', '--type', 'work', '--wait');
    expect(task).toMatchObject({ status: 'completed', attempt: 2, result: 'second' });
  });

  it('stops a cancelled program by SIGTERM, and by SIGKILL if it does not listen', async () => {
    const running = await agent(
      'trap "" TERM; echo $$ > "$PLACE/pid"; sleep 60 & sleep 60; wait',
      '--kill-after',
      '300ms',
    );
    const id = await create();
    await until(() => place.read('pid') !== '', 'the program');
    const pid = Number(place.read('pid'));
    expect((await place.json<{ task: TaskView }>('task', 'cancel', id, '--reason', 'not needed')).task.status).toBe(
      'cancelled',
    );
    await until(() => !isAlive(pid), 'the program to end');
    await running.event('failed');
    expect(await running.event('lost')).toMatchObject({ task: id, reason: 'not needed' });
    // The slot is free again.
    await until(() => running.events.some((event) => event['event'] === 'failed'), 'the end of the handler');
    expect((await ended(id)).status).toBe('cancelled');
  });

  it('never runs more programs than its capacity', async () => {
    await agent('cat > /dev/null; echo start >> "$PLACE/log"; sleep 0.2; echo end >> "$PLACE/log"', '--capacity', '2');
    const ids = await Promise.all(Array.from({ length: 5 }, () => create()));
    for (const id of ids) await ended(id);
    let at = 0;
    let most = 0;
    for (const line of place.read('log').trim().split('\n')) {
      at += line === 'start' ? 1 : -1;
      most = Math.max(most, at);
    }
    expect(most).toBe(2);
  });

  it('drains on SIGTERM: what runs ends, nothing more is taken', async () => {
    const running = await agent(
      'cat > /dev/null; echo x >> "$PLACE/runs"; while [ ! -e "$PLACE/go" ]; do sleep 0.05; done; echo done',
    );
    const first = await create();
    await until(() => place.read('runs') !== '', 'the program');
    running.child.kill('SIGTERM');
    await running.event('draining');
    const second = await create();
    writeFileSync(place.path('go'), '');
    expect(await running.ended).toBe(0);
    expect(await ended(first)).toMatchObject({ status: 'completed', result: 'done' });
    expect(place.read('runs')).toBe('x\n');
    await agent('cat > /dev/null; echo later');
    expect(await ended(second)).toMatchObject({ status: 'completed', result: 'later', attempt: 1 });
  });

  it('on a second SIGTERM stops what runs and gives it back at once', async () => {
    const running = await agent('cat > /dev/null; echo $$ > "$PLACE/pid"; sleep 60');
    const id = await create();
    await until(() => place.read('pid') !== '', 'the program');
    running.child.kill('SIGTERM');
    await running.event('draining');
    running.child.kill('SIGTERM');
    expect(await running.ended).toBe(0);
    expect(isAlive(Number(place.read('pid')))).toBe(false);
    await agent('cat > /dev/null; echo again');
    expect(await ended(id)).toMatchObject({ status: 'completed', result: 'again' });
  });

  it('ends what a killed agent left running before the task runs again', async () => {
    const script = 'cat > /dev/null; if [ ! -e "$PLACE/pid" ]; then echo $$ > "$PLACE/pid"; sleep 60; fi; echo second';
    const running = await agent(script);
    const id = await create();
    await until(() => place.read('pid') !== '', 'the program');
    await running.stop('SIGKILL');
    expect(isAlive(Number(place.read('pid')))).toBe(true);
    const next = await agent(script);
    expect(await next.event('leftovers')).toMatchObject({ ended: 1 });
    expect(await ended(id)).toMatchObject({ status: 'completed', result: 'second', attempt: 1, losses: 1 });
    await until(() => !isAlive(Number(place.read('pid'))), 'the program that was left');
  });

  it('brings a result that was stored before agent and server were killed, without running the program again', async () => {
    const script =
      'cat > /dev/null; echo x >> "$PLACE/runs"; while [ ! -e "$PLACE/go" ]; do sleep 0.05; done; echo kept';
    const running = await agent(script);
    const id = await create();
    await until(() => place.read('runs') !== '', 'the program');
    await place.server.stop('SIGKILL');
    await running.event('offline');
    writeFileSync(place.path('go'), '');
    await running.event('completed');
    // The outbox is written when the turn ends; what counts is the file.
    await until(() => place.read('data/agents/worker.outbox').includes('kept'), 'the result in the outbox');
    await running.stop('SIGKILL');
    await place.serve();
    await agent(script);
    expect(await ended(id)).toMatchObject({ status: 'completed', result: 'kept', attempt: 1, losses: 0 });
    expect(place.read('runs')).toBe('x\n');
  });

  it('goes on over a restart of the server, and the work is done once', async () => {
    const running = await agent(
      'cat > /dev/null; echo x >> "$PLACE/runs"; while [ ! -e "$PLACE/go" ]; do sleep 0.05; done; echo kept',
    );
    const id = await create();
    await until(() => place.read('runs') !== '', 'the program');
    await place.server.stop('SIGKILL');
    await place.serve();
    await running.event('reconnected');
    writeFileSync(place.path('go'), '');
    expect(await ended(id)).toMatchObject({ status: 'completed', result: 'kept', attempt: 1, losses: 0 });
    expect(place.read('runs')).toBe('x\n');
  });

  it('refuses a second agent with the same outbox, and a program that is not there', async () => {
    await agent('cat');
    const second = await place.run('agent', '--name', 'worker', '--capability', 'work', '--json', '--', 'cat');
    expect([second.code, JSON.parse(second.err)]).toMatchObject([1, { error: { code: 'OUTBOX_LOCKED' } }]);
    const missing = await place.run('agent', '--name', 'other', '--capability', 'work', '--', 'no-such-program');
    expect([missing.code, missing.err]).toEqual([2, expect.stringContaining('no-such-program')]);
  });

  it('ends when another process takes over its name', async () => {
    const first = await agent('cat');
    await agent('cat', '--outbox', place.path('second.outbox'));
    expect(await first.ended).toBe(1);
    expect(first.err).toContain('error');
  });

  it('waits for a server that is not there yet', async () => {
    await place.server.stop('SIGKILL');
    const running = place.start(
      'agent',
      '--name',
      'early',
      '--capability',
      'work',
      '--json',
      '--url',
      place.url,
      '--',
      'cat',
    );
    await running.event('offline');
    await place.serve();
    await running.event('online');
    expect(await ended(await create())).toMatchObject({ status: 'completed', attempt: 1 });
  });
});

describe('keys, tenants and errors', { timeout: 60_000 }, () => {
  beforeAll(open);
  afterAll(close);

  it('creates, lists and revokes keys, which then do and do not work', async () => {
    const created = await place.json<{ id: string; key: string }>(
      'key',
      'create',
      '--role',
      'agent',
      '--agent',
      'bound',
      '--expires',
      '1d',
    );
    expect(created.key).toMatch(/^mu_default_/);
    const bound = place.start(
      'agent',
      '--name',
      'bound',
      '--capability',
      'work',
      '--json',
      '--key',
      created.key,
      '--',
      'cat',
    );
    await bound.event('online');
    const foreign = await place.run(
      'agent',
      '--name',
      'somebody',
      '--capability',
      'work',
      '--key',
      created.key,
      '--',
      'cat',
    );
    expect([foreign.code, foreign.err]).toEqual([4, expect.stringContaining('UNAUTHORIZED')]);
    const { keys } = await place.json<{ keys: { id: string }[] }>('key', 'list');
    expect(keys.map((key) => key.id)).toContain(created.id);
    const words = await place.run('key', 'create', '--role', 'viewer');
    expect(words.out).toMatch(/^mu_default_\S+\n$/);
    expect((await place.run('key', 'revoke', created.id)).out).toBe(`${created.id} revoked\n`);
    expect(await bound.ended).not.toBe(0);
    const denied = await place.run('task', 'list', '--key', created.key, '--json');
    expect([denied.code, JSON.parse(denied.err)]).toMatchObject([4, { error: { code: 'UNAUTHENTICATED' } }]);
  });

  it('creates tenants that share nothing', async () => {
    const made = await place.json<{ tenant: { id: string }; key: string }>('tenant', 'create', 'second');
    expect((await place.run('tenant', 'list')).out).toContain('second');
    const id = await create();
    const seen = await place.run('task', 'get', id, '--key', made.key);
    expect([seen.code, seen.err]).toEqual([1, expect.stringContaining('TASK_NOT_FOUND')]);
  });

  it('retries a task that ended, and finds one by its idempotency key', async () => {
    const id = await createByHand(
      '--idempotency-key',
      'order-1',
      '--priority',
      'high',
      '--label',
      'a=b',
      '--delay',
      '1h',
    );
    expect(
      await createByHand('--idempotency-key', 'order-1', '--priority', 'high', '--label', 'a=b', '--delay', '1h'),
    ).toBe(id);
    expect((await place.run('task', 'get', id)).out).toMatch(/status +scheduled/);
    await place.run('task', 'cancel', id);
    const { task } = await place.json<{ task: TaskView }>('task', 'retry', id, '--params', '[1]');
    expect(task).toMatchObject({ retryOf: id, parameters: [1] });
    const { tasks } = await place.json<{ tasks: TaskView[] }>('task', 'list', '--status', 'cancelled');
    expect(tasks.map((one) => one.id)).toEqual([id]);
  });

  it('exits with 3 when no server answers, with 2 on wrong usage, with 4 without a key', async () => {
    const lost = await place.run(
      'task',
      'list',
      '--url',
      'ws://127.0.0.1:1',
      '--key',
      'x',
      '--connect-timeout',
      '300ms',
    );
    expect([lost.code, lost.err]).toEqual([3, expect.stringContaining('CONNECT_TIMEOUT')]);
    for (const args of [
      ['nonsense'],
      ['task', 'create'],
      ['task', 'create', '--type', 'x', '--timeout', 'soon'],
      ['task', 'create', '--type', 'x', '--priority', 'urgent'],
      ['key', 'create', '--role', 'king'],
      ['agent', '--name', 'a', '--capability', 'b', '--on-lost', 'cry', '--', 'cat'],
      ['task'],
      [],
    ]) {
      expect((await place.runQuickly(...args)).code, args.join(' ')).toBe(2);
    }
    const keyless = await place.run('task', 'list', '--data', place.path('nowhere'), '--json');
    expect([keyless.code, JSON.parse(keyless.err)]).toMatchObject([4, { error: { code: 'NO_KEY' } }]);
    expect((await place.run('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await place.run('task', 'create', '--help')).code).toBe(0);
  });

  it('stops waiting when told', async () => {
    const late = await place.run('task', 'create', '--type', 'work', '--wait', '--wait-timeout', '200ms');
    expect([late.code, late.err]).toEqual([1, expect.stringContaining('REQUEST_TIMEOUT')]);
  });

  it('does not mind a reader that has seen enough', async () => {
    for (let i = 0; i < 3; i += 1) await create();
    const shell = spawn(
      'sh',
      ['-c', `"${process.execPath}" dist/src/cli/muster.js task list --data "${place.data}" | true`],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let err = '';
    shell.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    await new Promise((resolve) => shell.once('close', resolve));
    expect(err).toBe('');
  });
});

describe('demo', { timeout: 120_000 }, () => {
  const { TMPDIR } = process.env;
  const temporary = (): string[] => readdirSync(place.path('.')).filter((name) => name.startsWith('muster-demo-'));

  beforeEach(() => {
    place = new Place();
  });
  afterEach(close);
  afterEach(() => {
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
  });

  it('does everything once although an agent and the server are killed, and proves it', async () => {
    mkdirSync(place.path('files'));
    for (let i = 0; i < 30; i += 1) writeFileSync(place.path(`files/${i}.txt`), `file ${i}\n`.repeat(1 + i * 40));
    const shown = await place.run('demo', place.path('files'), '--json');
    expect(shown.err).toBe('');
    const figures = JSON.parse(shown.out) as { total: Record<string, number> };
    expect(figures).toMatchObject({
      files: 30,
      found: 30,
      killed: { agents: 1, servers: 1 },
      total: { tasks: 90, doneOnce: 90, lost: 0, doubled: 0, wrong: 0 },
      ok: true,
    });
    expect(shown.code).toBe(0);
  });

  it('does so with few files too, which are done before every agent is there', async () => {
    mkdirSync(place.path('files'));
    for (let i = 0; i < 5; i += 1) writeFileSync(place.path(`files/${i}.txt`), `file ${i}\n`);
    process.env['TMPDIR'] = place.path('.');
    const shown = await place.run('demo', place.path('files'), '--files', '4');
    expect([shown.code, shown.err]).toEqual([0, '']);
    expect(shown.out).toContain(`4 of the 5 files (--files 5 takes all) of ${place.path('files')}: each is`);
    expect(shown.out).toMatch(/│ total +│ +12 │ +12 │ +\d+ │ +\d+ │ +0 │ +0 │ +0 │/);
    expect(shown.out).toMatch(/12 tasks in [\d.]+ s; agents killed: 1, servers killed: 1; every task was done/);
    expect(temporary()).toEqual([]);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('says that it was ended by %s, and leaves nothing behind', async (signal, code) => {
    mkdirSync(place.path('files'));
    for (let i = 0; i < 30; i += 1) writeFileSync(place.path(`files/${i}.txt`), `file ${i}\n`.repeat(1 + i * 40));
    process.env['TMPDIR'] = place.path('.');
    const running = place.start('demo', place.path('files'), '--json');
    await until(() => temporary().some((home) => place.read(`${home}/bee.journal`) !== ''), 'the work');
    running.child.kill(signal);
    expect(await running.ended).toBe(code);
    expect(JSON.parse(running.err)).toMatchObject({ error: { code: 'INTERRUPTED', message: `stopped by ${signal}` } });
    expect(temporary()).toEqual([]);
  });

  it('says so when there is nothing to work on', async () => {
    mkdirSync(place.path('nothing'));
    expect(await place.run('demo', place.path('nothing'))).toMatchObject({ code: 2, out: '' });
  });
});
