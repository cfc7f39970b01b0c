import { describe, expect, it, vi } from 'vitest';
import { encodeValue } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { sessionSnapshot } from '../../src/engine/sessions/snapshot.ts';
import { stateHash } from '../../src/engine/kernel/image.ts';
import { codeOf, expectSound, Rig, sha256, taskOf } from './rig.ts';

const RESUME = { session: '', secretHash: 's1', rev: 0 };

describe('losing the connection', () => {
  it('keeps tasks through the grace and gives them up at its end, told apart from failures', () => {
    const rig = new Rig();
    const client = rig.session();
    const agent = rig.agent('w');
    const { id } = rig.create(client);
    const { token } = rig.task(id);
    rig.ask(agent.session, 'task.start', { id, token });
    rig.one({ kind: 'session.lost', session: agent.session, attach: 1 });
    rig.wait(14_990);
    expect(rig.task(id)).toMatchObject({ status: 'in_progress', token });
    rig.wait(20);
    expect(rig.task(id).status).toBe('pending');
    expect(rig.engine.state.tasks.get(id)).toMatchObject({ losses: 1, failures: 0 });
    expect(rig.engine.state.agents.get(agent.id)?.status).toBe('offline');
    expectSound(rig.engine);
  });

  it('gives an agent that is away nothing', () => {
    const rig = new Rig();
    const client = rig.session();
    const agent = rig.agent('w');
    rig.one({ kind: 'session.lost', session: agent.session, attach: 1 });
    const { id } = rig.create(client);
    expect(rig.task(id).status).toBe('pending');
    rig.hello({ who: 'key:w', resume: { ...RESUME, session: agent.session } });
    expect(rig.task(id)).toMatchObject({ status: 'assigned', agentId: agent.id });
  });

  it('does not count an order as unconfirmed while its agent is away', () => {
    const rig = new Rig();
    const client = rig.session();
    const agent = rig.agent('w');
    const { id } = rig.create(client);
    const { token } = rig.task(id);
    rig.wait(7_500);
    rig.one({ kind: 'session.lost', session: agent.session, attach: 1 });
    rig.wait(7_500);
    rig.hello({ who: 'key:w', resume: { ...RESUME, session: agent.session } });
    rig.wait(9_000);
    expect(rig.task(id)).toMatchObject({ status: 'assigned', token });
    rig.wait(2_000);
    expect(rig.task(id).status).toBe('pending');
  });

  it.each([
    ['requeue', 'pending', 'pending'],
    ['hold', 'in_progress', 'pending'],
    ['fail', 'failed', 'failed'],
  ] as const)('with onLost %s: %s after the grace, %s when the session is gone', (onLost, afterGrace, afterWindow) => {
    const rig = new Rig();
    const client = rig.session();
    const agent = rig.agent('w', { onLost });
    const { id } = rig.create(client);
    rig.ask(agent.session, 'task.start', { id, token: rig.task(id).token });
    rig.one({ kind: 'session.lost', session: agent.session, attach: 1 });
    rig.wait(15_001);
    expect(rig.task(id).status).toBe(afterGrace);
    rig.wait(600_000);
    expect(rig.task(id).status).toBe(afterWindow);
    expect(rig.engine.state.sessions.get(agent.session)).toBeUndefined();
    expectSound(rig.engine);
  });

  it('is not told by a connection that was already replaced', () => {
    const rig = new Rig();
    const agent = rig.agent('w');
    rig.hello({ who: 'key:w', resume: { ...RESUME, session: agent.session } });
    rig.one({ kind: 'session.lost', session: agent.session, attach: 1 });
    expect(rig.engine.state.sessions.get(agent.session)?.attached).toBe(true);
  });
});

describe('an outage', () => {
  it('expires nobody: a node that opens adds nothing to live time and gives the recovery grace', () => {
    const rig = new Rig();
    const client = rig.session();
    const agent = rig.agent('w');
    const { id } = rig.create(client);
    const { token } = rig.task(id);
    rig.ask(agent.session, 'task.start', { id, token });
    const { live } = rig.engine.state.counters;
    rig.one({ kind: 'up', incarnation: 'i2', node: 'n1', version: 1 }, 3_600_000);
    expect(rig.engine.state.counters.live).toBe(live);
    rig.wait(44_990);
    expect(rig.task(id)).toMatchObject({ status: 'in_progress', token });
    rig.wait(20);
    expect(rig.task(id).status).toBe('pending');
  });

  it('between entries costs at most 5 s of live time', () => {
    const rig = new Rig();
    rig.session();
    const { live } = rig.engine.state.counters;
    rig.tick(3_600_000);
    expect(rig.engine.state.counters.live).toBe(live + 5_000);
  });
});

