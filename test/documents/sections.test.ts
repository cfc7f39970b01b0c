/** Sections of documents: where they begin, that their ids stay, that edits of different ones do not meet. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_SECTIONS, SECTION_UNITS_MAX, textOf, touched, type Identified } from '../../src/documents/index.ts';
import { SectionEditor } from '../../src/documents/sections/edit.ts';
import { identify } from '../../src/documents/sections/identity.ts';
import { mergeDocument } from '../../src/documents/sections/merge.ts';
import { SectionParser } from '../../src/documents/sections/parse.ts';
import { merge } from '../../src/documents/text/merge.ts';
import { anyText, body, sectionText } from './fragments.ts';

const parser = new SectionParser();
const editor = new SectionEditor(parser);
const made = (text: string, old: Identified = NO_SECTIONS) => identify(old, parser.parse(text, 'markdown'));
const ids = ({ sections }: Identified) => sections.map(({ id }) => id);
const replace = (document: Identified, id: string, text: string) =>
  editor.replace(document, { id, text, form: 'markdown' });

describe('where sections begin', () => {
  const cases: readonly (readonly [name: string, text: string, headings: readonly string[]])[] = [
    ['nothing', '', ['0 ']],
    ['no heading', 'a\nb\n', ['0 ']],
    ['before the first heading', 'a\n# B\n', ['0 ', '1 B']],
    ['nested', '# A\n## B\n### C\n# D\n', ['1 A', '2 B', '3 C', '1 D']],
    ['closing marks', '# A #\n## B ##  \n### C \\#\n', ['1 A', '2 B', '3 C \\#']],
    ['underlined', 'A\n===\nx\n\nB\n---\n', ['1 A', '2 B']],
    ['underlined, of two lines', 'A\nB\n===\n', ['1 A\nB']],
    ['indented by three', '   # A\n', ['1 A']],
    ['indented by four', '    # A\n', ['0 ']],
    ['seven marks', '####### A\n', ['0 ']],
    ['no space', '#A\n', ['0 ']],
    ['empty', '#\n##\n', ['1 ', '2 ']],
    ['escaped', '\\# A\n', ['0 ']],
    ['in a fence', '```\n# A\n```\n# B\n', ['0 ', '1 B']],
    ['in a fence of waves that stays open', '~~~\n# A\n```\n# B\n', ['0 ']],
    ['in an HTML block', '<div>\n# A\n</div>\n\n# B\n', ['0 ', '1 B']],
    ['in a comment', '<!--\n\n# A\n\n-->\n# B\n', ['0 ', '1 B']],
    ['in a script', '<script>\n\n# A\n</script>\n# B\n', ['0 ', '1 B']],
    ['in a quote', '> # A\n\n# B\n', ['0 ', '1 B']],
    ['in a list', '- # A\n\n  # B\n\n# C\n', ['0 ', '1 C']],
    ['a rule, not an underline', 'a\n\n---\n', ['0 ']],
    ['behind a reference', '[a]: /b\n===\n\n# C\n', ['0 ', '1 C']],
    ['CR LF', '# A\r\nx\r\n## B\r\n', ['1 A', '2 B']],
    ['CR alone', '# A\rx\r## B\r', ['1 A', '2 B']],
    ['NUL', '# A\0\n# B\n', ['1 A\uFFFD', '1 B']],
    ['no last line end', '# A\n## B', ['1 A', '2 B']],
  ];
  it.each(cases)('%s', (_, text, headings) => {
    const sections = parser.parse(text, 'markdown');
    expect(sections.map(({ level, heading }) => `${level} ${heading}`)).toEqual(headings);
    expect(textOf(sections)).toBe(text);
  });

  it('nowhere in a document that is no Markdown', () => {
    expect(parser.parse('# a: 1\n# b\n', 'plain')).toEqual([{ level: 0, heading: '', text: '# a: 1\n# b\n' }]);
  });

  it('so that joined they are the document', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const sections = parser.parse(text, 'markdown');
        expect(textOf(sections)).toBe(text);
        expect(sections.slice(1).every((section) => section.level > 0 && section.text !== '')).toBe(true);
      }),
    );
  });
});

describe('ids stay', () => {
  const before = made('# A\n\naaa\naa\n\n## B\n\nbbb\nbb\n\n## C\n\nccc\ncc\n');
  const cases: readonly (readonly [name: string, text: string, ids: readonly string[]])[] = [
    ['when a body is edited', '# A\n\naaa\naa\n\n## B\n\nother\n\n## C\n\nccc\ncc\n', ['s1', 's2', 's3']],
    ['when a heading is renamed', '# A\n\naaa\naa\n\n## Bee\n\nbbb\nbb\n\n## C\n\nccc\ncc\n', ['s1', 's2', 's3']],
    [
      'when a heading is renamed and its body edited',
      '# A\n\naaa\naa\n\n## Bee\n\nbbb\nnew\n\n## C\n\nccc\ncc\n',
      ['s1', 's2', 's3'],
    ],
    ['when a level is changed', '# A\n\naaa\naa\n\n### B\n\nbbb\nbb\n\n## C\n\nccc\ncc\n', ['s1', 's2', 's3']],
    ['when one is moved', '# A\n\naaa\naa\n\n## C\n\nccc\ncc\n## B\n\nbbb\nbb\n\n', ['s1', 's3', 's2']],
    [
      'when one is inserted',
      '# A\n\naaa\naa\n\n## New\n\n## B\n\nbbb\nbb\n\n## C\n\nccc\ncc\n',
      ['s1', 's4', 's2', 's3'],
    ],
    ['when one is removed', '# A\n\naaa\naa\n\n## C\n\nccc\ncc\n', ['s1', 's3']],
    [
      'when text comes before all',
      'hello\n# A\n\naaa\naa\n\n## B\n\nbbb\nbb\n\n## C\n\nccc\ncc\n',
      ['s4', 's1', 's2', 's3'],
    ],
    [
      'not of one that is replaced by another',
      '# A\n\naaa\naa\n\n## X\n\nxxx\n\n## C\n\nccc\ncc\n',
      ['s1', 's4', 's3'],
    ],
  ];
  it.each(cases)('%s', (_, text, expected) => {
    expect(ids(made(text, before))).toEqual(expected);
  });

  it('with the same headings below different ones', () => {
    const old = made('# A\n## Example\n1\n# B\n## Example\n2\n');
    const now = made('# New\n## Example\n0\n# A\n## Example\n1 changed\n# B\n## Example\n2 changed\n', old);
    expect(ids(now)).toEqual(['s5', 's6', 's1', 's2', 's3', 's4']);
  });

  it('unique, and none is used again', () => {
    fc.assert(
      fc.property(fc.array(anyText, { minLength: 1, maxLength: 6 }), (texts) => {
        const seen = new Set<string>();
        let document = NO_SECTIONS;
        for (const text of texts) {
          const next = made(text, document);
          const known = new Set(ids(document));
          expect(new Set(ids(next)).size).toBe(next.sections.length);
          for (const id of ids(next)) expect(known.has(id) || !seen.has(id)).toBe(true);
          for (const id of ids(next)) seen.add(id);
          expect(ids(made(text, next))).toEqual(ids(next));
          document = next;
        }
      }),
    );
  });
});

describe('a section is replaced', () => {
  const document = made('lead\n# A\na\n## B\nb\n');

  it('by a text with its heading, and keeps its id', () => {
    const edited = replace(document, 's2', '# A\nnew\n');
    expect(edited.ok && [textOf(edited.value.sections), ids(edited.value)]).toEqual([
      'lead\n# A\nnew\n\n## B\nb\n',
      ['s1', 's2', 's3'],
    ]);
  });

  it('and further headings in it are new sections', () => {
    const edited = replace(document, 's2', '# A\n## New\n');
    expect(edited.ok && ids(edited.value)).toEqual(['s1', 's2', 's4', 's3']);
  });

  const refused: readonly (readonly [reason: string, id: string, text: string])[] = [
    ['NO_SECTION', 's9', '# A\n'],
    ['NO_HEADING', 's2', 'a\n'],
    ['NO_HEADING', 's2', ''],
    ['NO_HEADING', 's1', ''],
    ['UNCLOSED', 's2', '# A\n```\n'],
    ['UNCLOSED', 's2', '# A\n<!-- \n'],
    ['SPILLS', 's3', 'B\n---\n'],
    ['TOO_LARGE', 's2', `# A\n${'x'.repeat(SECTION_UNITS_MAX)}\n`],
  ];
  it.each(refused)('not: %s %s %j', (reason, id, text) => {
    expect(replace(document, id, text)).toEqual({ ok: false, error: reason });
  });

  it('as all of it, where the document is no Markdown', () => {
    const plain = identify(NO_SECTIONS, parser.parse('{}', 'plain'));
    const edited = editor.replace(plain, { id: 's1', text: '# {}', form: 'plain' });
    expect(edited.ok && edited.value.sections).toEqual([{ id: 's1', level: 0, heading: '', text: '# {}' }]);
  });

  it('and no other is touched', () => {
    fc.assert(
      fc.property(anyText, fc.nat(), fc.oneof(sectionText, body), (text, which, replacement) => {
        const old = made(text);
        const section = old.sections[which % old.sections.length]!;
        const edited = replace(old, section.id, replacement);
        if (!edited.ok) return;
        const { changed, added, removed, moved } = touched(old.sections, edited.value.sections);
        expect([removed, moved]).toEqual([[], []]);
        expect(changed.every((id) => id === section.id)).toBe(true);
        expect(added.length).toBe(edited.value.sections.length - old.sections.length);
        expect(parser.parse(textOf(edited.value.sections), 'markdown').map((one) => one.text)).toEqual(
          edited.value.sections.map((one) => one.text),
        );
      }),
      { numRuns: 500 },
    );
  });

  it('and edits of different sections commute', () => {
    let both = 0;
    const texts = fc.tuple(fc.oneof(sectionText, body), fc.oneof(sectionText, body));
    fc.assert(
      fc.property(anyText, fc.nat(), fc.nat(), texts, (text, first, second, [one, other]) => {
        const old = made(text);
        const a = old.sections[first % old.sections.length]!.id;
        const b = old.sections[second % old.sections.length]!.id;
        if (a === b || !replace(old, a, one).ok || !replace(old, b, other).ok) return;
        both += 1;
        const after = (steps: readonly (readonly [string, string])[]) =>
          steps.reduce((document, [id, replacement]) => {
            const edited = replace(document, id, replacement);
            if (!edited.ok) throw new Error(`${edited.error} ${JSON.stringify([text, a, one, b, other])}`);
            return edited.value;
          }, old);
        const ab = after([
          [a, one],
          [b, other],
        ]);
        const ba = after([
          [b, other],
          [a, one],
        ]);
        expect(textOf(ab.sections)).toBe(textOf(ba.sections));
        const known = new Set(ids(old));
        const mine = ({ sections }: Identified) => sections.filter(({ id }) => known.has(id));
        expect(mine(ab)).toEqual(mine(ba));
      }),
      { numRuns: 2_000 },
    );
    expect(both).toBeGreaterThan(100);
  });
});

it('tells which sections an edit touches', () => {
  const old = made('# A\n1\n# B\n2\n# C\n3\n# D\n4\n');
  const now = made('# D\n4\n# A\n1\n# New\n# C\nthree\n3\n', old);
  expect(touched(old.sections, now.sections)).toEqual({
    changed: ['s3'],
    added: ['s5'],
    removed: ['s2'],
    moved: ['s4'],
  });
});

describe('a stale edit of a whole document', () => {
  const base = made('# A\na\n# B\nb\n# C\nc\n');
  const merged = (ours: string, theirs: string) =>
    mergeDocument({ form: 'markdown', base, ours, theirs: made(theirs, base) }, parser);

  it('never conflicts with edits of other sections, not even at their border', () => {
    const ours = '# A\nours\n# B\nb\n# C\nc\n';
    const theirs = '# A\na\n# Bee\nb\n# C\nc\n';
    expect(merge({ base: textOf(base.sections), ours, theirs }).kind).toBe('conflict');
    expect(merged(ours, theirs)).toEqual({ kind: 'clean', text: '# A\nours\n# Bee\nb\n# C\nc\n' });
  });

  it('follows a section that was moved', () => {
    expect(merged('# A\na\n# B\nours\nb\n# C\nc\n', '# B\nb\n# A\na\n# C\nc\n')).toEqual({
      kind: 'clean',
      text: '# B\nours\nb\n# A\na\n# C\nc\n',
    });
  });

  it('conflicts where both changed one section, or one removed what the other changed', () => {
    expect(merged('# A\nx\n# B\nb\n# C\nc\n', '# A\ny\n# B\nb\n# C\nc\n').kind).toBe('conflict');
    expect(merged('# A\na\n# C\nc\n', '# A\na\n# B\nnew\n# C\nc\n').kind).toBe('conflict');
  });

  it('merges by lines what has no sections', () => {
    const plain = (text: string) => identify(NO_SECTIONS, parser.parse(text, 'plain'));
    const input = { form: 'plain' as const, base: plain('a\nb\nc\n'), ours: 'x\nb\nc\n', theirs: plain('a\nb\ny\n') };
    expect(mergeDocument(input, parser)).toEqual({ kind: 'clean', text: 'x\nb\ny\n' });
  });

  it('is clean whenever each side edited other sections', () => {
    fc.assert(
      fc.property(anyText, fc.nat(), fc.nat(), sectionText, sectionText, (text, first, second, one, other) => {
        const old = made(text);
        const a = old.sections[first % old.sections.length]!.id;
        const b = old.sections[second % old.sections.length]!.id;
        const ours = replace(old, a, one);
        const theirs = replace(old, b, other);
        if (a === b || !ours.ok || !theirs.ok) return;
        const input = { form: 'markdown' as const, base: old, ours: textOf(ours.value.sections), theirs: theirs.value };
        const sameHeadings = new Set(old.sections.map(({ heading }) => heading)).size < old.sections.length;
        const both = replace(theirs.value, a, one);
        // With headings that occur twice it may be open which section was edited; then lines decide.
        if (!both.ok || sameHeadings) return;
        const outcome = mergeDocument(input, parser);
        if (
          ours.value.sections.length === old.sections.length &&
          theirs.value.sections.length === old.sections.length
        ) {
          expect(outcome.kind).toBe('clean');
        }
      }),
      { numRuns: 500 },
    );
  });
});
