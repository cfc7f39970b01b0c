/** The nodes that serve beside this one, as it knows of them, over all tenants that it serves. */
import type { NodeView } from '../../protocol/wire/nodes.ts';
import { byCodeUnits } from '../base/order.ts';
import type { Known } from './beside.ts';
import type { Serving } from './serving.ts';

interface Self {
  readonly nodeId: string;
  readonly version: string;
  readonly startedAt: number;
}

/** This one first, the others by name. */
export function listNodes(self: Self, servings: readonly Serving[]): readonly NodeView[] {
  const { nodeId, version, startedAt } = self;
  const nothing = { behind: 0, behindMs: 0, silentMs: 0, tenants: 0, sessions: 0 };
  const views = new Map<string, NodeView>([[nodeId, { node: nodeId, self: true, version, startedAt, ...nothing }]]);
  for (const { tenant } of servings) {
    if (!tenant.serving) continue;
    const alone = [{ node: nodeId, version, startedAt, behind: 0, behindMs: 0, silentMs: 0, audits: [] }];
    for (const known of tenant.beside?.nodes() ?? alone) views.set(known.node, joined(views.get(known.node), known));
    for (const { node } of tenant.engine.state.attachedSessions) {
      const view = views.get(node);
      if (view !== undefined) views.set(node, { ...view, sessions: view.sessions + 1 });
    }
  }
  const [first, ...others] = views.values();
  return first === undefined ? [] : [first, ...others.toSorted((a, b) => byCodeUnits(a.node, b.node))];
}

/** The worst of what is known of several tenants, and the newest word. */
function joined(view: NodeView | undefined, known: Known): NodeView {
  const { node, version, startedAt, behind, behindMs, silentMs } = known;
  if (view === undefined || view.tenants === 0) {
    return { node, self: view?.self === true, version, startedAt, behind, behindMs, silentMs, tenants: 1, sessions: 0 };
  }
  return {
    ...view,
    behind: Math.max(view.behind, behind),
    behindMs: Math.max(view.behindMs, behindMs),
    silentMs: Math.min(view.silentMs, silentMs),
    tenants: view.tenants + 1,
  };
}
