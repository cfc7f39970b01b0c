/** The commands of who operates a fleet, each run against a real server: in words, as JSON, and with bad input. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LetterRunView } from '../../protocol/wire/letters.ts';
import type { RuleView } from '../../protocol/wire/rules.ts';
import type { ScheduleView } from '../../protocol/wire/schedules.ts';
import type { ExplainView } from '../../protocol/wire/types.ts';
import { connect, type Client, type TaskView } from '../../src/client/node.ts';
import { Place, type Ended } from './processes.ts';

let place: Place;
let boss: Client;
let agent: Client;

beforeAll(async () => {
  place = new Place();
  await place.serve();
  boss = await place.client();
  agent = await connect({
    url: place.url,
    key: place.read('data/admin.key').trim(),
    agent: { name: 'ann', capabilities: ['resize', 'guarded'], labels: { region: 'us' }, capacity: 4 },
  });
  agent.agent.handle('resize', (task) => {
    if (task.parameters === 'bad') throw new Error('no disk');
    return 'done';
  });
});

afterAll(async () => {
  await agent.close();
  await place.close();
});

/** Refused by the server: exit code 1, the code and words. */
async function refused(code: string, ...args: string[]): Promise<void> {
  const ended = await place.runQuickly(...args);
  expect([ended.code, ended.out, ended.err], args.join(' ')).toEqual([
    1,
    '',
    expect.stringMatching(new RegExp(`^error: ${code}: \\S`)),
  ]);
}

/** Wrong usage: exit code 2, and what is wrong. */
async function misused(what: string, ...args: string[]): Promise<void> {
  const { code, out, err } = await place.runQuickly(...args);
  expect([code, out, err], args.join(' ')).toEqual([2, '', expect.stringContaining(what)]);
  expect(err).toMatch(/^error: USAGE: /);
}

async function died(parameters: string): Promise<TaskView> {
  const { task } = await boss.task.create({ type: 'resize', parameters, retry: { maxAttempts: 1 } });
  return boss.task.wait(task);
}

/** The task that a letter was replayed as; a run handles it in its own time. */
async function replayOf(id: string): Promise<string> {
  for (;;) {
    const { letter } = await boss.deadLetter.get({ id });
    if (letter.replayedAs !== undefined) return letter.replayedAs;
  }
}

const lines = ({ out }: Ended): string[] => out.trimEnd().split('\n');

