/** What the recording of engine version 8 does: keys that leave, edits and snapshots of versions that are kept no more, other epochs. */
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { WriteMethod } from '../../protocol/wire/operations.ts';
import { must } from '../../src/base/assert.ts';
import type { DocumentRecord } from '../../src/engine/documents/document-records.ts';
import { textOf } from './documents/texts.ts';
import type { Rig } from './rig.ts';

const NEW = 8;

export function performVersion8(rig: Rig): void {
  rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: NEW });
  for (let version = 2; version < NEW; version += 1) rig.one({ kind: 'upgrade', version });
  rig.one({ kind: 'key.install', id: 'root', secretHash: 'h', role: 'admin', first: true });
  const root = rig.session({ principal: { id: 'key:root', role: 'admin', keyId: 'root' } });
  const ask = (method: WriteMethod, params: object): void => void rig.ask(root, method, params, { after: 20 });
  const key = (keyId: string, more: object = {}): void =>
    ask('apiKey.create', { role: 'admin', keyId, secretHash: 'h', ...more });
  // Before, and since.
  key('early');
  key('short', { expiresAt: rig.now + 60_000 });
  ask('apiKey.revoke', { id: 'early' });
  rig.tick(90_000);
  rig.epoch = 2;
  performDocument(rig, ask);
  rig.one({ kind: 'upgrade', version: NEW });
  performDocument(rig, ask);
  key('late');
  key('brief', { expiresAt: rig.now + 60_000 });
  const held = rig.session({ principal: { id: 'key:late', role: 'admin', keyId: 'late' }, subs: ['tenant.log'] });
  rig.ask(held, 'apiKey.revoke', { id: 'root' });
  rig.one({ kind: 'key.install', id: 'root', secretHash: 'h', role: 'admin', first: true });
  rig.epoch = 5;
  rig.tick(100_000);
  rig.ask(held, 'topic.publish', { topic: 'news', data: 1 });
  rig.tick(LIMITS.apiKeyKeptMs);
  rig.one({ kind: 'key.install', id: 'root', secretHash: 'h', role: 'admin', first: true });
  rig.hello({ principal: { id: 'key:root', role: 'admin', keyId: 'root' } });
  rig.epoch = 6;
  const resume = { session: root, secretHash: 's1', rev: rig.engine.state.rev, gap: 'epoch' } as const;
  rig.hello({ principal: { id: 'key:late', role: 'admin', keyId: 'late' }, resume });
  rig.ask(held, 'apiKey.create', { role: 'member', keyId: 'last', secretHash: 'h' });
}

/** Enough versions that the first are kept no more, then edits and snapshots of those. */
function performDocument(rig: Rig, ask: (method: WriteMethod, params: object) => void): void {
  ask('document.create', { name: 'plan', text: textOf(0, ['a', 'b', 'c']) });
  const known = (): DocumentRecord => must([...rig.engine.state.documentsById].at(-1), 'the document');
  const { id, sections } = known();
  const from = sections.map(({ sid, version, sha256 }) => ({ sid, version, sha256 }));
  for (let version = 1; version <= LIMITS.documentVersionsKept + 2; version += 1)
    ask('document.update', { id, version, text: textOf(version, [`a${version}`, 'b', 'c']) });
  const edit = (texts: readonly string[]): void =>
    ask('document.update', { id, version: 1, text: { ...textOf(1, texts), from } });
  edit(['a', 'B', 'c']);
  edit(['x', 'b', 'c']);
  ask('document.update', { id, version: 1, text: textOf(1, ['a', 'b', 'C']) });
  ask('document.update', { id, version: 1 });
  ask('document.snapshot', { id, version: 1, name: 'first', sections });
  ask('document.snapshot', { id, version: 1 });
}
