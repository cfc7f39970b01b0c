/** `muster doc …` with one real server, and real files. */
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { until } from '../support/until.ts';
import { Place, type Ended } from './processes.ts';

const TEXT = '# One\n\na\n\n# Two\n\nb\n';

const place = new Place();
let id: string;
let file: string;
let count = 0;

beforeAll(async () => {
  await place.serve();
});

afterAll(async () => {
  await place.close();
});

const doc = (...args: string[]): Promise<Ended> => place.runQuickly('doc', ...args);
const write = (text: string): void => writeFileSync(place.path(file), text);
const failed = ({ err }: Ended): unknown => (JSON.parse(err) as { readonly error: unknown }).error;

/** Somebody else's edit of the newest version. */
async function edit(from: string, to: string): Promise<void> {
  const client = await place.client();
  const { content, version } = await client.document.get({ id });
  expect(content).toContain(from);
  await client.document.update({ id, version, content: content.replace(from, to) });
}

async function head(): Promise<string> {
  return (await (await place.client()).document.get({ id })).content;
}

async function conflictIds(): Promise<string[]> {
  return (await (await place.client()).document.conflicts({ id })).conflicts.map((one) => one.id);
}

beforeEach(async () => {
  count += 1;
  file = `plan-${count}.md`;
  const client = await place.client();
  id = (await client.document.create({ name: `plan-${count}`, content: TEXT })).document.id;
  expect((await doc('pull', id)).out).toBe(`${file}: is now version 1\n`);
  expect(place.read(file)).toBe(TEXT);
});

describe('pull', () => {
  it('takes what is newer, and does not lose an edit unless it is told to', async () => {
    await edit('a', 'A');
    expect((await doc('pull', file)).out).toBe(`${file}: is now version 2\n`);
    write(TEXT.replace('b', 'mine'));
    expect(await place.json('doc', 'pull', file)).toMatchObject({ id, version: 2, kind: 'edited' });
    await edit('A', 'AA');
    const refused = await doc('pull', file);
    expect([refused.code, refused.err]).toEqual([9, expect.stringMatching(/^error: LOCAL_EDITS: .*muster doc merge/)]);
    expect(place.read(file)).toBe(TEXT.replace('b', 'mine'));
    expect((await doc('pull', file, '--force')).code).toBe(0);
    expect(place.read(file)).toBe(await head());
  });

  it('does not write over a file that was never pulled, nor take a name that leads elsewhere', async () => {
    writeFileSync(place.path('other.md'), 'mine\n');
    const refused = await doc('pull', id, 'other.md', '--json');
    expect([refused.code, failed(refused)]).toMatchObject([9, { code: 'FILE_EXISTS' }]);
    expect(place.read('other.md')).toBe('mine\n');
    const client = await place.client();
    const bad = await client.document.create({ name: '../../bad', content: 'x\n', type: 'text' });
    expect((await doc('pull', bad.document.id)).out).toBe(`${bad.document.id}: is now version 1\n`);
  });

  it('writes through a link, and keeps it', async () => {
    symlinkSync(place.path(file), place.path(`link-${count}.md`));
    expect((await doc('pull', id, `link-${count}.md`)).code).toBe(0);
    await edit('a', 'linked');
    expect((await doc('pull', `link-${count}.md`)).code).toBe(0);
    expect(place.read(file)).toBe(await head());
    expect(lstatSync(place.path(`link-${count}.md`)).isSymbolicLink()).toBe(true);
  });

  it('goes on where it was killed between its two files', async () => {
    const side = `.${file}.muster-doc.json`;
    const before = JSON.parse(place.read(side)) as { known: object };
    await edit('a', 'A');
    await doc('pull', file);
    const after = JSON.parse(place.read(side)) as { known: { sha256: string } };
    const torn = { ...before, next: { file: after.known.sha256, known: after.known } };
    writeFileSync(place.path(side), JSON.stringify(torn));
    expect((await doc('push', file)).out).toBe(`${file}: has no edits, it is version 2\n`);
    writeFileSync(place.path(side), JSON.stringify(torn));
    write(TEXT);
    expect((await doc('pull', file)).out).toBe(`${file}: is now version 2\n`);
    writeFileSync(place.path(side), '{"format":1,');
    const damaged = await doc('pull', file);
    expect([damaged.code, damaged.err]).toEqual([1, expect.stringContaining('SIDE_FILE_DAMAGED')]);
  });
});

