/**
 * Bounds of a tenant: up to the bound all is taken, one more gets the code that section 18 of PROTOCOL.md has for it and changes
 * nothing, and what is given back is taken again.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { WriteMethod } from '../../protocol/wire/operations.ts';
import { must } from '../../src/base/assert.ts';
import { decodeEntry, encodeEntry } from '../../src/engine/entry.ts';
import { stateHash } from '../../src/engine/kernel/image.ts';
import type { State } from '../../src/engine/kernel/state.ts';
import { ENGINE_VERSION, type Reply } from '../../src/engine/port.ts';
import { textOf } from './documents/texts.ts';
import { codeOf, Rig, sha256 } from './rig.ts';

const BOUNDS = { ...LIMITS };
/** So much is taken up to the bound. */
const ROOM = 3;

afterEach(() => void Object.assign(LIMITS, BOUNDS));

/** A tenant of the newest version, with an administrator who asks. */
class Tenant {
  readonly rig = new Rig();
  readonly boss: string;
  /** What was taken, by its number. */
  readonly ids: string[] = [];
  /** What it is taken in. */
  workspaceId = '';

  constructor() {
    for (let version = 2; version <= ENGINE_VERSION; version += 1) this.rig.one({ kind: 'upgrade', version });
    this.boss = this.rig.session();
  }

  get state(): State {
    return this.rig.engine.state;
  }

  /** A request of which no outcome is remembered: if it is refused, all is as before. */
  ask(method: WriteMethod, params: object, more: { readonly session?: string; readonly key?: string } = {}): Reply {
    const { session = this.boss, ...rest } = more;
    return this.rig.ask(session, method, params, { id: 0, ...rest }).reply;
  }

  /** The same, of which the id of what was made is noted. */
  make(no: number, asked: readonly [method: WriteMethod, params: object]): Reply {
    const reply = this.ask(...asked);
    if (reply.ok) {
      const made = Object.values(reply.result as object).find((one) => typeof one === 'object');
      this.ids[no] = (made as { readonly id: string }).id;
    }
    return reply;
  }

  /** A dead letter. */
  letter(no: number): string {
    const session = this.rig.session({ who: `key:${no}`, agent: { name: `a${no}`, capabilities: [`type ${no}`] } });
    const { id } = this.rig.create(this.boss, { type: `type ${no}`, retry: { maxAttempts: 1 } });
    const { token } = this.rig.task(id);
    this.rig.ask(session, 'task.fail', { id, token, error: { code: 'E', message: 'm' } });
    return id;
  }

  id(no: number): string {
    return must(this.ids[no], 'what was taken');
  }

  /** One operation on the shared state. */
  apply(op: object): Reply {
    return this.ask('state.apply', { workspaceId: this.workspaceId, ops: [op] });
  }
}

interface Cap {
  readonly limit: keyof typeof LIMITS;
  readonly by: string;
  /** What is bounded. */
  readonly used: (s: State) => number;
  readonly take: (tenant: Tenant, no: number) => Reply;
  /** Gives back what was taken first. Undefined: it is kept for good. */
  readonly giveBack?: (tenant: Tenant) => void;
  /** What has to be there before. */
  readonly prepare?: (tenant: Tenant) => void;
  /** What crosses the bound is taken still: it is looked at before. */
  readonly isCrossed?: true;
}

const LATER = 1_900_000_000_000;
const SCHEDULE = { task: { type: 'work', parameters: 'x'.repeat(100) }, everyMs: 3_600_000 };
const HEAVY = { type: 'work', parameters: 'x'.repeat(1_000) };

/** Ended tasks leave memory at once. */
const keepNone = (): void => void Object.assign(LIMITS, { finishedKept: 0 });

const inWorkspace = (t: Tenant): void => {
  t.make(0, ['workspace.create', { name: 'home' }]);
  t.workspaceId = t.id(0);
};
const setKey = (t: Tenant, no: number): Reply => t.apply({ op: 'set', key: `k${no}`, value: 'v' });
const unsetFirst = (t: Tenant): void => void t.apply({ op: 'set', key: 'k0', value: null });
const snapshot = (t: Tenant, no: number): Reply =>
  t.make(no, ['state.snapshot', { workspaceId: t.workspaceId, name: `n${no}` }]);