describe('resuming', () => {
  it('repeats the session and the position that the client named, and ends the older connection', () => {
    const rig = new Rig();
    const session = rig.session();
    const rev = rig.engine.state.rev;
    rig.tick(5);
    const output = rig.entry([
      {
        kind: 'session.hello',
        principal: { id: 'key:a', role: 'admin' },
        secretHash: 's2',
        subs: [],
        node: 'n1',
        resume: { session, secretHash: 's1', rev },
      },
    ]);
    expect(output.commands[0]?.welcome).toEqual({ session, attach: 2, resumed: true, rev });
    expect(output.ended).toEqual([{ session, attach: 1, why: 'replaced' }]);
  });

  it('takes the newest secret issued and the newest proved, and no older one', () => {
    const rig = new Rig();
    const session = rig.session();
    const back = (secretHash: string, next: string) =>
      rig.hello({ resume: { session, secretHash, rev: 0 }, secretHash: next }).welcome;
    expect(back('s1', 's2')?.resumed, 'the first').toBe(true);
    expect(back('s1', 's3')?.resumed, 'the WELCOME with s2 was lost').toBe(true);
    expect(back('s3', 's4')?.resumed, 'now s3 is proved').toBe(true);
    expect(back('s1', 's5'), 's1 is no longer good').toMatchObject({ resumed: false, reason: 'auth' });
    expect(rig.engine.state.sessions.get(session), 'and hurts nobody').toBeDefined();
  });

  it.each([
    ['expired', { session: 'ses_none' }],
    ['gap', { gap: 'gap' as const }],
    ['epoch', { rev: 2 ** 50 }],
    ['auth', { secretHash: 'wrong' }],
  ])('that cannot be gives a fresh session with reason %s and a snapshot', (reason, more) => {
    const rig = new Rig();
    const session = rig.session();
    const { welcome } = rig.hello({ resume: { ...RESUME, session, ...more } });
    expect(welcome).toMatchObject({ resumed: false, reason, snapshot: { tasks: [], locks: [], waits: [], subs: [] } });
    expect(welcome?.session).not.toBe(session);
    expect(welcome?.rev).toBe(rig.engine.state.rev);
  });

  it('of a session of another principal is refused', () => {
    const rig = new Rig();
    const session = rig.session();
    const { reply, welcome } = rig.hello({ who: 'key:b', resume: { ...RESUME, session } });
    expect(codeOf(reply)).toBe('UNAUTHORIZED');
    expect(welcome).toBeUndefined();
  });

  it('of a session of another agent is refused, though both have one subject', () => {
    const rig = new Rig();
    const as = (agent: string) => ({ principal: { id: 'robots', role: 'agent', agent } }) as const;
    const session = rig.session({ ...as('w'), agent: { name: 'w', capabilities: ['work'] } });
    const resume = { ...RESUME, session };
    for (const shape of [{}, { agent: { name: 'v', capabilities: ['work'] } }]) {
      const { reply, welcome } = rig.hello({ ...as('v'), ...shape, resume });
      expect(codeOf(reply)).toBe('UNAUTHORIZED');
      expect(welcome).toBeUndefined();
    }
    expect(rig.hello({ ...as('w'), resume }).welcome).toMatchObject({ resumed: true, session });
  });

  it('after the grace finds the work given up and the slot still taken until that is acknowledged', () => {
    const rig = new Rig();
    const client = rig.session();
    const agent = rig.agent('w');
    const { id } = rig.create(client);
    const { token } = rig.task(id);
    rig.one({ kind: 'session.lost', session: agent.session, attach: 1 });
    rig.wait(15_001);
    rig.hello({ who: 'key:w', resume: { ...RESUME, session: agent.session } });
    expect(rig.task(id).status).toBe('pending');
    expect(rig.pushes.some((push) => push.event === 'task.leaseLost' && push.to[0] === `a:${agent.id}`)).toBe(true);
    rig.ask(agent.session, 'task.acknowledge', { id, token, control: 'leaseLost' });
    expect(rig.task(id)).toMatchObject({ status: 'assigned', agentId: agent.id });
    expect(rig.task(id).token).not.toBe(token);
    expectSound(rig.engine);
  });
});