describe('push', () => {
  it('makes the next version', async () => {
    write(TEXT.replace('a', 'ä'));
    expect(await place.json('doc', 'push', file)).toMatchObject({ id, version: 2, kind: 'pushed' });
    expect(await head()).toBe(TEXT.replace('a', 'ä'));
    expect((await doc('push', file)).out).toBe(`${file}: has no edits, it is version 2\n`);
  });

  it('goes beside what others changed in other sections, which the file has then too', async () => {
    await edit('a', 'A');
    write(TEXT.replace('b', 'B'));
    expect((await doc('push', file)).out).toContain(
      'others changed meanwhile in other sections too, and is now version 3',
    );
    expect(place.read(file)).toBe('# One\n\nA\n\n# Two\n\nB\n');
    expect(await head()).toBe(place.read(file));
    write(place.read(file).replace('A', 'again'));
    expect((await doc('push', file)).out).toBe(`${file}: is now version 4\n`);
  });

  it('tells what conflicts, leaves the file as it is, and makes one conflict of one edit', async () => {
    await edit('a', 'theirs');
    write(TEXT.replace('a', 'ours'));
    const refused = await doc('push', file);
    expect(refused.code).toBe(9);
    expect(refused.err).toContain(`${file} was made of version 1, the document is at version 2`);
    expect(refused.err).toMatch(/version 2 by key:\S+ at .*: s1 "One"\nboth changed: s1 "One"\n/);
    expect(place.read(file)).toBe(TEXT.replace('a', 'ours'));
    const again = await doc('push', file, '--json');
    const [conflictId, ...others] = await conflictIds();
    expect([again.code, others, failed(again)]).toMatchObject([
      9,
      [],
      { code: 'DOCUMENT_CONFLICT', details: { conflictId, baseVersion: 1, currentVersion: 2 } },
    ]);
    expect((await doc('conflicts', file)).out).toContain(conflictId);
    const ours = await doc('conflicts', file, conflictId ?? '', '--text', 'ours');
    expect(ours.out).toBe(TEXT.replace('a', 'ours'));
  });

  it('is done when the document has the text already', async () => {
    await edit('a', 'same');
    write(TEXT.replace('a', 'same'));
    expect((await doc('push', file)).out).toBe(`${file}: is now version 2\n`);
    expect(await conflictIds()).toEqual([]);
  });

  it('is one request, also when it is made again since its answer was lost', async () => {
    const side = `.${file}.muster-doc.json`;
    const kept = JSON.parse(place.read(side)) as { known: object };
    write(TEXT.replace('a', 'once'));
    const client = await place.client();
    const sha256 = createHash('sha256').update(place.read(file)).digest('hex');
    await client.document.update({ id, version: 1, content: place.read(file) }, { key: 'lost-answer' });
    const pending = { key: 'lost-answer', version: 1, sha256 };
    writeFileSync(place.path(side), JSON.stringify({ ...kept, known: { ...kept.known, pending } }));
    expect((await doc('push', file)).out).toBe(`${file}: is now version 2\n`);
    expect(await conflictIds()).toEqual([]);
  });

  it.each([
    ['is not UTF-8', Buffer.from([0x23, 0xff, 0x0a]), 1, 'NO_TEXT'],
    ['is too large', Buffer.alloc(LIMITS.documentBytes + 1, 'x'), 1, 'TOO_LARGE'],
  ])('refuses a file that %s', async (_why, bytes, code, name) => {
    writeFileSync(place.path(file), bytes);
    const refused = await doc('push', file, '--json');
    expect([refused.code, failed(refused)]).toMatchObject([code, { code: name }]);
    expect(await head()).toBe(TEXT);
  });

  it('says what it needs', async () => {
    const unknown = await doc('push', 'never.md');
    expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining('no file never.md')]);
    writeFileSync(place.path('new.md'), '# New\n');
    const made = await doc('push', 'new.md');
    expect([made.code, made.err]).toEqual([1, expect.stringContaining('error: NOT_PULLED: new.md is no copy')]);
    expect((await doc('create', 'new.md')).out).toMatch(/^doc_\w+\n$/);
    expect((await doc('push', 'new.md')).code).toBe(0);
    expect((await doc('create', 'new.md')).code).toBe(9);
    expect((await doc('delete', 'new.md')).out).toMatch(/^doc_\w+ is deleted\n$/);
    const gone = await doc('pull', 'new.md', '--json');
    expect([gone.code, failed(gone)]).toMatchObject([1, { code: 'NOT_FOUND' }]);
  });
});

