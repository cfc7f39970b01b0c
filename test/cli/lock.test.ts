/** `muster lock …` with a real server and real programs. */
import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { Place, type Running } from './processes.ts';

let place: Place;

beforeEach(async () => {
  place = new Place();
  await place.serve();
});

afterEach(async () => {
  await place.close();
});

const TIMEOUT = { timeout: 90_000 };

/** A line of shell under a lock; it works in the place's folder. */
function under(path: string, script: string, ...flags: string[]): Running {
  return place.start('lock', 'run', path, ...flags, '--', 'sh', '-c', script);
}

/** Writes its token where the test finds it, and goes on until it is told to end. */
const WORK = 'echo "$MUSTER_LOCK_TOKEN" > "$PLACE/NAME.token"; until [ -e "$PLACE/NAME.go" ]; do sleep 0.1; done';
const work = (name: string): string => WORK.replaceAll('NAME', name);

async function token(name: string): Promise<number> {
  await until(() => place.read(`${name}.token`).trim() !== '', `the token of ${name}`, 30_000);
  return Number(place.read(`${name}.token`));
}

async function queueLength(path: string): Promise<number> {
  const client = await place.client();
  return (await client.lock.get({ path })).queueLength;
}

async function untilQueued(path: string, count: number): Promise<void> {
  let length = await queueLength(path);
  for (const start = performance.now(); length !== count && performance.now() - start < 30_000;)
    length = await queueLength(path);
  expect(length).toBe(count);
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

it('runs a program under a lock, with its token, and ends as the program does', TIMEOUT, async () => {
  const script = 'echo "$MUSTER_LOCK_TOKEN $MUSTER_LOCK_PATHS"; echo oops >&2; exit 23';
  const ended = await place.run('lock', 'run', 'deploy', 'site=shared', '--', 'sh', '-c', script);
  expect([ended.code, ended.err]).toEqual([23, 'oops\n']);
  expect(ended.out).toMatch(/^\d+ deploy site\n$/);
  expect((await place.runQuickly('lock', 'list')).out).toBe('no locks\n');
  expect((await place.run('lock', 'run', 'deploy', '--', 'sh', '-c', 'kill -KILL $$')).code).toBe(137);
  expect((await place.runQuickly('lock', 'list')).out).toBe('no locks\n');
});

it('says that the lock is not free by 6, and that it was not in time by 7', TIMEOUT, async () => {
  under('deploy', work('one'));
  await token('one');
  const busy = await place.run('lock', 'run', 'deploy', '--wait', '0', '--', 'true');
  expect([busy.code, busy.err]).toEqual([6, expect.stringMatching(/^error: BUSY: /)]);
  const late = await place.run('lock', 'run', 'deploy', '--wait', '300ms', '--json', '--', 'true');
  expect([late.code, JSON.parse(late.err)]).toMatchObject([7, { error: { code: 'WAIT_TIMEOUT' } }]);
  expect(await queueLength('deploy')).toBe(0);
  const wrong = await place.run('lock', 'run', 'deploy');
  expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('behind --')]);
  const missing = await place.run('lock', 'run', 'deploy', '--', 'no-such-program');
  expect([missing.code, missing.err]).toEqual([2, expect.stringContaining('no-such-program')]);
});

