/** The short form: a real server, fifty real agents over sockets, 5,000 tasks, everything that can be killed is. */
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { Cleanup } from '../../bench/harness/cleanup.ts';
import { SHORT, shortfalls } from './forms.ts';
import { explain, runChaos } from './run.ts';

const SEED = 20_260_801;

describe('under kill -9, cut connections and dying agents', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.close());

  it(`every promise about tasks is kept (seed ${SEED})`, { timeout: 900_000 }, async () => {
    const dir = cleanup.directory(tmpdir(), 'muster-chaos-');
    const say = (line: string): void => void process.stderr.write(`${line}\n`);
    const report = await runChaos({ ...SHORT, seed: SEED, dir, cleanup, say });
    if (report.violations.length > 0) {
      cleanup.keep(dir);
      expect.fail(explain(report, dir));
    }
    expect(report.marks.submitted).toBeGreaterThanOrEqual(SHORT.tasks);
    expect(shortfalls(report), 'the run was too quiet to prove anything').toEqual([]);
  });
});