describe('a text that is larger than a message', () => {
  it('is made, pushed and pulled as any other, by blobs', async () => {
    const large = `# One\n\n${'a line of a text\n'.repeat(20_000)}\n# Two\n\nb\n`;
    expect(large.length).toBeGreaterThan(LIMITS.documentInlineBytes);
    const copy = `large-${count}.md`;
    writeFileSync(place.path(copy), large);
    const [made = ''] = (await doc('create', copy)).out.split('\n');
    const edited = large.replace('\nb\n', '\nB\n');
    writeFileSync(place.path(copy), edited);
    expect((await doc('push', copy)).out).toBe(`${copy}: is now version 2\n`);
    expect((await doc('pull', made, `again-${count}.md`)).out).toBe(`again-${count}.md: is now version 2\n`);
    expect(place.read(`again-${count}.md`)).toBe(edited);
    expect((await doc('show', made, '--of', '1')).out).toBe(large);
    // What another client is told: names of blobs, whose bytes are those of the text.
    const { blobs = [], content } = await (await place.client()).request('document.get', { id: made });
    expect([content, blobs.reduce((sum, { bytes }) => sum + bytes, 0)]).toEqual([undefined, edited.length]);
  });
});

describe('merge', () => {
  it('takes in what others changed, and the next push settles the conflict', async () => {
    await edit('a', 'a\n\nx\n\ny');
    write(TEXT.replace('# One', '# One!'));
    expect((await doc('push', file)).code).toBe(9);
    expect((await doc('merge', file)).out).toBe(`${file}: merged with version 2\n`);
    expect(place.read(file)).toBe('# One!\n\na\n\nx\n\ny\n\n# Two\n\nb\n');
    expect((await doc('merge', file)).out).toBe(`${file}: nothing is newer than version 2\n`);
    expect(await conflictIds()).toHaveLength(1);
    expect((await doc('push', file)).out).toBe(`${file}: is now version 3\n`);
    expect(await conflictIds()).toEqual([]);
    expect(await head()).toBe(place.read(file));
  });

  it('marks what it cannot decide, as git does, and is not pushed with marks', async () => {
    await edit('a', 'theirs');
    write(TEXT.replace('a', 'ours'));
    const merged = await doc('merge', file, '--json');
    expect([merged.code, failed(merged)]).toMatchObject([9, { code: 'MERGE_CONFLICT', details: { conflicts: 1 } }]);
    expect(place.read(file)).toBe(`# One\n\n<<<<<<< ${file}\nours\n=======\ntheirs\n>>>>>>> version 2\n\n# Two\n\nb\n`);
    const pushed = await doc('push', file);
    expect([pushed.code, pushed.err]).toEqual([9, expect.stringContaining('MARKS_LEFT')]);
    expect((await doc('merge', file)).code).toBe(9);
    write(TEXT.replace('a', 'both'));
    expect((await doc('push', file)).out).toBe(`${file}: is now version 3\n`);
  });

  it('does not conflict in sections that were edited apart, though their lines touch', async () => {
    await edit('a\n\n# Two', 'a\nA\n# Two');
    write(TEXT.replace('# Two\n\nb', '# Two\nB'));
    expect((await doc('merge', file)).code).toBe(0);
    expect(place.read(file)).toBe('# One\n\na\nA\n# Two\nB\n');
  });

  it('leaves the file as it is when it cannot be merged by lines', async () => {
    await edit('a', 'theirs');
    write(TEXT.replace('a', 'o\0urs'));
    const merged = await doc('merge', file, '--json');
    expect([merged.code, failed(merged)]).toMatchObject([9, { code: 'NOT_MERGED' }]);
    expect(place.read(file)).toBe(TEXT.replace('a', 'o\0urs'));
  });
});

