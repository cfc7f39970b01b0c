import { describe, expect, test } from 'vitest';
import { BROKEN_DOCUMENTS } from './broken-documents.ts';
import { BROKEN_EDGE } from './broken-edge.ts';
import { BROKEN_LOCKS } from './broken-locks.ts';
import { BROKEN_NOTICES } from './broken-notices.ts';
import { BROKEN_TREES } from './broken-trees.ts';
import { BROKEN_WORK } from './broken-work.ts';
import { BROKEN_WORKSPACES } from './broken-workspaces.ts';
import { check } from './checker.ts';
import { INVARIANTS } from './invariants.ts';

const rows = [
  ...BROKEN_WORK,
  ...BROKEN_EDGE,
  ...BROKEN_TREES,
  ...BROKEN_LOCKS,
  ...BROKEN_NOTICES,
  ...BROKEN_DOCUMENTS,
  ...BROKEN_WORKSPACES,
];

describe('every invariant', () => {
  test.each(rows)('$id: $name', ({ id, legal, broken, options }) => {
    const { run } = legal();
    expect(check(run.history())).toEqual([]);
    const found = check({ format: 1, events: broken(run.events), ...(options && { options }) });
    expect(found.map(({ invariant }) => invariant)).toContain(id);
    for (const violation of found) expect(violation.events.length).toBeGreaterThan(0);
  });

  test('has a broken history', () => {
    const tested = new Set<string>(rows.map(({ id }) => id));
    expect(Object.keys(INVARIANTS).filter((id) => !tested.has(id))).toEqual([]);
  });
});
