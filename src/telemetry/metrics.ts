/**
 * The node's metrics, in the Prometheus format.
 *
 * Owns: which metrics there are. Does not own: the figures, which the parts tell (port.ts) or are asked for at each
 * scrape.
 *
 * M1 Every label has a fixed, small set of values: methods, codes, statuses, close names, jobs. Nothing that a user
 *    chose, but for the backlog (backlog.ts), which has a bound.
 * M2 Counting is an addition: labels are put together when somebody scrapes.
 */
import { collectDefaultMetrics } from 'prom-client';
import { watchBacklog } from './backlog.ts';
import { watchBlobs } from './blobs.ts';
import { watchJobs } from './jobs.ts';
import { watchQuotas } from './quotas.ts';
import { watchRedis } from './redis.ts';
import { EdgeFigures } from './edge.ts';
import { watchNode, WriteFigures } from './node.ts';
import type {
  BacklogFigures,
  BlobFigures,
  EdgeMetrics,
  JobMetrics,
  JobsFigures,
  MetricsText,
  NodeFigures,
  NodeMetrics,
  QuotaFigures,
  RedisFigures,
} from './port.ts';
import { Scrape, type Sample } from './scrape.ts';

export interface MetricsOptions {
  /** Figures of the process too: memory, processor, event-loop lag, garbage collection. Once in a process. */
  readonly process?: boolean;
}

export class Metrics implements MetricsText, JobMetrics {
  readonly edge: EdgeMetrics;
  readonly node: NodeMetrics;
  readonly #scrape = new Scrape();
  readonly #jobs = new Map<string, { ok: number; error: number }>();

  constructor(options: MetricsOptions = {}) {
    this.edge = new EdgeFigures(this.#scrape);
    this.node = new WriteFigures(this.#scrape);
    this.#scrape.counter(
      { name: 'muster_job_runs_total', help: 'Runs of background jobs.', labels: ['job', 'outcome'] },
      () => [...this.#jobs].flatMap(([job, runs]) => runsOf(job, runs)),
    );
    if (options.process === true) collectDefaultMetrics({ register: this.#scrape.registry });
  }

  get contentType(): string {
    return this.#scrape.registry.contentType;
  }

  text(): Promise<string> {
    return this.#scrape.text();
  }

  /** Says by which transport agents are served. Once. */
  transport(name: 'ws' | 'uws'): void {
    this.#scrape.gauge(
      { name: 'muster_transport_info', help: 'The transport that serves agents.', labels: ['transport'] },
      () => [{ labels: { transport: name }, value: 1 }],
    );
  }

  /** Asks `figures` at each scrape. Once. */
  watch(figures: () => NodeFigures): void {
    watchNode(this.#scrape, figures);
  }

  /** The same for what waits. */
  watchBacklog(figures: () => BacklogFigures): void {
    watchBacklog(this.#scrape, figures);
  }

  /** The same for quotas of workspaces. */
  watchQuotas(figures: () => QuotaFigures): void {
    watchQuotas(this.#scrape, figures);
  }

  /** The same for blobs. */
  watchBlobs(figures: () => BlobFigures): void {
    watchBlobs(this.#scrape, figures);
  }

  /** Where the background jobs are on Redis. Once. */
  watchJobs(figures: () => JobsFigures): void {
    watchJobs(this.#scrape, figures);
  }

  /** Where the log is in files: its group commits so far, by thread. Once. */
  watchCommits(commits: () => { readonly main: number; readonly log: number }): void {
    this.#scrape.counter(
      {
        name: 'muster_log_commits_total',
        help: 'Group commits of the embedded log, by the thread that made them.',
        labels: ['thread'],
      },
      () => Object.entries(commits()).map(([thread, value]) => ({ labels: { thread }, value })),
    );
  }

  /** Where the log is on Redis. Once. */
  watchRedis(figures: () => RedisFigures): void {
    watchRedis(this.#scrape, figures);
  }

  jobRan(name: string, run: { readonly ok: boolean; readonly ms: number }): void {
    const runs = this.#jobs.get(name) ?? { ok: 0, error: 0 };
    this.#jobs.set(name, runs);
    runs[run.ok ? 'ok' : 'error'] += 1;
  }
}

function runsOf(job: string, runs: { readonly ok: number; readonly error: number }): Sample[] {
  return [
    { labels: { job, outcome: 'ok' }, value: runs.ok },
    { labels: { job, outcome: 'error' }, value: runs.error },
  ];
}
