/** A course of documents that keeps to the protocol, and the texts of sections as the checker takes them apart. */
import { describe, expect, test } from 'vitest';
import { LAWFUL_DOCUMENTS } from './broken-documents.ts';
import { check } from './checker.ts';
import { markersOf, splitText } from './document-text.ts';
import { create } from './stories.ts';
import { told } from './story-book.ts';

describe('documents', () => {
  test('an edit beside another, a conflict and its resolution violate nothing', () => {
    const { run } = told((made) => void create(made))();
    expect(check({ format: 1, events: LAWFUL_DOCUMENTS(run.events) })).toEqual([]);
  });

  test('a text is taken apart at its headings', () => {
    expect(splitText('markdown', '# a\n\nm1\n\n## b\n\n')).toEqual(['# a\n\nm1\n\n', '## b\n\n']);
    expect(splitText('text', '# a\n\n# b\n')).toEqual(['# a\n\n# b\n']);
    expect(splitText('markdown', '')).toEqual([]);
  });

  test('markers are words of their own', () => {
    expect([...markersOf('m1 xm2 m3x\nm44')]).toEqual(['m1', 'm44']);
  });
});