describe('looks', () => {
  it('shows a document, its text, its versions', async () => {
    await edit('a', 'A');
    expect((await doc('log', file)).out).toMatch(
      /^version +at +by +sections\n2 .*key:\S+ +s1 "One"\n1 .* s1 "One", s2 "Two"\n$/,
    );
    expect(await place.json('doc', 'log', id, '--limit', '1')).toMatchObject({ versions: [{ version: 2 }], next: 2 });
    expect((await doc('show', id, '--of', '1')).out).toBe(TEXT);
    expect((await doc('show', file, '--section', 's2')).out).toBe('# Two\n\nb\n');
    expect((await doc('show', file, '--section', 's2', '--html')).out).toBe('<h1>Two</h1>\n<p>b</p>\n');
    expect((await doc('get', file)).out).toMatch(/\ns1 +# One +2 +10\ns2 +# Two +1 +9\n$/);
    expect((await doc('list', '--type', 'markdown')).out).toContain(id);
    const unknown = await doc('show', 'nothing');
    expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining('neither the id of a document nor')]);
  });

  it('resolves a conflict without a file', async () => {
    await edit('a', 'theirs');
    write(TEXT.replace('a', 'ours'));
    await doc('push', file);
    const [conflictId = ''] = await conflictIds();
    expect((await doc('resolve', conflictId, 'manual')).code).toBe(2);
    const unmerged = await doc('resolve', conflictId, 'merged');
    expect([unmerged.code, unmerged.err]).toEqual([9, expect.stringContaining('DOCUMENT_CONFLICT')]);
    expect((await doc('resolve', conflictId, 'ours')).out).toBe(`resolved; ${id} is at version 3\n`);
    expect(await head()).toBe(TEXT.replace('a', 'ours'));
  });
});

/** Says what it was given, and goes on until it is told to end. */
const HELD =
  'echo "$MUSTER_DOC_ID $MUSTER_DOC_SECTION" > "$PLACE/new"; mv "$PLACE/new" "$PLACE/held"; until [ -e "$PLACE/go" ]; do sleep 0.1; done; exit 7';

describe('lock', () => {
  it('keeps others from a section while a program runs, and not from the others', async () => {
    const held = place.start('doc', 'lock', file, '--section', 'One', '--', 'sh', '-c', HELD);
    await until(() => existsSync(place.path('held')), 'the lock', 30_000);
    expect(place.read('held')).toBe(`${id} s1\n`);
    write(TEXT.replace('a', 'A'));
    const busy = await doc('push', file);
    expect([busy.code, busy.err]).toEqual([6, expect.stringContaining('error: BUSY: ')]);
    expect(place.read(file)).toBe(TEXT.replace('a', 'A'));
    write(TEXT.replace('b', 'B'));
    expect((await doc('push', file)).code).toBe(0);
    writeFileSync(place.path('go'), '');
    expect(await held.ended).toBe(7);
    write(place.read(file).replace('a', 'A'));
    expect((await doc('push', file)).code).toBe(0);
  });

  it('pulls before and pushes after, under the lock', async () => {
    await edit('a', 'A');
    const script = `sed -i s/b/B/ ${file}`;
    const done = await doc('lock', file, '--push', '--', 'sh', '-c', script);
    expect([done.code, done.out]).toEqual([0, `${file}: is now version 3\n`]);
    expect(await head()).toBe('# One\n\nA\n\n# Two\n\nB\n');
    const failing = await doc('lock', file, '--push', '--', 'sh', '-c', `echo x >> ${file}; exit 5`);
    expect([failing.code, await head()]).toEqual([5, '# One\n\nA\n\n# Two\n\nB\n']);
    const beyond = await doc('lock', file, '--push', '--section', 'One', '--', 'true');
    expect([beyond.code, beyond.err]).toEqual([1, expect.stringContaining('error: NOT_HELD')]);
    const none = await doc('lock', file, '--section', 'Three', '--', 'true');
    expect([none.code, none.err]).toEqual([1, expect.stringContaining('error: NO_SECTION')]);
  });
});

describe('search', () => {
  it('says which documents have the words, and where', async () => {
    await edit('b', `banana${count} and more`);
    const found = await doc('search', `"banana${count} and"`);
    expect(found.out).toBe(`${id} s2  plan-${count}, version 2\n  # One a # Two [banana${count} and] more\n`);
    const wrong = await doc('search', '"banana', '--json');
    expect([wrong.code, failed(wrong)]).toMatchObject([1, { code: 'INVALID_PARAMS' }]);
  });
});
