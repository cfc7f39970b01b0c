/** What the recording of workspaces does: every method, every way in which a membership or a workspace ends. */
import type { WriteMethod } from '../../protocol/wire/operations.ts';
import { ENGINE_VERSION, WORKSPACES_VERSION } from '../../src/engine/port.ts';
import type { Rig } from './rig.ts';

export function performWorkspaces(rig: Rig): void {
  rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: ENGINE_VERSION });
  for (let version = 2; version <= WORKSPACES_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
  const admin = rig.session();
  const ann = rig.session({ who: 'key:ann', role: 'member', subs: ['workspace.*'] });
  const bob = rig.session({ who: 'key:bob', role: 'member' });
  const worker = rig.agent('w', { capacity: 2 });
  const ask = (session: string, method: WriteMethod, params: object): void =>
    void rig.ask(session, method, params, { after: 20 });
  const newest = (): string => [...rig.engine.state.workspacesById].at(-1)?.id ?? '';

  ask(ann, 'workspace.create', { name: 'é', description: 'd', settings: { features: ['a'], quotas: { agents: 2 } } });
  const workspaceId = newest();
  const of = { workspaceId };
  ask(bob, 'workspace.update', { id: workspaceId, name: 'no' });
  ask(ann, 'workspace.update', { id: workspaceId, name: 'team', description: null, settings: { visibility: 'team' } });
  ask(ann, 'member.add', { ...of, userId: 'key:bob', role: 'viewer' });
  ask(ann, 'member.add', { ...of, userId: 'agent:w', role: 'editor' });
  ask(bob, 'member.add', { ...of, userId: 'key:c', role: 'viewer' });
  ask(ann, 'member.setRole', { ...of, userId: 'key:bob', role: 'editor' });
  ask(ann, 'member.remove', { ...of, userId: 'key:ann' });
  ask(bob, 'topic.subscribe', { topic: `workspace.${workspaceId}` });
  ask(bob, 'topic.publish', { topic: `workspace.${workspaceId}.topic.chat`, data: 1 });
  ask(bob, 'topic.publish', { topic: `workspace.${workspaceId}.topic.chat`, data: 2, kind: 'latest', key: 'k' });
  ask(bob, 'lock.acquire', { path: `workspace/${workspaceId}/a` });
  ask(ann, 'lock.acquire', { path: `workspace/${workspaceId}/a`, waitMs: 60_000 });
  ask(bob, 'task.createBatch', { tasks: [1, 2, 3].map((n) => ({ type: 'work', parameters: { n }, ...of })) });
  ask(bob, 'task.create', { type: 'work', workspaceId: 'wsp_nobody' });
  const ops = [
    { op: 'set', key: 'a', value: { x: [1, null] } },
    { op: 'increment', key: 'n', by: 3 },
    { op: 'add_to_set', key: 's', value: 'x' },
    { op: 'remove_from_set', key: 's', value: 'y' },
  ];
  ask(bob, 'state.apply', { ...of, ops });
  ask(bob, 'state.apply', { ...of, ops, ifVersion: 9 });
  ask(bob, 'state.apply', { ...of, ops: [{ op: 'increment', key: 'a', by: 1 }] });
  ask(bob, 'state.snapshot', { ...of, name: 'one' });
  ask(bob, 'state.snapshot', of);
  const [one, two] = [...rig.engine.state.snapshotsByWorkspace.after(workspaceId, '')].map(({ id }) => id);
  ask(bob, 'state.apply', { ...of, ops: [{ op: 'set', key: 'a', value: null }] });
  ask(bob, 'state.restore', { ...of, snapshotId: one });
  ask(ann, 'state.deleteSnapshot', { ...of, snapshotId: two });
  ask(bob, 'usage.update', { ...of, storageBytes: 1_000, cpuSeconds: 5 });
  ask(bob, 'usage.update', { ...of, storageBytes: -2_000 });
  ask(bob, 'presence.set', { ...of, status: 'online', location: 'plan' });
  ask(ann, 'presence.set', { ...of, status: 'busy' });
  rig.wait(1_500);
  ask(bob, 'presence.set', { ...of, status: 'offline' });
  ask(ann, 'notification.broadcast', { audience: of, type: 't', message: 'm' });
  rig.wait(1_500);
  ask(ann, 'member.remove', { ...of, userId: 'agent:w' });
  ask(ann, 'member.remove', { ...of, userId: 'key:bob' });
  ask(ann, 'member.add', { ...of, userId: 'agent:w', role: 'editor' });
  ask(ann, 'workspace.archive', { id: workspaceId });
  ask(ann, 'task.create', { type: 'work', ...of });
  ask(ann, 'workspace.unarchive', { id: workspaceId });
  rig.one({ kind: 'session.lost', session: ann, attach: 1 });
  rig.wait(17_000);
  ask(worker.session, 'workspace.create', { name: 'public', settings: { isPublic: true } });
  ask(worker.session, 'workspace.update', { id: newest(), settings: { isPublic: false } });
  ask(admin, 'workspace.delete', { id: workspaceId });
  rig.wait(2_000);
}
