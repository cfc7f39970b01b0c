/** Conflicts keep all three texts, and are resolved as somebody decides. */
import { expect, it } from 'vitest';
import { resolve, type Conflict } from '../../src/documents/index.ts';
import { merge } from '../../src/documents/text/merge.ts';

const texts = { base: 'a\n', ours: 'b\n', theirs: 'c\n' };
const merged = merge(texts);
const conflict: Conflict = { ...texts, ...(merged.kind === 'conflict' && { marked: merged.text }) };

it('resolves to ours, theirs, or a text that somebody made', () => {
  expect(resolve(conflict, { kind: 'ours' })).toEqual({ ok: true, value: 'b\n' });
  expect(resolve(conflict, { kind: 'theirs' })).toEqual({ ok: true, value: 'c\n' });
  expect(resolve(conflict, { kind: 'merged', content: 'b\nc\n' })).toEqual({ ok: true, value: 'b\nc\n' });
  expect(resolve(conflict, { kind: 'manual', content: 'd\n' })).toEqual({ ok: true, value: 'd\n' });
});

it('does not take a merged text that still has markers, unless a side had that line itself', () => {
  const left = { kind: 'merged' as const, content: conflict.marked ?? '' };
  expect(resolve(conflict, left)).toEqual({ ok: false, error: 'MARKERS_LEFT' });
  expect(resolve(conflict, { ...left, kind: 'manual' })).toEqual({ ok: true, value: left.content });
  const quoting: Conflict = { ...conflict, ours: '=======\n' };
  expect(resolve(quoting, { kind: 'merged', content: '=======\nc\n' })).toEqual({ ok: true, value: '=======\nc\n' });
});
