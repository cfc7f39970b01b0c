/** `document.search` through a node: it follows what becomes of documents, and tells nobody what he may not read. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { DocumentSearchResult } from '../../protocol/wire/document-search.ts';
import type { Method, Results, Value } from '../../protocol/wire/types.ts';
import type { SearchIndex } from '../../src/store/search/port.ts';
import { searchInMemory } from '../../src/store/search/sqlite.ts';
import { elsewhere, NodeRig, type Client } from '../support/node-rig.ts';

const TEXT = '# One\n\napples\n\n# Two\n\npears\n';

let rig: NodeRig;
let ann: Client;
let bob: Client;
let id: string;

const person = (name: string): Client => rig.client({ id: `key:${name}`, tenant: 'default', role: 'member' });

function result<M extends Method>(client: Client, method: M, params: Value): Results[M] {
  return rig.result(client, method, params) as unknown as Results[M];
}

const search = (query: string, more: object = {}, client = ann): DocumentSearchResult =>
  result(client, 'document.search', { query, ...more });
const found = (query: string, more: object = {}, client = ann): string[] =>
  search(query, more, client).hits.map(({ document }) => document.name);
const create = (name: string, content: string, more: object = {}): string =>
  result(ann, 'document.create', { name, content, ...more }).document.id;

function begin(options: ConstructorParameters<typeof NodeRig>[0] = {}): void {
  rig = new NodeRig(options).start();
  ann = person('ann');
  bob = person('bob');
}

/** An index that an edit, or whatever it is, comes in between of. */
function between(index: SearchIndex, shown: () => void): SearchIndex {
  return {
    list: (...asked) => index.list(...asked),
    put: (...asked) => index.put(...asked),
    remove: (...asked) => index.remove(...asked),
    find: (...asked) => index.find(...asked),
    show: (tenant, asked, done) =>
      index.show(tenant, asked, (outcome) => {
        shown();
        done(outcome);
      }),
    close: (done) => index.close(done),
  };
}

beforeEach(() => {
  begin();
  id = create('plan', TEXT);
});

describe('a search', () => {
  it('finds what was accepted before it, and nothing that was there before', () => {
    expect(search('pears')).toMatchObject({
      hits: [{ document: { id, name: 'plan' }, version: 1, sectionId: 's2', excerpt: TEXT, marks: [[22, 27]] }],
    });
    result(bob, 'document.update', { id, version: 1, content: TEXT.replace('pears', 'plums') });
    expect([found('pears'), found('plums')]).toEqual([[], ['plan']]);
    result(bob, 'document.rename', { id, name: 'orchard' });
    expect([found('plan'), found('orchard plums')]).toEqual([[], ['orchard']]);
    result(bob, 'document.restore', { id, version: 1 });
    expect([found('pears'), found('plums')]).toEqual([['orchard'], []]);
    result(bob, 'document.delete', { id });
    expect(found('apples')).toEqual([]);
  });

  it('puts what was edited there also when nobody searches', () => {
    const [serving] = rig.node.servings.filter(({ id: tenant }) => tenant === 'default');
    result(bob, 'document.update', { id, version: 1, content: TEXT.replace('pears', 'plums') });
    expect(serving?.index?.behind).toBe(1);
    rig.scheduler.advance(2_000);
    expect(serving?.index?.behind).toBe(0);
  });

  it('finds by workspace, by type, and those that are archived or not', () => {
    create('list', 'apples', { type: 'text' });
    result(ann, 'document.archive', { id });
    expect(found('apples').toSorted()).toEqual(['list', 'plan']);
    expect(found('apples', { type: 'text' })).toEqual(['list']);
    expect(found('apples', { archived: true })).toEqual(['plan']);
    expect(found('apples', { archived: false })).toEqual(['list']);
    expect(found('apples', { workspaceId: 'wsp_1' })).toEqual([]);
  });

  it('is answered in pages', () => {
    for (let i = 0; i < 6; i += 1) create(`doc ${i}`, `apples ${'and '.repeat(i)}`);
    const names: string[] = [];
    for (let cursor: string | undefined; ;) {
      const page = search('apples', { limit: 3, ...(cursor === undefined ? {} : { cursor }) });
      names.push(...page.hits.map(({ document }) => document.name));
      cursor = page.cursor;
      if (cursor === undefined) break;
      expect(page.hits).toHaveLength(3);
    }
    expect(names).toHaveLength(7);
    expect(new Set(names).size).toBe(7);
  });

  it('refuses a cursor that leads nowhere', () => {
    const refused = rig.ask(ann, 'document.search', { params: { query: 'pears', cursor: 'doc_none' } });
    expect(refused).toMatchObject({ ok: false, rejection: { code: 'INVALID_PARAMS', details: [{ path: 'cursor' }] } });
  });
});

