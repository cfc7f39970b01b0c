/** A course of documents that keeps to the protocol, and the texts of sections as the checker takes them apart. */
import { describe, expect, test } from 'vitest';
import { LAWFUL_DOCUMENTS } from './broken-documents.ts';
import { check } from './checker.ts';
import { countSigned, patched } from './document-patch.ts';
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
    expect(splitText('markdown', 'm0\n\na\n===\n\nm1\nb\n===\n')).toEqual(['m0\n\n', 'a\n===\n\n', 'm1\nb\n===\n']);
    expect(splitText('markdown', '# a\n===\n\n===\n')).toEqual(['# a\n===\n\n===\n']);
  });

  test('a diff is applied', () => {
    const diff =
      '--- version 1\n+++ version 2\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n@@ -9,0 +10 @@\n+y\n\\ No newline at end of file\n';
    expect(patched('a\nb\nc\n4\n5\n6\n7\n8\n9\n', diff)).toBe('a\nx\nc\n4\n5\n6\n7\n8\n9\ny');
    expect(patched('a\nz\nc\n', diff)).toBeUndefined();
    expect([countSigned(diff, '+'), countSigned(diff, '-')]).toEqual([2, 1]);
  });

  test('markers are words of their own', () => {
    expect([...markersOf('m1 xm2 m3x\nm44')]).toEqual(['m1', 'm44']);
  });
});