it('shows who holds and who waits, and ends a lock by force', TIMEOUT, async () => {
  const one = under('deploy', work('one'));
  const first = await token('one');
  const two = under('deploy', work('two'));
  await untilQueued('deploy', 1);
  const { locks } = await place.json<{ locks: { id: string; owner: string; path: string }[] }>(
    'lock',
    'list',
    '--path',
    'deploy',
  );
  expect(locks).toMatchObject([{ path: 'deploy' }]);
  const listed = await place.runQuickly('lock', 'list');
  expect(listed.out).toMatch(/^ID +PATH +MODE +OWNER +TOKEN +STATE +ENDS +SINCE \(UTC\)\n/);
  expect(listed.out).toContain(`deploy  exclusive  ${locks[0]?.owner}  ${first}`);
  const seen = await place.runQuickly('lock', 'inspect', 'deploy');
  expect(seen.out).toMatch(/^deploy: held by 1, 1 waiting\n\nID [^]*\n\nREQUEST [^]*deploy +exclusive/);
  expect((await place.runQuickly('lock', 'inspect', 'other')).out).toBe('other: free, 0 waiting\n');
  const graph = await place.runQuickly('lock', 'graph');
  expect(graph.out).toContain(`${locks[0]?.owner}, who holds deploy exclusive`);
  expect((await place.runQuickly('lock', 'graph', '--dot')).out).toMatch(
    /^digraph locks \{\n {2}"ses_\w+" -> "ses_\w+" \[label="deploy exclusive"\];\n\}\n$/,
  );
  const { waits } = await place.json<{ waits: unknown[] }>('lock', 'graph');
  expect(waits).toHaveLength(1);
  const other = await place.run(
    'lock',
    'force-unlock',
    'deploy',
    '--reason',
    'stuck',
    '--expect-token',
    `${first - 1}`,
  );
  expect([other.code, other.err]).toEqual([1, expect.stringContaining('NOT_HELD')]);
  const forced = await place.runQuickly(
    'lock',
    'force-unlock',
    'deploy',
    '--reason',
    'stuck',
    '--expect-token',
    `${first}`,
  );
  expect(forced.out).toBe('1 ended on deploy\n');
  expect(await one.ended).toBe(8);
  expect(one.err).toContain('error: LOCK_LOST: The lock was lost: forced (stuck).');
  expect(await token('two')).toBeGreaterThan(first);
  expect((await place.runQuickly('lock', 'graph')).out).toBe('nobody waits\n');
  await two.stop('SIGTERM');
});

it('stops the program when the lock is lost, by force if it does not heed', TIMEOUT, async () => {
  const script = `trap '' TERM; echo $$ > "$PLACE/pid"; ${work('one')}`;
  const held = under('deploy', script, '--kill-after', '500ms');
  await token('one');
  const pid = Number(place.read('pid'));
  await place.runQuickly('lock', 'force-unlock', 'deploy', '--reason', 'stuck');
  expect(await held.ended).toBe(8);
  expect(isAlive(pid)).toBe(false);
});

it('passes signals on to the program, and stops waiting by one', TIMEOUT, async () => {
  const held = under('deploy', `trap 'echo told > "$PLACE/told"; exit 9' TERM; ${work('one')}`);
  await token('one');
  const waits = under('deploy', work('two'));
  await untilQueued('deploy', 1);
  expect(await waits.stop('SIGINT')).toBe(130);
  await untilQueued('deploy', 0);
  expect(await held.stop('SIGTERM')).toBe(9);
  expect(place.read('told')).toBe('told\n');
  expect((await place.runQuickly('lock', 'list')).out).toBe('no locks\n');
});

it('keeps the lock over a server that is killed and started again', TIMEOUT, async () => {
  const held = under('deploy', work('one'), '--grace', '2m');
  const first = await token('one');
  await place.server.stop('SIGKILL');
  await place.serve();
  const waits = under('deploy', `${work('two')}; exit 4`);
  await untilQueued('deploy', 1);
  const client = await place.client();
  const { holders } = await client.lock.get({ path: 'deploy' });
  expect(holders).toMatchObject([{ token: String(first) }]);
  expect(place.read('two.token')).toBe('');
  await place.run('lock', 'run', 'other', '--', 'sh', '-c', 'touch "$PLACE/one.go" "$PLACE/two.go"');
  expect(await held.ended).toBe(0);
  expect(await token('two')).toBeGreaterThan(first);
  expect(await waits.ended).toBe(4);
});

it('says so when the server could not be told that the lock is free', TIMEOUT, async () => {
  const held = under('deploy', `${work('one')}; exit 3`, '--grace', '2m');
  await token('one');
  await place.server.stop('SIGKILL');
  writeFileSync(place.path('one.go'), '');
  expect(await held.ended).toBe(3);
  expect(held.err).toMatch(
    /the server could not be told that the lock is free: others get it when its grace is over\n$/,
  );
  await place.serve();
  expect((await place.runQuickly('lock', 'inspect', 'deploy')).out).toMatch(/^deploy: held by 1, 0 waiting\n/);
});

it('stops the program when it is killed itself, and the lock goes on when its grace is over', TIMEOUT, async () => {
  const held = under('deploy', `echo $$ > "$PLACE/pid"; ${work('one')}`, '--grace', '2s');
  const first = await token('one');
  const pid = Number(place.read('pid'));
  const waits = under('deploy', work('two'));
  await untilQueued('deploy', 1);
  expect(isAlive(pid)).toBe(true);
  await held.stop('SIGKILL');
  await until(() => !isAlive(pid), 'the end of the program', 30_000);
  expect(await token('two')).toBeGreaterThan(first);
  await waits.stop('SIGTERM');
});