describe('a fresh session of a known instance', () => {
  it('replaces the old one, keeps what it still runs and requeues the rest at once', () => {
    const rig = new Rig();
    const client = rig.session();
    const agent = rig.agent('w', { capacity: 2 });
    const [kept, lost] = [rig.create(client), rig.create(client)];
    const output = rig.entry([
      {
        kind: 'session.hello',
        principal: { id: 'key:w', role: 'admin' },
        secretHash: 's9',
        subs: [],
        node: 'n1',
        agent: {
          name: 'w',
          capabilities: ['work'],
          capacity: 2,
          running: [{ id: kept.id, token: rig.task(kept.id).token }],
        },
      },
    ]);
    const { welcome } = output.commands[0] ?? {};
    expect(welcome).toMatchObject({ resumed: false, agentId: agent.id });
    expect(output.ended).toEqual([{ session: agent.session, attach: 1, why: 'replaced' }]);
    expect(rig.engine.state.tasks.get(kept.id)?.losses).toBe(0);
    expect(rig.engine.state.tasks.get(lost.id)?.losses).toBe(1);
    expect(welcome?.snapshot?.tasks.map((one) => one.task.id).toSorted()).toEqual([kept.id, lost.id].toSorted());
    expectSound(rig.engine);
  });

  it('with a stale token keeps nothing', () => {
    const rig = new Rig();
    const client = rig.session();
    rig.agent('w');
    const { id } = rig.create(client);
    rig.agent('w', { running: [{ id, token: '1' }] });
    expect(rig.engine.state.tasks.get(id)?.losses).toBe(1);
  });

  it('is told what it holds in pages that fit into a frame', () => {
    const rig = new Rig();
    const client = rig.session();
    const agent = rig.agent('w', { capacity: 10 });
    const tasks = Array.from({ length: 10 }, () => rig.create(client, { parameters: 'x'.repeat(60_000) }).id);
    const seen: string[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const { snapshot } = sessionSnapshot(
        rig.engine.state,
        cursor === undefined ? { session: agent.session } : { session: agent.session, cursor },
      );
      expect(encodeValue(snapshot).length).toBeLessThan(LIMITS.frameBytes);
      seen.push(...snapshot.tasks.map((one) => one.task.id));
      cursor = snapshot.more;
      pages += 1;
    } while (cursor !== undefined);
    expect(seen).toEqual(tasks);
    expect(pages).toBeGreaterThan(2);
  });

  it('is another agent when its instance is', () => {
    const rig = new Rig();
    const first = rig.agent('w');
    const { welcome } = rig.hello({ agent: { name: 'w', capabilities: ['work'], instance: '2' } });
    expect(welcome?.agentId).not.toBe(first.id);
    expect(rig.engine.state.sessions.get(first.session)).toBeDefined();
  });
});

