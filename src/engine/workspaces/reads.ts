/** What is read of workspaces, as far as the caller may. */
import { encodeValue } from '../../../protocol/wire/codec.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type {
  WorkspaceParams,
  WorkspacePermission,
  WorkspaceResults,
  WorkspaceView,
} from '../../../protocol/wire/workspaces.ts';
import type { State } from '../kernel/state.ts';
import type { Refusal, SessionPrincipal } from '../port.ts';
import { present } from './presence.ts';
import { may, permitted, userOf } from './roles.ts';
import { checkUsage, usageView } from './usage.ts';
import { memberView, snapshotView, workspaceView } from './view.ts';
import { memberKey, type WorkspaceRecord } from './workspace-records.ts';

type Who = Pick<SessionPrincipal, 'id' | 'role' | 'agent'>;

/** How many records one page looks at before it returns what it has, with a cursor. */
const SCAN_MAX = 5_000;

interface Rows<V> {
  readonly items: V[];
  readonly cursor: string | undefined;
}

/** `view` undefined: the row is passed over. */
function pageOf<R, V extends object>(
  rows: Iterable<R>,
  of: { readonly limit: number | undefined; readonly at: (row: R) => string; readonly view: (row: R) => V | undefined },
): Rows<V> {
  const { limit = LIMITS.pageDefault, at, view } = of;
  const items: V[] = [];
  let bytes = 0;
  let looked = 0;
  for (const row of rows) {
    looked += 1;
    const made = view(row);
    if (made !== undefined) {
      items.push(made);
      bytes += encodeValue(made).length;
    }
    if (items.length === limit || bytes > LIMITS.pageBytes || looked === SCAN_MAX) return { items, cursor: at(row) };
  }
  return { items, cursor: undefined };
}

const withCursor = ({ cursor }: { readonly cursor: string | undefined }): { readonly cursor?: string } =>
  cursor === undefined ? {} : { cursor };

/** Those that the caller may see, or is a member of. */
export function listWorkspaces(
  s: State,
  who: Who,
  asked: WorkspaceParams['workspace.list'],
): WorkspaceResults['workspace.list'] {
  const { status, member, limit, cursor = '' } = asked;
  const view = (known: WorkspaceRecord): WorkspaceView | undefined => {
    const meant = (status ?? known.status) === known.status && may(s, who, { workspace: known.id, to: 'see' });
    return meant ? workspaceView(s, known, { by: who }) : undefined;
  };
  const rows = member === true ? ofMember(s, who, cursor) : s.workspacesById.after(cursor);
  const { items, ...rest } = pageOf(rows, { limit, at: ({ id }) => id, view });
  return { workspaces: items, ...withCursor(rest) };
}

function* ofMember(s: State, who: Who, cursor: string): IterableIterator<WorkspaceRecord> {
  const user = userOf(who);
  for (const { workspace } of s.membersByUser.after(user, cursor === '' ? '' : memberKey(cursor, user))) {
    const known = s.workspaces.get(workspace);
    if (known !== undefined) yield known;
  }
}

/** What is read of one workspace: what is needed for it, and how. */
interface Read<M extends keyof WorkspaceParams> {
  readonly to: WorkspacePermission;
  readonly answer: (
    s: State,
    known: WorkspaceRecord,
    asked: { readonly who: Who; readonly params: WorkspaceParams[M] },
  ) => WorkspaceResults[M];
}

const getWorkspace: Read<'workspace.get'> = {
  to: 'see',
  answer: (s, known, { who }) => ({ workspace: workspaceView(s, known, { by: who }) }),
};

const listMembers: Read<'member.list'> = {
  to: 'read',
  answer: (s, { id }, { params: { role, limit, cursor } }) => {
    const after = cursor === undefined ? '' : memberKey(id, cursor);
    const { items, ...rest } = pageOf(s.membersByWorkspace.after(id, after), {
      limit,
      at: ({ user }) => user,
      view: (member) => ((role ?? member.role) === member.role ? memberView(member) : undefined),
    });
    return { members: items, ...withCursor(rest) };
  },
};

const getUsage: Read<'usage.get'> = { to: 'read', answer: (s, known) => ({ usage: usageView(s, known) }) };

const check: Read<'usage.check'> = {
  to: 'read',
  answer: (s, known, { params: { wanted } }) => checkUsage(s, known, wanted),
};

const getState: Read<'state.get'> = {
  to: 'read',
  answer: (s, { id, version }, { params: { keys, limit, cursor } }) => {
    const named = keys?.flatMap((name) => s.stateValues.get(`${id} ${name}`) ?? []);
    const after = cursor === undefined ? '' : `${id} ${cursor}`;
    const rows = named ?? s.valuesByWorkspace.after(id, after);
    const { items, ...rest } = pageOf(rows, {
      limit: named === undefined ? limit : LIMITS.pageMax,
      at: ({ name }) => name,
      view: ({ name, value }) => ({ name, value }),
    });
    return { version, values: Object.fromEntries(items.map(({ name, value }) => [name, value])), ...withCursor(rest) };
  },
};

const listSnapshots: Read<'state.snapshots'> = {
  to: 'read',
  answer: (s, { id }) => ({ snapshots: [...s.snapshotsByWorkspace.after(id, '')].map(snapshotView) }),
};

const listPresence: Read<'presence.list'> = {
  to: 'see',
  answer: (s, { id }, { params: { limit, cursor = '' } }) => {
    const { items, ...rest } = pageOf(present(s, id, cursor), {
      limit,
      at: ({ userId }) => userId,
      view: (one) => one,
    });
    return { presence: items, ...withCursor(rest) };
  },
};

export type WorkspaceRead =
  'workspace.get' | 'member.list' | 'usage.get' | 'usage.check' | 'state.get' | 'state.snapshots' | 'presence.list';

const READS: { readonly [M in WorkspaceRead]: Read<M> } = {
  'workspace.get': getWorkspace,
  'member.list': listMembers,
  'usage.get': getUsage,
  'usage.check': check,
  'state.get': getState,
  'state.snapshots': listSnapshots,
  'presence.list': listPresence,
};

export function readWorkspace<M extends WorkspaceRead>(
  s: State,
  who: Who,
  asked: { readonly method: M; readonly params: WorkspaceParams[M] },
): WorkspaceResults[M] | Refusal {
  const { method, params } = asked;
  const { to, answer } = READS[method];
  const workspace = 'workspaceId' in params ? params.workspaceId : 'id' in params ? params.id : '';
  const known = permitted(s, who, { workspace, to });
  return 'ok' in known ? known : answer(s, known, { who, params });
}