const dropFirst = (t: Tenant): void =>
  void t.ask('state.deleteSnapshot', { workspaceId: t.workspaceId, snapshotId: t.id(0) });
const cancelFirst = (t: Tenant): void => void t.ask('task.cancel', { id: t.id(0) });

const CAPS: readonly Cap[] = [
  {
    limit: 'agentsMax',
    by: 'HELLO',
    used: (s) => s.agents.size,
    take: ({ rig }, no) => rig.hello({ agent: { name: `a${no}`, capabilities: ['work'] } }).reply,
    giveBack: (t) => {
      const [first] = t.state.agentsById;
      t.ask('agent.deregister', { id: must(first, 'an agent').id });
    },
  },
  {
    limit: 'agentsMax',
    by: 'agent.register',
    used: (s) => s.agents.size,
    prepare: (t) => {
      for (let no = 0; no <= ROOM; no += 1) t.ids.push(t.rig.session());
    },
    take: (t, no) => t.ask('agent.register', { name: `a${no}`, capabilities: ['work'] }, { session: t.id(no) }),
    giveBack: (t) => void t.ask('agent.deregister', {}, { session: t.id(0) }),
  },
  {
    limit: 'apiKeysMax',
    by: 'apiKey.create',
    used: (s) => s.apiKeys.size,
    take: (t, no) => t.ask('apiKey.create', { role: 'member', keyId: `k${no}`, secretHash: 'h' }),
    // It leaves when its time is over.
    giveBack: (t) => {
      t.ask('apiKey.revoke', { id: 'k0' });
      t.rig.tick(LIMITS.apiKeyKeptMs);
    },
  },
  {
    limit: 'tenantsMax',
    by: 'tenant.create',
    used: (s) => s.tenants.size,
    take: ({ rig }, no) => {
      const of = { id: `t${no}`, dedupe: `d${no}`, keyId: `k${no}` };
      return rig.one({ kind: 'tenant.create', by: 'key:a', secretHash: 'h', ...of }).reply;
    },
  },
  {
    limit: 'latestMax',
    by: 'topic.publish',
    used: (s) => s.latest.size,
    take: (t, no) => t.ask('topic.publish', { topic: 'a', kind: 'latest', key: `k${no}`, data: no }),
  },
  {
    limit: 'strategiesMax',
    by: 'strategy.set',
    used: (s) => s.strategies.size,
    take: (t, no) => t.ask('strategy.set', { scope: 'type', name: `type ${no}`, strategy: 'round_robin' }),
    giveBack: (t) => void t.ask('strategy.set', { scope: 'type', name: 'type 0', strategy: null }),
  },
  {
    limit: 'schedulesMax',
    by: 'schedule.create',
    used: (s) => s.schedules.size,
    take: (t, no) => t.make(no, ['schedule.create', SCHEDULE]),
    giveBack: (t) => void t.ask('schedule.delete', { id: t.id(0) }),
  },
  {
    limit: 'schedulesBytesMax',
    by: 'schedule.create',
    used: (s) => s.scheduleBytes.sum,
    take: (t, no) => t.make(no, ['schedule.create', SCHEDULE]),
    giveBack: (t) => void t.ask('schedule.delete', { id: t.id(0) }),
  },
  {
    limit: 'lettersBytesMax',
    by: 'deadLetter.edit',
    used: (s) => s.letterBytes.sum,
    prepare: (t) => {
      for (let no = 0; no <= ROOM; no += 1) t.ids.push(t.letter(no));
    },
    take: (t, no) => t.ask('deadLetter.edit', { id: t.id(no), edit: { parameters: 'x'.repeat(1_000) } }),
    // The marks of two stay, which weigh as much as one edit and a little more.
    giveBack: (t) => {
      for (const no of [0, 1]) t.ask('deadLetter.discard', { id: t.id(no) });
    },
  },
  {
    limit: 'tasksBytesMax',
    by: 'task.create',
    used: (s) => s.taskBytes.sum,
    prepare: keepNone,
    take: (t, no) => t.make(no, ['task.create', HEAVY]),
    giveBack: cancelFirst,
    isCrossed: true,
  },
  {
    limit: 'tasksBytesMax',
    by: 'task.createBatch',
    used: (s) => s.taskBytes.sum,
    prepare: keepNone,
    take: (t, no) => {
      const reply = t.ask('task.createBatch', { tasks: [HEAVY] });
      if (reply.ok) t.ids[no] = must([...t.state.tasksById].at(-1), 'a task').id;
      return reply;
    },
    giveBack: cancelFirst,
    isCrossed: true,
  },
  {
    limit: 'idempotencyKeysMax',
    by: 'a request with a key',
    used: (s) => s.requests.keyCount,
    take: (t, no) => t.ask('topic.publish', { topic: 'a', data: 1 }, { key: `k${no}` }),
    giveBack: ({ rig }) => void rig.tick(LIMITS.idempotencyMs),
  },
  {
    limit: 'workspacesMax',
    by: 'workspace.create',
    used: (s) => s.workspaces.size,
    take: (t, no) => t.make(no, ['workspace.create', { name: `w${no}` }]),
    giveBack: (t) => void t.ask('workspace.delete', { id: t.id(0) }),
  },
  {
    limit: 'workspacesOfMemberMax',
    by: 'workspace.create',
    used: (s) => s.membersByUser.count('key:a'),
    take: (t, no) => t.make(no, ['workspace.create', { name: `w${no}` }]),
    giveBack: (t) => void t.ask('workspace.delete', { id: t.id(0) }),
  },
  {
    limit: 'workspacesOfMemberMax',
    by: 'member.add',
    used: (s) => s.membersByUser.count('key:b'),
    prepare: (t) => {
      for (let no = 0; no <= ROOM; no += 1) t.make(no, ['workspace.create', { name: `w${no}` }]);
    },
    take: (t, no) => t.ask('member.add', { workspaceId: t.id(no), userId: 'key:b', role: 'viewer' }),
    giveBack: (t) => void t.ask('member.remove', { workspaceId: t.id(0), userId: 'key:b' }),
  },
  {
    limit: 'stateKeysMax',
    by: 'state.apply',
    used: (s) => s.stateValues.size,
    prepare: inWorkspace,
    take: setKey,
    giveBack: unsetFirst,
  },
  {
    limit: 'stateBytesMax',
    by: 'state.apply',
    used: (s) => must([...s.workspaces.held()][0], 'a workspace').stateBytes,
    prepare: inWorkspace,
    take: setKey,
    giveBack: unsetFirst,
  },
  {
    limit: 'statesBytesMax',
    by: 'state.apply',
    used: (s) => s.workspaceBytes.sum,
    prepare: inWorkspace,
    take: setKey,
    giveBack: unsetFirst,
  },
  {
    limit: 'statesBytesMax',
    by: 'state.snapshot',
    used: (s) => s.workspaceBytes.sum,
    prepare: (t) => {
      inWorkspace(t);
      setKey(t, 0);
    },
    take: snapshot,
    giveBack: dropFirst,
  },
  {
    limit: 'snapshotsMax',
    by: 'state.snapshot',
    used: (s) => s.snapshotsByWorkspace.count(must([...s.workspaces.held()][0], 'a workspace').id),
    prepare: inWorkspace,
    take: snapshot,
    giveBack: dropFirst,
  },
  {
    limit: 'stateSetMax',
    by: 'state.apply',
    used: (s) => {
      const [set] = s.stateValues.held();
      return Array.isArray(set?.value) ? set.value.length : 0;
    },
    prepare: inWorkspace,
    take: (t, no) => t.apply({ op: 'add_to_set', key: 'set', value: no }),
    giveBack: (t) => void t.apply({ op: 'remove_from_set', key: 'set', value: 0 }),
  },
  {
    limit: 'presencesMax',
    by: 'presence.set',
    used: (s) => s.presencesByWorkspace.count(must([...s.workspaces.held()][0], 'a workspace').id),
    prepare: (t) => {
      inWorkspace(t);
      for (let no = 0; no <= ROOM; no += 1) t.ids[no] = t.rig.session();
    },
    take: (t, no) => t.ask('presence.set', { workspaceId: t.workspaceId, status: 'online' }, { session: t.id(no) }),
    giveBack: (t) =>
      void t.ask('presence.set', { workspaceId: t.workspaceId, status: 'offline' }, { session: t.id(0) }),
  },
  {
    limit: 'documentsMax',
    by: 'document.create',
    used: (s) => s.documents.size,
    take: (t, no) => t.make(no, ['document.create', { name: `d${no}`, text: textOf(0, ['# One']) }]),
    giveBack: (t) => void t.ask('document.delete', { id: t.id(0) }),
  },
];

