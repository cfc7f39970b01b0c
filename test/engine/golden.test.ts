/**
 * Recorded logs and the state hash after each of their entries. Every later build must reproduce them: a difference
 * means that logs on users' disks would now mean something else.
 *
 * The recordings are frozen: what came later adds members to records that are undefined unless they are
 * used. `GOLDEN=write npx vitest run test/engine/golden.test.ts` makes those again that are not frozen yet.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Engine } from '../../src/engine/engine.ts';
import { decodeEntry } from '../../src/engine/entry.ts';
import { stateHash } from '../../src/engine/kernel/image.ts';
import { STRATEGY_NAMES } from '../../protocol/wire/types.ts';
import { ENGINE_VERSION, WORK_VERSION } from '../../src/engine/port.ts';
import { OPERATIONS } from '../../protocol/wire/operations.ts';
import type { WriteMethod } from '../../protocol/wire/operations.ts';
import type { Reply } from '../../src/engine/port.ts';
import { taskView } from '../../src/engine/tasks/view.ts';
import { compileRule, type Sources } from '../../src/rules/index.ts';
import { performComments } from './golden-comments.ts';
import { performDocumentCare } from './golden-document-care.ts';
import { performDocuments } from './golden-documents.ts';
import { performLargeDocuments } from './golden-large-documents.ts';
import { performLocks } from './golden-locks.ts';
import { performMoves } from './golden-moves.ts';
import { performNotifications } from './golden-notifications.ts';
import { performWorkspaces } from './golden-workspaces.ts';
import { performTrees } from './golden-trees.ts';
import { performVersion8 } from './golden-version-8.ts';
import { Rig, sha256 } from './rig.ts';

interface Recording {
  readonly engineVersion: number;
  readonly epoch: number;
  readonly entries: readonly {
    readonly ts: number;
    /** If it is another one. */
    readonly epoch?: number;
    readonly payload: string;
    readonly stateHash: string;
  }[];
}