describe('what may be found', () => {
  let workspaceId: string;

  beforeEach(() => {
    workspaceId = result(ann, 'workspace.create', { name: 'team' }).workspace.id;
    create('ours', 'apples of the team', { workspaceId });
  });

  it('is what may be read, as members and visibility change', () => {
    expect(found('team')).toEqual(['ours']);
    expect(found('team', {}, bob)).toEqual([]);
    expect(found('team', { workspaceId }, bob)).toEqual([]);
    result(ann, 'member.add', { workspaceId, userId: 'key:bob', role: 'viewer' });
    expect(found('team', { workspaceId }, bob)).toEqual(['ours']);
    result(ann, 'member.remove', { workspaceId, userId: 'key:bob' });
    expect(found('team', {}, bob)).toEqual([]);
    result(ann, 'workspace.update', { id: workspaceId, settings: { visibility: 'public' } });
    expect(found('team', {}, bob)).toEqual(['ours']);
    result(ann, 'workspace.update', { id: workspaceId, settings: { visibility: 'private' } });
    expect(found('team', {}, bob)).toEqual([]);
    result(ann, 'workspace.delete', { id: workspaceId });
    expect(found('team')).toEqual([]);
  });

  it('is not told by the cursors of others, nor by pages', () => {
    const hidden = search('team').hits[0]?.document.id ?? '';
    const refused = rig.ask(bob, 'document.search', { params: { query: 'team', cursor: hidden } });
    const unknown = rig.ask(bob, 'document.search', { params: { query: 'team', cursor: 'doc_none' } });
    expect(refused).toEqual(unknown);
    expect(search('apples', { limit: 1 }, bob)).not.toHaveProperty('cursor');
  });

  it('is looked at again when the answer is there', () => {
    let meanwhile = (): void => undefined;
    begin({ search: (scheduler) => between(searchInMemory(scheduler), () => meanwhile()) });
    const team = result(ann, 'workspace.create', { name: 'team' }).workspace.id;
    result(ann, 'member.add', { workspaceId: team, userId: 'key:bob', role: 'viewer' });
    create('ours', 'apples of the team', { workspaceId: team });
    expect(found('team', {}, bob)).toEqual(['ours']);
    meanwhile = () => {
      meanwhile = () => undefined;
      rig.ask(ann, 'member.remove', { params: { workspaceId: team, userId: 'key:bob' } });
    };
    expect(found('team', {}, bob)).toEqual([]);
  });
});

describe('the index', () => {
  it('is built when it is missing, and mended when it is behind or ahead', () => {
    rig.restart();
    ann = person('ann');
    expect(found('pears')).toEqual(['plan']);
  });

  it('of another time is compared, document by document', () => {
    let kept: SearchIndex | undefined;
    begin({ search: (scheduler) => (kept ??= searchInMemory(scheduler)) });
    id = create('plan', TEXT);
    const gone = create('gone', 'apples');
    expect(found('apples').toSorted()).toEqual(['gone', 'plan']);
    // What a crash, or a backup, may leave: one of another text, one too few, one too many.
    const put = { id, stamp: 'another', version: 7, name: 'plan', text: 'quinces', sections: [] };
    kept?.put('default', put, () => undefined);
    kept?.put('default', { ...put, id: 'doc_of_another_time', name: 'apples' }, () => undefined);
    kept?.remove('default', gone, () => undefined);
    rig.restart();
    ann = person('ann');
    expect([found('quinces'), found('apples').toSorted()]).toEqual([[], ['gone', 'plan']]);
    const ids: string[] = [];
    kept?.find('default', [{ text: 'apples', prefix: false }], (told) => {
      if (told.kind === 'done') ids.push(...told.value);
    });
    rig.scheduler.settle();
    expect(ids.toSorted()).toEqual([gone, id].toSorted());
  });

  it('that is lost is built anew, and that is said', () => {
    const kept: SearchIndex[] = [];
    begin({
      search: (scheduler) => {
        const lost = { kind: 'lost' } as const;
        const [first, second] = [searchInMemory(scheduler), searchInMemory(scheduler)];
        const now = (): SearchIndex => (kept.length === 0 ? first : second);
        return {
          list: (...asked) => now().list(...asked),
          put: (...asked) => now().put(...asked),
          remove: (...asked) => now().remove(...asked),
          find: (tenant, terms, done) => {
            if (kept.length > 0 || terms[0]?.text !== 'damage') return now().find(tenant, terms, done);
            kept.push(second);
            scheduler.defer(() => done(lost));
          },
          show: (...asked) => now().show(...asked),
          close: (done) => now().close(done),
        };
      },
    });
    create('plan', TEXT);
    expect(found('pears')).toEqual(['plan']);
    expect(rig.ask(ann, 'document.search', { params: { query: 'damage' } })).toMatchObject({
      rejection: { code: 'UNAVAILABLE', retryAfterMs: 1_000 },
    });
    expect(found('pears')).toEqual(['plan']);
  });

  it('is refused while texts cannot be reached, and finds them as soon as they can', () => {
    let away = false;
    begin({ search: searchInMemory, blobs: (blobs) => elsewhere(blobs, () => away) });
    id = create('plan', TEXT);
    result(ann, 'document.rename', { id, name: 'orchard' });
    away = true;
    const refused = rig.ask(ann, 'document.search', { params: { query: 'pears' } });
    expect(refused).toMatchObject({ ok: false, rejection: { code: 'UNAVAILABLE' } });
    away = false;
    rig.scheduler.advance(1_000);
    expect(found('pears')).toEqual(['orchard']);
  });

  it('finds by its name a document whose text is lost', () => {
    begin({ search: searchInMemory });
    id = create('plan', TEXT);
    for (const [hash] of rig.blobs.of('default')) rig.blobs.damage('default', hash);
    rig.restart();
    ann = person('ann');
    expect([found('plan'), found('pears')]).toEqual([['plan'], []]);
  });
});
