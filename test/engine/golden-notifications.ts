/** What the recording of notifications does: every audience, every way in which one is kept no longer, both ways to come back. */
import type { WriteMethod } from '../../protocol/wire/operations.ts';
import { ENGINE_VERSION, NOTIFICATIONS_VERSION } from '../../src/engine/port.ts';
import type { Rig } from './rig.ts';

export function performNotifications(rig: Rig): void {
  rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: ENGINE_VERSION });
  for (let version = 2; version <= NOTIFICATIONS_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
  const admin = rig.session();
  const [a, b, c] = ['a', 'b', 'c'].map((name, i) =>
    rig.agent(name, { capabilities: i === 0 ? ['x'] : ['x', 'y'] }),
  ) as [ReturnType<Rig['agent']>, ReturnType<Rig['agent']>, ReturnType<Rig['agent']>];
  const ask = (method: WriteMethod, params: object): void => void rig.ask(admin, method, params, { after: 20 });
  const say = (audience: object, more: object = {}): void =>
    ask('notification.broadcast', { audience, type: 't', message: 'é', ...more });

  say({ all: true }, { priority: 'critical', data: { a: [1, null] } });
  say({ capability: 'y' }, { ttlMs: 3_000 });
  say({ agentIds: [a.id, b.id] });
  say({ workspaceId: 'w' });
  say({ agentIds: [a.id, 'nobody'] });
  ask('notification.send', { agentId: c.id, type: 't', message: 'c', priority: 'low', ttlMs: 0 });
  ask('notification.send', { agentId: c.id, type: 't', message: 'c' });
  rig.one({ kind: 'notifications.passed', rev: rig.engine.state.rev - 2 });
  rig.one({ kind: 'session.lost', session: a.session, attach: 1, seen: rig.engine.state.rev - 9 });
  rig.one({ kind: 'session.bye', session: b.session, attach: 1, requeue: true });
  say({ all: true });
  rig.wait(5_000);
  rig.ask(admin, 'agent.update', { id: b.id, capabilities: ['y', 'z'] });
  say({ capability: 'z' });
  rig.agent('b', { capabilities: ['z'] });
  rig.hello({
    who: 'key:a',
    agent: { name: 'a', capabilities: ['x', 'w'] },
    resume: { session: a.session, secretHash: 's1', rev: rig.engine.state.rev - 12 },
  });
  for (let i = 0; i < 258; i += 1) {
    rig.entry(
      [
        {
          kind: 'request',
          session: admin,
          id: 0,
          hash: 1,
          ack: 0,
          method: 'notification.send',
          params: { agentId: c.id, type: 't', message: String(i), priority: i === 0 ? 'low' : 'normal' },
        },
      ],
      1,
    );
  }
  rig.one({ kind: 'session.lost', session: c.session, attach: 1 });
  rig.one({ kind: 'up', incarnation: 'i2', node: 'n1', version: ENGINE_VERSION });
  const back = rig.agent('c', { capabilities: ['y'] });
  rig.one({ kind: 'notifications.passed', rev: rig.engine.state.rev });
  rig.ask(back.session, 'agent.deregister', {});
  rig.wait(2_000);
}