/** Every method and system command of the kernel, every way in which a task ends, time by both clocks. */
function perform(rig: Rig): void {
  rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: ENGINE_VERSION });
  rig.one({ kind: 'key.install', id: 'k1', secretHash: 'h1', role: 'admin' });
  const admin = rig.session({ principal: { id: 'key:k1', role: 'admin', keyId: 'k1' }, subs: ['news'] });
  const member = rig.session({ who: 'key:m', role: 'member' });
  const a = rig.agent('a', { capabilities: ['work', 'fast'], capacity: 3 });
  const b = rig.agent('b', { capabilities: ['work'], onLost: 'hold' });
  const c = rig.session({ who: 'key:c' });
  rig.ask(c, 'agent.register', {
    name: 'c',
    capabilities: [{ name: 'fast', weight: 7 }],
    labels: { zone: 'x' },
    onLost: 'fail',
  });
  rig.ask(admin, 'apiKey.create', { role: 'agent', agent: 'a', keyId: 'k2', secretHash: 'h2' });
  rig.ask(member, 'topic.subscribe', { topic: 'news' });
  rig.ask(admin, 'topic.publish', { topic: 'news', data: { n: 1, text: 'é', bytes: new Uint8Array([1, 2]) } });
  rig.ask(admin, 'topic.publish', { topic: 'news', data: 2, kind: 'latest', key: 'k' });
  rig.ask(member, 'topic.unsubscribe', { topic: 'news' });
  const speak = (id: string): string =>
    [a, b, { session: c, id: rig.engine.state.sessions.get(c)?.agentId ?? '' }].find(
      (one) => one.id === rig.task(id).agentId,
    )?.session ?? admin;
  const held = (id: string): { id: string; token: string } => ({ id, token: rig.task(id).token });
  const error = { code: 'E', message: 'm' };
  const tasks = Array.from(
    { length: 12 },
    (_, i) =>
      rig.create(member, {
        parameters: { i, nested: [1.5, null, true, 'x'] },
        priority: (['low', 'normal', 'high', 'critical'] as const)[i % 4],
        strategy: i % 2 === 0 ? 'least_loaded' : 'capability_match',
        retry: { maxAttempts: 2, initialDelayMs: 200 },
        ...(i % 3 === 0 ? { timeoutMs: 4_000 } : { progressTimeoutMs: 6_000 }),
      }).id,
  );
  rig.ask(
    member,
    'task.createBatch',
    {
      tasks: [
        { type: 'fast', mode: 'offer' },
        { type: 'work', delayMs: 700, watch: false },
      ],
    },
    { key: 'batch' },
  );
  rig.ask(member, 'task.create', { type: 'nobody', deadlineMs: 8_000 }, { key: '~own' });
  const verbs = [
    'task.accept',
    'task.start',
    'task.progress',
    'task.complete',
    'task.fail',
    'task.reject',
    'task.release',
  ] as const;
  for (let round = 0; round < 6; round += 1) {
    for (const [i, id] of tasks.entries()) {
      const verb = verbs[(i + round) % verbs.length] ?? 'task.start';
      if (rig.task(id).agentId === undefined) continue;
      const more = {
        percentComplete: round * 10,
        output: { round },
        error,
        reason: 'busy',
        ...(round % 2 === 0 ? { delayMs: 300 } : {}),
      };
      rig.ask(speak(id), verb, { ...held(id), ...more }, { after: 40, ack: round });
    }
    rig.wait(900);
  }
  rig.ask(member, 'task.cancel', { id: tasks[1] ?? '', reason: 'enough' });
  rig.ask(admin, 'task.acknowledge', { ...held(tasks[1] ?? ''), control: 'cancel' });
  rig.one({ kind: 'session.lost', session: a.session, attach: 1 });
  rig.wait(5_000);
  rig.hello({
    who: 'key:a',
    secretHash: 's2',
    resume: { session: a.session, secretHash: 's1', rev: rig.engine.state.rev },
  });
  rig.one({ kind: 'session.lost', session: b.session, attach: 1 });
  rig.wait(20_000);
  rig.agent('b', { running: [] });
  rig.one({ kind: 'up', incarnation: 'i2', node: 'n2', version: ENGINE_VERSION }, 90_000);
  rig.wait(50_000);
  rig.ask(member, 'task.retry', {
    id: tasks[2] ?? '',
    archived: {
      type: 'work',
      status: 'failed',
      parameters: 1,
      requirements: ['work'],
      mode: 'assign',
      priority: 'high',
      retry: { maxAttempts: 1, initialDelayMs: 1, maxDelayMs: 1, factor: 1 },
      id: tasks[2] ?? '',
    },
  });
  rig.one({ kind: 'tenant.create', id: 'acme', by: 'key:k1', keyId: 'k9', secretHash: 'h9', dedupe: 'd' });
  rig.ask(admin, 'agent.deregister', { id: a.id });
  // The last one of an administrator stays.
  rig.ask(admin, 'apiKey.revoke', { id: 'k1' });
  rig.ask(admin, 'apiKey.revoke', { id: 'k2' });
  rig.one({ kind: 'session.bye', session: member, attach: 1, requeue: true });
  rig.wait(620_000);
  rig.entry([{ kind: 'tick' }, { kind: 'continue' }], 86_400_000);
}