/** The state is what it would be if nobody had asked at that time. */
function expectUnchanged(rig: Rig, ask: () => void): void {
  const twin = rig.restored();
  const before = rig.log.length;
  ask();
  const { seq, ts } = must(rig.log.at(-1), 'an entry');
  expect(rig.log.length).toBe(before + 1);
  const payload = encodeEntry({ node: 'n1', random: new Uint8Array(16), commands: [{ kind: 'tick' }] });
  twin.apply(decodeEntry(payload, { seq, ts, epoch: 1 }));
  expect(rig.hash()).toBe(stateHash(twin.state, sha256));
}

describe('a bound of a tenant', () => {
  it.each(CAPS.map((cap) => [cap.limit, cap.by, cap] as const))('%s, by %s', (limit, _, cap) => {
    const tenant = new Tenant();
    const { rig } = tenant;
    cap.prepare?.(tenant);
    const used = (): number => cap.used(tenant.state);
    const none = used();
    expect(codeOf(cap.take(tenant, 0))).toBe('ok');
    const one = used() - none;
    expect(one).toBeGreaterThan(0);
    const full = none + ROOM * one;
    Object.assign(LIMITS, { [limit]: full - (cap.isCrossed === true ? 1 : 0) });
    for (let no = 1; no < ROOM; no += 1) expect(codeOf(cap.take(tenant, no)), `${no}`).toBe('ok');
    expect(used()).toBe(full);
    const refuse = (): void => expect(codeOf(cap.take(tenant, ROOM))).toBe('LIMIT_EXCEEDED');
    expectUnchanged(rig, refuse);
    if (cap.giveBack === undefined) return;
    cap.giveBack(tenant);
    expect(used()).toBeLessThan(full);
    expect(codeOf(cap.take(tenant, ROOM)), 'there is room again').toBe('ok');
  });
});

