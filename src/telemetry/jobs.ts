/** How it stands with the Redis that has the background jobs. */
import type { JobsFigures } from './port.ts';
import type { Scrape } from './scrape.ts';

const STATES = ['waiting', 'delayed', 'active', 'failed'] as const;

/** Asks `figures` at each scrape. */
export function watchJobs(scrape: Scrape, figures: () => JobsFigures): void {
  scrape.gauge(
    { name: 'muster_jobs_connected', help: '1 while the Redis of the background jobs takes and gives them.' },
    () => [{ value: figures().connected ? 1 : 0 }],
  );
  scrape.gauge(
    { name: 'muster_jobs', help: 'Background jobs in Redis, as last seen.', labels: ['queue', 'state'] },
    () =>
      figures().jobs.flatMap(({ name, queue }) =>
        queue === undefined ? [] : STATES.map((state) => ({ labels: { queue: name, state }, value: queue[state] })),
      ),
  );
}