/** What work in full added. */
function performWork(rig: Rig): void {
  rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: ENGINE_VERSION });
  rig.one({ kind: 'upgrade', version: WORK_VERSION });
  const admin = rig.session();
  const w = rig.agent('w', { capacity: 2 });
  const held = (id: string): { id: string; token: string } => ({ id, token: rig.task(id).token });
  const [first, second] = [rig.create(admin), rig.create(admin)];
  rig.ask(w.session, 'agent.update', { capacity: 3, labels: { zone: 'eu' }, capabilities: ['work', 'more'] });
  rig.ask(w.session, 'agent.status', { status: 'maintenance', reason: 'a new disk' });
  rig.ask(admin, 'agent.status', { id: w.id, status: 'active' });
  rig.ask(admin, 'agent.drain', { id: w.id, deadlineMs: 3_000, reason: 'deploy' });
  rig.ask(w.session, 'task.complete', held(first.id));
  rig.wait(3_500);
  rig.one({ kind: 'session.lost', session: w.session, attach: 1 });
  rig.wait(16_000);
  rig.agent('w', { running: [held(second.id)] });
  performAssignment(rig, admin);
  performSchedules(rig, admin);
  performControl(rig, admin);
  performTrees(rig, admin);
  performLetters(rig, admin);
}

/** Letters by their deadline, one at a time and by runs, fed as a node does. */
function performLetters(rig: Rig, admin: string): void {
  const letters = Array.from({ length: 6 }, (_, n) =>
    rig.create(admin, { type: 'nobody', parameters: { n }, deadlineMs: 500 }),
  );
  const w = rig.agent('x', { capabilities: ['failing'] });
  const { id } = rig.create(admin, { type: 'failing', retry: { maxAttempts: 2, initialDelayMs: 0 } });
  for (const code of ['A', 'B']) {
    rig.tick(1);
    const held = { id, token: rig.task(id).token };
    rig.ask(w.session, 'task.fail', { ...held, error: { code, message: 'no' } });
  }
  rig.tick(600);
  const [a, b] = letters;
  rig.ask(admin, 'deadLetter.edit', { id: a?.id, edit: { parameters: { n: 'edited' }, priority: 'high' } });
  rig.ask(admin, 'deadLetter.replay', { id: a?.id, edit: { labels: { by: 'hand' } } });
  rig.ask(admin, 'deadLetter.discard', { id: b?.id });
  const feed = (method: 'deadLetter.replayMany' | 'deadLetter.discardMany', params: object): void => {
    rig.ask(admin, method, params);
    const run = [...rig.engine.state.letterRunsById].at(-1)?.id ?? '';
    const dead = [...rig.engine.state.deadTasks].toReversed();
    const fed = dead.map((task) => ({ id: task.id, finishedAt: task.finishedAt ?? 0, task: taskView(task) }));
    rig.one({ kind: 'letters.feed', run, letters: fed.slice(0, 2), next: fed[1]?.id ?? '' });
    rig.one({
      kind: 'letters.feed',
      run,
      cursor: rig.engine.state.letterRuns.get(run)?.cursor ?? '',
      letters: fed.slice(2),
    });
  };
  feed('deadLetter.replayMany', { type: 'nobody', perSecond: 2, edit: { strategy: 'random' } });
  rig.ask(admin, 'deadLetter.stop', { id: [...rig.engine.state.letterRunsById].at(-1)?.id });
  feed('deadLetter.discardMany', { max: 3 });
}

/** Each kind of schedule and policy, with proposals as a node makes them. */
function performSchedules(rig: Rig, admin: string): void {
  const task = { type: 'nobody', parameters: { n: 1 }, deadlineMs: 90_000 };
  const create = (params: object): string => {
    rig.ask(admin, 'schedule.create', { task, ...params });
    return [...rig.engine.state.schedulesById].at(-1)?.id ?? '';
  };
  const plan = (id: string, due: readonly number[], next?: number): void => {
    const { version, cursor } = rig.engine.state.schedules.get(id) ?? { version: 0, cursor: 0 };
    const more = next === undefined ? {} : { next };
    rig.one({ kind: 'schedule.plan', id, version, cursor, due, missed: due.length, ...more });
  };
  const every = create({ everyMs: 60_000, overlap: 'buffer', missed: 'all', missedMax: 2 });
  create({ delayMs: 30_000, name: 'once', jitterMs: 1_000 });
  const cron = create({
    cron: '* * * * *',
    foreseen: { version: 1, next: rig.now + 45_000 },
    overlap: 'allow',
    maxRuns: 4,
  });
  rig.tick(61_000);
  plan(every, [], rig.now + 10_000);
  plan(cron, [], rig.now + 20_000);
  rig.tick(20_100);
  rig.wait(30_000);
  plan(cron, [rig.now - 200_000, rig.now - 100_000, rig.now - 1_000], rig.now + 90_000);
  rig.ask(admin, 'schedule.trigger', { id: every });
  rig.ask(admin, 'schedule.pause', { id: cron });
  rig.ask(admin, 'schedule.resume', { id: cron, foreseen: { version: 3, next: rig.now + 1_000 } });
  rig.ask(admin, 'schedule.update', { id: cron, everyMs: 5_000, endAt: rig.now + 7_000, maxRuns: null });
  rig.tick(5_100);
  plan(cron, []);
  rig.tick(60_000);
  rig.ask(admin, 'schedule.delete', { id: every });
  rig.tick(8 * 86_400_000);
  performRules(rig, admin);
}