describe('at the bound', () => {
  it('of agents one that is known registers again', () => {
    const { rig } = new Tenant();
    rig.agent('a');
    Object.assign(LIMITS, { agentsMax: 1 });
    expect(codeOf(rig.hello({ agent: { name: 'a', capabilities: ['more'] } }).reply)).toBe('ok');
    expect(rig.engine.state.agents.size).toBe(1);
  });

  it('of latest values, and of strategies, one that is there is replaced', () => {
    const t = new Tenant();
    const set = (data: number): Reply => t.ask('topic.publish', { topic: 'a', kind: 'latest', key: 'k', data });
    const name = (strategy: string): Reply => t.ask('strategy.set', { scope: 'type', name: 'a', strategy });
    expect([set(1), name('round_robin')].map(codeOf)).toEqual(['ok', 'ok']);
    Object.assign(LIMITS, { latestMax: 1, strategiesMax: 1 });
    expect([set(2), name('least_loaded')].map(codeOf)).toEqual(['ok', 'ok']);
    expect([...t.state.latest.held()]).toMatchObject([{ key: 'k', data: 2 }]);
    expect([...t.state.strategiesByKey]).toMatchObject([{ key: 'type a', strategy: 'least_loaded' }]);
  });

  it('of keys and bytes of a shared state what is there is changed and removed, and a set takes what it has', () => {
    const t = new Tenant();
    inWorkspace(t);
    setKey(t, 0);
    t.apply({ op: 'add_to_set', key: 'set', value: 1 });
    const bytes = t.state.workspaceBytes.sum;
    Object.assign(LIMITS, { stateKeysMax: 1, stateBytesMax: bytes, statesBytesMax: bytes, stateSetMax: 1 });
    expect(codeOf(t.apply({ op: 'set', key: 'k0', value: 'w' }))).toBe('ok');
    expect(codeOf(t.apply({ op: 'set', key: 'k0', value: 'more' }))).toBe('LIMIT_EXCEEDED');
    expect(codeOf(t.apply({ op: 'add_to_set', key: 'set', value: 1 }))).toBe('ok');
    expect(codeOf(t.apply({ op: 'remove_from_set', key: 'set', value: 1 }))).toBe('ok');
    unsetFirst(t);
    expect(t.state.stateValues.size).toBe(1);
  });

  it('of sessions that are present one that is says where it is now', () => {
    const t = new Tenant();
    inWorkspace(t);
    const be = (status: string): Reply => t.ask('presence.set', { workspaceId: t.workspaceId, status });
    expect(codeOf(be('online'))).toBe('ok');
    Object.assign(LIMITS, { presencesMax: 1 });
    expect(codeOf(be('busy'))).toBe('ok');
  });

  it('of idempotency keys what is remembered is answered again, an end of work is taken, and a library that acknowledges makes room', () => {
    const t = new Tenant();
    const create = (key: string, ack = 0) => t.rig.ask(t.boss, 'task.create', { type: 'work' }, { key, ack });
    const first = create('k');
    const second = create('~k');
    Object.assign(LIMITS, { idempotencyKeysMax: 2 });
    expect(create('k').reply).toEqual(first.reply);
    expect(create('~k').reply).toEqual(second.reply);
    expect(codeOf(create('more').reply)).toBe('LIMIT_EXCEEDED');
    const [task] = t.state.tasksById;
    expect(codeOf(t.ask('task.cancel', { id: must(task, 'a task').id }, { key: 'end' }))).toBe('ok');
    expect(t.state.requests.keyCount).toBe(2);
    expect(codeOf(create('more', 4).reply)).toBe('ok');
    expect(t.state.requests.keyCount).toBe(2);
  });

  it('of bytes of tasks a checkpoint is refused, and ends of work are taken', () => {
    const t = new Tenant();
    const { session } = t.rig.agent('a');
    const { id } = t.rig.create(t.boss);
    const { token } = t.rig.task(id);
    const store = (): Reply => t.ask('task.checkpoint', { id, token, data: 'here' }, { session });
    expect(codeOf(store())).toBe('ok');
    Object.assign(LIMITS, { tasksBytesMax: t.state.taskBytes.sum - 1 });
    expectUnchanged(t.rig, () => expect(codeOf(store())).toBe('LIMIT_EXCEEDED'));
    expect(codeOf(t.ask('task.complete', { id, token, result: 1 }, { session }))).toBe('ok');
  });

  it('of sticky keys a new one sticks to nobody, and one that has run out makes room', () => {
    const t = new Tenant();
    t.rig.agent('a', { capacity: 10 });
    const run = (key: string, ttlMs: number): void => void t.rig.create(t.boss, { sticky: { key, ttlMs } });
    const keys = (): string[] => Array.from(t.state.sticky.held(), ({ key }) => key);
    Object.assign(LIMITS, { stickyKeysMax: 2 });
    run('long', LATER);
    run('short', 10_000);
    run('more', LATER);
    expect(keys()).toEqual(['long', 'short']);
    run('long', LATER);
    t.rig.wait(10_000);
    expect(keys()).toEqual(['long']);
    run('more', LATER);
    expect(keys()).toEqual(['long', 'more']);
  });
});
