/** Shapes of the nodes that serve the same tenants. */

export interface NodeView {
  /** Drawn by each process at its start. */
  readonly node: string;
  /** The one that answers. */
  readonly self: boolean;
  readonly version: string;
  readonly startedAt: number;
  /** Since it was heard of last. */
  readonly silentMs: number;
  /** How far it is behind the log of the tenant where that is worst: entries, and for how long it has waited for one. */
  readonly behind: number;
  readonly behindMs: number;
  readonly tenants: number;
  /** Sessions that are attached to it. */
  readonly sessions: number;
}

/** Params by method. */
export interface NodeParams {
  'node.list': object;
}

/** Results by method. */
export interface NodeResults {
  'node.list': { readonly nodes: readonly NodeView[] };
}