describe('muster rule and muster explain', { timeout: 120_000 }, () => {
  it('from a faulty rule to a task that one keeps from its agent, and back', async () => {
    const add = ['rule', 'add', 'eu-only', '--type', 'guarded', '--filter'];
    const faulty = await place.runQuickly(...add, 'agent.labels.region = "eu"', '--json');
    expect([faulty.code, JSON.parse(faulty.err)]).toMatchObject([
      1,
      { error: { code: 'INVALID_PARAMS', details: [{ path: 'filter', line: 1, column: 21, offset: 20 }] } },
    ]);
    expect((await place.runQuickly(...add, 'agent.labels.region = "eu"')).err).toContain('line 1, column 21');
    expect((await place.runQuickly(...add, 'agent.labels.region == "eu"')).out).toBe('eu-only added, order 10\n');
    const { rule } = await place.json<{ rule: RuleView }>(
      'rule',
      'add',
      'idle',
      '--prefer',
      '-agent.load',
      '--disabled',
    );
    expect(rule).toMatchObject({ name: 'idle', order: 20, enabled: false });

    const { task } = await boss.task.create({ type: 'guarded' });
    const explain = await place.runQuickly('explain', task.id);
    expect(lines(explain)).toEqual(
      expect.arrayContaining([
        `task      ${task.id}  guarded  pending`,
        'verdict   rule: a rule keeps it from the agents that fit',
        'rules     eu-only: keeps 1 agents from it',
        'agents    1 rule',
      ]),
    );
    expect(lines(explain).at(-1)).toMatch(/^ann +rule +0\/4 +weight 1 +rule eu-only$/);
    const { explanation } = await place.json<{ explanation: ExplainView }>('explain', task.id);
    expect(explanation).toMatchObject({
      verdict: 'rule',
      agents: [{ name: 'ann', verdict: 'rule', rule: 'eu-only' }],
      rules: [{ name: 'eu-only', applies: true, excludes: 1 }],
    });

    const listed = lines(await place.runQuickly('rule', 'list'));
    expect(listed[0]).toBe('ORDER  NAME     STATE  FOR           RULE');
    expect(listed[1]).toMatch(/^10 +eu-only +on +type guarded +filter: agent\.labels\.region == "eu"$/);
    expect(listed[2]).toMatch(/^20 +idle +off +all +prefer: -agent\.load$/);
    expect((await place.runQuickly('rule', 'reorder', 'idle')).out).toBe('idle\neu-only\n');
    const { rules } = await place.json<{ rules: RuleView[] }>('rule', 'list', '--limit', '1');
    expect(rules.map(({ name, order }) => [name, order])).toEqual([['idle', 10]]);
    expect((await place.runQuickly('rule', 'update', 'idle', '--enable', '--order', '50')).out).toBe(
      'idle updated, order 50\n',
    );

    agent.agent.handle('guarded', () => 'let in');
    expect(await place.json('rule', 'remove', 'eu-only')).toEqual({ name: 'eu-only' });
    expect((await boss.task.wait(task)).result).toBe('let in');
    expect((await place.runQuickly('explain', task.id)).out).toContain('verdict   finished: it has ended');
    expect((await place.runQuickly('rule', 'remove', 'idle')).out).toBe('idle removed\n');
    expect((await place.runQuickly('rule', 'list')).out).toBe('no rules\n');
  });

  it('with bad input', async () => {
    await Promise.all([
      refused('TASK_NOT_FOUND', 'explain', 'tsk_none'),
      refused('RULE_NOT_FOUND', 'rule', 'remove', 'nobody'),
      refused('INVALID_PARAMS', 'rule', 'add', 'empty'),
      misused("missing required argument 'task'", 'explain'),
      misused('"x" is not a whole number', 'explain', 'tsk_none', '--limit', 'x'),
      misused('"rule_based" is none of', 'rule', 'add', 'r', '--strategy', 'rule_based'),
      misused('--enable or --disable, not both', 'rule', 'update', 'r', '--enable', '--disable'),
      misused("unknown option '--colour'", 'rule', 'list', '--colour'),
    ]);
  });
});

describe('muster schedule', { timeout: 120_000 }, () => {
  it('from its creation to its end', async () => {
    const made = await place.runQuickly(
      'schedule',
      'create',
      ...['--type', 'resize', '--params', '{"all":true}', '--cron', '30 2 * * MON-FRI'],
      ...['--time-zone', 'Europe/Berlin', '--name', 'nightly', '--overlap', 'buffer', '--missed', 'all'],
    );
    expect([made.code, made.err]).toEqual([0, '']);
    expect(lines(made).slice(1)).toEqual([
      'name        nightly',
      'status      active',
      'when        30 2 * * MON-FRI Europe/Berlin',
      'type        resize',
      'parameters  {"all":true}',
      'overlap     buffer',
      'missed      all, at most 10',
      expect.stringMatching(/^next {8}\d{4}-\d\d-\d\d 0[01]:30:00$/),
      'runs        0',
    ]);
    const { schedules } = await place.json<{ schedules: ScheduleView[] }>('schedule', 'list', '--name', 'nightly');
    expect(schedules).toMatchObject([{ cron: '30 2 * * MON-FRI', timeZone: 'Europe/Berlin', status: 'active' }]);
    const id = schedules[0]?.id ?? '';
    const { upcoming } = await place.json<{ upcoming: number[] }>('schedule', 'get', id, '--upcoming', '3');
    expect(upcoming).toHaveLength(3);

    expect((await place.runQuickly('schedule', 'pause', id)).out).toContain('status      paused');
    expect(lines(await place.runQuickly('schedule', 'list', '--status', 'paused'))[1]).toContain(id);
    expect((await place.runQuickly('schedule', 'list', '--status', 'active')).out).toBe('no schedules\n');
    expect(await place.json('schedule', 'resume', id)).toMatchObject({ schedule: { id, status: 'active' } });
    const { task } = await place.json<{ task: TaskView }>('schedule', 'trigger', id);
    expect(task).toMatchObject({ type: 'resize', schedule: { id } });
    expect((await boss.task.wait(task)).status).toBe('completed');
    const updated = await place.runQuickly('schedule', 'update', id, '--every', '15m', '--task', '{"type":"guarded"}');
    expect(updated.out).toContain('when        every 900 s\ntype        guarded\n');
    expect(updated.out).toContain(`created  ${task.id}`);
    expect((await place.runQuickly('schedule', 'delete', id)).out).toBe(`${id} deleted\n`);
  });

  it('with bad input', async () => {
    await Promise.all([
      refused('INVALID_PARAMS', 'schedule', 'create', '--type', 'x', '--cron', '61 * * * *'),
      refused('INVALID_PARAMS', 'schedule', 'create', '--type', 'x', '--cron', '@daily', '--time-zone', 'Mars/Olympus'),
      refused('NOT_FOUND', 'schedule', 'get', 'sch_none'),
      refused('NOT_FOUND', 'schedule', 'delete', 'sch_none'),
      misused('Say when: --at, --in, --every or --cron.', 'schedule', 'create', '--type', 'x'),
      misused('not several', 'schedule', 'create', '--type', 'x', '--every', '1h', '--in', '2h'),
      misused('--time-zone goes with --cron', 'schedule', 'update', 'sch_none', '--time-zone', 'UTC'),
      misused('"yesterday" is not an instant', 'schedule', 'create', '--type', 'x', '--at', 'yesterday'),
      misused("required option '--type <type>'", 'schedule', 'create', '--every', '1h'),
      misused('needs an object with a type', 'schedule', 'update', 'sch_none', '--task', '[]'),
    ]);
  });
});

