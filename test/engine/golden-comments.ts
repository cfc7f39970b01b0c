/** What the recording of comments on documents does. */
import type { WriteMethod } from '../../protocol/wire/operations.ts';
import { DOCUMENT_CARE_VERSION } from '../../src/engine/port.ts';
import { hashOf, textOf } from './documents/texts.ts';
import type { Rig } from './rig.ts';

export function performComments(rig: Rig): void {
  rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: DOCUMENT_CARE_VERSION });
  for (let version = 2; version <= DOCUMENT_CARE_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
  const ann = rig.session({ who: 'key:ann', role: 'member', subs: ['document.*'] });
  const bob = rig.session({ who: 'key:bob', role: 'member' });
  const ask = (session: string, method: WriteMethod, params: object): void =>
    void rig.ask(session, method, params, { after: 20 });
  const ids = (): string[] => [...rig.engine.state.comments.held()].map(({ id }) => id).toSorted();

  ask(ann, 'document.create', { name: 'plan', text: textOf(0, ['a', 'b']) });
  const documentId = [...rig.engine.state.documentsById].at(-1)?.id ?? '';
  const say = (session: string, text: string, more: object = {}): void =>
    ask(session, 'comment.create', { documentId, sha256: hashOf(text), bytes: text.length, ...more });
  say(ann, 'why');
  say(bob, 'so', { replyTo: ids()[0] });
  say(bob, 'here', { sectionId: 's2' });
  say(bob, 'no', { sectionId: 's9' });
  say(bob, 'no', { replyTo: 'cmt_none' });
  ask(bob, 'comment.resolve', { id: ids()[0] });
  ask(bob, 'comment.resolve', { id: ids()[0], resolved: false });
  ask(bob, 'comment.resolve', { id: ids()[2] });
  ask(bob, 'comment.delete', { id: ids()[0] });
  ask(ann, 'comment.delete', { id: ids()[0] });
  ask(ann, 'document.delete', { id: documentId });
  for (let n = 0; n < 3; n += 1) rig.entry([{ kind: 'continue' }], 10);
}
