/** Documents beside their edits: names, archive, snapshots, restores, locks of sections, and stale edits that would be swallowed. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { WriteMethod } from '../../../protocol/wire/operations.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { DOCUMENT_CARE_VERSION, DOCUMENTS_VERSION, ENGINE_VERSION } from '../../../src/engine/port.ts';
import { documentHistory, listDocuments, listDocumentSnapshots, sectionsOf } from '../../../src/engine/queries.ts';
import { Rig } from '../rig.ts';
import { textOf } from './texts.ts';

let rig: Rig;
let ann: string;
let bob: string;
let id: string;

function ask(session: string, method: WriteMethod, params: object): string {
  const { reply } = rig.ask(session, method, params);
  return reply.ok ? 'ok' : reply.rejection.code;
}
type Joints = { readonly open?: readonly string[]; readonly under?: readonly string[] };
const update = (version: number, texts: readonly string[], joints: Joints = {}): string =>
  ask(ann, 'document.update', { id, version, text: textOf(version, texts, joints) });
const known = () => {
  const record = rig.engine.state.documents.get(id);
  if (record === undefined) throw new Error('the document is there');
  return record;
};
const texts = (): readonly string[] => known().sections.map(({ heading }) => heading);
const newestSnapshot = (): string => listDocumentSnapshots(rig.engine.state, known()).snapshots[0]?.id ?? '';

function begin(version = ENGINE_VERSION): void {
  rig = new Rig();
  rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: ENGINE_VERSION });
  for (let next = 2; next <= version; next += 1) rig.one({ kind: 'upgrade', version: next });
  ann = rig.session({ who: 'key:ann', role: 'member' });
  bob = rig.session({ who: 'key:bob', role: 'member' });
  ask(ann, 'document.create', { name: 'plan', text: textOf(0, ['a', 'b', 'c']) });
  id = [...rig.engine.state.documentsById].at(-1)?.id ?? '';
}

beforeEach(() => begin());

describe('a stale edit whose heading could be swallowed', () => {
  const stale = (): string => update(1, ['a', 'b', 'y'], { under: ['s3'] });

  it.each<[string, () => void, string]>([
    [
      'behind a section that was opened meanwhile is a conflict',
      () => update(1, ['a', 'x', 'c'], { open: ['s2'] }),
      'DOCUMENT_CONFLICT',
    ],
    ['behind one that was changed and is closed is accepted', () => update(1, ['a', 'x', 'c']), 'ok'],
    [
      'elsewhere than behind the one that was opened is accepted',
      () => update(1, ['x', 'b', 'c'], { open: ['s1'] }),
      'ok',
    ],
    [
      'behind one that was opened and closed again is accepted',
      () => {
        update(1, ['a', 'x', 'c'], { open: ['s2'] });
        update(2, ['a', 'z', 'c']);
      },
      'ok',
    ],
    [
      'behind an open one that came to stand there is a conflict',
      () => {
        update(1, ['a', 'b', 'c', 'd'], { open: ['s4'] });
        const ids = ['s1', 's2', 's4', 's3'];
        ask(ann, 'document.update', {
          id,
          version: 2,
          text: textOf(2, ['a', 'b', 'd', 'c'], { ids, open: ['s4', 's2'] }),
        });
      },
      'DOCUMENT_CONFLICT',
    ],
  ])('%s', (_what, meanwhile, code) => {
    meanwhile();
    expect(stale()).toBe(code);
  });

  it('is accepted beside the open section that it was written beside', () => {
    expect(update(1, ['a', 'x', 'c'], { open: ['s2'] })).toBe('ok');
    expect(update(2, ['q', 'x', 'c'])).toBe('ok');
    expect(ask(ann, 'document.update', { id, version: 2, text: textOf(2, ['a', 'x', 'y'], { under: ['s3'] }) })).toBe(
      'ok',
    );
    expect(texts()).toEqual(['q', 'x', 'y']);
  });

  it('is accepted, as it was, while the state is of a version before', () => {
    begin(DOCUMENTS_VERSION);
    update(1, ['a', 'x', 'c'], { open: ['s2'] });
    expect(stale()).toBe('ok');
    expect(known().sections.map((section) => Object.keys(section).length)).toEqual([6, 6, 6]);
  });
});

describe('a document', () => {
  it('is named anew, which makes no version', () => {
    expect(ask(bob, 'document.rename', { id, name: 'other' })).toBe('ok');
    expect(known()).toMatchObject({ name: 'other', version: 1, updatedBy: 'key:bob' });
    expect(ask(bob, 'document.rename', { id: 'doc_none', name: 'x' })).toBe('NOT_FOUND');
  });

  it('that is archived is not changed, and is kept, listed and deleted', () => {
    expect(ask(ann, 'document.archive', { id })).toBe('ok');
    const refused: readonly (readonly [WriteMethod, object])[] = [
      ['document.update', { id, version: 1, text: textOf(1, ['x', 'b', 'c']) }],
      ['document.rename', { id, name: 'x' }],
      ['document.restore', { id, version: 1, text: textOf(1, ['x', 'b', 'c']) }],
      ['section.update', { documentId: id, sectionId: 's1', version: 1, text: textOf(1, ['x', 'b', 'c']) }],
    ];
    for (const [method, params] of refused) expect(ask(ann, method, params), method).toBe('INVALID_TRANSITION');
    expect(ask(ann, 'document.snapshot', { id })).toBe('ok');
    const who = { id: 'key:ann', role: 'member' } as const;
    const listed = (archived: boolean): number => listDocuments(rig.engine.state, who, { archived }).documents.length;
    expect([listed(true), listed(false)]).toEqual([1, 0]);
    expect(ask(ann, 'document.unarchive', { id })).toBe('ok');
    expect([listed(true), listed(false)]).toEqual([0, 1]);
    expect(update(1, ['x', 'b', 'c'])).toBe('ok');
    ask(ann, 'document.archive', { id });
    expect(ask(ann, 'document.delete', { id })).toBe('ok');
    expect(rig.engine.state.documentSnapshots.size).toBe(0);
  });

  it('has the text of a version again, as a version of its own', () => {
    update(1, ['x', 'b', 'c']);
    expect(ask(bob, 'document.restore', { id, version: 1, text: textOf(2, ['a', 'b', 'c']) })).toBe('ok');
    expect(texts()).toEqual(['a', 'b', 'c']);
    expect(documentHistory(rig.engine.state, known(), { id }).versions).toMatchObject([
      { version: 3, by: 'key:bob', sections: ['s1'], restored: 1 },
      { version: 2 },
      { version: 1 },
    ]);
    expect(ask(bob, 'document.restore', { id, version: 9 })).toBe('NOT_FOUND');
    expect(ask(bob, 'document.restore', { id, snapshotId: 'dsn_none', text: textOf(3, ['q']) })).toBe('NOT_FOUND');
  });

  it('that was changed while a restore was on its way is not overwritten', () => {
    update(1, ['x', 'b', 'c']);
    update(2, ['y', 'b', 'c']);
    expect(ask(bob, 'document.restore', { id, version: 1, text: textOf(2, ['a', 'b', 'c']) })).toBe(
      'DOCUMENT_CONFLICT',
    );
    expect(texts()).toEqual(['y', 'b', 'c']);
  });

  it('keeps what a snapshot is of, however many versions come', () => {
    expect(ask(ann, 'document.snapshot', { id, name: 'first' })).toBe('ok');
    const snapshotId = newestSnapshot();
    for (let n = 1; n <= LIMITS.documentVersionsKept + 2; n += 1) update(n, [`t${n}`, 'b', 'c']);
    expect(sectionsOf(rig.engine.state, known(), { version: 1 })).toBeUndefined();
    const kept = sectionsOf(rig.engine.state, known(), { snapshotId });
    expect([kept?.version, kept?.sections.map(({ heading }) => heading)]).toEqual([1, ['a', 'b', 'c']]);
    const { version } = known();
    expect(ask(ann, 'document.restore', { id, snapshotId, text: textOf(version, ['a', 'b', 'c']) })).toBe('ok');
    expect(ask(ann, 'document.deleteSnapshot', { id, snapshotId })).toBe('ok');
    expect(ask(ann, 'document.deleteSnapshot', { id, snapshotId })).toBe('NOT_FOUND');
    expect(ask(ann, 'document.snapshot', { id, version: 1 })).toBe('NOT_FOUND');
  });

  it('has a bounded number of snapshots', () => {
    for (let n = 0; n < LIMITS.documentSnapshotsMax; n += 1) expect(ask(ann, 'document.snapshot', { id })).toBe('ok');
    expect(ask(ann, 'document.snapshot', { id })).toBe('LIMIT_EXCEEDED');
  });
});

describe('a section', () => {
  it('is locked against others, by the paths of the lock service', () => {
    expect(ask(bob, 'section.lock', { documentId: id, sectionId: 's1' })).toBe('ok');
    expect(ask(ann, 'section.lock', { documentId: id, sectionId: 's1' })).toBe('BUSY');
    expect(ask(ann, 'lock.acquire', { path: `document/${id}/s1` })).toBe('BUSY');
    expect(update(1, ['x', 'b', 'c'])).toBe('BUSY');
    expect(update(1, ['a', 'x', 'c'])).toBe('ok');
    expect(ask(ann, 'section.lock', { documentId: id, sectionId: 's9' })).toBe('NOT_FOUND');
    const [lock] = rig.engine.state.locks.held();
    const held = { id: lock?.id, token: String(lock?.token) };
    expect(ask(ann, 'section.unlock', held)).toBe('NOT_HELD');
    expect(ask(bob, 'section.unlock', held)).toBe('ok');
    expect(update(2, ['x', 'x', 'c'])).toBe('ok');
  });
});

it.each<[WriteMethod, object]>([
  ['document.rename', { name: 'x' }],
  ['document.archive', {}],
  ['document.snapshot', {}],
  ['document.restore', { version: 1 }],
  ['section.lock', { sectionId: 's1' }],
  ['section.update', { sectionId: 's1', version: 1 }],
])('the state has no %s before its version has it', (method, params) => {
  begin(DOCUMENT_CARE_VERSION - 1);
  expect(ask(ann, method, { id, documentId: id, ...params })).toBe('UNAVAILABLE');
});
