/** The index of documents: on SQLite in its thread, and in memory. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseSearch } from '../../protocol/wire/document-search.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import type { FoundText, Indexed, SearchIndex, Stamped, Told } from '../../src/store/search/port.ts';
import { openSqliteSearch, searchInMemory } from '../../src/store/search/sqlite.ts';

const dir = mkdtempSync(join(tmpdir(), 'muster-search-'));
const onFatal = (error: Error): void => {
  throw error;
};
const onDisk = (): Promise<SearchIndex> => openSqliteSearch({ dir, scheduler: systemScheduler, onFatal });

let index: SearchIndex;
/** Each test has one of its own. */
let tenant = '';
let tests = 0;

function outcome<T>(ask: (done: Told<T>) => void): Promise<Indexed<T>> {
  return new Promise(ask);
}

async function value<T>(ask: (done: Told<T>) => void): Promise<T> {
  const told = await outcome(ask);
  if (told.kind !== 'done') throw new Error(told.kind);
  return told.value;
}

const list = (of = tenant, above = ''): Promise<readonly Stamped[]> =>
  value((done) => index.list(of, { above, limit: 100 }, done));

function put(id: string, text: string, name = id, of = tenant): Promise<null> {
  const sections = [...text.matchAll(/^# /gmu)].map(({ index: from }, place) => [`s${place + 1}`, from] as const);
  return value((done) => index.put(of, { id, stamp: `${id} ${text}`, version: 1, name, text, sections }, done));
}

function termsOf(query: string): Parameters<SearchIndex['find']>[1] {
  const parsed = parseSearch(query);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.terms;
}

const find = (query: string, of = tenant): Promise<readonly string[]> =>
  value((done) => index.find(of, termsOf(query), done));
const show = (query: string, ...ids: string[]): Promise<readonly FoundText[]> =>
  value((done) => index.show(tenant, { terms: termsOf(query), ids }, done));
const close = (): Promise<void> => new Promise((done) => index.close(done));

describe.each([
  ['SQLite', onDisk],
  ['memory', async () => searchInMemory(systemScheduler)],
])('the index in %s', (_where, open) => {
  beforeAll(async () => {
    index = await open();
  });

  beforeEach(async () => {
    tests += 1;
    tenant = `t${tests}`;
    await list();
  });

  afterAll(close);

  it('finds words, phrases and beginnings of words, in any case and without accents', async () => {
    await put('d1', 'The Café opens at noon; no tables are left.');
    await put('d2', 'Tables and chairs, open-minded.');
    expect(await find('cafe')).toEqual(['d1']);
    expect(await find('CAFÉ opens')).toEqual(['d1']);
    expect(await find('"no tables"')).toEqual(['d1']);
    expect(await find('"tables no"')).toEqual([]);
    expect([...(await find('tab*'))].toSorted()).toEqual(['d1', 'd2']);
    expect(await find('open-minded')).toEqual(['d2']);
    expect(await find('tables chairs café')).toEqual([]);
    expect(await find('d2')).toEqual(['d2']);
  });

  it('takes the syntax of others for words, and for nothing else', async () => {
    await put('d1', "and not a b x y it's first minus near a 2");
    for (const query of ['AND', 'a:b', '(x', '{y}', "it's", '^first', '-minus', 'x+y', 'NEAR(a, 2)', 'a NOT b']) {
      expect([query, await find(query)]).toEqual([query, ['d1']]);
    }
    expect(await find('a OR b')).toEqual([]);
  });

  it('puts first what has it in the name, and what has it more often', async () => {
    await put('d1', 'one plan among many other words that are of no use here at all');
    await put('d2', 'plan plan plan');
    await put('d3', 'nothing of it', 'the plan');
    expect((await find('plan')).at(-1)).toBe('d1');
  });

  it('shows where, with the section, and cuts no character in two', async () => {
    const long = `${'😀'.repeat(200)} `;
    await put('d1', `# One\n\n${long}needle ${long}\n# Two\n\nsome needle, Needles\n`, 'needle 1');
    const [found] = await show('needle', 'd1');
    const { excerpt = '', marks = [] } = found ?? {};
    expect(marks.map(([from, to]) => excerpt.slice(from, to).toLowerCase())).toContain('needle');
    expect(excerpt.length).toBeLessThanOrEqual(LIMITS.searchExcerpt);
    expect(excerpt).not.toMatch(/\p{Cs}/u);
    expect(found).toMatchObject({ id: 'd1', version: 1, nameMarks: [[0, 6]] });
    expect((await show('some', 'd1'))[0]?.sectionId).toBe('s2');
    expect((await show('"1"', 'd1'))[0]).toMatchObject({ marks: [], nameMarks: [[7, 8]] });
    expect(await show('absent', 'd1')).toEqual([]);
  });

  it('does not take what a text has for its own marks', async () => {
    await put('d1', 'a\u0001b\u0002c\u0000d needle');
    expect(await show('needle', 'd1')).toMatchObject([{ excerpt: 'a b c d needle', marks: [[8, 14]] }]);
  });

  it('has what was put last, and nothing of what was removed', async () => {
    await put('d1', 'first');
    await put('d1', 'second');
    expect([await find('first'), await find('second')]).toEqual([[], ['d1']]);
    await value((done) => index.remove(tenant, 'd1', done));
    await value((done) => index.remove(tenant, 'unknown', done));
    expect(await find('second')).toEqual([]);
    expect(await list()).toEqual([]);
  });

  it('keeps tenants apart', async () => {
    await list('other');
    await put('d1', 'secret', 'd1', 'other');
    expect([await find('secret'), await find('secret', 'other')]).toEqual([[], ['d1']]);
    expect(await list()).toEqual([]);
  });

  it('says that it is lost to a tenant that does not know what is there', async () => {
    expect(await outcome((done) => index.find('unknown', termsOf('a'), done))).toEqual({ kind: 'lost' });
  });
});

describe('the file of the index', () => {
  it('outlives the process; one that cannot be read is begun anew', async () => {
    index = await onDisk();
    tenant = 'acme';
    await list();
    await put('d1', 'kept');
    await put('d2', 'kept too');
    await close();
    index = await onDisk();
    expect((await list()).map(({ id }) => id)).toEqual(['d1', 'd2']);
    expect(await list('acme', 'd1')).toHaveLength(1);
    expect(await find('kept')).toHaveLength(2);
    await close();
    writeFileSync(join(dir, 'search.db'), 'x'.repeat(10_000));
    index = await onDisk();
    expect(await list()).toEqual([]);
    await close();
    rmSync(dir, { recursive: true });
  });
});
