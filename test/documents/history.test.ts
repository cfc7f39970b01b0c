/** Concurrent edits become one document: whatever order they come in, and as the generator of sessions says. */
import { describe, expect, it } from 'vitest';
import { EditHistory, type Edit, type Patch } from '../../src/documents/edits/history.ts';
import { MemoryStore } from '../cases/document-store.ts';
import { applyPatches, replay, SESSION, type Session } from '../cases/replay.ts';
import { session } from '../cases/sessions.ts';
import { Random } from '../simulation/random.ts';

function merged(start: string, edits: readonly Edit[]): string {
  const history = new EditHistory(start);
  return edits.reduce((text, edit) => applyPatches(text, history.add(edit)), start);
}

describe('edits that did not know of each other', () => {
  const both = (start: string, one: Patch, other: Patch) =>
    merged(start, [
      { parents: [], writer: 0, patches: [one] },
      { parents: [], writer: 1, patches: [other] },
    ]);
  const cases: readonly (readonly [name: string, texts: readonly [string, Patch, Patch], text: string])[] = [
    ['at different places', ['abc', [0, 0, 'X'], [3, 0, 'Y']], 'XabcY'],
    ['a place before what the other deleted', ['abcdef', [0, 0, 'X'], [3, 2, '']], 'Xabcf'],
    ['within what the other deleted', ['abcdef', [3, 0, 'X'], [1, 4, '']], 'aXf'],
    ['the same deleted twice', ['abcdef', [1, 3, ''], [2, 3, '']], 'af'],
    ['at the same place: by the number of the writer', ['ab', [1, 0, 'one'], [1, 0, 'two']], 'aonetwob'],
    ['replaced by both', ['ab', [0, 2, 'X'], [0, 2, 'Y']], 'XY'],
    ['beyond 16 bits', ['a😀b', [2, 0, '😁'], [0, 1, '']], '😀😁b'],
  ];
  it.each(cases)('%s', (_, [start, one, other], text) => {
    expect(both(start, one, other)).toBe(text);
  });

  it('runs of two writers at the same place do not interleave', () => {
    const edits: Edit[] = [
      { parents: [], writer: 1, patches: [[0, 0, 'a']] },
      { parents: [0], writer: 1, patches: [[1, 0, 'b']] },
      { parents: [], writer: 0, patches: [[0, 0, 'x']] },
      { parents: [2], writer: 0, patches: [[1, 0, 'y']] },
    ];
    expect(merged('', edits)).toBe('xyab');
  });
});

/** A history in which everybody inserts and deletes anywhere, at the same places too; nobody is two writers at a time. */
function wild(seed: number): Edit[] {
  const random = new Random(`wild ${seed}`);
  const history = new EditHistory();
  const edits: Edit[] = [];
  for (let index = 0; index < 40; index += 1) {
    const parents = index === 0 ? [] : [...new Set([random.below(index), random.below(index)])];
    history.look(parents);
    const length = Array.from(history.viewed).length;
    const at = random.below(length + 1);
    const removed = random.chance(0.3) ? Math.min(length - at, random.between(0, 3)) : 0;
    const inserted = Array.from({ length: random.between(0, 3) }, () => random.pick(['a', 'b', 'c', 'd'])).join('');
    const edit: Edit = { parents, writer: index, patches: [[at, removed, inserted]] };
    history.add(edit);
    edits.push(edit);
  }
  return edits;
}

/** The same history, in another order in which parents come first. */
function reordered(edits: readonly Edit[], random: Random): Edit[] {
  const place = new Map<number, number>();
  const result: Edit[] = [];
  while (result.length < edits.length) {
    const ready = edits.flatMap((edit, index) =>
      !place.has(index) && edit.parents.every((parent) => place.has(parent)) ? [index] : [],
    );
    const next = random.pick(ready);
    const edit = edits[next]!;
    place.set(next, result.length);
    result.push({ ...edit, parents: edit.parents.map((parent) => place.get(parent)!) });
  }
  return result;
}

it('gives the same document in whatever order the edits come', () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const edits = wild(seed);
    const random = new Random(`order ${seed}`);
    const text = merged('', edits);
    for (let n = 0; n < 3; n += 1) expect(merged('', reordered(edits, random)), `seed ${seed}`).toBe(text);
  }
});

/** Which transactions did not know all before them, by walking through the parents of each. */
function staleOf({ txns }: Session): number[] {
  return txns.flatMap((_, index) => {
    const seen = new Set<number>();
    const open = [...(txns[index]?.parents ?? [])];
    for (let one = open.pop(); one !== undefined; one = open.pop()) {
      if (seen.has(one)) continue;
      seen.add(one);
      open.push(...(txns[one]?.parents ?? []));
    }
    return seen.size < index ? [index] : [];
  });
}

describe('a recorded session', () => {
  it('ends in its text, with exactly the stale updates refused and each resolved', async () => {
    let refused = 0;
    for (let seed = 0; seed < 60; seed += 1) {
      const random = new Random(`plan ${seed}`);
      const plan = {
        writers: random.between(1, 6),
        transactions: random.between(2, 120),
        learns: random.pick([0.1, 0.5, 0.9]),
      };
      const recorded = session(seed, plan);
      const result = await replay(recorded, new MemoryStore());
      expect(result, `seed ${seed}`).toMatchObject({ same: true, wrong: [], unresolved: [] });
      expect(result.refused).toBe(staleOf(recorded).length);
      expect(result.resolved).toBe(result.refused);
      refused += result.refused;
    }
    expect(refused).toBeGreaterThan(1_000);
  });

  it('of one long text by two writers, over many chunks', { timeout: 120_000 }, async () => {
    const recorded = session(7, { writers: 2, transactions: 400, learns: 0.9 });
    const start = 'x'.repeat(40_000);
    const shifted = recorded.txns.map((txn) => ({
      ...txn,
      patches: txn.patches.map(([at, removed, inserted]): [number, number, string] => [at + 20_000, removed, inserted]),
    }));
    const endContent = start.slice(20_000) + recorded.endContent + start.slice(20_000);
    const result = await replay({ startContent: start, txns: shifted, endContent }, new MemoryStore());
    expect(result).toMatchObject({ same: true, wrong: [], unresolved: [] });
    expect(result.refused).toBeGreaterThan(50);
  });

  it('is told apart from one that ends in another text', async () => {
    const recorded = session(3, { writers: 3, transactions: 20, learns: 0.5 });
    const result = await replay({ ...recorded, endContent: `${recorded.endContent}!` }, new MemoryStore());
    expect(result.same).toBe(false);
  });

  it('may have times beside its patches, and no parents where each follows the one before', async () => {
    const recorded = SESSION.parse({
      endContent: 'hello',
      txns: [{ patches: [[0, 0, 'hell', '2023-11-22T04:49:00Z']] }, { patches: [[4, 0, 'o']] }],
    });
    expect(await replay(recorded, new MemoryStore())).toMatchObject({ same: true, refused: 0 });
  });
});