describe('muster dead-letter', { timeout: 120_000 }, () => {
  it('is looked into, edited, replayed, discarded', async () => {
    const { id } = await died('bad');
    const listed = lines(await place.runQuickly('dead-letter', 'list', '--type', 'resize', '--code', 'HANDLER_ERROR'));
    expect(listed[1]).toMatch(new RegExp(`^${id} +resize +failed +HANDLER_ERROR +\\d{4}-`));
    expect((await place.runQuickly('dead-letter', 'list', '--code', 'OTHER')).out).toBe('no dead letters\n');
    const got = await place.runQuickly('dead-letter', 'get', id);
    expect(got.out).toContain('state       open\n');
    expect(got.out).toMatch(/attempt 1 {3}.* {2}agt_\w+ {2}HANDLER_ERROR: no disk\n/);
    const edited = await place.json('dead-letter', 'edit', id, '--edit', '{"parameters":"good"}');
    expect(edited).toMatchObject({ letter: { id, state: 'open', edit: { parameters: 'good' } } });
    expect(lines(await place.runQuickly('dead-letter', 'list'))[1]).toMatch(/ edited$/);
    const { task } = await place.json<{ task: TaskView }>('dead-letter', 'replay', id);
    expect(await boss.task.wait(task)).toMatchObject({ status: 'completed', retryOf: id });
    await refused('INVALID_TRANSITION', 'dead-letter', 'replay', id);
    const replayed = await place.runQuickly('dead-letter', 'list', '--state', 'replayed');
    expect(replayed.out).toContain(task.id);

    const [one, two] = [await died('bad'), await died('bad')];
    expect((await place.runQuickly('dead-letter', 'discard', one.id)).out).toBe(`${one.id} discarded\n`);
    const begun = await place.runQuickly(
      'dead-letter',
      'replay',
      '--all',
      '--edit',
      '{"parameters":"good"}',
      '--per-second',
      '5',
    );
    expect(begun.out).toMatch(/^rpl_\w+ {2}replay {2}running {2}\d done, 0 refused\n$/);
    const again = await replayOf(two.id);
    expect((await boss.task.wait({ id: again })).status).toBe('completed');
    const { runs } = await place.json<{ runs: LetterRunView[] }>('dead-letter', 'runs');
    expect(runs).toMatchObject([{ kind: 'replay', handled: 1, refused: 0 }]);
    const [run] = lines(await place.runQuickly('dead-letter', 'stop', runs[0]?.id ?? ''));
    expect(run).toMatch(/^rpl_\w+ {2}replay {2}(done|stopped) {2}1 done, 0 refused$/);
    expect(lines(await place.runQuickly('dead-letter', 'runs'))[1]).toMatch(/^rpl_\w+ +replay +(done|stopped) +1 +0 /);
    expect((await place.runQuickly('dead-letter', 'list')).out).toBe('no dead letters\n');
    expect((await place.runQuickly('dead-letter', 'discard', '--type', 'resize')).out).toMatch(/^\w+ {2}discard {2}/);
  });

  it('with bad input', async () => {
    await Promise.all([
      refused('TASK_NOT_FOUND', 'dead-letter', 'get', 'tsk_none'),
      refused('TASK_NOT_FOUND', 'dead-letter', 'discard', 'tsk_none'),
      refused('NOT_FOUND', 'dead-letter', 'stop', 'rpl_none'),
      misused('Say an id, a filter such as --type, or --all.', 'dead-letter', 'replay'),
      misused('Say an id or a filter, not both.', 'dead-letter', 'discard', 'tsk_none', '--all'),
      misused('is not JSON', 'dead-letter', 'edit', 'tsk_none', '--edit', 'nope'),
      misused('needs an object', 'dead-letter', 'edit', 'tsk_none', '--edit', '[]'),
      misused('"cancelled" is none of', 'dead-letter', 'list', '--status', 'cancelled'),
    ]);
  });
});