describe('agents belong to their credential', () => {
  it('an agent key registers only the agent that it names, a member none', () => {
    const rig = new Rig();
    const mine = { principal: { id: 'agent:w', role: 'agent', agent: 'w' } as const };
    expect(codeOf(rig.hello({ ...mine, agent: { name: 'w', capabilities: [] } }).reply)).toBe('ok');
    expect(codeOf(rig.hello({ ...mine, agent: { name: 'other', capabilities: [] } }).reply)).toBe('UNAUTHORIZED');
    expect(codeOf(rig.hello({ role: 'member', agent: { name: 'x', capabilities: [] } }).reply)).toBe('UNAUTHORIZED');
    const session = rig.session({ role: 'member', who: 'key:m' });
    expect(codeOf(rig.ask(session, 'agent.register', { name: 'x', capabilities: [] }).reply)).toBe('UNAUTHORIZED');
  });

  it('BYE with requeue gives everything back at once; without, the grace runs', () => {
    const rig = new Rig();
    const client = rig.session();
    const agent = rig.agent('w');
    const { id } = rig.create(client);
    rig.one({ kind: 'session.bye', session: agent.session, attach: 1, requeue: true });
    expect(rig.task(id).status).toBe('pending');
    expect(rig.engine.state.sessions.get(agent.session)).toBeUndefined();
    const again = rig.agent('w');
    expect(rig.task(id).agentId).toBe(again.id);
    rig.one({ kind: 'session.bye', session: again.session, attach: 1, requeue: false });
    expect(rig.task(id).status).toBe('assigned');
    rig.wait(15_001);
    expect(rig.task(id).status).toBe('pending');
  });

  it('deregistering requeues what it held', () => {
    const rig = new Rig();
    const client = rig.session();
    const agent = rig.agent('w');
    const { id } = rig.create(client);
    expect(codeOf(rig.ask(agent.session, 'agent.deregister', {}).reply)).toBe('ok');
    expect(rig.task(id).status).toBe('pending');
    expect(rig.engine.state.agents.size).toBe(0);
    expectSound(rig.engine);
  });
});

describe('requests', () => {
  it('are executed once per session and id, with the same answer again', () => {
    const rig = new Rig();
    const session = rig.session();
    const first = rig.ask(session, 'task.create', { type: 'work' }, { id: 7 });
    const again = rig.ask(session, 'task.create', { type: 'work' }, { id: 7 });
    expect(again.reply).toBe(first.reply);
    expect(again.rev).toBe(first.rev);
    expect(rig.engine.state.tasks.size).toBe(1);
    expect(codeOf(rig.ask(session, 'task.create', { type: 'other' }, { id: 7, hash: 2 }).reply)).toBe(
      'IDEMPOTENCY_MISMATCH',
    );
    expect(codeOf(rig.ask(session, 'task.create', { type: 'work' }, { id: 3 }).reply)).toBe('OUTCOME_UNKNOWN');
    expect(rig.engine.state.tasks.size).toBe(1);
  });

  it('are forgotten when the client has their answers, or when there are too many', () => {
    const rig = new Rig();
    const session = rig.session();
    for (let i = 1; i <= 1_030; i += 1) rig.ask(session, 'task.cancel', { id: 'tsk_none' });
    expect(codeOf(rig.ask(session, 'task.cancel', { id: 'tsk_none' }, { id: 7 }).reply)).toBe('TASK_NOT_FOUND');
    expect(codeOf(rig.ask(session, 'task.cancel', { id: 'tsk_none' }, { id: 6 }).reply)).toBe('OUTCOME_UNKNOWN');
    rig.ask(session, 'task.cancel', { id: 'tsk_none' }, { ack: 1_000 });
    expect(codeOf(rig.ask(session, 'task.cancel', { id: 'tsk_none' }, { id: 1_000 }).reply)).toBe('OUTCOME_UNKNOWN');
    expect(codeOf(rig.ask(session, 'task.cancel', { id: 'tsk_none' }, { id: 1_001 }).reply)).toBe('TASK_NOT_FOUND');
  });

  it('with a key are executed once per principal for 24 h, on any session', () => {
    const rig = new Rig();
    const one = rig.session();
    const two = rig.session();
    const other = rig.session({ who: 'key:b' });
    const key = 'k';
    const first = taskOf(rig.ask(one, 'task.create', { type: 'work' }, { key }).reply);
    expect(taskOf(rig.ask(two, 'task.create', { type: 'work' }, { key }).reply).id).toBe(first.id);
    expect(taskOf(rig.ask(other, 'task.create', { type: 'work' }, { key }).reply).id).not.toBe(first.id);
    expect(codeOf(rig.ask(two, 'task.create', { type: 'x' }, { key, hash: 9 }).reply)).toBe('IDEMPOTENCY_MISMATCH');
    rig.tick(24 * 3_600_000);
    expect(taskOf(rig.ask(two, 'task.create', { type: 'work' }, { key }).reply).id).not.toBe(first.id);
  });

  it('with a key of a library forget it when its answer was acknowledged', () => {
    const rig = new Rig();
    const one = rig.session();
    const key = '~k';
    const first = taskOf(rig.ask(one, 'task.create', { type: 'work' }, { key, id: 1 }).reply);
    const two = rig.session();
    expect(taskOf(rig.ask(two, 'task.create', { type: 'work' }, { key, id: 5 }).reply).id).toBe(first.id);
    expect(rig.engine.state.requests.keyCount).toBe(1);
    rig.ask(two, 'task.cancel', { id: 'tsk_none' }, { ack: 5 });
    expect(rig.engine.state.requests.keyCount).toBe(0);
    expect(taskOf(rig.ask(two, 'task.create', { type: 'work' }, { key }).reply).id).not.toBe(first.id);
    expect(stateHash(rig.restored().state, sha256)).toBe(rig.hash());
  });

  it('of a session that has ended are not executed', () => {
    const rig = new Rig();
    const session = rig.session();
    rig.one({ kind: 'session.bye', session, attach: 1, requeue: true });
    expect(codeOf(rig.ask(session, 'task.create', { type: 'work' }).reply)).toBe('SESSION_EXPIRED');
  });

  it('are judged by role and by the key behind the session', () => {
    const rig = new Rig();
    rig.one({ kind: 'key.install', id: 'k1', secretHash: 'h', role: 'admin' });
    rig.one({ kind: 'key.install', id: 'k0', secretHash: 'h', role: 'admin' });
    const viewer = rig.session({ role: 'viewer', who: 'key:v' });
    expect(codeOf(rig.ask(viewer, 'task.create', { type: 'work' }).reply)).toBe('UNAUTHORIZED');
    const admin = rig.session({ principal: { id: 'key:k1', role: 'admin', keyId: 'k1' } });
    const revoker = rig.session();
    const output = rig.ask(revoker, 'apiKey.revoke', { id: 'k1' });
    expect(codeOf(output.reply)).toBe('ok');
    expect(codeOf(rig.ask(admin, 'task.create', { type: 'work' }).reply)).toBe('SESSION_EXPIRED');
    const spent = rig.session({ principal: { id: 'key:k3', role: 'admin', expiresAt: rig.now + 10 } });
    expect(codeOf(rig.ask(spent, 'task.create', { type: 'work' }, { after: 20 }).reply)).toBe('UNAUTHENTICATED');
  });
});

