/** Broken histories of workspaces. */
import type { Edit } from './edit.ts';
import type { HistoryEvent, SpaceSeen, WorkspacesObservation } from './history.ts';
import { castOf } from './lock-scenes.ts';
import { create } from './stories.ts';
import { entry, row, told, type Row } from './story-book.ts';

const quiet = told((made) => void create(made));

const ID = 'wsp_1';
const FIRST_REQUEST = 4_000;

interface Act {
  readonly method: string;
  readonly params: object;
  readonly result: object;
  readonly told?: string;
  readonly seen: Partial<SpaceSeen>;
}

const QUOTAS = {
  ...{ storageBytes: 10 * 1024 * 1024 * 1024, cpuSeconds: 1_000_000_000, members: 100, documents: 1_000 },
  ...{ agents: 50, operations: 100_000 },
};
const NOTHING = { storageBytes: 0, cpuSeconds: 0, members: 1, documents: 0, agents: 0, operations: 0 };

/** One entry after the other, each with a request of the first session. */
function acts(make: (owner: string) => readonly Act[]): Edit {
  return (events) => {
    const owner = events.flatMap((e) => (e.kind === 'welcome' && e.tenant === 'a' ? [e.principal] : []))[0] ?? '';
    return make(owner).reduce<readonly HistoryEvent[]>(
      (list, act, i) => one(list, { act, owner, i }),
      events,
    ) as HistoryEvent[];
  };
}

function one(
  list: readonly HistoryEvent[],
  of: { readonly act: Act; readonly owner: string; readonly i: number },
): HistoryEvent[] {
  const { act, owner, i } = of;
  const { method, params, result } = act;
  const { session, conn } = castOf(list).a;
  const reqId = FIRST_REQUEST + i;
  const at = list.at(-1)?.at ?? 0;
  const space: SpaceSeen = {
    ...{ id: ID, status: 'active', visibility: 'private', version: 0, quotas: QUOTAS },
    ...{ members: [{ user: owner, role: 'owner' }], values: {}, snapshots: [], used: NOTHING },
    ...act.seen,
  };
  const said =
    act.told === undefined ? [] : [{ rev: 1, event: act.told, topic: `workspace.${ID}`, data: { workspaceId: ID } }];
  const workspaces: WorkspacesObservation = {
    now: 1,
    spaces: [space],
    writes: [{ session, reqId, method, ok: true, result }],
    told: said,
  };
  const invoke: HistoryEvent = { kind: 'invoke', at, opId: `w${reqId}`, conn, session, reqId, method, params };
  return entry(() => ({ workspaces }))([...list, invoke]);
}

const MADE: Act = { method: 'workspace.create', params: { name: 'w' }, result: { workspace: { id: ID } }, seen: {} };

function applied(values: object, version: number): Act {
  return {
    method: 'state.apply',
    params: { workspaceId: ID, ops: [{ op: 'set', key: 'k', value: 1 }] },
    result: { version: 1, values: { k: 1 } },
    told: 'workspace.state',
    seen: { version, values: { ...values }, used: { ...NOTHING, storageBytes: 73 } },
  };
}

/** Whatever is checked of requests is in it. */
export const LAWFUL_WORKSPACES: Edit = acts(() => [MADE, applied({ k: 1 }, 1)]);

/** The second session, which is of nobody there, is told of the workspace. */
const overheard: Edit = (events) => {
  const list = acts(() => [MADE])(events);
  const last = list.findLast((event) => event.kind === 'applied' && event.tenant === 'a');
  const rev = last?.kind === 'applied' ? last.rev : 0;
  const data = { workspaceId: ID };
  const at = list.at(-1)?.at ?? 0;
  return [
    ...list,
    { kind: 'push', at, conn: castOf(list).b.conn, rev, event: 'workspace.created', topic: `workspace.${ID}`, data },
  ];
};

export const BROKEN_WORKSPACES: readonly Row[] = [
  row('60', 'bytes that nobody counts', {
    legal: quiet,
    broken: acts(() => [MADE, { ...applied({ k: 1 }, 1), seen: { version: 1, values: { k: 1 }, used: NOTHING } }]),
  }),
  row('62', 'the last owner that leaves', {
    legal: quiet,
    broken: acts((owner) => [
      MADE,
      {
        method: 'member.remove',
        params: { workspaceId: ID, userId: owner },
        result: { userId: owner },
        told: 'workspace.memberRemoved',
        seen: { members: [], used: { ...NOTHING, members: 0 } },
      },
    ]),
  }),
  row('L', 'a state that its operations do not make', {
    legal: quiet,
    broken: acts(() => [MADE, applied({ k: 2 }, 1)]),
  }),
  row('Z', 'somebody who hears of what it may not read', { legal: quiet, broken: overheard }),
];
