/** The documents' thread: its bounds in time and queue, and that it is alive afterwards. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Scheduler } from '../../src/base/scheduler.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { DocumentThread, THREAD_LIMITS, type ThreadLimits } from '../../src/documents/index.ts';
import type { InputOf, Outcome, WorkName } from '../../src/documents/jobs.ts';

let thread: DocumentThread | undefined;

function start(limits: Partial<ThreadLimits> = {}, scheduler: Scheduler = systemScheduler): DocumentThread {
  thread = new DocumentThread(scheduler, { ...THREAD_LIMITS, ...limits });
  return thread;
}

const run = <N extends WorkName>(on: DocumentThread, name: N, input: InputOf<N>) =>
  new Promise<Outcome<N>>((resolve) => on.run(name, input, resolve));

const SMALL = { base: 'a\nb\nc\n', ours: 'x\nb\nc\n', theirs: 'a\nb\ny\n' };
const MERGED = { kind: 'done', result: { kind: 'clean', text: 'x\nb\ny\n' } };

/** Takes longer than any time that is set here, and is not refused at once: thousands of equal lines, much moved about. */
const LONG = (() => {
  const lines = (seed: number) =>
    Array.from({ length: 60_000 }, (_, n) => `${((n * (seed + 7)) ^ (n >> 3)) % 97}\n`).join('');
  return { base: lines(1), ours: lines(2), theirs: lines(3) };
})();

afterEach(
  () =>
    new Promise<void>((resolve) => {
      if (thread === undefined) resolve();
      else thread.close(resolve);
      thread = undefined;
    }),
);

describe('the thread of documents', () => {
  it('merges and compares', async () => {
    const on = start();
    expect(await run(on, 'merge', SMALL)).toEqual(MERGED);
    const diff = await run(on, 'diff', { before: 'a\n', after: 'b\n' });
    expect(diff).toMatchObject({ kind: 'done', result: { kind: 'diff', added: 1, removed: 1 } });
  });

  it('does not answer within the call, and answers in order', async () => {
    const on = start();
    const answered: number[] = [];
    const all = [0, 1, 2].map(
      (n) => new Promise<void>((resolve) => on.run('merge', SMALL, () => resolve(void answered.push(n)))),
    );
    expect(answered).toEqual([]);
    await Promise.all(all);
    expect(answered).toEqual([0, 1, 2]);
  });

  it('gives up what takes too long, and goes on with what waits in a new thread', async () => {
    // The time is over as soon as it runs: work is long if it is at work then.
    let over = true;
    const at: number[] = [];
    const after = (ms: number, fn: () => void) => {
      at.push(ms);
      return over ? systemScheduler.after(0, fn) : () => {};
    };
    const on = start({}, { ...systemScheduler, after });
    const long = run(on, 'merge', LONG).finally(() => (over = false));
    const behind = run(on, 'merge', SMALL);
    expect(await long).toEqual({ kind: 'none', reason: 'TIMEOUT' });
    expect(await behind).toEqual(MERGED);
    expect(at).toEqual([THREAD_LIMITS.workMs, THREAD_LIMITS.workMs]);
  });

  it('refuses at the bounds of its queue, at once', async () => {
    const on = start({ queueMax: 1 });
    const first = run(on, 'merge', SMALL);
    expect(await run(on, 'merge', SMALL)).toEqual({ kind: 'none', reason: 'BUSY' });
    expect(await first).toEqual(MERGED);
    const narrow = new DocumentThread(systemScheduler, { ...THREAD_LIMITS, queueUnitsMax: 10 });
    expect(await run(narrow, 'merge', SMALL)).toEqual({ kind: 'none', reason: 'BUSY' });
  });

  it('answers what waits when it is closed, and refuses from then on', async () => {
    const on = start();
    const waiting = [run(on, 'merge', SMALL), run(on, 'merge', SMALL)];
    await new Promise<void>((resolve) => on.close(resolve));
    expect(await Promise.all(waiting)).toEqual([
      { kind: 'none', reason: 'CLOSED' },
      { kind: 'none', reason: 'CLOSED' },
    ]);
    expect(await run(on, 'merge', SMALL)).toEqual({ kind: 'none', reason: 'CLOSED' });
  });
});
