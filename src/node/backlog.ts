/** What waits for agents in all tenants of the node together, for the metrics. */
import { byCodeUnits } from '../base/order.ts';
import type { Backlog } from '../engine/queries.ts';

interface Sum {
  readonly type: string;
  readonly capability: string;
  waiting: number;
  oldestMs: number;
}

export interface BacklogSums {
  readonly types: readonly Sum[];
  readonly missing: readonly Sum[];
  readonly exact: boolean;
}

/** Those with most waiting first. */
export function backlogFigures(
  servings: Iterable<{ readonly tenant: { readonly serving: boolean }; backlog(): Backlog }>,
): BacklogSums {
  const types = new Map<string, Sum>();
  const missing = new Map<string, Sum>();
  let exact = true;
  for (const serving of servings) {
    if (!serving.tenant.serving) continue;
    const view = serving.backlog();
    exact &&= view.exact;
    for (const one of view.types) add(types, one.type, { ...one, capability: '' });
    for (const one of view.missing) add(missing, `${one.capability}\n${one.type}`, { ...one, oldestMs: 0 });
  }
  return { types: sorted(types), missing: sorted(missing), exact };
}

function add(sums: Map<string, Sum>, key: string, one: Sum): void {
  const known = sums.get(key);
  if (known === undefined) {
    sums.set(key, { ...one });
    return;
  }
  known.waiting += one.waiting;
  known.oldestMs = Math.max(known.oldestMs, one.oldestMs);
}

function sorted(sums: ReadonlyMap<string, Sum>): readonly Sum[] {
  return [...sums]
    .toSorted(([a, one], [b, two]) => two.waiting - one.waiting || byCodeUnits(a, b))
    .map(([, sum]) => sum);
}