describe('muster agents and muster strategy', { timeout: 120_000 }, () => {
  it('say who is there, and who gets what', async () => {
    const [head, row, ...rest] = lines(await place.runQuickly('agents', '--capability', 'resize'));
    expect(head).toMatch(/^ID +NAME +STATUS +SLOTS +CAPABILITIES +LABELS$/);
    expect([row, rest]).toEqual([expect.stringMatching(/ann +active +0\/4 +\w+, \w+ +region=us$/), []]);
    expect(row).toContain(agent.agentId ?? 'no agent');
    expect(await place.json('agents', '--label', 'region=us', '--available')).toMatchObject({
      agents: [{ name: 'ann' }],
    });
    expect((await place.runQuickly('agents', '--status', 'offline')).out).toBe('no agents\n');

    expect((await place.runQuickly('strategy', 'list')).out).toBe('nothing was chosen: least_loaded\n');
    const set = await place.runQuickly('strategy', 'set', 'performance', '--type', 'chosen');
    expect(set.out).toMatch(/^FOR +NAME +STRATEGY\ntype +chosen +performance\n$/);
    const { task } = await boss.task.create({ type: 'chosen' });
    expect(task.strategy).toBe('performance');
    await place.runQuickly('strategy', 'set', 'random');
    const strategies = [
      { scope: 'tenant', strategy: 'random' },
      { scope: 'type', name: 'chosen', strategy: 'performance' },
    ];
    expect(await place.json('strategy', 'list')).toEqual({ strategies });
    expect((await place.runQuickly('strategy', 'set', 'none', '--type', 'chosen')).code).toBe(0);
    expect(await place.json('strategy', 'set', 'none')).toEqual({ strategies: [] });
    expect((await place.runQuickly('strategy', 'list')).out).toBe('nothing was chosen: least_loaded\n');
  });

  it('with bad input', async () => {
    await Promise.all([
      misused('"weird" is none of', 'agents', '--status', 'weird'),
      misused('is not of the form name=value', 'agents', '--label', 'x'),
      misused('"best" is none of', 'strategy', 'set', 'best'),
      misused('--type or --workspace, not both', 'strategy', 'set', 'random', '--type', 'a', '--workspace', 'b'),
    ]);
  });
});

