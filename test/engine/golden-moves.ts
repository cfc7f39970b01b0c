/** What the recording of moves does: those that are done, one of each kind that is not, and what their agents say after. */
import { MOVES_VERSION, type Move } from '../../src/engine/port.ts';
import type { Rig } from './rig.ts';

export function performMoves(rig: Rig): void {
  rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: MOVES_VERSION });
  for (let version = 2; version < MOVES_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
  const boss = rig.session();
  const a = rig.agent('a', { capacity: 6 });
  const create = (params: object = {}): string => rig.create(boss, { timeoutMs: 600_000, ...params }).id;
  const ids = [
    create(),
    create({ mode: 'offer' }),
    create({ sticky: { key: 'k' } }),
    create(),
    create({ locks: [{ path: 'x' }] }),
  ];
  const held = (id: string): { id: string; token: string } => ({ id, token: rig.task(id).token });
  const b = rig.agent('b', { capacity: 3 });
  const to = (agent: string): readonly Move[] =>
    ids.map((task) => ({ task, token: Number(rig.task(task).token), to: agent }));
  // Of an older behaviour.
  rig.one({ kind: 'task.move', moves: to(b.id) });
  rig.one({ kind: 'upgrade', version: MOVES_VERSION });
  rig.ask(a.session, 'task.accept', held(ids[3] ?? ''));
  const moves = to(b.id);
  rig.one({ kind: 'task.move', moves });
  rig.one({ kind: 'task.move', moves });
  rig.ask(b.session, 'task.steer', { id: ids[0], message: 'm' });
  for (const { task, token } of moves)
    rig.ask(a.session, 'task.acknowledge', { id: task, token: String(token), control: 'leaseLost' });
  rig.ask(boss, 'agent.drain', { id: a.id });
  rig.one({ kind: 'task.move', moves: to(b.id) });
  rig.one({ kind: 'session.lost', session: b.session, attach: 1 });
  const c = rig.agent('c', { capacity: 9 });
  rig.one({ kind: 'task.move', moves: to(c.id) });
  for (const id of ids) rig.ask(c.session, 'task.complete', { ...held(id), output: 1 });
  rig.wait(30_000);
}
