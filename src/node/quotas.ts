/**
 * How much of their quotas the workspaces of all tenants of the node use, for the metrics.
 *
 * QF1 A tenant may have 10,000 workspaces, which nobody may look through at once: a look goes on in later turns. Whoever asks is told what the
 *     last look found, and begins the next.
 * QF2 A workspace with a quota of nothing uses all of it once it uses anything.
 */
import type { WorkspaceResource } from '../../protocol/wire/workspaces.ts';
import { WORKSPACE_RESOURCES } from '../../protocol/wire/workspaces.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { State } from '../engine/kernel/state.ts';
import { ofEach, quotaOf, usageOf } from '../engine/queries.ts';

const WORKSPACES_A_TURN = 200;
/** From this share on a workspace counts as near its quota. */
const NEAR = 0.9;

export interface QuotaShare {
  /** Of the workspace that uses most of its quota; 0 where there is no workspace. */
  readonly most: number;
  /** Workspaces that use nine tenths of it or more. */
  readonly near: number;
}

export type QuotaShares = { readonly [R in WorkspaceResource]: QuotaShare };

interface Served {
  readonly tenant: { readonly serving: boolean; readonly engine: { readonly state: State } };
}

export class QuotaLook {
  readonly #scheduler: Scheduler;
  readonly #servings: () => readonly Served[];
  #found: QuotaShares = ofEach(() => ({ most: 0, near: 0 }));
  #looking = false;

  constructor(parts: { readonly scheduler: Scheduler; readonly servings: () => readonly Served[] }) {
    this.#scheduler = parts.scheduler;
    this.#servings = parts.servings;
  }

  /** QF1 */
  shares(): QuotaShares {
    if (!this.#looking) {
      this.#looking = true;
      this.#look(this.#servings().slice(), { after: '', found: ofEach(() => ({ most: 0, near: 0 })) });
    }
    return this.#found;
  }

  #look(
    rest: Served[],
    at: { after: string; readonly found: { readonly [R in WorkspaceResource]: { most: number; near: number } } },
  ): void {
    const [served] = rest;
    if (served === undefined) {
      this.#found = at.found;
      this.#looking = false;
      return;
    }
    let count = 0;
    const { state } = served.tenant.engine;
    for (const known of served.tenant.serving ? state.workspacesById.after(at.after) : []) {
      for (const resource of WORKSPACE_RESOURCES) {
        const share = shareOf(usageOf(state, known, resource), quotaOf(known, resource));
        const sum = at.found[resource];
        sum.most = Math.max(sum.most, share);
        if (share >= NEAR) sum.near += 1;
      }
      at.after = known.id;
      count += 1;
      if (count === WORKSPACES_A_TURN) break;
    }
    if (count < WORKSPACES_A_TURN) {
      rest.shift();
      at.after = '';
    }
    this.#scheduler.defer(() => this.#look(rest, at));
  }
}

/** QF2 */
function shareOf(used: number, quota: number): number {
  if (used === 0) return 0;
  return quota === 0 ? 1 : used / quota;
}
