/** A course of workspaces that keeps to the protocol, and the matrix of roles as the checker has it. */
import { describe, expect, test } from 'vitest';
import { LAWFUL_WORKSPACES } from './broken-workspaces.ts';
import { check } from './checker.ts';
import { create } from './stories.ts';
import { told } from './story-book.ts';
import { may, withOps, type Space } from './workspace-model.ts';

const space: Space = {
  id: 'wsp_1',
  status: 'active',
  visibility: 'public',
  quotas: new Map(),
  members: new Map([
    ['e', 'editor'],
    ['g', 'guest'],
  ]),
  values: new Map(),
  version: 0,
  snapshots: new Map(),
  storage: 0,
  cpu: 0,
  operations: 0,
  day: 0,
};

describe('workspaces', () => {
  test('a workspace that is made, and a change of its state, violate nothing', () => {
    const { run } = told((made) => void create(made))();
    expect(check({ format: 1, events: LAWFUL_WORKSPACES(run.events) })).toEqual([]);
  });

  test('roles allow what the protocol says', () => {
    const who = (user: string, admin = false) => ({ user, admin });
    expect(may(space, who('e'), 'write')).toBe(true);
    expect(may(space, who('e'), 'delete')).toBe(false);
    expect(may(space, who('g'), 'read')).toBe(true);
    expect(may({ ...space, visibility: 'team' }, who('g'), 'read')).toBe(false);
    expect(may({ ...space, visibility: 'team' }, who('nobody'), 'see')).toBe(true);
    expect(may({ ...space, visibility: 'private' }, who('nobody'), 'see')).toBe(false);
    expect(may({ ...space, visibility: 'private' }, who('nobody', true), 'own')).toBe(true);
  });

  test('operations are done in their order, or not at all', () => {
    const ops = [
      { op: 'increment', key: 'n', by: 2 },
      { op: 'increment', key: 'n', by: 3 },
      { op: 'add_to_set', key: 's', value: 1 },
      { op: 'add_to_set', key: 's', value: 1 },
    ];
    expect(withOps(new Map(), ops)).toEqual(
      new Map<string, unknown>([
        ['n', 5],
        ['s', [1]],
      ]),
    );
    expect(withOps(new Map([['s', 1]]), [{ op: 'add_to_set', key: 's', value: 1 }])).toBeUndefined();
  });
});
