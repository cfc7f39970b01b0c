/** Documents through a node: texts on their way in and out, conflicts with their texts, crashes between text and entry. */
import { hash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { resultFrame } from '../../src/session/frames.ts';
import type { DocumentResults } from '../../protocol/wire/documents.ts';
import type { Method, Results, Value } from '../../protocol/wire/types.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Blobs } from '../../src/store/blobs/port.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { NodeRig, puttingBy, type Client } from '../support/node-rig.ts';

const TEXT = '# One\n\na\n\n# Two\n\nb\n';

let rig: NodeRig;
let ann: Client;
let bob: Client;
let id: string;

function person(name: string): Client {
  return rig.client({ id: `key:${name}`, tenant: 'default', role: 'member' });
}

function result<M extends Method>(client: Client, method: M, params: Value): Results[M] {
  return rig.result(client, method, params) as unknown as Results[M];
}

function refused(client: Client, method: Method, params: Value): { readonly code: string; readonly details?: unknown } {
  const reply = rig.ask(client, method, { params });
  return reply.ok ? { code: 'ok' } : reply.rejection;
}

const content = (): string | undefined => result(ann, 'document.get', { id }).content;
const conflictOf = (refusal: { readonly details?: unknown }): string =>
  (refusal.details as { readonly conflictId: string }).conflictId;

const texts = (): number => rig.blobs.of('default').size;

function begin(options: ConstructorParameters<typeof NodeRig>[0] = {}): void {
  rig = new NodeRig(options).start();
  ann = person('ann');
  bob = person('bob');
}

beforeEach(() => {
  begin();
  id = result(ann, 'document.create', { name: 'plan', content: TEXT }).document.id;
});

describe('a document', () => {
  it('is read whole, by section and by version', () => {
    result(ann, 'document.update', { id, version: 1, content: TEXT.replace('a', 'A') });
    const got: DocumentResults['document.get'] = result(bob, 'document.get', { id });
    expect(got.content).toBe(TEXT.replace('a', 'A'));
    expect(got.document.sections.map(({ id: sid, heading, version }) => [sid, heading, version])).toEqual([
      ['s1', 'One', 2],
      ['s2', 'Two', 1],
    ]);
    expect(result(bob, 'document.get', { id, version: 1 }).content).toBe(TEXT);
    expect(result(bob, 'document.get', { id, sectionId: 's2' }).content).toBe('# Two\n\nb\n');
    expect(refused(bob, 'document.get', { id, version: 3 }).code).toBe('NOT_FOUND');
    expect(
      result(bob, 'document.history', { id }).versions.map(({ version, by, sections }) => [version, by, sections]),
    ).toEqual([
      [2, 'key:ann', ['s1']],
      [1, 'key:ann', ['s1', 's2']],
    ]);
    expect(result(bob, 'document.list', {}).documents.map(({ name }) => name)).toEqual(['plan']);
  });

  it.each([
    [1, 200_000, true],
    [1, 261_000, true],
    [1, 262_000, false],
    [1, 262_144, false],
    [900, 230, true],
    [900, 280, false],
    [1_000, 100, true],
  ])('of %i sections of %i bytes is answered in a message, as text (%s) or by its blobs', (count, bytes, asText) => {
    const section = (n: number): string => `# ${n}\n`.padEnd(bytes - 1, 'x') + '\n';
    const whole = Array.from({ length: count }, (_, n) => section(n)).join('');
    const made = result(ann, 'document.create', { name: 'long', content: whole });
    const got = result(bob, 'document.get', { id: made.document.id });
    expect(resultFrame(2 ** 31, 2 ** 52, { ...got }).length).toBeLessThanOrEqual(LIMITS.frameBytes);
    expect(got.content === undefined ? 'blobs' : got.content === whole).toBe(asText || 'blobs');
    expect(got.blobs?.length).toBe(asText ? undefined : count);
  });

  it('takes edits of different sections, whole or by section, of one version', () => {
    result(ann, 'document.update', { id, version: 1, content: TEXT.replace('a', 'A') });
    result(bob, 'document.update', { id, version: 1, sectionId: 's2', content: '# Two\n\nB\n' });
    expect(content()).toBe('# One\n\nA\n\n# Two\n\nB\n');
  });

  it('never lets an edit of one section swallow another that was edited meanwhile', () => {
    // Without the empty line what stands before it becomes part of a heading that is underlined.
    result(ann, 'document.update', { id, version: 1, content: '# One\n\na\n# Two\n\nb\n' });
    const underlined = '# One\n\na\n\nTwo\n===\n\nb\n';
    expect(refused(bob, 'document.update', { id, version: 1, content: underlined })).toMatchObject({
      code: 'DOCUMENT_CONFLICT',
      details: { currentVersion: 2 },
    });
    expect(content()).toBe('# One\n\na\n# Two\n\nb\n');
    expect(result(ann, 'document.get', { id }).document.sections.map(({ heading }) => heading)).toEqual(['One', 'Two']);
    expect(result(ann, 'document.conflicts', { id }).conflicts).toHaveLength(1);
    // Made of the current version nothing is swallowed: the edit is of the whole document.
    result(bob, 'document.update', { id, version: 2, content: underlined });
    expect(result(ann, 'document.get', { id }).document.sections.map(({ heading }) => heading)).toEqual(['One', 'Two']);
  });

  it.each([
    ['none is there', 's9', '# Two\n', 'NO_SECTION'],
    ['it has no heading', 's2', 'b\n', 'NO_HEADING'],
    ['it swallows what is behind it', 's1', '# One\n\n```\n', 'UNCLOSED'],
  ])('refuses an edit of a section when %s', (_why, sectionId, text, reason) => {
    const refusal = refused(ann, 'document.update', { id, version: 1, sectionId, content: text });
    expect(refusal).toMatchObject({ code: 'INVALID_PARAMS', details: [{ reason }] });
  });

  it('tells listeners who changed what', () => {
    rig.result(bob, 'topic.subscribe', { topic: `document.${id}` });
    result(ann, 'document.update', { id, version: 1, content: TEXT.replace('b', 'B') });
    expect(bob.heard().filter(({ e }) => e === 'document.updated')).toMatchObject([
      { t: `document.${id}`, d: { id, by: 'key:ann', version: 2, sections: ['s2'] } },
    ]);
  });
});

describe('versions', () => {
  beforeEach(() => {
    result(ann, 'document.update', { id, version: 1, content: '# One\n\nA\n' });
  });

  it('are compared, by lines', () => {
    expect(result(bob, 'document.diff', { id, from: 1 })).toEqual({
      from: 1,
      to: 2,
      diff: '--- version 1\n+++ version 2\n@@ -1,7 +1,3 @@\n # One\n \n-a\n-\n-# Two\n-\n-b\n+A\n',
      added: 1,
      removed: 5,
    });
    expect(result(bob, 'document.diff', { id, from: 2, to: 2 })).toMatchObject({ diff: '', added: 0, removed: 0 });
    expect(refused(bob, 'document.diff', { id, from: 1, to: 7 }).code).toBe('NOT_FOUND');
  });

  it('are shown as HTML, whole and by section', () => {
    const shown = (params: Value): DocumentResults['document.html'] => result(bob, 'document.html', params);
    expect(shown({ id })).toEqual({ version: 2, html: '<h1>One</h1>\n<p>A</p>\n' });
    expect(shown({ id, version: 1, sectionId: 's2' })).toEqual({ version: 1, html: '<h1>Two</h1>\n<p>b</p>\n' });
    expect(refused(bob, 'document.html', { id, version: 7 })).toMatchObject({
      code: 'NOT_FOUND',
      details: { currentVersion: 2 },
    });
    expect(refused(bob, 'document.html', { id, sectionId: 's9' }).code).toBe('NOT_FOUND');
    expect(refused(bob, 'document.html', { id, snapshotId: 'dsn_9' }).code).toBe('NOT_FOUND');
  });

  it('are restored as new ones, and sections that had gone come back under new ids', () => {
    expect(result(bob, 'document.restore', { id, version: 1 })).toMatchObject({ document: { version: 3 } });
    expect(content()).toBe(TEXT);
    const { sections } = result(bob, 'document.get', { id }).document;
    expect(sections.map(({ id: sid, heading }) => [sid, heading])).toEqual([
      ['s1', 'One'],
      ['s3', 'Two'],
    ]);
    expect(refused(bob, 'document.restore', { id, version: 9 }).code).toBe('NOT_FOUND');
  });

  it('are kept under names, with their texts', () => {
    const { snapshot } = result(ann, 'document.snapshot', { id, name: 'first', version: 1 });
    for (let version = 2; version < 70; version += 1) {
      result(ann, 'document.update', { id, version, content: `# One\n\n${version}\n` });
    }
    rig.sweepTexts();
    rig.scheduler.advance(25 * 60 * 60 * 1_000);
    rig.sweepTexts();
    expect(result(bob, 'document.snapshots', { id }).snapshots).toEqual([snapshot]);
    expect(result(bob, 'document.get', { id, snapshotId: snapshot.id })).toMatchObject({ version: 1, content: TEXT });
    result(bob, 'document.restore', { id, snapshotId: snapshot.id });
    expect(content()).toBe(TEXT);
    expect(refused(bob, 'document.get', { id, snapshotId: 'dsn_none' }).code).toBe('NOT_FOUND');
  });
});

describe('versions that are older than the engine keeps', () => {
  const NEWEST = 3 * LIMITS.documentVersionsKept;
  const DAY_MS = 24 * 60 * 60 * 1_000;
  /** Sections are edited in turn, and come and go. */
  const said = (version: number): string => {
    const [first, second] = [version, version - 1].toSorted((a, b) => (a % 2) - (b % 2));
    return `# One\n\n${first}\n\n# Two\n\n${second}\n${version % 10 === 0 ? '\n# Ten\n\nten\n' : ''}`;
  };
  const got = (version: number): string | undefined => result(bob, 'document.get', { id, version }).content;
  const sweep = (): void => {
    rig.sweepTexts();
    rig.scheduler.advance(DAY_MS + 1);
    rig.sweepTexts();
  };
  const age = (from = 2, to = NEWEST): void => {
    for (let version = from; version <= to; version += 1) {
      result(ann, 'document.update', { id, version: version - 1, content: said(version) });
    }
  };

  it('are read, compared and listed as the others are', () => {
    age();
    expect(got(1)).toBe(TEXT);
    for (let version = 2; version <= NEWEST; version += 1)
      expect([version, got(version)]).toEqual([version, said(version)]);
    expect(refused(bob, 'document.get', { id, version: NEWEST + 1 }).code).toBe('NOT_FOUND');
    const { sections } = result(bob, 'document.get', { id, version: 5 }).document;
    expect(sections.map(({ id: sid, heading, version }) => [sid, heading, version])).toEqual([
      ['s1', 'One', 4],
      ['s2', 'Two', 5],
    ]);
    expect(result(bob, 'document.get', { id, version: 5, sectionId: 's2' }).content).toBe('# Two\n\n5\n');
    expect(result(bob, 'document.diff', { id, from: 4, to: 5 })).toMatchObject({
      from: 4,
      to: 5,
      added: 1,
      removed: 1,
    });
    expect(result(bob, 'document.diff', { id, from: 1 })).toMatchObject({ from: 1, to: NEWEST });
    expect(refused(bob, 'document.diff', { id, from: 1, to: NEWEST + 1 }).code).toBe('NOT_FOUND');
  });

  it.each([1, 7, 64, 100])('are listed page by page, %i at a time', (limit) => {
    age();
    const listed: number[] = [];
    let before: number | undefined;
    do {
      const page = result(bob, 'document.history', { id, limit, ...(before === undefined ? {} : { before }) });
      listed.push(...page.versions.map(({ version }) => version));
      expect(page.versions.length).toBeLessThanOrEqual(limit);
      before = page.next;
    } while (before !== undefined);
    expect(listed).toEqual(Array.from({ length: NEWEST }, (_, index) => NEWEST - index));
    expect(result(bob, 'document.history', { id, before: 3 }).versions).toEqual([
      { version: 2, by: 'key:ann', at: expect.any(Number), sections: ['s1', 's2'] },
      { version: 1, by: 'key:ann', at: expect.any(Number), sections: ['s1', 's2'] },
    ]);
    expect(result(bob, 'document.history', { id, before: 1 })).toEqual({ versions: [] });
  });

  it('are restored', () => {
    age();
    expect(result(bob, 'document.restore', { id, version: 7 })).toMatchObject({ document: { version: NEWEST + 1 } });
    expect(content()).toBe(said(7));
    expect(result(bob, 'document.history', { id, limit: 1 }).versions).toMatchObject([{ restored: 7 }]);
    age(NEWEST + 2, NEWEST + 2 + LIMITS.documentVersionsKept);
    expect(result(bob, 'document.history', { id, before: NEWEST + 2, limit: 1 }).versions).toMatchObject([
      { version: NEWEST + 1, by: 'key:bob', restored: 7 },
    ]);
  });

  it('keep their texts, until the document is deleted', () => {
    age();
    sweep();
    for (const version of [1, 2, 3, 50, 64, 100]) expect(got(version)).toBe(version === 1 ? TEXT : said(version));
    result(ann, 'document.delete', { id });
    expect(refused(bob, 'document.get', { id, version: 1 }).code).toBe('NOT_FOUND');
    rig.retain();
    sweep();
    expect(texts()).toBe(0);
  });

  it('are there after a crash, whatever of them the store had', () => {
    age(2, 100);
    rig.restart();
    ann = person('ann');
    bob = person('bob');
    age(101, 140);
    for (const version of [2, 31, 32, 33, 36, 70, 100]) expect(got(version)).toBe(said(version));
  });

  it('are forgotten, the oldest first, when they are too much', () => {
    begin({ store: (scheduler) => memoryStore({ scheduler, documentArchiveBytes: 5_000 }) });
    id = result(ann, 'document.create', { name: 'plan', content: TEXT }).document.id;
    age();
    rig.retain();
    expect(refused(bob, 'document.get', { id, version: 2 })).toMatchObject({
      code: 'NOT_FOUND',
      details: { currentVersion: NEWEST },
    });
    const listed = result(bob, 'document.history', { id, limit: NEWEST }).versions;
    const oldest = listed.at(-1)?.version ?? 0;
    expect([oldest > 2, oldest < NEWEST - LIMITS.documentVersionsKept]).toEqual([true, true]);
    sweep();
    for (const { version } of listed) expect([version, got(version)]).toEqual([version, said(version)]);
    for (const [method, more] of [
      ['document.restore', {}],
      ['document.snapshot', {}],
      ['document.update', { content: TEXT }],
    ] as const)
      expect(refused(bob, method, { id, version: 2, ...more }).code, method).toBe('NOT_FOUND');
    const section = { documentId: id, version: 2, sectionId: 's1', content: '# One\n' };
    expect(refused(bob, 'section.update', section).code).toBe('NOT_FOUND');
  });
});

describe('edits of versions that are older than the engine keeps', () => {
  const DAY_MS = 24 * 60 * 60 * 1_000;
  const LAST = 2 * LIMITS.documentVersionsKept + 10;
  const FIRST = '# One\n\na\n\n# Two\n\nb\n\n# Three\n\nc\n';

  /** Told what is held; gives what is told of its release. */
  let holding: ((hashes: readonly string[]) => () => void) | undefined;
  beforeEach(() => (holding = undefined));
  const watched = (blobs: Blobs): Blobs => ({
    ...puttingBy(blobs, (...asked) => blobs.put(...asked)),
    hold: (tenant, hashes, done) => {
      const released = holding?.(hashes);
      blobs.hold(tenant, hashes, (outcome) => {
        if (outcome.kind !== 'held') return done(outcome);
        done({
          kind: 'held',
          release: () => {
            released?.();
            outcome.release();
          },
        });
      });
    },
  });

  /** The first section is edited all the time; the second was, early. */
  const age = (archiveBytes?: number): void => {
    const store = archiveBytes === undefined ? {} : { documentArchiveBytes: archiveBytes };
    begin({ store: (scheduler) => memoryStore({ scheduler, ...store }), blobs: watched });
    id = result(ann, 'document.create', { name: 'plan', content: FIRST }).document.id;
    result(ann, 'document.update', { id, version: 1, sectionId: 's2', content: '# Two\n\nB\n\n' });
    for (let version = 2; version < LAST; version += 1)
      result(ann, 'document.update', { id, version, sectionId: 's1', content: `# One\n\n${version}\n\n` });
  };
  const sweep = (): void => {
    for (let times = 0; times < 3; times += 1) {
      rig.sweepTexts();
      rig.scheduler.advance(DAY_MS + 1);
    }
  };

  it.each([
    ['as a whole', 'document.update'],
    ['by section', 'section.update'],
  ] as const)('are accepted %s where nobody has changed anything since, and conflict elsewhere', (_how, method) => {
    age();
    const write = (sectionId: string, text: string): ReturnType<typeof refused> => {
      if (method === 'section.update')
        return refused(bob, method, { documentId: id, version: 1, sectionId, content: text });
      const pieces = FIRST.split(/(?=# )/u).map((piece, at) => (`s${at + 1}` === sectionId ? text : piece));
      return refused(bob, method, { id, version: 1, content: pieces.join('') });
    };
    expect(write('s3', '# Three\n\nC\n').code).toBe('ok');
    expect(content()).toBe(`# One\n\n${LAST - 1}\n\n# Two\n\nB\n\n# Three\n\nC\n`);
    const refusal = write('s2', '# Two\n\nx\n\n');
    expect(refusal).toMatchObject({ code: 'DOCUMENT_CONFLICT', details: { currentVersion: LAST + 1 } });
    const [conflict] = result(bob, 'document.conflicts', { id, conflictId: conflictOf(refusal) }).conflicts;
    expect(conflict).toMatchObject({ baseVersion: 1, version: LAST + 1, base: FIRST });
    result(ann, 'document.resolve', { conflictId: conflictOf(refusal), resolution: 'manual', content: FIRST });
    expect(content()).toBe(FIRST);
  });

  it('leave a conflict whose texts stay when the version itself is forgotten', () => {
    age(20_000);
    const refusal = refused(bob, 'document.update', { id, version: 1, content: FIRST.replace('b', 'x') });
    expect(refusal.code).toBe('DOCUMENT_CONFLICT');
    for (let version = LAST; version < 5 * LAST; version += 1)
      result(ann, 'document.update', { id, version, sectionId: 's1', content: `# One\n\n${version}\n\n` });
    rig.retain();
    sweep();
    expect(refused(bob, 'document.get', { id, version: 1 }).code).toBe('NOT_FOUND');
    const [conflict] = result(bob, 'document.conflicts', { id, conflictId: conflictOf(refusal) }).conflicts;
    expect(conflict).toMatchObject({ base: FIRST, ours: FIRST.replace('b', 'x') });
  });

  it.each([
    ['document.snapshot', {}],
    ['document.update', { content: FIRST.replace('b', 'x') }],
    ['document.update', { content: FIRST.replace('c', 'x') }],
  ] as const)('by %s hold the texts of the version until the entry is there, and no longer', (method, more) => {
    age();
    const { sections } = result(bob, 'document.get', { id, version: 1 }).document;
    const heads: number[] = [];
    const head = (): number => rig.node.serving('default')?.tenant.head?.seq ?? 0;
    holding = (hashes) => {
      expect(hashes).toHaveLength(sections.length);
      heads.push(head());
      return () => heads.push(head());
    };
    refused(bob, method, { id, version: 1, ...more });
    const [before = 0, ...after] = heads;
    expect(after).toEqual([before + 1]);
  });

  it('which are kept under names stay so when they are forgotten', () => {
    age(20_000);
    const { snapshot } = result(bob, 'document.snapshot', { id, version: 1, name: 'first' });
    for (let version = LAST; version < 5 * LAST; version += 1)
      result(ann, 'document.update', { id, version, sectionId: 's1', content: `# One\n\n${version}\n\n` });
    rig.retain();
    sweep();
    expect(refused(bob, 'document.get', { id, version: 1 }).code).toBe('NOT_FOUND');
    expect(result(bob, 'document.get', { id, snapshotId: snapshot.id })).toMatchObject({ version: 1, content: FIRST });
    result(bob, 'document.restore', { id, snapshotId: snapshot.id });
    expect(content()).toBe(FIRST);
  });

  it('whose texts are lost are refused, and change nothing', () => {
    age();
    rig.blobs.of('default').delete(hash('sha256', '# One\n\na\n\n', 'hex'));
    for (const [method, more] of [
      ['document.update', { content: FIRST.replace('c', 'C') }],
      ['document.snapshot', {}],
    ] as const)
      expect(refused(bob, method, { id, version: 1, ...more }).code, method).toBe('INTERNAL');
    expect(result(bob, 'document.history', { id, limit: 1 }).versions[0]?.version).toBe(LAST);
  });
});

describe('sections', () => {
  it('are listed, locked and edited by themselves', () => {
    const { sections } = result(ann, 'section.list', { documentId: id });
    expect(sections).toMatchObject([
      { id: 's1', heading: 'One', path: `document/${id}/s1` },
      { id: 's2', heading: 'Two', path: `document/${id}/s2` },
    ]);
    const locked = result(bob, 'section.lock', { documentId: id, sectionId: 's1' });
    if (!locked.granted) throw new Error('nobody has it');
    const one = { documentId: id, sectionId: 's1', version: 1, content: '# One\n\nA\n' };
    expect(refused(ann, 'section.update', one)).toMatchObject({ code: 'BUSY', details: { path: `document/${id}/s1` } });
    result(ann, 'section.update', { ...one, sectionId: 's2', content: '# Two\n\nB\n' });
    result(bob, 'section.update', { ...one, token: locked.lock.token });
    expect(result(bob, 'section.unlock', { id: locked.lock.id, token: locked.lock.token })).toEqual({ remaining: 0 });
    expect(content()).toBe('# One\n\nA\n\n# Two\n\nB\n');
    expect(refused(ann, 'section.list', { documentId: 'doc_none' }).code).toBe('NOT_FOUND');
  });
});

describe('comments', () => {
  it('have their texts, which are kept as long as they are there', () => {
    const { comment } = result(ann, 'comment.create', { documentId: id, content: 'why?', sectionId: 's1' });
    rig.scheduler.advance(1);
    result(bob, 'comment.create', { documentId: id, content: 'so.', replyTo: comment.id });
    rig.sweepTexts();
    rig.scheduler.advance(25 * 60 * 60 * 1_000);
    rig.sweepTexts();
    const said = result(bob, 'comment.list', { documentId: id }).comments;
    expect(said.map(({ by, content: text, replyTo }) => [by, text, replyTo])).toEqual([
      ['key:ann', 'why?', undefined],
      ['key:bob', 'so.', comment.id],
    ]);
    const before = texts();
    result(ann, 'comment.delete', { id: comment.id });
    rig.sweepTexts();
    rig.scheduler.advance(25 * 60 * 60 * 1_000);
    rig.sweepTexts();
    expect(texts()).toBe(before - 2);
    expect(refused(bob, 'comment.list', { documentId: 'doc_none' }).code).toBe('NOT_FOUND');
  });
});

describe('a conflict', () => {
  let conflictId: string;
  beforeEach(() => {
    result(bob, 'document.update', { id, version: 1, content: TEXT.replace('a', 'x\n\nm\n\nm') });
    const refusal = refused(ann, 'document.update', { id, version: 1, content: TEXT.replace('a', 'a\n\nnew') });
    expect(refusal).toMatchObject({ code: 'DOCUMENT_CONFLICT', details: { currentVersion: 2 } });
    conflictId = conflictOf(refusal);
  });

  it('has all three texts', () => {
    expect(result(bob, 'document.conflicts', { id }).conflicts).toMatchObject([
      { id: conflictId, by: 'key:ann', baseVersion: 1, version: 2 },
    ]);
    expect(result(bob, 'document.conflicts', { id, conflictId }).conflicts).toMatchObject([
      { base: TEXT, ours: TEXT.replace('a', 'a\n\nnew'), theirs: TEXT.replace('a', 'x\n\nm\n\nm') },
    ]);
  });

  it.each([
    ['ours', undefined, TEXT.replace('a', 'a\n\nnew')],
    ['theirs', undefined, TEXT.replace('a', 'x\n\nm\n\nm')],
    ['manual', '# All new\n', '# All new\n'],
    ['merged', TEXT.replace('a', 'x and new'), TEXT.replace('a', 'x and new')],
  ])('is resolved by %s', (resolution, text, expected) => {
    const params = { conflictId, resolution, ...(text === undefined ? {} : { content: text }) };
    expect(result(ann, 'document.resolve', params).conflictId).toBe(conflictId);
    expect(content()).toBe(expected);
    expect(result(ann, 'document.conflicts', { id }).conflicts).toEqual([]);
    expect(refused(ann, 'document.resolve', params).code).toBe('NOT_FOUND');
  });

  it('is not resolved by a text in which marks are left, or that cannot be merged', () => {
    conflictId = conflictOf(refused(ann, 'document.update', { id, version: 1, content: TEXT.replace('a', 'y') }));
    const marked = '# One\n\n<<<<<<<\na\n=======\nb\n>>>>>>>\n';
    expect(refused(ann, 'document.resolve', { conflictId, resolution: 'merged', content: marked }).code).toBe(
      'INVALID_PARAMS',
    );
    expect(refused(ann, 'document.resolve', { conflictId, resolution: 'merged' }).code).toBe('DOCUMENT_CONFLICT');
    expect(result(ann, 'document.conflicts', { id }).conflicts).toHaveLength(2);
  });
});

describe('a crash', () => {
  it('after an edit was answered loses nothing of it', () => {
    result(ann, 'document.update', { id, version: 1, content: TEXT.replace('a', 'A') });
    rig.restart();
    ann = person('ann');
    expect(content()).toBe(TEXT.replace('a', 'A'));
  });

  it('between text and entry leaves the document as it was, and the edit can be made again', () => {
    let cut = false;
    begin({
      // The text is there, and whoever put it does not live to hear of it.
      blobs: (blobs) =>
        puttingBy(blobs, (tenant, data, done) =>
          blobs.put(tenant, data, (outcome) => {
            if (!cut) done(outcome);
          }),
        ),
    });
    id = result(ann, 'document.create', { name: 'plan', content: TEXT }).document.id;
    cut = true;
    const before = texts();
    ann.attached.request(
      { id: 1_000, method: 'document.update', params: { id, version: 1, content: TEXT.replace('a', 'A') }, hash: 5 },
      () => expect.unreachable(),
    );
    rig.scheduler.settle();
    expect(texts()).toBe(before + 1);
    rig.restart();
    cut = false;
    ann = person('ann');
    expect(content()).toBe(TEXT);
    result(ann, 'document.update', { id, version: 1, content: TEXT.replace('a', 'A') });
    expect(content()).toBe(TEXT.replace('a', 'A'));
  });

  it('is told of when a text cannot be put or read, and nothing is named that is not there', () => {
    let full = false;
    begin({
      blobs: (blobs) =>
        puttingBy(blobs, (tenant, data, done) => (full ? done({ kind: 'full' }) : blobs.put(tenant, data, done))),
    });
    id = result(ann, 'document.create', { name: 'plan', content: TEXT }).document.id;
    full = true;
    expect(refused(ann, 'document.update', { id, version: 1, content: TEXT.replace('a', 'A') }).code).toBe(
      'UNAVAILABLE',
    );
    expect(content()).toBe(TEXT);
    rig.blobs.tenants.clear();
    expect(refused(ann, 'document.get', { id }).code).toBe('INTERNAL');
  });

  it('and a request that is asked again has the answer it had, though it cannot be prepared any more', () => {
    const request = { id: 500, method: 'document.delete' as const, params: { id }, hash: 1 };
    const update = {
      id: 499,
      method: 'document.update' as const,
      params: { id, version: 1, content: '# One\n' },
      hash: 2,
    };
    const replies: unknown[] = [];
    for (const one of [update, request, update]) ann.attached.request(one, (reply) => replies.push(reply));
    rig.scheduler.settle();
    expect(replies).toMatchObject([{ ok: true }, { ok: true }, { ok: true, result: { document: { version: 2 } } }]);
  });
});

describe('a text that nobody names any more', () => {
  const DAY_MS = 24 * 60 * 60 * 1_000;

  it('is removed after a day, and what versions and conflicts name stays', () => {
    for (const name of ['ann', 'bob']) result(ann, 'document.create', { name, content: `# ${name}\n` });
    const other = result(ann, 'document.create', { name: 'gone', content: '# Gone\n\ntext\n' }).document.id;
    result(ann, 'document.update', { id, version: 1, content: TEXT.replace('a', 'A') });
    const conflictId = conflictOf(refused(bob, 'document.update', { id, version: 1, content: TEXT.replace('a', 'B') }));
    const before = texts();
    result(ann, 'document.delete', { id: other });
    rig.sweepTexts();
    rig.scheduler.advance(DAY_MS - 1);
    rig.sweepTexts();
    expect(texts()).toBe(before);
    rig.scheduler.advance(1);
    rig.sweepTexts();
    expect(texts()).toBe(before - 1);
    expect(content()).toBe(TEXT.replace('a', 'A'));
    expect(result(ann, 'document.get', { id, version: 1 }).content).toBe(TEXT);
    expect(result(ann, 'document.conflicts', { id, conflictId }).conflicts[0]?.ours).toBe(TEXT.replace('a', 'B'));
  });

  it('is held while the edit that put it is under way, however the clock jumps', () => {
    let answer: unknown;
    rig.sweepTexts();
    begin({
      blobs: (blobs) =>
        puttingBy(blobs, (tenant, data, done) =>
          blobs.put(tenant, data, (outcome) => {
            // Two sweeps, with a day between them, before the entry is appended.
            rig.node.sweepTexts(() => {
              rig.scheduler.advance(DAY_MS);
              rig.node.sweepTexts(() => done(outcome));
            });
          }),
        ),
    });
    const asked = { name: 'held', content: '# Held\n' };
    ann.attached.request({ id: 900, method: 'document.create', params: asked, hash: 1 }, (reply) => {
      answer = reply;
    });
    rig.scheduler.settle();
    expect(answer).toMatchObject({ ok: true });
    const [held] = result(ann, 'document.list', {}).documents;
    expect(result(ann, 'document.get', { id: held?.id ?? '' }).content).toBe(asked.content);
  });
});
