/**
 * What waits for agents, for autoscalers.
 *
 * BM1 Types and capabilities are names that users chose: at most `namedMax` of each are labels, those with most waiting;
 *     the rest is summed up as `other`. So a scrape stays small, whatever types somebody makes up.
 */
import type { BacklogFigures } from './port.ts';
import type { Sample, Scrape } from './scrape.ts';

const namedMax = 50;
const other = 'other';

/** Asks `figures` once at each scrape. */
export function watchBacklog(scrape: Scrape, figures: () => BacklogFigures): void {
  let now: BacklogFigures = { types: [], missing: [], exact: true };
  scrape.before(() => {
    now = figures();
  });
  scrape.gauge({ name: 'muster_backlog_tasks', help: 'Tasks that wait for an agent, by type.', labels: ['type'] }, () =>
    bounded(now.types, ({ type, waiting }) => ({ labels: { type }, value: waiting }), sum),
  );
  scrape.gauge(
    {
      name: 'muster_backlog_oldest_seconds',
      help: 'How long the task that waits longest has been waiting, by type.',
      labels: ['type'],
    },
    () => bounded(now.types, ({ type, oldestMs }) => ({ labels: { type }, value: oldestMs / 1_000 }), Math.max),
  );
  scrape.gauge(
    {
      name: 'muster_backlog_missing_tasks',
      help: 'Tasks that wait for a capability which no agent that is reachable has.',
      labels: ['capability', 'type'],
    },
    () =>
      bounded(now.missing, ({ capability, type, waiting }) => ({ labels: { capability, type }, value: waiting }), sum),
  );
  scrape.gauge(
    { name: 'muster_backlog_exact', help: '0 while so much waits that the shares of types are estimated.' },
    () => [{ value: now.exact ? 1 : 0 }],
  );
}

const sum = (a: number, b: number): number => a + b;

/** BM1. A gauge is set once for each of its labels: one that is not told any more is gone. */
function bounded<T>(
  all: readonly T[],
  sampleOf: (one: T) => Sample & { readonly labels: object },
  join: (a: number, b: number) => number,
): Sample[] {
  const samples = all.slice(0, namedMax).map(sampleOf);
  const rest = all.slice(namedMax).map(sampleOf);
  const [first] = rest;
  if (first === undefined) return samples;
  const labels = Object.fromEntries(Object.keys(first.labels).map((name) => [name, other]));
  return [...samples, { labels, value: rest.reduce((value, one) => join(value, one.value), 0) }];
}
