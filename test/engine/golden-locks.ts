/** What the recording of locks does: every method, every way in which a lock or a request ends, both clocks. */
import type { WriteMethod } from '../../protocol/wire/operations.ts';
import { ENGINE_VERSION, LOCKS_VERSION } from '../../src/engine/port.ts';
import type { Rig } from './rig.ts';

interface Answer {
  readonly lock?: { readonly id: string; readonly token: string };
  readonly requestId?: string;
}

export function performLocks(rig: Rig): void {
  rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: ENGINE_VERSION });
  for (let version = 2; version <= LOCKS_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
  const admin = rig.session();
  const [a, b, c] = ['a', 'b', 'c'].map((who) => rig.session({ who: `key:${who}`, role: 'member' })) as [
    string,
    string,
    string,
  ];
  const agent = rig.agent('w');
  const ask = (session: string, method: WriteMethod, params: object): Answer => {
    const { reply } = rig.ask(session, method, params, { after: 20 });
    return reply.ok ? (reply.result as Answer) : {};
  };
  const acquire = (session: string, path: string, more: object = {}): Answer =>
    ask(session, 'lock.acquire', { path, ...more });
  const held = (answer: Answer): object => ({ id: answer.lock?.id ?? '', token: answer.lock?.token ?? '0' });

  // Modes, trees of paths, queues.
  const first = acquire(a, 'doc/1', { mode: 'shared', metadata: { why: 'é' } });
  const second = acquire(b, 'doc/1', { mode: 'shared', ttlMs: 4_000 });
  acquire(c, 'doc/1/sec/2', { waitMs: 60_000 });
  acquire(c, 'doc/1', { waitMs: 0 });
  acquire(a, 'doc/1', { mode: 'intent_exclusive', waitMs: 60_000 });
  ask(b, 'lock.release', held(second));
  acquire(a, 'doc/1', { mode: 'shared' });
  ask(a, 'lock.release', held(first));
  const several = ask(b, 'lock.acquireAll', {
    locks: [{ path: 'doc/2' }, { path: 'doc/2/x', mode: 'shared' }, { path: 'doc/3', mode: 'shared' }],
    lockDelayMs: 2_000,
    waitMs: 30_000,
  });
  ask(b, 'lock.convert', { ...held(several), path: 'doc/3', mode: 'exclusive' });
  ask(b, 'lock.convert', { ...held(several), path: 'doc/2', mode: 'intent_shared' });
  const now = [...rig.engine.state.locks.hold()].find((lock) => lock.several);
  ask(b, 'lock.release', { id: now?.id, token: String(now?.token), paths: ['doc/3'] });

  // A circle, requests that end.
  acquire(a, 'p');
  acquire(b, 'q');
  acquire(a, 'q', { waitMs: 5_000 });
  acquire(b, 'p', { waitMs: 5_000 });
  const waiting = acquire(c, 'p', { waitMs: 600_000 });
  acquire(c, 'q', { waitMs: 500 });
  rig.wait(1_000);
  ask(c, 'lock.cancel', { requestId: waiting.requestId });

  // Times: leases, progress, grace, delay, force.
  const lease = acquire(agent.session, 'lease', { ttlMs: 2_000, lockDelayMs: 1_000, scope: 'agent' });
  acquire(c, 'lease', { waitMs: 60_000, external: true, graceMs: 1_000 });
  rig.wait(1_500);
  ask(agent.session, 'lock.extend', { ...held(lease), ttlMs: 1_000 });
  acquire(agent.session, 'busy', { progressTimeoutMs: 1_000 });
  rig.wait(4_000);
  rig.one({ kind: 'session.lost', session: c, attach: 1 });
  acquire(a, 'lease', { mode: 'shared', waitMs: 60_000 });
  rig.wait(20_000);
  ask(admin, 'lock.forceUnlock', { path: 'lease', reason: 'asked', graceMs: 1_000 });
  rig.wait(1_500);
  ask(admin, 'lock.forceUnlock', { path: 'q', reason: 'at once' });

  // Sessions that come back, are taken over, leave; many at once, over several entries.
  for (let n = 0; n < 300; n += 1) acquire(a, `many/${n}`);
  acquire(b, 'many', { mode: 'shared', waitMs: 600_000 });
  rig.one({ kind: 'session.lost', session: b, attach: 1 });
  rig.hello({
    who: 'key:b',
    role: 'member',
    secretHash: 's2',
    resume: { session: b, secretHash: 's1', rev: rig.engine.state.rev, gap: 'gap' },
  });
  rig.one({ kind: 'session.bye', session: a, attach: 1, requeue: true });
  rig.one({ kind: 'continue' });
  rig.one({ kind: 'continue' });
  acquire(agent.session, 'left', { ttlMs: 3_600_000 });
  acquire(agent.session, 'own', { scope: 'agent' });
  rig.agent('w');
  rig.one({ kind: 'up', incarnation: 'i2', node: 'n2', version: ENGINE_VERSION }, 60_000);
  rig.wait(50_000);
  rig.wait(610_000);
}
