/** HELLO to a tenant that has no room: it says to come later, by ERROR and close alike (E5), and there is room again. */
import { afterEach, expect, test } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { testServer } from '../../src/testing/index.ts';
import { NodeRig } from '../support/node-rig.ts';

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
