/** What the recording of renaming, archiving, keeping and restoring documents does, and of edits that another section would swallow. */
import type { WriteMethod } from '../../protocol/wire/operations.ts';
import { DOCUMENT_CARE_VERSION } from '../../src/engine/port.ts';
import { textOf } from './documents/texts.ts';
import type { Rig } from './rig.ts';

export function performDocumentCare(rig: Rig): void {
  rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: DOCUMENT_CARE_VERSION });
  for (let version = 2; version <= DOCUMENT_CARE_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
  const ann = rig.session({ who: 'key:ann', role: 'member', subs: ['document.*'] });
  const bob = rig.session({ who: 'key:bob', role: 'member' });
  const ask = (session: string, method: WriteMethod, params: object): void =>
    void rig.ask(session, method, params, { after: 20 });
  const newest = (): string => [...rig.engine.state.documentsById].at(-1)?.id ?? '';
  const snapshot = (): string => [...rig.engine.state.snapshotsByDocument.after(newest(), '')].at(-1)?.id ?? '';

  ask(ann, 'workspace.create', { name: 'team' });
  const workspaceId = [...rig.engine.state.workspacesById].at(-1)?.id ?? '';
  ask(ann, 'document.create', { name: 'plan', workspaceId, text: textOf(0, ['a', 'b', 'c']) });
  const id = newest();
  ask(bob, 'document.rename', { id, name: 'no' });
  ask(ann, 'document.rename', { id, name: 'é' });
  ask(ann, 'document.snapshot', { id, name: 'first' });
  ask(ann, 'document.update', { id, version: 1, text: textOf(1, ['a', 'x', 'c'], { open: ['s2'] }) });
  ask(ann, 'document.update', { id, version: 1, text: textOf(1, ['a', 'b', 'y'], { under: ['s3'] }) });
  ask(ann, 'section.update', { documentId: id, sectionId: 's1', version: 1, text: textOf(1, ['z', 'b', 'c']) });
  ask(ann, 'document.restore', { id, snapshotId: snapshot(), text: textOf(3, ['a', 'b', 'c']) });
  ask(ann, 'document.restore', { id, version: 2, text: textOf(4, ['a', 'x', 'c'], { open: ['s2'] }) });
  ask(ann, 'document.restore', { id, version: 90 });
  ask(ann, 'document.archive', { id });
  ask(ann, 'document.update', { id, version: 4, text: textOf(4, ['q', 'b', 'c']) });
  ask(ann, 'document.snapshot', { id, version: 3 });
  ask(ann, 'document.unarchive', { id });
  ask(ann, 'member.add', { workspaceId, userId: 'key:bob', role: 'editor' });
  ask(bob, 'section.lock', { documentId: id, sectionId: 's1' });
  ask(ann, 'section.lock', { documentId: id, sectionId: 's1', waitMs: 1_000 });
  ask(ann, 'section.lock', { documentId: id, sectionId: 's9' });
  const [lock] = [...rig.engine.state.locks.held()];
  ask(bob, 'section.unlock', { id: lock?.id ?? '', token: String(lock?.token ?? 0) });
  ask(ann, 'document.deleteSnapshot', { id, snapshotId: snapshot() });
  ask(ann, 'document.delete', { id });
  for (let n = 0; n < 3; n += 1) rig.entry([{ kind: 'continue' }], 10);
}