describe('a key of an administrator', () => {
  it('is not made when its time is over already', () => {
    const rig = new Rig();
    const ask = (expiresAt: number): string => {
      const params = { keyId: 'k', secretHash: 'h', role: 'admin', expiresAt };
      return codeOf(rig.ask(rig.session(), 'apiKey.create', params).reply);
    };
    expect(ask(rig.now)).toBe('INVALID_PARAMS');
    expect(ask(rig.now + 100)).toBe('ok');
  });

  it('cannot be revoked while no other is left that may do everything', () => {
    const rig = new Rig();
    rig.one({ kind: 'key.install', id: 'k1', secretHash: 'h', role: 'admin' });
    const session = rig.session();
    const revoke = (id: string): string => codeOf(rig.ask(session, 'apiKey.revoke', { id }).reply);
    const make = (keyId: string, params: object): string =>
      codeOf(rig.ask(session, 'apiKey.create', { keyId, secretHash: 'h', role: 'admin', ...params }).reply);
    expect(make('member', { role: 'member' })).toBe('ok');
    expect(make('scoped', { scopes: ['admin'] })).toBe('ok');
    expect(make('short', { expiresAt: rig.now + 100 })).toBe('ok');
    rig.tick(100);
    expect(revoke('k1')).toBe('INVALID_TRANSITION');
    for (const id of ['member', 'scoped', 'short']) expect(revoke(id)).toBe('ok');
    expect(make('k2', {})).toBe('ok');
    expect([revoke('k1'), revoke('k1'), revoke('k2')]).toEqual(['ok', 'ok', 'INVALID_TRANSITION']);
  });
});

