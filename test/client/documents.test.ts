/** Documents by the SDK: edits that are made anew, conflicts, what is heard and done over a broken connection. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import type { Client } from '../../src/client/client.ts';
import { MusterError } from '../../src/client/errors.ts';
import { testServer, type Muster } from '../../src/testing/index.ts';

const TEXT = '# One\n\na\n\n# Two\n\nb\n';
/** By then a client whose connection broke is back. */
const BACK_MS = 5_000;

let muster: Muster;
let ann: Client;
let bob: Client;
let id: string;

beforeEach(async () => {
  muster = await testServer();
  ann = await muster.connect({ role: 'member' });
  bob = await muster.connect({ role: 'member' });
  id = (await ann.document.create({ name: 'plan', content: TEXT })).document.id;
});

afterEach(async () => {
  await muster.close();
});

const head = async (): Promise<string> => (await ann.document.get({ id })).content;
const open = async (): Promise<number> => (await ann.document.conflicts({ id })).conflicts.length;

/** Bob writes the newest text anew. */
async function bobs(from: string, to: string): Promise<void> {
  const { content, version } = await bob.document.get({ id });
  await bob.document.update({ id, version, content: content.replace(from, to) });
}

async function refusal(promise: Promise<unknown>): Promise<MusterError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof MusterError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

const ROUNDS = [1, 2, 3, 4, 5];

describe('an edit', () => {
  it('is of the newest text, and says what it changed', async () => {
    const edited = await ann.document.edit(id, (content) => content.replace('a', 'A'));
    expect(edited).toMatchObject({ attempts: 1, sections: ['s1'], document: { id, version: 2 } });
    expect(await head()).toBe(TEXT.replace('a', 'A'));
  });

  it('stays out of what others change in other sections meanwhile', async () => {
    const edited = await ann.document.edit(id, async (content) => {
      await bobs('b', 'B');
      return content.replace('a', 'A');
    });
    expect(edited).toMatchObject({ attempts: 1, document: { version: 3 } });
    expect(await head()).toBe('# One\n\nA\n\n# Two\n\nB\n');
  });

  it('is made anew of the newer text when the same was changed, and leaves no conflict', async () => {
    const seen: [string, number, number][] = [];
    const edited = await ann.document.edit(id, async (content, { version, attempt }) => {
      seen.push([content, version, attempt]);
      if (attempt === 1) await bobs('a', 'a\nbob');
      return content.replace('a', 'a\nann');
    });
    expect(seen).toEqual([
      [TEXT, 1, 1],
      [TEXT.replace('a', 'a\nbob'), 2, 2],
    ]);
    expect(edited).toMatchObject({ attempts: 2, document: { version: 3 } });
    expect(await head()).toBe(TEXT.replace('a', 'a\nann\nbob'));
    expect(await open()).toBe(0);
  });

  it.each([[undefined, 3] as const, [2, 2] as const])(
    'is given up after so many tries (%s), with one conflict that has its text',
    async (tries, made) => {
      let attempts = 0;
      const error = await refusal(
        ann.document.edit(
          id,
          async (content, { attempt }) => {
            attempts = attempt;
            await bobs('# One\n\n', `# One\n\nbob ${attempt} `);
            return content.replace('a', `ann ${attempt}`);
          },
          tries === undefined ? {} : { tries },
        ),
      );
      expect([error.code, attempts]).toEqual(['DOCUMENT_CONFLICT', made]);
      const { conflicts } = await ann.document.conflicts({ id });
      expect(conflicts).toHaveLength(1);
      const conflictId = must(conflicts[0], 'a conflict').id;
      expect(error.details).toMatchObject({ conflictId });
      const [kept] = (await ann.document.conflicts({ id, conflictId })).conflicts;
      expect(kept?.ours).toContain(`ann ${made}`);
    },
  );

  it('of a section has its text alone, and is not hindered by the others', async () => {
    const edited = await ann.document.edit(
      id,
      async (content, { attempt }) => {
        expect(content).toBe('# Two\n\nb\n');
        if (attempt === 1) await bobs('a', 'A');
        return `${content}more\n`;
      },
      { sectionId: 's2' },
    );
    expect(edited).toMatchObject({ attempts: 1, sections: ['s2'] });
    expect(await head()).toBe('# One\n\nA\n\n# Two\n\nb\nmore\n');
  });

  it.each([['undefined', undefined] as const, ['the same text', TEXT] as const])(
    'that gives %s makes no version',
    async (_what, text) => {
      expect(await ann.document.edit(id, () => text)).toMatchObject({ sections: [], document: { version: 1 } });
      expect((await ann.document.history({ id })).versions).toHaveLength(1);
    },
  );

  it('that fails in between keeps its conflict: the text was not made anew', async () => {
    const failing = ann.document.edit(id, async (content, { attempt }) => {
      if (attempt > 1) throw new RangeError('no idea');
      await bobs('a', 'bob');
      return content.replace('a', 'ann');
    });
    await expect(failing).rejects.toThrow(RangeError);
    expect(await open()).toBe(1);
  });

  it('is not tried again for other reasons', async () => {
    let attempts = 0;
    await bob.lock.with(`document/${id}/s1`, async () => {
      const error = await refusal(
        ann.document.edit(id, (content, { attempt }) => {
          attempts = attempt;
          return content.replace('a', 'A');
        }),
      );
      expect([error.code, attempts]).toEqual(['BUSY', 1]);
    });
    expect((await refusal(ann.document.edit('doc_none', () => 'x'))).code).toBe('NOT_FOUND');
    expect((await refusal(ann.document.edit(id, () => 'x', { tries: 0 }))).code).toBe('INVALID_OPTIONS');
  });

  it('goes under a lock with its token', async () => {
    const edited = await ann.lock.with(`document/${id}`, ({ token }) =>
      ann.document.edit(id, (content) => content.replace('a', 'A'), { token }),
    );
    expect(edited.document.version).toBe(2);
    const error = await refusal(ann.document.edit(id, () => '# New\n', { token: '1' }));
    expect(error.code).toBe('NOT_HELD');
  });

  it('of many at once loses none of them', async () => {
    const people = await Promise.all(Array.from({ length: 4 }, () => muster.connect({ role: 'member' })));
    // More than a document may have open conflicts.
    const edits = people.flatMap((person, at) =>
      ROUNDS.map((round) =>
        person.document.edit(id, (content) => `${content}\n# ${at}.${round}\n\nx\n`, { tries: 50 }),
      ),
    );
    await Promise.all(edits);
    const text = await head();
    for (const at of people.keys()) for (const round of ROUNDS) expect(text).toContain(`# ${at}.${round}\n`);
    expect(await open()).toBe(0);
  });
});

