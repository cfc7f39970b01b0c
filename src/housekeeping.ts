/** What a server does beside its work, and how long it keeps what is over. */
import { LIMITS } from '../protocol/wire/limits.ts';
import type { Scheduler } from './base/scheduler.ts';
import type { JobQueue } from './jobs/index.ts';
import type { Node } from './node/node.ts';
import type { Retention, Store } from './store/port.ts';

const CHECKPOINT_MS = 5_000;
/** A checkpoint is also made when nothing much happened, if so many entries would be replayed. */
const IDLE_CHECKPOINT_MS = 300_000;
const RETAIN_MS = 60_000;
const REBALANCE_MS = 2_000;
/** What nobody names is gone after 24 hours and two of these at most. */
const SWEEP_MS = 3_600_000;

const { historyMs, historyBytes, finishedMs, finishedBytes, deadLetterMs, deadLetterBytes } = LIMITS;
const { outputMs, outputBytes, documentArchiveBytes } = LIMITS;
export const RETENTION: Retention = {
  historyMs,
  historyBytes,
  finishedMs,
  finishedBytes,
  deadLetterMs,
  deadLetterBytes,
  outputMs,
  outputBytes,
  documentArchiveBytes,
};

export interface HousekeepingOptions {
  readonly node: Node;
  readonly store: Store;
  readonly scheduler: Scheduler;
  readonly jobs: JobQueue;
  /** Moves what was sent to an agent and not confirmed, which the agent may have begun all the same. */
  readonly rebalance: boolean;
}

/** Begins at once; the caller stops it. */
export function startHousekeeping({ node, store, scheduler, jobs, rebalance }: HousekeepingOptions): void {
  let idleSince = scheduler.mono();
  jobs.handle('checkpoint', (done) => {
    const idle = scheduler.mono() - idleSince >= IDLE_CHECKPOINT_MS;
    if (idle) idleSince = scheduler.mono();
    node.checkpoint((serving) => serving.checkpointDue() || (idle && serving.entriesBehind > 1_000), done);
  });
  jobs.handle('retain', (done) => store.retain(scheduler.now(), done));
  jobs.handle('rebalance', (done) => node.rebalance(done));
  jobs.repeat('checkpoint', CHECKPOINT_MS);
  if (rebalance) jobs.repeat('rebalance', REBALANCE_MS);
  jobs.handle('sweep', (done) => node.sweepTexts(done));
  jobs.repeat('retain', RETAIN_MS);
  jobs.repeat('sweep', SWEEP_MS);
  jobs.start();
}