describe('a credential that is no good any more', () => {
  it('opens no session, though it was good when HELLO came', () => {
    const rig = new Rig();
    rig.one({ kind: 'key.install', id: 'k1', secretHash: 'h', role: 'admin' });
    rig.one({ kind: 'key.install', id: 'k0', secretHash: 'h', role: 'admin' });
    rig.ask(rig.session(), 'apiKey.revoke', { id: 'k1' });
    const revoked = { principal: { id: 'key:k1', role: 'admin', keyId: 'k1' } as const };
    expect(codeOf(rig.hello(revoked).reply)).toBe('UNAUTHENTICATED');
    const expired = { principal: { id: 'key:k2', role: 'admin', expiresAt: rig.now } as const };
    expect(codeOf(rig.hello(expired).reply)).toBe('UNAUTHENTICATED');
  });

  it('an agent that was removed is there again after a resume that names it', () => {
    const rig = new Rig();
    const agent = rig.agent('w');
    rig.ask(rig.session(), 'agent.deregister', { id: agent.id });
    const { welcome } = rig.hello({
      who: 'key:w',
      resume: { ...RESUME, session: agent.session },
      agent: { name: 'w', capabilities: ['work'] },
    });
    expect(welcome).toMatchObject({ resumed: true, session: agent.session });
    expect(welcome?.agentId).toBeDefined();
    expect(rig.engine.state.agents.get(welcome?.agentId ?? '')).toMatchObject({ attached: true, status: 'active' });
  });
});

describe('topics', () => {
  it('reach those who listen, from their subscription on, with the latest value per key', () => {
    const rig = new Rig();
    const speaker = rig.session();
    const listener = rig.session({ who: 'key:b' });
    rig.ask(speaker, 'topic.publish', { topic: 'news', data: 1, kind: 'latest', key: 'a' });
    rig.ask(speaker, 'topic.publish', { topic: 'news', data: 2, kind: 'latest', key: 'a' });
    const { reply } = rig.ask(listener, 'topic.subscribe', { topic: 'news' });
    expect(reply).toMatchObject({ ok: true, result: { latest: [{ key: 'a', data: 2 }] } });
    const output = rig.entry([
      {
        kind: 'request',
        session: speaker,
        id: 9,
        hash: 1,
        ack: 0,
        method: 'topic.publish',
        params: { topic: 'news', data: 3 },
      },
    ]);
    expect(output.pushes).toMatchObject([{ event: 'message', to: ['t:news'], data: { data: 3, from: 'key:a' } }]);
  });

  it('of the server are not for clients to publish on', () => {
    const rig = new Rig();
    const session = rig.session();
    for (const topic of ['task.x', 'agent.x', 'session']) {
      expect(codeOf(rig.ask(session, 'topic.publish', { topic, data: 1 }).reply)).toBe('UNAUTHORIZED');
    }
  });

  it('are bounded per session', () => {
    const rig = new Rig();
    const session = rig.session();
    for (let i = 0; i < 128; i += 1)
      expect(codeOf(rig.ask(session, 'topic.subscribe', { topic: `t${i}` }).reply)).toBe('ok');
    expect(codeOf(rig.ask(session, 'topic.subscribe', { topic: 'more' }).reply)).toBe('LIMIT_EXCEEDED');
    expect(codeOf(rig.ask(session, 'topic.unsubscribe', { topic: 't0' }).reply)).toBe('ok');
    expect(codeOf(rig.ask(session, 'topic.subscribe', { topic: 'more' }).reply)).toBe('ok');
  });
});

it('sessions at their bound: who opens one is told to come later, who resumes is let in', () => {
  const rig = new Rig();
  const session = rig.session();
  const size = vi.spyOn(rig.engine.state.sessions, 'size', 'get').mockReturnValue(LIMITS.sessionsMax);
  expect(codeOf(rig.hello().reply)).toBe('UNAVAILABLE');
  expect(codeOf(rig.hello({ resume: { session, secretHash: 's1', rev: 0 } }).reply)).toBe('ok');
  size.mockRestore();
  expect(codeOf(rig.hello().reply)).toBe('ok');
});

describe('tenants', () => {
  it('are created once per request and never twice', () => {
    const rig = new Rig();
    const create = (dedupe: string, keyId: string) =>
      rig.one({ kind: 'tenant.create', id: 'acme', by: 'key:a', keyId, secretHash: 'h', dedupe }).reply;
    expect(codeOf(create('r1', 'k1'))).toBe('ok');
    expect(codeOf(create('r1', 'k2'))).toBe('ok');
    expect(rig.engine.state.tenants.get('acme')?.keyId).toBe('k1');
    expect(codeOf(create('r2', 'k3'))).toBe('ALREADY_EXISTS');
  });
});
