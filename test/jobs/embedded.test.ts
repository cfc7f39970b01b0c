import { describe, expect, it } from 'vitest';
import { EmbeddedJobs, type JobRun } from '../../src/jobs/index.ts';
import { FakeScheduler } from '../support/fake-scheduler.ts';

/** A queue whose `checkpoint` ends when the test says so. */
function setUp(random = 0) {
  const scheduler = new FakeScheduler();
  const runs: JobRun[] = [];
  const byte = Math.floor(random * 256);
  const jobs = new EmbeddedJobs({
    scheduler,
    entropy: (size) => new Uint8Array(size).fill(byte),
    onRun: (run) => runs.push(run),
  });
  const open: ((error?: Error) => void)[] = [];
  const began: number[] = [];
  const start = scheduler.mono();
  jobs.handle('checkpoint', (done) => {
    began.push(scheduler.mono() - start);
    open.push(done);
  });
  const end = (error?: Error) => open.shift()?.(error);
  return { scheduler, jobs, runs, began, open, end };
}

describe('a repeated job', () => {
  it('runs first somewhere within its interval, then after each pause', () => {
    const { scheduler, jobs, began, end } = setUp(0.5);
    jobs.repeat('checkpoint', 1_000);
    jobs.start();
    scheduler.advance(501);
    expect(began).toEqual([]);
    scheduler.advance(1);
    expect(began).toEqual([502]);
    end();
    scheduler.advance(3_000);
    expect(began).toHaveLength(2);
  });

  it.each([
    [0, 900],
    [0.5, 1_000],
    [255 / 256, 1_100],
  ])('spreads its pauses: with %d it waits about %d ms', (random, about) => {
    const { scheduler, jobs, began, end } = setUp(random);
    jobs.repeat('checkpoint', 1_000);
    jobs.start();
    scheduler.advance(1_000);
    end();
    const ended = scheduler.mono();
    scheduler.advance(2_000);
    expect((began[1] ?? 0) - ended).toBeGreaterThanOrEqual(about - 3);
    expect((began[1] ?? 0) - ended).toBeLessThanOrEqual(about + 3);
  });

  it('is never run twice at a time, and its pause counts from the end of the run', () => {
    const { scheduler, jobs, began, open, end } = setUp();
    jobs.repeat('checkpoint', 100);
    jobs.start();
    scheduler.advance(10_000);
    expect(open).toHaveLength(1);
    end();
    scheduler.advance(89);
    expect(began).toHaveLength(1);
    scheduler.advance(1);
    expect(began).toHaveLength(2);
  });

  it('may be given its interval after the start', () => {
    const { scheduler, jobs, began } = setUp();
    jobs.start();
    scheduler.advance(1_000);
    expect(began).toEqual([]);
    jobs.repeat('checkpoint', 1_000);
    scheduler.advance(1_000);
    expect(began).toHaveLength(1);
  });

  it('goes on after a run that failed, by callback or by throwing', () => {
    const { scheduler, jobs, runs, began, end } = setUp();
    const thrown = new Error('thrown');
    jobs.handle('sweep', () => {
      throw thrown;
    });
    jobs.repeat('checkpoint', 100);
    jobs.repeat('sweep', 100);
    jobs.start();
    scheduler.advance(1);
    end(new Error('refused'));
    scheduler.advance(90);
    expect(began).toHaveLength(2);
    expect(runs.filter((run) => run.name === 'sweep').map((run) => run.error)).toEqual([thrown, thrown]);
    expect(runs.filter((run) => run.name === 'checkpoint')[0]?.error?.message).toBe('refused');
  });

  it('makes an Error of whatever was thrown', () => {
    const { scheduler, jobs, runs } = setUp();
    jobs.handle('sweep', () => {
      // A library may throw anything.
      const odd: unknown = 'a string';
      throw odd as Error;
    });
    jobs.start();
    jobs.trigger('sweep');
    scheduler.advance(0);
    expect(runs[0]?.error?.cause).toBe('a string');
  });

  it('reports how long a run took', () => {
    const { scheduler, jobs, runs, end } = setUp();
    jobs.start();
    jobs.trigger('checkpoint');
    scheduler.advance(0);
    scheduler.advance(70);
    end();
    expect(runs).toEqual([{ name: 'checkpoint', ms: 70 }]);
  });
});