/** Everything that is said to a holder, by it and instead of it, while its task runs. */
function performControl(rig: Rig, admin: string): void {
  const agents = [1, 2].map((n) => rig.agent(`c${n}`, { capabilities: ['talk'], capacity: 2 }));
  const params = { type: 'talk', timeoutMs: 60_000, progressTimeoutMs: 30_000, retry: { initialDelayMs: 10 } };
  const { id } = rig.create(admin, params);
  const say = (method: WriteMethod, more: object = {}): Reply => {
    const holder = agents.find((one) => one.id === rig.task(id).agentId);
    return rig.ask(holder?.session ?? admin, method, { id, token: rig.task(id).token, ...more }).reply;
  };
  rig.ask(admin, 'task.steer', { id, message: { text: 'é', bytes: new Uint8Array([1]) }, acknowledgeMs: 500 });
  say('task.start');
  rig.wait(1_000);
  say('task.acknowledge', { control: 'steer', seq: 1 });
  say('task.checkpoint', { data: { page: 1 } });
  say('task.output', { offset: 0, data: 'ab€' });
  say('task.output', { offset: 5, data: new Uint8Array([7]) });
  say('task.output', { offset: 5, data: new Uint8Array([7]) });
  const asked = say('task.ask', { question: 'Which?', choices: ['a', 'b'], expiresMs: 60_000 });
  const { askId } = asked.ok ? (asked.result as { readonly askId: string }) : { askId: '' };
  say('task.ask', { question: 'Now?', expiresMs: 1_000 });
  rig.wait(2_000);
  rig.ask(admin, 'task.pause', { id, reason: 'look', acknowledgeMs: 900 });
  rig.wait(1_000);
  rig.ask(admin, 'task.reprioritise', { id, priority: 'high' });
  rig.ask(admin, 'task.extend', { id, deadlineMs: 600_000, timeoutMs: 90_000, progressTimeoutMs: null });
  say('task.fail', { error: { code: 'E', message: 'm' } });
  rig.ask(admin, 'task.answer', { id, askId, answer: 'b' });
  rig.wait(1_000);
  rig.ask(admin, 'task.steer', { id, message: 'again' });
  rig.ask(admin, 'task.resume', { id });
  say('task.start');
  say('task.complete', { output: 1 });
  const waiting = rig.create(admin, { type: 'talk', mode: 'offer' });
  rig.ask(admin, 'task.pause', { id: waiting.id });
  rig.wait(1_000);
}

