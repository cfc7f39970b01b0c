/** Edits of documents as the engine decides them: what is accepted, what is a conflict, what others have locked, what is used. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { WriteMethod } from '../../../protocol/wire/operations.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { DOCUMENTS_VERSION, ENGINE_VERSION, type Reply } from '../../../src/engine/port.ts';
import { sectionsAt } from '../../../src/engine/queries.ts';
import { Rig } from '../rig.ts';
import { hashOf, textOf } from './texts.ts';

let rig: Rig;
let ann: string;
let bob: string;
let id: string;

const ask = (session: string, method: WriteMethod, params: object): Reply => rig.ask(session, method, params).reply;
const codeOf = (reply: Reply): string => (reply.ok ? 'ok' : reply.rejection.code);
const newest = (): string => [...rig.engine.state.documentsById].at(-1)?.id ?? '';
const head = () => rig.engine.state.documents.get(id);
const update = (
  session: string,
  version: number,
  texts: readonly string[],
  more: { readonly ids?: readonly string[]; readonly alone?: boolean; readonly token?: string } = {},
): string => {
  const { token, ...form } = more;
  const params = { id, version, text: textOf(version, texts, form), ...(token === undefined ? {} : { token }) };
  return codeOf(ask(session, 'document.update', params));
};
const texts = (): readonly string[] => head()?.sections.map(({ heading }) => heading) ?? [];
const conflicts = () => [...rig.engine.state.conflictsByDocument.after(id, '')];

function begin(version = ENGINE_VERSION): void {
  rig = new Rig();
  rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: ENGINE_VERSION });
  for (let next = 2; next <= version; next += 1) rig.one({ kind: 'upgrade', version: next });
  ann = rig.session({ who: 'key:ann', role: 'member' });
  bob = rig.session({ who: 'key:bob', role: 'member' });
}

beforeEach(() => {
  begin();
  expect(codeOf(ask(ann, 'document.create', { name: 'plan', text: textOf(0, ['a', 'b', 'c']) }))).toBe('ok');
  id = newest();
});

describe('an edit', () => {
  it('of the current version is accepted, and changes the versions of what it touches alone', () => {
    expect(update(ann, 1, ['a', 'x', 'c'])).toBe('ok');
    expect(head()?.sections.map(({ version }) => version)).toEqual([1, 2, 1]);
    expect(head()).toMatchObject({ version: 2, updatedBy: 'key:ann' });
  });

  it('of another section never conflicts, however old its version is', () => {
    expect(update(ann, 1, ['x', 'b', 'c'])).toBe('ok');
    expect(update(bob, 1, ['a', 'y', 'c'])).toBe('ok');
    expect(update(ann, 1, ['a', 'b', 'z'])).toBe('ok');
    expect(texts()).toEqual(['x', 'y', 'z']);
    expect(head()?.version).toBe(4);
  });

  it.each([
    ['of the same section', ['y', 'b', 'c'], {}],
    ['that adds a section', ['a', 'b', 'c', 'd'], {}],
    ['that removes a section', ['a', 'b'], {}],
    ['that moves sections', ['a', 'c', 'b'], { ids: ['s1', 's3', 's2'] }],
    ['whose sections do not stand for themselves', ['a', 'b', 'y'], { alone: true }],
  ])('%s is a conflict on an old version, which keeps all three texts', (_what, ours, more) => {
    expect(update(bob, 1, ['x', 'b', 'c'])).toBe('ok');
    expect(update(ann, 1, ours, more)).toBe('DOCUMENT_CONFLICT');
    expect(texts()).toEqual(['x', 'b', 'c']);
    expect(conflicts()).toMatchObject([
      {
        by: 'key:ann',
        baseVersion: 1,
        version: 2,
        base: ['a', 'b', 'c'].map(hashOf),
        ours: ours.map(hashOf),
        theirs: ['x', 'b', 'c'].map(hashOf),
      },
    ]);
    expect(update(ann, 2, ours.with(0, 'x'), { ...more, alone: false })).toBe('ok');
  });

  it('that changes nothing makes no version', () => {
    expect(update(ann, 1, ['a', 'b', 'c'])).toBe('ok');
    expect(head()?.version).toBe(1);
  });

  it('finds every version that is kept, whatever the edits were', () => {
    const said: (readonly string[])[] = [['a', 'b', 'c']];
    for (let n = 1; n < 100; n += 1) {
      const before = said.at(-1) ?? [];
      const next = n % 5 === 0 ? [...before, `n${n}`] : before.with(n % before.length, `t${n}`);
      expect(update(ann, n, next)).toBe('ok');
      said.push(next);
    }
    const known = head();
    if (known === undefined) throw new Error('the document is there');
    for (const [place, made] of said.entries()) {
      const found = sectionsAt(rig.engine.state, known, place + 1)?.map(({ sha256: hash }) => hash);
      expect(found).toEqual(place + 1 >= said.length - LIMITS.documentVersionsKept ? made.map(hashOf) : undefined);
    }
    expect(rig.engine.state.versionsByDocument.count(id)).toBe(LIMITS.documentVersionsKept);
    // It was prepared while the version was kept, so it is to be prepared anew.
    expect(update(ann, 1, ['q', 'b', 'c'])).toBe('UNAVAILABLE');
  });

  it('is refused while others hold a lock of what it changes, and by its token', () => {
    const lock = ask(bob, 'lock.acquire', { path: `document/${id}/s1` });
    const { lock: held } = (lock as unknown as { readonly result: { readonly lock: { readonly token: string } } })
      .result;
    expect(update(ann, 1, ['x', 'b', 'c'])).toBe('BUSY');
    expect(update(ann, 1, ['a', 'b', 'c', 'd'])).toBe('BUSY');
    expect(codeOf(ask(ann, 'document.delete', { id }))).toBe('BUSY');
    expect(update(ann, 1, ['a', 'y', 'c'])).toBe('ok');
    expect(update(bob, 2, ['x', 'z', 'c'], { token: held.token })).toBe('NOT_HELD');
    expect(update(bob, 2, ['x', 'y', 'c'], { token: held.token })).toBe('ok');
    expect(update(ann, 3, ['x', 'y', 'w'], { token: held.token })).toBe('NOT_HELD');
  });

  it('is refused while others hold a lock of the document', () => {
    ask(bob, 'lock.acquire', { path: `document/${id}` });
    expect(update(ann, 1, ['x', 'b', 'c'])).toBe('BUSY');
    expect(update(bob, 1, ['x', 'b', 'c'])).toBe('ok');
  });
});

describe('a conflict', () => {
  beforeEach(() => {
    update(bob, 1, ['x', 'b', 'c']);
    update(ann, 1, ['y', 'b', 'c']);
  });
  const resolve = (more: object): string =>
    codeOf(ask(ann, 'document.resolve', { conflictId: conflicts()[0]?.id ?? 'none', ...more }));

  it('is resolved once', () => {
    const [open] = conflicts();
    expect(resolve({ resolution: 'ours', text: textOf(2, ['y', 'b', 'c']) })).toBe('ok');
    expect(texts()).toEqual(['y', 'b', 'c']);
    expect(codeOf(ask(ann, 'document.resolve', { conflictId: open?.id, resolution: 'theirs' }))).toBe('NOT_FOUND');
  });

  it('stays when what it would change was changed meanwhile', () => {
    update(bob, 2, ['z', 'b', 'c']);
    expect(resolve({ resolution: 'ours', text: textOf(2, ['y', 'b', 'c']) })).toBe('DOCUMENT_CONFLICT');
    expect(conflicts()).toHaveLength(1);
    expect(resolve({ resolution: 'theirs' })).toBe('ok');
    expect(conflicts()).toEqual([]);
    expect(texts()).toEqual(['z', 'b', 'c']);
  });

  it('is one of a bounded number, and goes with its document', () => {
    for (let n = 1; n < LIMITS.documentConflictsMax; n += 1) {
      expect(update(ann, 1, [`n${n}`, 'b', 'c'])).toBe('DOCUMENT_CONFLICT');
    }
    expect(update(ann, 1, ['more', 'b', 'c'])).toBe('LIMIT_EXCEEDED');
    expect(codeOf(ask(ann, 'document.delete', { id }))).toBe('ok');
    expect(rig.engine.state.documentConflicts.size + rig.engine.state.documentVersions.size).toBe(0);
  });
});

describe('in a workspace', () => {
  let workspaceId: string;
  const usage = () => {
    const known = rig.engine.state.workspaces.get(workspaceId);
    return [known?.documents, known?.documentBytes];
  };

  beforeEach(() => {
    ask(ann, 'workspace.create', { name: 'team', settings: { quotas: { documents: 1, storageBytes: 8 } } });
    workspaceId = [...rig.engine.state.workspacesById].at(-1)?.id ?? '';
    ask(ann, 'document.create', { name: 'plan', workspaceId, text: textOf(0, ['aaa', 'bbb']) });
    id = newest();
  });

  it('documents and their bytes count, to the quota', () => {
    expect(usage()).toEqual([1, 6]);
    expect(update(ann, 1, ['aaaaaa', 'bbb'])).toBe('QUOTA_EXCEEDED');
    expect(update(ann, 1, ['aaaaa', 'bbb'])).toBe('ok');
    expect(usage()).toEqual([1, 8]);
    expect(codeOf(ask(ann, 'document.create', { name: 'two', workspaceId, text: textOf(0, ['']) }))).toBe(
      'QUOTA_EXCEEDED',
    );
    expect(codeOf(ask(ann, 'document.delete', { id }))).toBe('ok');
    expect(usage()).toEqual([0, 0]);
  });

  it.each([
    ['viewer', 'UNAUTHORIZED', 'UNAUTHORIZED'],
    ['commenter', 'UNAUTHORIZED', 'UNAUTHORIZED'],
    ['editor', 'ok', 'UNAUTHORIZED'],
    ['admin', 'ok', 'ok'],
  ])('a %s may what its role allows', (role, edits, deletes) => {
    expect(update(bob, 1, ['x', 'bbb'])).toBe('NOT_FOUND');
    ask(ann, 'member.add', { workspaceId, userId: 'key:bob', role });
    expect(update(bob, 1, ['x', 'bbb'])).toBe(edits);
    expect(codeOf(ask(bob, 'document.delete', { id }))).toBe(deletes);
  });

  it('they end with it', () => {
    ask(ann, 'workspace.delete', { id: workspaceId });
    for (let n = 0; n < 8; n += 1) rig.entry([{ kind: 'continue' }]);
    expect(rig.engine.state.documents.get(id)).toBeUndefined();
    expect(rig.engine.state.workspaces.get(workspaceId)).toBeUndefined();
  });
});

describe('the state', () => {
  it('has no documents before its version has them', () => {
    begin(DOCUMENTS_VERSION - 1);
    expect(codeOf(ask(ann, 'document.create', { name: 'plan', text: textOf(0, ['a']) }))).toBe('UNAVAILABLE');
  });
});
