/**
 * Documents as clients see them over sockets, while the server, a real process, is killed with `kill -9`. What they noted must be linearizable, and
 * no update lost; the same, changed in one place, must not. `DOCUMENTS_LONG=1`: fifty times as long.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { Cleanup } from '../../../bench/harness/cleanup.ts';
import { judgeDocuments, type DocumentOperation } from './document-model.ts';
import { madeBy, MUTATIONS } from './document-mutations.ts';
import { recordDocuments, SECTIONS } from './document-record.ts';
import { lostUpdates } from './lost-updates.ts';
import type { Form } from './storm.ts';

const LONG = process.env['DOCUMENTS_LONG'] === '1';
const FORM: Form = {
  seed: 20_261_130,
  clients: 4,
  ...(LONG ? { turns: 1_250, kills: 20 } : { turns: 25, kills: 2 }),
};

const read = (client: string, at: number, ...markers: string[]): DocumentOperation => ({
  document: 'd',
  client,
  input: { kind: 'read' },
  output: { read: { version: markers.length + 1, sections: [{ version: markers.length + 1, markers }] } },
  calledAt: at,
  returnedAt: at + 1,
});

const edit = (
  client: string,
  at: number,
  of: { readonly base: number; readonly markers: readonly string[]; readonly output?: DocumentOperation['output'] },
): DocumentOperation => {
  const { base, markers, output } = of;
  const about = { document: 'd', client, input: { kind: 'edit', section: 0, base, markers } as const, calledAt: at };
  return output === undefined ? about : { ...about, output, returnedAt: at + 1 };
};

const LEGAL: { readonly [name: string]: readonly DocumentOperation[] } = {
  'one after the other': [
    edit('a', 1, { base: 1, markers: ['x'], output: { made: 2 } }),
    read('b', 3, 'x'),
    edit('b', 5, { base: 2, markers: ['x', 'y'], output: { made: 3 } }),
    read('a', 7, 'x', 'y'),
  ],
  'a conflict': [
    edit('a', 1, { base: 1, markers: ['x'], output: { made: 2 } }),
    edit('b', 3, { base: 1, markers: ['y'], output: { refusedOn: 2 } }),
    read('a', 5, 'x'),
  ],
  'an edit of which nobody heard, and that is seen later': [
    edit('a', 1, { base: 1, markers: ['x'] }),
    read('b', 5),
    read('b', 7, 'x'),
  ],
  'an edit of which nobody heard, and that never was': [edit('a', 1, { base: 1, markers: ['x'] }), read('b', 5)],
};

const ILLEGAL: { readonly [name: string]: readonly DocumentOperation[] } = {
  'a lost update': [
    edit('a', 1, { base: 1, markers: ['x'], output: { made: 2 } }),
    edit('b', 3, { base: 1, markers: ['y'], output: { made: 3 } }),
  ],
  'a conflict with nobody': [edit('a', 1, { base: 1, markers: ['x'], output: { refusedOn: 1 } })],
  'a read of what is to come': [read('b', 1, 'x'), edit('a', 3, { base: 1, markers: ['x'], output: { made: 2 } })],
  'a read that goes back': [edit('a', 1, { base: 1, markers: ['x'] }), read('b', 3, 'x'), read('c', 5)],
  'a version that is left out': [edit('a', 1, { base: 1, markers: ['x'], output: { made: 3 } })],
};

describe('histories of one document', () => {
  const verdictOf = (history: readonly DocumentOperation[]): string | undefined => judgeDocuments(history, 1).get('d');
  it.each(Object.entries(LEGAL))('%s: legal', (_, history) => {
    expect(verdictOf(history)).toBe('linearizable');
    expect(lostUpdates(history)).toEqual([]);
  });
  it.each(Object.entries(ILLEGAL))('%s: illegal', (_, history) => expect(verdictOf(history)).toBe('not linearizable'));

  it('lost updates are found without an order', () => {
    const one = edit('a', 1, { base: 1, markers: ['x'], output: { made: 2 } });
    expect(lostUpdates([one, read('b', 3)])).toEqual([
      'd: x was acknowledged, and is not in a text that was read later',
    ]);
    expect(lostUpdates([read('a', 1, 'x', 'y'), read('b', 3, 'y')])).toEqual(['d: y is no beginning of x y']);
    expect(lostUpdates([read('a', 1, 'x', 'x')])).toEqual(['d: x x has a marker twice']);
  });
});

describe('documents of a real server', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.close());

  it(`are linearizable under kill -9 (seed ${FORM.seed})`, { timeout: LONG ? 900_000 : 200_000 }, async () => {
    const history = await recordDocuments(cleanup, FORM);
    const refused = history.filter(({ output }) => output !== undefined && 'refusedOn' in output);
    expect(history.filter((one) => madeBy(one) !== undefined).length).toBeGreaterThan(FORM.turns);
    expect(refused.length).toBeGreaterThan(0);
    expect(lostUpdates(history)).toEqual([]);
    for (const [id, verdict] of judgeDocuments(history, SECTIONS)) expect(verdict, id).toBe('linearizable');
    for (const [name, mutate] of Object.entries(MUTATIONS)) {
      const verdicts = [...judgeDocuments(mutate(history) ?? [], SECTIONS).values()];
      expect(verdicts, name).toContain('not linearizable');
    }
    expect(lostUpdates(MUTATIONS['an acknowledged edit is lost']?.(history) ?? [])).not.toEqual([]);
  });
});