/** Each strategy, keys, selectors, failures until an agent is in quarantine and out of it. */
function performAssignment(rig: Rig, admin: string): void {
  const agents = [1, 2, 3].map((n) => rig.agent(`a${n}`, { capabilities: ['job'], capacity: 2 }));
  agents.forEach(({ session }, n) => {
    rig.ask(session, 'agent.update', { cost: 10 - n, labels: { zone: n < 2 ? 'eu' : 'us', mem: String(16 * n) } });
  });
  const end = (id: string, verb: 'task.complete' | 'task.fail'): void => {
    const agent = agents.find((one) => one.id === rig.task(id).agentId);
    if (agent === undefined) return;
    const { token } = rig.task(id);
    rig.ask(agent.session, verb, { id, token, error: { code: 'E', message: 'm' } }, { after: 30 });
  };
  rig.ask(admin, 'strategy.set', { scope: 'type', name: 'job', strategy: 'round_robin' });
  for (const strategy of [undefined, ...STRATEGY_NAMES, ...STRATEGY_NAMES]) {
    const { id } = rig.create(admin, { type: 'job', ...(strategy === undefined ? {} : { strategy }) });
    end(id, 'task.complete');
  }
  rig.ask(admin, 'strategy.set', { scope: 'type', name: 'job', strategy: null });
  rig.ask(admin, 'tenant.mend', {});
  rig.one({ kind: 'mend' });
  const keyed = { type: 'job', sticky: { key: 's', mode: 'hard', ttlMs: 2_000 }, concurrency: { key: 'c', max: 2 } };
  const ids = Array.from({ length: 4 }, () => rig.create(admin, keyed).id);
  ids.push(rig.create(admin, { type: 'job', selectors: ['zone=us', 'mem>=32'] }).id);
  ids.push(rig.create(admin, { type: 'job', concurrency: { key: 'c', max: 3, policy: 'cancelOld' } }).id);
  for (const id of ids) end(id, 'task.complete');
  rig.wait(3_000);
  for (const id of ids) end(id, 'task.complete');
  for (let n = 0; n < 70; n += 1) {
    end(rig.create(admin, { type: 'job', retry: { maxAttempts: 1 } }).id, 'task.fail');
  }
  const { id } = rig.create(admin, { type: 'job', retry: { maxAttempts: 3, initialDelayMs: 10 } });
  rig.wait(62_000);
  end(id, 'task.fail');
  rig.wait(1_000);
  end(id, 'task.complete');
}

/** Rules of every kind, changed while tasks wait. */
function performRules(rig: Rig, admin: string): void {
  const prepared = (rule: Sources & { readonly [key: string]: unknown }): object => {
    const compiled = compileRule(rule);
    if (!compiled.ok) throw new Error('a rule of the recording is faulty');
    return { ...rule, trees: compiled.value };
  };
  const agents = ['x', 'y', 'z'].map((name) => rig.agent(name, { capabilities: ['rule'], capacity: 2 }));
  agents.forEach(({ session }, n) => rig.ask(session, 'agent.update', { labels: { zone: name(n) }, cost: n }));
  rig.ask(admin, 'rule.add', prepared({ name: 'zone', filter: 'agent.labels.zone == task.labels.zone', type: 'rule' }));
  rig.ask(admin, 'rule.add', prepared({ name: 'free', filter: 'agent.free > 0 && agent.load < 0.9', order: 1 }));
  rig.ask(admin, 'rule.add', prepared({ name: 'cheap', prefer: '-agent.cost', strategy: 'round_robin' }));
  const ids = [0, 1, 2, 0, 0, 0].map(
    (n) => rig.create(admin, { type: 'rule', strategy: 'rule_based', labels: { zone: name(n) } }).id,
  );
  rig.ask(
    admin,
    'rule.update',
    prepared({ name: 'zone', condition: 'task.priority == "high"', filter: null, prefer: '1' }),
  );
  rig.ask(admin, 'rule.reorder', { names: ['cheap', 'free'] });
  for (const id of ids) {
    const agent = agents.find((one) => one.id === rig.task(id).agentId);
    if (agent !== undefined) rig.ask(agent.session, 'task.complete', { id, token: rig.task(id).token });
  }
  rig.ask(admin, 'rule.remove', { name: 'free' });
  rig.wait(1_000);
}

function name(n: number): string {
  return ['eu', 'us', 'asia'][n] ?? '';
}

interface Golden {
  readonly name: string;
  readonly file: URL;
  readonly frozen: boolean;
  perform(rig: Rig): void;
}

