/** Comments as the engine decides them: who may, what they are about, what goes with what. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { WriteMethod } from '../../../protocol/wire/operations.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { DOCUMENT_CARE_VERSION, ENGINE_VERSION } from '../../../src/engine/port.ts';
import { listComments } from '../../../src/engine/queries.ts';
import { Rig } from '../rig.ts';
import { hashOf, textOf } from './texts.ts';

let rig: Rig;
let ann: string;
let bob: string;
let id: string;

function ask(session: string, method: WriteMethod, params: object): string {
  const { reply } = rig.ask(session, method, params);
  return reply.ok ? 'ok' : reply.rejection.code;
}
const say = (session: string, text: string, more: object = {}): string =>
  ask(session, 'comment.create', { documentId: id, sha256: hashOf(text), bytes: text.length, ...more });
const list = (more: object = {}) => {
  const known = rig.engine.state.documents.get(id);
  if (known === undefined) throw new Error('the document is there');
  return listComments(rig.engine.state, known, { documentId: id, ...more });
};
const idOf = (text: string): string => list().records.find(({ sha256 }) => sha256 === hashOf(text))?.id ?? 'none';

function begin(version = ENGINE_VERSION): void {
  rig = new Rig();
  rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: ENGINE_VERSION });
  for (let next = 2; next <= version; next += 1) rig.one({ kind: 'upgrade', version: next });
  ann = rig.session({ who: 'key:ann', role: 'member' });
  bob = rig.session({ who: 'key:bob', role: 'member' });
  ask(ann, 'document.create', { name: 'plan', text: textOf(0, ['a', 'b']) });
  id = [...rig.engine.state.documentsById].at(-1)?.id ?? '';
}

beforeEach(() => begin());

describe('comments', () => {
  it('are about a document, a section or another comment', () => {
    expect(say(ann, 'why')).toBe('ok');
    expect(say(bob, 'so', { replyTo: idOf('why') })).toBe('ok');
    expect(say(bob, 'here', { sectionId: 's2' })).toBe('ok');
    expect(say(bob, 'x', { sectionId: 's9' })).toBe('NOT_FOUND');
    expect(say(bob, 'x', { replyTo: 'cmt_none' })).toBe('NOT_FOUND');
    expect(say(bob, 'x', { documentId: 'doc_none' })).toBe('NOT_FOUND');
    expect(list({ sectionId: 's2' }).records).toMatchObject([{ by: 'key:bob', section: 's2', version: 1 }]);
    const first = list({ limit: 2 });
    expect([first.records.length, list({ cursor: first.cursor }).records.length]).toEqual([2, 1]);
  });

  it('are resolved and opened again', () => {
    say(ann, 'why');
    const open = (): number => list({ resolved: false }).records.length;
    expect(ask(bob, 'comment.resolve', { id: idOf('why') })).toBe('ok');
    expect([open(), list({ resolved: true }).records[0]?.resolvedBy]).toEqual([0, 'key:bob']);
    expect(ask(bob, 'comment.resolve', { id: idOf('why'), resolved: false })).toBe('ok');
    expect(open()).toBe(1);
    expect(ask(bob, 'comment.resolve', { id: 'cmt_none' })).toBe('NOT_FOUND');
  });

  it('are deleted by who said them, with all answers', () => {
    say(ann, 'why');
    say(bob, 'so', { replyTo: idOf('why') });
    say(ann, 'and', { replyTo: idOf('so') });
    say(bob, 'other');
    expect(ask(bob, 'comment.delete', { id: idOf('why') })).toBe('UNAUTHORIZED');
    expect(ask(ann, 'comment.delete', { id: idOf('why') })).toBe('ok');
    expect(list().records.map(({ sha256 }) => sha256)).toEqual([hashOf('other')]);
    expect(ask(ann, 'document.delete', { id })).toBe('ok');
    expect(rig.engine.state.comments.size).toBe(0);
  });

  it('are of a bounded number', () => {
    for (let n = 0; n < LIMITS.commentsMax; n += 1) expect(say(ann, `t${n}`)).toBe('ok');
    expect(say(ann, 'more')).toBe('LIMIT_EXCEEDED');
  });

  it.each([
    ['viewer', 'UNAUTHORIZED', 'UNAUTHORIZED'],
    ['commenter', 'ok', 'UNAUTHORIZED'],
    ['editor', 'ok', 'UNAUTHORIZED'],
    ['admin', 'ok', 'ok'],
  ])('of a workspace: a %s may what its role allows', (role, comments, deletes) => {
    ask(ann, 'workspace.create', { name: 'team' });
    const workspaceId = [...rig.engine.state.workspacesById].at(-1)?.id ?? '';
    ask(ann, 'document.create', { name: 'plan', workspaceId, text: textOf(0, ['a']) });
    id = [...rig.engine.state.documentsById].at(-1)?.id ?? '';
    say(ann, 'why');
    expect(say(bob, 'so')).toBe('NOT_FOUND');
    expect(ask(bob, 'comment.resolve', { id: idOf('why') })).toBe('NOT_FOUND');
    ask(ann, 'member.add', { workspaceId, userId: 'key:bob', role });
    expect(say(bob, 'so')).toBe(comments);
    expect(ask(bob, 'comment.resolve', { id: idOf('why') })).toBe(comments);
    expect(ask(bob, 'comment.delete', { id: idOf('why') })).toBe(deletes);
  });

  it('are not there before their version', () => {
    begin(DOCUMENT_CARE_VERSION - 1);
    expect(say(ann, 'why')).toBe('UNAVAILABLE');
  });
});
