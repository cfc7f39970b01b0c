/** A node at bounds: HELLO is told to come later, by ERROR and close alike (E5), and what is refused changes nothing. */
import { afterEach, expect, test } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { must } from '../../src/base/assert.ts';
import type { Reply } from '../../src/node/port.ts';
import { testServer } from '../../src/testing/index.ts';
import { Client, NodeRig } from '../support/node-rig.ts';

const BOUNDS = { ...LIMITS };

afterEach(() => void Object.assign(LIMITS, BOUNDS));

const FIRST = { name: 'a', capabilities: ['work'] };
const SECOND = { name: 'b', capabilities: ['work'] };

test('agents at their bound: HELLO with one more is told to come later, with one that is known it is welcomed', () => {
  Object.assign(LIMITS, { agentsMax: 1 });
  const rig = new NodeRig().start();
  const first = rig.client(rig.operator, { agent: FIRST });
  expect(rig.hello(rig.operator, { agent: SECOND })).toMatchObject({
    kind: 'refused',
    close: 'OVERLOADED',
    rejection: { code: 'UNAVAILABLE', retryAfterMs: LIMITS.fullRetryMs },
  });
  expect(rig.hello(rig.operator, { agent: FIRST }).kind).toBe('welcome');
  // To register an agent on a session is a request like any other.
  const other = rig.client(rig.operator);
  const reply = rig.ask(other, 'agent.register', { params: SECOND });
  expect(reply).toMatchObject({ ok: false, rejection: { code: 'LIMIT_EXCEEDED' } });
  rig.result(other, 'agent.deregister', { id: first.welcome?.agentId ?? '' });
  expect(rig.hello(rig.operator, { agent: SECOND }).kind).toBe('welcome');
});

test('agents at their bound: the SDK waits, and gets in when there is room', async () => {
  Object.assign(LIMITS, { agentsMax: 1 });
  const muster = await testServer();
  try {
    const first = await muster.connect({ agent: FIRST });
    let state = 'waits';
    const second = muster.connect({ agent: SECOND }).then((client) => {
      state = 'is in';
      return client;
    });
    second.catch(() => (state = 'gave up'));
    await muster.advance(60_000);
    expect(state).toBe('waits');
    await first.agent.deregister({});
    await muster.advance(60_000);
    expect((await second).state).toBe('online');
  } finally {
    await muster.close();
  }
});

test('commands that wait for the log, at their bound: one more is told to come later, ends of sessions are taken', () => {
  const rig = new NodeRig().start();
  const [one, two] = [rig.client(rig.operator), rig.client(rig.operator)];
  const { engine } = must(
    rig.node.servings.find(({ id }) => id === 'default'),
    'the tenant',
  ).tenant;
  const before = engine.state.tasks.size;
  Object.assign(LIMITS, { pendingCommandsMax: 3 });
  const codes: string[] = [];
  const create = (client: Client): void => {
    const params = { type: 'work' };
    client.attached.request({ id: client.id, method: 'task.create', params, hash: 1 }, (reply) =>
      codes.push(reply.ok ? 'ok' : reply.rejection.code),
    );
  };
  // All in one turn: none of them is in the log yet.
  for (let n = 0; n < 3; n += 1) create(one);
  create(two);
  const late = new Client();
  rig.begin(late, rig.operator);
  two.attached.bye(true, () => codes.push('bye'));
  rig.scheduler.settle();
  expect(codes.toSorted()).toEqual(['UNAVAILABLE', 'bye', 'ok', 'ok', 'ok']);
  expect(late.outcome).toMatchObject({ kind: 'refused', close: 'UNAVAILABLE', rejection: { code: 'UNAVAILABLE' } });
  expect(engine.state.tasks.size).toBe(before + 3);
  expect(engine.state.sessions.size).toBe(1);
  create(one);
  rig.scheduler.settle();
  expect(codes.at(-1)).toBe('ok');
});

test('api keys at their bound: none is made for a tenant that has as many as it may, by the operator either', () => {
  const rig = new NodeRig().start();
  const operator = rig.client(rig.operator);
  rig.result(operator, 'tenant.create', { id: 'acme' });
  const keys = (): number =>
    must(
      rig.node.servings.find(({ id }) => id === 'acme'),
      'the tenant',
    ).tenant.engine.state.apiKeys.size;
  const make = (): Reply => rig.ask(operator, 'apiKey.create', { params: { role: 'admin', tenant: 'acme' } });
  Object.assign(LIMITS, { apiKeysMax: 2 });
  expect(make().ok).toBe(true);
  expect(make()).toMatchObject({ ok: false, rejection: { code: 'LIMIT_EXCEEDED' } });
  expect(keys()).toBe(2);
});

test('tenants at their bound: one more is refused, those that are there are served', () => {
  const rig = new NodeRig().start();
  const operator = rig.client(rig.operator);
  Object.assign(LIMITS, { tenantsMax: 1 });
  const { key } = rig.result(operator, 'tenant.create', { id: 'acme' });
  expect(rig.ask(operator, 'tenant.create', { params: { id: 'more' } })).toMatchObject({
    ok: false,
    rejection: { code: 'LIMIT_EXCEEDED' },
  });
  expect(rig.node.servings.map(({ id }) => id).toSorted()).toEqual(['acme', 'default', 'system']);
  expect(rig.hello(rig.holder(String(key))).kind).toBe('welcome');
});