describe('muster task, of one that waits', { timeout: 120_000 }, () => {
  it('answers control in JSON', async () => {
    const { task } = await boss.task.create({ type: 'controlled' });
    const of = { task: { id: task.id } };
    const paused = await place.json('task', 'pause', task.id, '--reason', 'look');
    expect(paused).toMatchObject({ task: { id: task.id, status: 'paused', paused: { reason: 'look' } } });
    expect((await place.runQuickly('explain', task.id)).out).toContain('verdict   paused: ');
    expect(await place.json('task', 'resume', task.id)).toMatchObject({ task: { id: task.id, status: 'pending' } });
    expect(await place.json('task', 'steer', task.id, '{"tone":"dry"}', '--as-json')).toEqual({ id: task.id, seq: 1 });
    expect(await place.json('task', 'reprioritise', task.id, 'critical')).toMatchObject({
      task: { priority: 'critical' },
    });
    expect(await place.json('task', 'extend', task.id, '--deadline', '1h')).toMatchObject(of);
    expect((await place.runQuickly('task', 'extend', task.id, '--deadline', 'none')).out).toBe(`${task.id}  pending\n`);
    expect((await place.runQuickly('task', 'output', task.id, '--no-follow')).out).toBe('');
    expect((await place.runQuickly('task', 'cancel', task.id, '--reason', 'enough')).out).toMatch(/status +cancelled/);
    await refused('INVALID_TRANSITION', 'task', 'pause', task.id);
  });

  it('with bad input', async () => {
    await Promise.all([
      refused('TASK_NOT_FOUND', 'task', 'pause', 'tsk_none'),
      refused('TASK_NOT_FOUND', 'task', 'steer', 'tsk_none', 'x'),
      refused('TASK_NOT_FOUND', 'task', 'output', 'tsk_none', '--no-follow'),
      refused('TASK_NOT_FOUND', 'task', 'answer', 'tsk_none', 'x'),
      misused('"urgent" is none of', 'task', 'reprioritise', 'tsk_none', 'urgent'),
      misused('Say what is to be extended', 'task', 'extend', 'tsk_none'),
      misused('"soon" is not a duration', 'task', 'pause', 'tsk_none', '--within', 'soon'),
      misused('is not JSON', 'task', 'steer', 'tsk_none', 'nope', '--as-json'),
    ]);
  });
});

describe('muster task create and distribute', { timeout: 120_000 }, () => {
  it('say where a task goes, what it locks and where it stands', async () => {
    const args = ['--selector', 'region=us', '--sticky', 'shop', '--concurrency', 'db=2', '--lock', 'style=shared'];
    const { task } = await place.json<{ task: TaskView }>('task', 'create', '--type', 'placed', ...args);
    expect((await boss.task.get({ id: task.id })).task).toMatchObject({
      selectors: ['region=us'],
      sticky: { key: 'shop', mode: 'soft' },
      concurrency: { key: 'db', max: 2, policy: 'queue' },
      locks: [{ path: 'style', mode: 'shared' }],
    });
    const below = await place.json<{ task: TaskView }>('task', 'create', '--type', 'resize', '--parent', task.id);
    expect(below.task.parentId).toBe(task.id);
    await refused('STALE_TOKEN', 'task', 'create', '--type', 'resize', '--parent', task.id, '--parent-token', '1');
    expect((await place.runQuickly('task', 'cancel', task.id)).code).toBe(0);
  });

  it('have one task done in parts, and print what they make together', async () => {
    const parts = '[{"parameters":1},{"parameters":2}]';
    const of = ['task', 'distribute', '--type', 'resize'];
    const whole = await place.runQuickly(...of, '--parts', parts, '--aggregate', 'collect', '--wait');
    expect([whole.code, JSON.parse(whole.out)]).toMatchObject([
      0,
      {
        mode: 'all',
        completed: 2,
        value: [
          { part: 0, output: 'done' },
          { part: 1, output: 'done' },
        ],
      },
    ]);
    const voted = await place.runQuickly(
      ...[...of, '--copies', '3', '--completion', 'threshold', '--threshold', '2', '--aggregate', 'vote', '--wait'],
    );
    expect([voted.code, JSON.parse(voted.out)]).toMatchObject([0, { mode: 'threshold', need: 2, value: 'done' }]);
    const each = await place.json<{ task: TaskView }>(...of, '--each', '--completion', 'any');
    expect((await boss.task.wait(each.task)).status).toBe('completed');
  });

  it('with bad input', async () => {
    const of = ['task', 'distribute', '--type', 'resize'];
    await Promise.all([
      misused('Say one of --parts, --copies and --each', ...of),
      misused('Say one of --parts, --copies and --each', ...of, '--copies', '2', '--each'),
      misused('--parts is not a list', ...of, '--parts', '{}'),
      misused('Say when it completes', ...of, '--copies', '2', '--threshold', '1'),
      misused('"guess" is none of', ...of, '--copies', '2', '--aggregate', 'guess'),
      refused('INVALID_PARAMS', ...of, '--parts', '[7]'),
      misused('is not of the form key=n', 'task', 'create', '--type', 'x', '--concurrency', 'db'),
      refused('TASK_NOT_FOUND', 'task', 'create', '--type', 'x', '--parent', 'tsk_none'),
    ]);
  });
});

