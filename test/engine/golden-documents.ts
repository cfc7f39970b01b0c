/** What the recording of documents does: every method, every way in which an edit is refused. */
import type { WriteMethod } from '../../protocol/wire/operations.ts';
import { DOCUMENTS_VERSION } from '../../src/engine/port.ts';
import { textOf } from './documents/texts.ts';
import type { Rig } from './rig.ts';

export function performDocuments(rig: Rig): void {
  rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: DOCUMENTS_VERSION });
  for (let version = 2; version <= DOCUMENTS_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
  const ann = rig.session({ who: 'key:ann', role: 'member', subs: ['document.*'] });
  const bob = rig.session({ who: 'key:bob', role: 'member' });
  const ask = (session: string, method: WriteMethod, params: object): void =>
    void rig.ask(session, method, params, { after: 20 });
  const newest = (): string => [...rig.engine.state.documentsById].at(-1)?.id ?? '';
  const conflict = (): string => [...rig.engine.state.conflictsByDocument.after(newest(), '')].at(-1)?.id ?? '';

  ask(ann, 'workspace.create', { name: 'team' });
  const workspaceId = [...rig.engine.state.workspacesById].at(-1)?.id ?? '';
  ask(bob, 'document.create', { name: 'no', workspaceId, text: textOf(0, ['a']) });
  ask(ann, 'document.create', { name: 'é', workspaceId, text: textOf(0, ['a', 'b', 'c']) });
  const id = newest();
  ask(bob, 'document.update', { id, version: 1, text: textOf(1, ['x', 'b', 'c']) });
  ask(ann, 'member.add', { workspaceId, userId: 'key:bob', role: 'editor' });
  ask(bob, 'document.update', { id, version: 1, text: textOf(1, ['x', 'b', 'c']) });
  ask(ann, 'document.update', { id, version: 1, text: textOf(1, ['a', 'y', 'c']) });
  ask(ann, 'document.update', { id, version: 1, text: textOf(1, ['z', 'b', 'c']) });
  ask(ann, 'document.resolve', { conflictId: conflict(), resolution: 'ours', text: textOf(3, ['z', 'b', 'c']) });
  ask(ann, 'document.update', { id, version: 1, text: textOf(1, ['q', 'b', 'c']) });
  ask(ann, 'document.resolve', { conflictId: conflict(), resolution: 'theirs' });
  ask(ann, 'document.update', { id, version: 4, text: textOf(4, ['z', 'b', 'c', 'd']) });
  ask(ann, 'document.update', { id, version: 9 });
  ask(bob, 'lock.acquire', { path: `workspace/${workspaceId}/document/${id}/s1` });
  ask(ann, 'document.update', { id, version: 5, text: textOf(5, ['l', 'b', 'c', 'd']) });
  ask(bob, 'document.update', { id, version: 5, token: '7', text: textOf(5, ['l', 'b', 'c', 'd']) });
  ask(bob, 'document.delete', { id });
  ask(ann, 'document.create', { name: 'alone', type: 'text', text: textOf(0, ['a']) });
  ask(ann, 'document.delete', { id: newest() });
  ask(ann, 'workspace.delete', { id: workspaceId });
  for (let n = 0; n < 6; n += 1) rig.entry([{ kind: 'continue' }], 10);
}
