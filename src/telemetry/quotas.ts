/** How much of their quotas is used. Workspaces have no label: there are as many as users make. */
import { WORKSPACE_RESOURCES } from '../../protocol/wire/workspaces.ts';
import type { QuotaFigures } from './port.ts';
import type { Sample, Scrape } from './scrape.ts';

/** Asks `figures` once at each scrape. */
export function watchQuotas(scrape: Scrape, figures: () => QuotaFigures): void {
  let now: QuotaFigures | undefined;
  scrape.before(() => {
    now = figures();
  });
  const samples = (of: 'most' | 'near'): Sample[] =>
    WORKSPACE_RESOURCES.map((resource) => ({ labels: { resource }, value: now?.[resource][of] ?? 0 }));
  scrape.gauge(
    {
      name: 'service_quota_usage',
      help: 'Share of its quota, 0 to 1, that the workspace uses which uses most of it.',
      labels: ['resource'],
    },
    () => samples('most'),
  );
  scrape.gauge(
    {
      name: 'muster_workspaces_near_quota',
      help: 'Workspaces that use nine tenths of a quota or more.',
      labels: ['resource'],
    },
    () => samples('near'),
  );
}