describe('a triggered job', () => {
  it('runs soon, once, however often it was asked for, and not inside the call', () => {
    const { scheduler, jobs, began, end } = setUp();
    jobs.start();
    jobs.trigger('checkpoint');
    jobs.trigger('checkpoint');
    expect(began).toEqual([]);
    scheduler.advance(0);
    expect(began).toHaveLength(1);
    end();
    scheduler.advance(10_000);
    expect(began).toHaveLength(1);
  });

  it('runs once more when it was asked for during a run', () => {
    const { scheduler, jobs, began, end } = setUp();
    jobs.start();
    jobs.trigger('checkpoint');
    scheduler.advance(0);
    jobs.trigger('checkpoint');
    jobs.trigger('checkpoint');
    scheduler.advance(1_000);
    expect(began).toHaveLength(1);
    end();
    scheduler.advance(0);
    expect(began).toHaveLength(2);
    end();
    scheduler.advance(1_000);
    expect(began).toHaveLength(2);
  });

  it('takes the place of the repeated run that was waited for', () => {
    const { scheduler, jobs, began, end } = setUp();
    jobs.repeat('checkpoint', 1_000);
    jobs.start();
    scheduler.advance(0);
    end();
    scheduler.advance(500);
    jobs.trigger('checkpoint');
    scheduler.advance(0);
    expect(began).toHaveLength(2);
    end();
    scheduler.advance(899);
    expect(began).toHaveLength(2);
    scheduler.advance(1);
    expect(began).toHaveLength(3);
  });

  it('may be asked for before the start', () => {
    const { scheduler, jobs, began } = setUp();
    jobs.trigger('checkpoint');
    scheduler.advance(1_000);
    expect(began).toEqual([]);
    jobs.start();
    scheduler.advance(0);
    expect(began).toHaveLength(1);
  });

  it('ends once: a second word from its handler is not heard', () => {
    const { scheduler, jobs, runs, began, open } = setUp();
    jobs.start();
    jobs.trigger('checkpoint');
    scheduler.advance(0);
    const [done] = open;
    done?.();
    done?.(new Error('late'));
    jobs.trigger('checkpoint');
    scheduler.advance(0);
    expect(runs).toHaveLength(1);
    expect(began).toHaveLength(2);
  });
});

describe('stop', () => {
  it('waits for what runs, and lets nothing begin', () => {
    const { scheduler, jobs, began, end } = setUp();
    jobs.repeat('checkpoint', 100);
    jobs.start();
    jobs.trigger('checkpoint');
    scheduler.advance(0);
    jobs.trigger('checkpoint');
    let stopped = 0;
    jobs.stop(() => (stopped += 1));
    scheduler.advance(10_000);
    expect(stopped).toBe(0);
    end();
    expect(stopped).toBe(1);
    scheduler.advance(10_000);
    jobs.trigger('checkpoint');
    scheduler.advance(10_000);
    expect(began).toHaveLength(1);
    expect(scheduler.timers).toBe(0);
  });

  it('ends at once when nothing runs, but not inside the call, and may be said twice', () => {
    const { scheduler, jobs } = setUp();
    jobs.repeat('checkpoint', 100);
    jobs.start();
    let stopped = 0;
    jobs.stop(() => (stopped += 1));
    jobs.stop(() => (stopped += 1));
    expect(stopped).toBe(0);
    scheduler.advance(0);
    expect(stopped).toBe(2);
    expect(scheduler.timers).toBe(0);
  });

  it('holds for a job that was due when it was said', () => {
    const { scheduler, jobs, began } = setUp();
    jobs.start();
    jobs.trigger('checkpoint');
    jobs.stop(() => {});
    scheduler.advance(1_000);
    expect(began).toEqual([]);
  });
});

describe('wrong use is a bug', () => {
  it('says so', () => {
    const { jobs } = setUp();
    expect(() => jobs.handle('checkpoint', () => {})).toThrow('has a handler');
    expect(() => jobs.repeat('retain', 100)).toThrow('no handler');
    expect(() => jobs.trigger('sweep')).toThrow('no handler');
    expect(() => jobs.repeat('checkpoint', 0)).toThrow('positive');
    jobs.start();
    expect(() => jobs.start()).toThrow('once');
    expect(() => jobs.handle('sweep', () => {})).toThrow('before start');
  });
});

describe('the status', () => {
  it('has what is on, how runs ended, and the newest failures in front', () => {
    const { scheduler, jobs, end } = setUp();
    jobs.repeat('checkpoint', 1_000);
    expect(jobs.status()).toEqual({
      scheduler: 'embedded',
      connected: true,
      jobs: [
        {
          name: 'checkpoint',
          everyMs: 1_000,
          shared: false,
          state: 'idle',
          runs: { ok: 0, failed: 0 },
          failures: [],
        },
      ],
    });
    jobs.start();
    for (let run = 1; run <= 12; run += 1) {
      scheduler.advance(1_100);
      expect(jobs.status().jobs[0]?.state).toBe('running');
      scheduler.advance(5);
      end(run === 1 ? undefined : new Error(`run ${run}`));
    }
    const [job] = jobs.status().jobs;
    expect(job).toMatchObject({
      state: 'idle',
      runs: { ok: 1, failed: 11 },
      last: { at: scheduler.now(), ok: false },
    });
    expect(job?.failures.map(({ message }) => message)).toEqual(
      Array.from({ length: 10 }, (_, at) => `run ${12 - at}`),
    );
  });
});