describe('what shows how work goes', { timeout: 120_000 }, () => {
  it('as JSON, and trees', async () => {
    const { task: root } = await boss.task.create({ type: 'nobody', labels: { batch: '7' } });
    const { task: child } = await boss.task.create({ type: 'resize', parentId: root.id });
    await boss.task.wait(child);
    const drawn = await place.runQuickly('task', 'tree', root.id);
    expect(lines(drawn)).toEqual([
      `${root.id}  nobody  pending  [1 below: 1 completed]`,
      `└─ ${child.id}  resize  completed`,
    ]);
    expect(await place.json('task', 'tree', root.id, '--max', '1')).toMatchObject({
      tree: { node: { id: root.id, children: { total: 1, completed: 1 } }, children: [], omitted: 1 },
    });
    expect(await place.json('task', 'timeline', child.id)).toMatchObject({
      events: [{ event: 'task.created' }, { event: 'task.assigned' }, { event: 'task.completed' }],
    });
    expect(await place.json('task', 'search', '--label', 'batch=7')).toMatchObject({ tasks: [{ id: root.id }] });
    const counted = await boss.task.create({ type: 'controlled' });
    await boss.task.cancel({ id: counted.task.id });
    expect(await place.json('task', 'stats', '--type', 'controlled')).toMatchObject({
      stats: [
        { type: 'controlled', completed: 0, failed: 0, cancelled: expect.toSatisfy((n: number) => n > 0) as number },
      ],
    });
    const of = agent.agentId ?? '';
    expect(lines(await place.runQuickly('task', 'stats', '--by', 'agent', '--agent', of))[2]).toContain(of);
    expect(await place.json('backlog', '--type', 'nobody')).toMatchObject({
      backlog: { types: [{ type: 'nobody', waiting: 1 }] },
    });
    expect(await place.json('inbox', of)).toEqual({ items: [] });
    const report = await place.runQuickly('task', 'report', '--label', 'batch=7', '--json');
    expect([JSON.parse(report.out), report.err]).toMatchObject([{ id: root.id, labels: { batch: '7' } }, '']);
    const file = place.path('all.csv');
    expect(await place.json('task', 'report', '--type', 'nobody', '--out', file)).toEqual({ file, count: 1 });
    expect(readFileSync(file, 'utf8')).toMatch(/^id,type,.*\r\ntsk_\w+,nobody,pending,/);
    expect(await place.json('task', 'cancel', root.id)).toMatchObject({ task: { status: 'cancelled' } });
  });

  it('with bad input', async () => {
    await Promise.all([
      refused('TASK_NOT_FOUND', 'task', 'tree', 'tsk_none'),
      refused('TASK_NOT_FOUND', 'task', 'timeline', 'tsk_none'),
      refused('AGENT_NOT_FOUND', 'inbox', 'agt_none'),
      refused('INVALID_PARAMS', 'task', 'stats', '--window', '1s'),
      misused('"xml" is none of json, csv', 'task', 'report', '--format', 'xml'),
      misused('"weird" is none of', 'task', 'list', '--status', 'weird'),
      misused('"weird" is none of', 'task', 'search', '--status', 'weird'),
      misused('is not of the form name=value', 'task', 'search', '--label', 'x'),
      misused("missing required argument 'agent'", 'inbox'),
      misused('too many arguments', 'backlog', 'all'),
    ]);
  });

  it('says who is not allowed to, and when no server answers', async () => {
    const { key } = await place.json<{ key: string }>('key', 'create', '--role', 'viewer');
    expect((await place.runQuickly('rule', 'list', '--key', key)).code).toBe(0);
    const denied = await place.runQuickly('rule', 'remove', 'x', '--key', key);
    expect([denied.code, denied.err]).toEqual([4, expect.stringMatching(/^error: UNAUTHORIZED: /)]);
    const lost = ['--url', 'ws://127.0.0.1:1', '--connect-timeout', '300ms'];
    expect((await place.runQuickly('explain', 'tsk_none', '--key', key, ...lost)).code).toBe(3);
    expect((await place.runQuickly('doctor', '--key', key, ...lost)).code).toBe(3);
    expect((await place.runQuickly('doctor', '--data', place.path('nowhere'))).code).toBe(1);
  });
});
