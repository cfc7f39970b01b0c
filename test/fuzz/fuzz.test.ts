/** The short form: 8,000 frames on each transport. What it measures is noise on a shared machine; what must never happen is judged. */
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { Cleanup } from '../../bench/harness/cleanup.ts';
import { FORMS } from '../conformance/forms.ts';
import { LIFTED, runPhase } from './run.ts';
import { BOUNDS, missed } from './verdict.ts';

const SEED = 20_261_129;
const FRAMES = 8_000;
const bounds = { ...BOUNDS, frames: FRAMES, samples: 1, attacksEnd: false };
/** Of a machine that does other things too. */
const noisy = { holdMs: 500, p99Ratio: Number.POSITIVE_INFINITY };

describe('a fuzzed server', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.close());

  it.each(['ws', 'uws'] as const)(
    `on %s keeps every promise (seed ${SEED})`,
    { timeout: 300_000 },
    async (transport) => {
      const dir = cleanup.directory(tmpdir(), 'muster-fuzz-');
      const report = await runPhase({
        transport,
        forms: FORMS,
        limits: LIFTED,
        seed: SEED,
        frames: FRAMES,
        rate: 4_000,
        links: 32,
        attacks: true,
        calmMs: 500,
        neighbourRate: 50,
        data: join(dir, 'data'),
        cleanup,
        say: () => undefined,
      });
      expect(missed(report, { ...bounds, ...noisy })).toEqual([]);
    },
  );
});