const GOLDEN: readonly Golden[] = [
  { name: 'the kernel', file: new URL('golden/engine-1.json', import.meta.url), frozen: true, perform },
  { name: 'work in full', file: new URL('golden/work.json', import.meta.url), frozen: true, perform: performWork },
  { name: 'locks', file: new URL('golden/locks.json', import.meta.url), frozen: true, perform: performLocks },
  {
    name: 'notifications',
    file: new URL('golden/notifications.json', import.meta.url),
    frozen: true,
    perform: performNotifications,
  },
  {
    name: 'workspaces',
    file: new URL('golden/workspaces.json', import.meta.url),
    frozen: true,
    perform: performWorkspaces,
  },
  {
    name: 'documents',
    file: new URL('golden/documents.json', import.meta.url),
    frozen: true,
    perform: performDocuments,
  },
  {
    name: 'care for documents',
    file: new URL('golden/document-care.json', import.meta.url),
    frozen: true,
    perform: performDocumentCare,
  },
  {
    name: 'moves',
    file: new URL('golden/moves.json', import.meta.url),
    frozen: true,
    perform: performMoves,
  },
  {
    name: 'comments',
    file: new URL('golden/comments.json', import.meta.url),
    frozen: true,
    perform: performComments,
  },
  {
    name: 'large documents',
    file: new URL('golden/large-documents.json', import.meta.url),
    frozen: true,
    perform: performLargeDocuments,
  },
  {
    name: 'keys that leave, old versions of documents, epochs',
    file: new URL('golden/version-8.json', import.meta.url),
    frozen: true,
    perform: performVersion8,
  },
];

function record(golden: Golden): Recording {
  const rig = new Rig();
  golden.perform(rig);
  const engine = new Engine();
  const entries = rig.log.map((logged) => {
    engine.apply(decodeEntry(logged.payload, logged));
    return {
      ts: logged.ts,
      ...(logged.epoch === 1 ? {} : { epoch: logged.epoch }),
      payload: Buffer.from(logged.payload).toString('base64'),
      stateHash: stateHash(engine.state, sha256),
    };
  });
  return { engineVersion: ENGINE_VERSION, epoch: 1, entries };
}

describe('the golden logs', () => {
  const seen = new Set<string>();

  describe.each(GOLDEN)('$name', (golden) => {
    const { file, frozen } = golden;
    if (process.env['GOLDEN'] === 'write' && !frozen) {
      writeFileSync(file, `${JSON.stringify(record(golden), undefined, 1)}\n`);
    }

    it('exists', () => {
      expect(existsSync(file)).toBe(true);
    });

    it('gives the recorded state after every entry', () => {
      const recording = JSON.parse(readFileSync(file, 'utf8')) as Recording;
      const engine = new Engine();
      for (const [i, { ts, epoch = recording.epoch, payload, stateHash: expected }] of recording.entries.entries()) {
        const entry = decodeEntry(Buffer.from(payload, 'base64'), { seq: i + 1, epoch, ts });
        for (const command of entry.commands) seen.add(command.kind === 'request' ? command.method : command.kind);
        engine.apply(entry);
        expect(stateHash(engine.state, sha256), `after entry ${i + 1}`).toBe(expected);
      }
      expect(recording.entries.length).toBeGreaterThan(10);
    });
  });

  it('hold every write and every system command', () => {
    const writes = Object.entries(OPERATIONS)
      .filter(([name, row]) => row.access === 'write' && name !== 'tenant.create')
      .map(([name]) => name);
    const system = [
      'session.hello',
      'up',
      'tick',
      'continue',
      'session.lost',
      'session.bye',
      'notifications.passed',
      'key.install',
      'tenant.create',
      'schedule.plan',
      'letters.feed',
      'mend',
    ];
    for (const name of [...writes, ...system]) expect(seen.has(name), `${name} is in a recording`).toBe(true);
  });
});
