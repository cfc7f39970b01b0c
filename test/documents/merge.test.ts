/** What a merge gives, and what it refuses. That it agrees with git is in merge-git.test.ts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MERGE_LIMITS, type Merge } from '../../src/documents/index.ts';
import { merge } from '../../src/documents/text/merge.ts';

const clean = (text: string): Merge => ({ kind: 'clean', text });

describe('three texts become one', () => {
  const cases: readonly (readonly [name: string, texts: readonly [string, string, string], merged: Merge])[] = [
    ['nothing changed', ['a\n', 'a\n', 'a\n'], clean('a\n')],
    ['only ours', ['a\n', 'b\n', 'a\n'], clean('b\n')],
    ['only theirs', ['a\n', 'a\n', 'b\n'], clean('b\n')],
    ['both the same', ['a\n', 'b\n', 'b\n'], clean('b\n')],
    ['apart', ['a\nb\nc\n', 'x\nb\nc\n', 'a\nb\ny\n'], clean('x\nb\ny\n')],
    [
      'neighbours',
      ['a\nb\n', 'x\nb\n', 'a\ny\n'],
      { kind: 'conflict', conflicts: 1, text: '<<<<<<< ours\nx\nb\n=======\na\ny\n>>>>>>> theirs\n' },
    ],
    [
      'CR LF without a last line end',
      ['a\r\nb', 'a\r\nc', 'a\r\nd'],
      { kind: 'conflict', conflicts: 1, text: 'a\r\n<<<<<<< ours\r\nc\r\n=======\r\nd\r\n>>>>>>> theirs\r\n' },
    ],
  ];
  it.each(cases)('%s', (_, [base, ours, theirs], merged) => {
    expect(merge({ base, ours, theirs })).toEqual(merged);
  });

  it('under the names that are given', () => {
    const merged = merge({ base: '', ours: 'a\n', theirs: 'b\n', labels: { ours: 'agent-7', theirs: 'version 4' } });
    expect(merged).toEqual({
      kind: 'conflict',
      conflicts: 1,
      text: '<<<<<<< agent-7\na\n=======\nb\n>>>>>>> version 4\n',
    });
  });
});

describe('what a merge refuses', () => {
  const refused = (reason: string) => ({ kind: 'refused', reason });
  const texts = { base: 'a\nb\n', ours: 'a\nc\n', theirs: 'd\nb\n' };

  it('a text with a NUL', () => {
    expect(merge({ ...texts, theirs: 'd\0\n' })).toEqual(refused('BINARY'));
  });

  it('a text that is too long, or of too many lines', () => {
    expect(merge(texts, { ...MERGE_LIMITS, unitsMax: 3 })).toEqual(refused('TOO_LARGE'));
    expect(merge(texts, { ...MERGE_LIMITS, linesMax: 1 })).toEqual(refused('TOO_LARGE'));
  });

  it('what takes too many steps, always the same', () => {
    const line = (n: number) => `${(n * 7_919) % 37}\n`;
    const long = (from: number) => Array.from({ length: 3_000 }, (_, n) => line(n * n + from)).join('');
    const limits = { ...MERGE_LIMITS, steps: 50_000 };
    const input = { base: long(0), ours: long(1), theirs: long(2) };
    expect(merge(input, limits)).toEqual(refused('TOO_COMPLEX'));
    expect(merge(input).kind).not.toBe('refused');
  });
});

describe('properties', () => {
  const text = fc
    .array(fc.constantFrom('', 'a', 'b', 'c', '}', '  x'), { maxLength: 12 })
    .chain((lines) => fc.constantFrom(lines.join('\n'), lines.map((line) => `${line}\n`).join('')));

  it('a side that changed nothing gives way', () => {
    fc.assert(
      fc.property(text, text, (base, other) => {
        expect(merge({ base, ours: base, theirs: other })).toEqual(clean(other));
        expect(merge({ base, ours: other, theirs: base })).toEqual(clean(other));
        expect(merge({ base, ours: other, theirs: other })).toEqual(clean(other));
      }),
    );
  });

  it('no line of a side is lost that the base does not have', () => {
    fc.assert(
      fc.property(text, text, text, (base, ours, theirs) => {
        const merged = merge({ base, ours, theirs });
        if (merged.kind === 'refused') throw new Error('refused');
        const of = (whole: string) => whole.split(/\r?\n/);
        const there = new Set(of(merged.text));
        const lost = [...of(ours), ...of(theirs)].filter((line) => !of(base).includes(line) && !there.has(line));
        expect(lost).toEqual([]);
      }),
    );
  });

  it('nobody is favoured: sides changed about give the same verdict', () => {
    fc.assert(
      fc.property(text, text, text, (base, ours, theirs) => {
        const one = merge({ base, ours, theirs });
        const other = merge({ base, ours: theirs, theirs: ours });
        if (one.kind === 'clean') expect(other).toEqual(one);
        else expect(other.kind).toBe(one.kind);
      }),
    );
  });
});
