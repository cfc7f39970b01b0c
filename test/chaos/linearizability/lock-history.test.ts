/**
 * Locks as real processes see them: several clients over sockets, a real server that is killed with `kill -9` meanwhile. What they
 * noted must be linearizable; the same, changed in one place, must not. `LOCKS_LONG=1`: fifty times as long.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { Cleanup } from '../../../bench/harness/cleanup.ts';
import { judgeLocks } from './lock-model.ts';
import { MUTATIONS, tokenOf } from './lock-mutations.ts';
import { recordLocks } from './lock-record.ts';
import type { Form } from './storm.ts';

const LONG = process.env['LOCKS_LONG'] === '1';
const FORM: Form = {
  seed: 20_261_129,
  clients: 4,
  ...(LONG ? { turns: 1_000, kills: 20 } : { turns: 20, kills: 2 }),
};

describe('locks of real processes', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.close());

  it(`are linearizable under kill -9 (seed ${FORM.seed})`, { timeout: LONG ? 600_000 : 200_000 }, async () => {
    const history = await recordLocks(cleanup, FORM);
    const tokens = history.flatMap((one) => tokenOf(one) ?? []);
    expect(new Set(tokens).size).toBe(FORM.clients * FORM.turns);
    for (const [path, verdict] of judgeLocks(history)) expect(verdict, path).toBe('linearizable');
    for (const [name, mutate] of Object.entries(MUTATIONS)) {
      const verdicts = [...judgeLocks(mutate(history) ?? []).values()];
      expect(verdicts, name).toContain('not linearizable');
    }
  });
});