describe('over a broken connection', () => {
  it('an edit is made once, and listeners hear of every version once and in order', async () => {
    const heard: unknown[] = [];
    await bob.topic.listen(`document.${id}`, ({ event, data }) => heard.push([event, data]));
    await muster.settle();
    const first = ann.document.update({ id, version: 1, content: TEXT.replace('a', 'A') });
    await muster.dropSockets();
    const second = ann.document.update({ id, version: 1, content: TEXT.replace('b', 'B') });
    await muster.advance(BACK_MS);
    expect([(await first).document.version, (await second).document.version]).toEqual([2, 3]);
    expect(await head()).toBe('# One\n\nA\n\n# Two\n\nB\n');
    expect(heard).toMatchObject([
      ['document.updated', { version: 2, sections: ['s1'] }],
      ['document.updated', { version: 3, sections: ['s2'] }],
    ]);
  });

  it('and over a server that was killed, conflicts and texts are as they were', async () => {
    await bobs('a', 'bob');
    const error = await refusal(ann.document.update({ id, version: 1, content: TEXT.replace('a', 'ann') }));
    expect(error.code).toBe('DOCUMENT_CONFLICT');
    await muster.restart();
    const asked = ann.document.conflicts({ id });
    await muster.advance(BACK_MS);
    const conflictId = must((await asked).conflicts[0], 'a conflict').id;
    expect((await ann.document.conflicts({ id, conflictId })).conflicts).toMatchObject([
      { base: TEXT, ours: TEXT.replace('a', 'ann'), theirs: TEXT.replace('a', 'bob') },
    ]);
    const content = TEXT.replace('a', 'both');
    const resolved = await ann.document.resolve({ conflictId, resolution: 'merged', content });
    expect(resolved.document.version).toBe(3);
    expect(await head()).toBe(content);
  });
});

describe('a text that is larger than a message', () => {
  const LARGE = `# One\n\n${'a line of it\n'.repeat(16_000)}\n# Two\n\n${'é\n'.repeat(60_000)}`;

  it('is created, read, edited and taken apart as any other, also over a broken connection', async () => {
    const created = ann.document.create({ name: 'large', content: LARGE });
    await muster.dropSockets();
    await muster.advance(BACK_MS);
    ({ id } = (await created).document);
    expect(await head()).toBe(LARGE);
    const made = await ann.document.edit(id, (content) => content.replace('a line', 'A line'));
    expect(made).toMatchObject({ attempts: 1, document: { version: 2 } });
    const stale = LARGE.replace('a line', 'one line');
    expect(await refusal(bob.document.update({ id, version: 1, content: stale }))).toMatchObject({
      code: 'DOCUMENT_CONFLICT',
    });
    const { conflicts } = await bob.document.conflicts({ id });
    const conflictId = must(conflicts[0], 'the conflict').id;
    expect((await bob.document.conflicts({ id, conflictId })).conflicts).toMatchObject([{ base: LARGE, ours: stale }]);
    await bob.document.resolve({ conflictId, resolution: 'manual', content: stale });
    expect(await head()).toBe(stale);
    const section = LARGE.slice(LARGE.indexOf('# Two')).replaceAll('é', 'ü'.repeat(3));
    await ann.section.update({ documentId: id, sectionId: 's2', content: section, version: 3 });
    expect(await head()).toBe(stale.replaceAll('é', 'ü'.repeat(3)));
  });

  it('is sent in its turn when there are more at once than a principal may upload', async () => {
    const texts = Array.from({ length: 12 }, (_, number) => `# Of ${number}\n${LARGE}`);
    const made = await Promise.all(texts.map((content, number) => ann.document.create({ name: `${number}`, content })));
    const read = await Promise.all(made.map(({ document }) => ann.document.get({ id: document.id })));
    expect(read.map(({ content }, number) => content === texts[number])).toEqual(texts.map(() => true));
  });
});
