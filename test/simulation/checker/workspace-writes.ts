/**
 * What one request makes of a workspace, and whether it was to be accepted: 60, 61, 62, L.
 *
 * A request that is accepted was allowed by the roles just before it; one that is refused was not, or had another reason that can be seen.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { Op } from './records.ts';
import { field, items, num, same, text } from './values.ts';
import type { InvariantId } from './invariants.ts';
import {
  bytesOf,
  may,
  operated,
  outranks,
  owners,
  usageOf,
  withOps,
  type Papers,
  type Permission,
  type Space,
  type Who,
} from './workspace-model.ts';

export interface Write {
  readonly op: Op;
  readonly who: Who;
  readonly now: number;
  readonly ok: boolean;
  readonly code: string | undefined;
  readonly result: unknown;
  readonly papers: Papers;
  readonly wrong: (id: InvariantId, message: string) => void;
}

/** What it needs; `active`: and that nothing is archived; `makes`: it counts as an operation. */
interface Need {
  readonly to: Permission;
  readonly active?: true;
  readonly makes?: true;
}

const MAKES: Need = { to: 'write', active: true, makes: true };
const NEEDS: { readonly [method: string]: Need } = {
  'workspace.update': { to: 'settings', active: true },
  'workspace.archive': { to: 'settings' },
  'workspace.unarchive': { to: 'settings' },
  'workspace.delete': { to: 'own' },
  'member.add': { to: 'invite', active: true },
  'member.setRole': { to: 'invite', active: true },
  'member.remove': { to: 'invite' },
  'usage.update': { to: 'write' },
  'state.apply': { to: 'write', active: true },
  'state.snapshot': { to: 'write', active: true },
  'state.restore': { to: 'write', active: true },
  'state.deleteSnapshot': { to: 'delete' },
  'presence.set': { to: 'see' },
  'topic.subscribe': { to: 'read' },
  'topic.publish': MAKES,
  'document.create': MAKES,
  'document.update': MAKES,
  'document.resolve': MAKES,
  'document.delete': { to: 'delete' },
  'task.create': MAKES,
  'lock.acquire': MAKES,
  'lock.acquireAll': MAKES,
};

/** Not found is also a member, a snapshot or a document. */
const WHOLE: ReadonlySet<string> = new Set([
  ...['workspace.update', 'workspace.archive', 'workspace.unarchive', 'workspace.delete', 'member.add', 'usage.update'],
  ...['state.apply', 'state.snapshot', 'topic.publish', 'topic.subscribe', 'document.create', 'presence.set'],
]);

export function needOf({ method, params }: Op, { user }: Who): Need | undefined {
  const leaves = method === 'member.remove' && text(params, 'userId') === user;
  return leaves ? { to: 'see' } : NEEDS[method];
}

/** The workspace after the request. */
export function written(space: Space, write: Write): Space {
  const { op, who, now, ok, wrong } = write;
  const need = needOf(op, who);
  if (need === undefined) return space;
  const allowed = may(space, who, need.to) && may(space, who, 'see');
  const active = need.active === undefined || space.status === 'active';
  if (!ok) {
    refused(space, write, { need, allowed, active });
    return space;
  }
  if (!allowed) wrong('61', `${who.user} may not ${need.to} there`);
  if (!active) wrong('61', `it is ${space.status}`);
  const next = need.makes === undefined ? space : operated(space, now);
  if (need.makes !== undefined) within(write, space, next);
  return made(next, write);
}

function refused(
  space: Space,
  write: Write,
  of: { readonly need: Need; readonly allowed: boolean; readonly active: boolean },
): void {
  const { op, code, who, wrong } = write;
  const { method, params } = op;
  const { need, allowed, active } = of;
  const user = text(params, 'userId') ?? '';
  const [role, before] = [text(params, 'role'), space.members.get(user)];
  // Of one that is being deleted the members go before it does, between the requests of one entry.
  if (code === 'UNAUTHORIZED' && allowed && active && space.status !== 'deleting') {
    const leaves = method === 'member.remove' && user === who.user;
    const ranks =
      method.startsWith('member.') &&
      !leaves &&
      !outranks(space, who, role === undefined ? [before] : [role, before ?? role]);
    const other = method === 'workspace.update' || method === 'presence.set';
    if (!ranks && !other) wrong('61', `${who.user} may ${need.to} there, and was refused`);
  }
  // One that is being deleted may be gone before the entry is over.
  if (code === 'NOT_FOUND' && allowed && WHOLE.has(method) && space.status !== 'deleting')
    wrong('61', `${who.user} may see it, and was not shown it`);
  if (code === 'INVALID_TRANSITION' && active && space.status !== 'deleting') {
    const last = before === 'owner' && owners(space) === 1;
    if (!last) wrong('62', 'it was refused, and would have left an owner');
  }
  // What a document weighs is not known of one that was refused.
  if (code === 'QUOTA_EXCEEDED' && !method.startsWith('document.')) {
    const silent = { ...write, wrong: () => undefined };
    const begun = need.makes === undefined ? space : operated(space, write.now);
    if (exceeded(write, space, made(begun, silent)) === undefined) wrong('60', 'it was refused, and exceeds no quota');
  }
  if (method === 'state.apply' && code === 'STATE_CONFLICT') {
    const ifVersion = num(params, 'ifVersion');
    const stale = ifVersion !== undefined && ifVersion !== space.version;
    if (!stale && withOps(space.values, items(params, 'ops')) !== undefined)
      wrong('L', 'it was refused as a conflict, and there is none');
  }
}

/** What is used after it has to be within the quota, if it is more than before; undefined: it is. */
function exceeded({ papers, now }: Write, before: Space, after: Space): string | undefined {
  const [was, is] = [usageOf(before, papers, now), usageOf(after, papers, now)];
  const over = Object.entries(is).find(([resource, used]) => {
    return used > (was[resource] ?? 0) && used > (after.quotas.get(resource) ?? Infinity);
  });
  return over === undefined ? undefined : `it uses ${over[1]} of ${after.quotas.get(over[0])} ${over[0]}`;
}

function within(write: Write, before: Space, after: Space): void {
  const over = exceeded(write, before, after);
  if (over !== undefined) write.wrong('60', over);
}

function made(space: Space, write: Write): Space {
  const { op, who, wrong, now, papers } = write;
  const { method, params } = op;
  if (method.startsWith('member.')) return ofMembers(space, write);
  if (method.startsWith('state.')) return ofState(space, write);
  switch (method) {
    case 'workspace.update':
      return settled(space, write);
    case 'workspace.archive':
    case 'workspace.unarchive': {
      if (space.status === 'deleting') wrong('61', 'it is being deleted');
      return { ...space, status: method === 'workspace.archive' ? 'archived' : 'active' };
    }
    case 'workspace.delete':
      return { ...space, status: 'deleting' };
    case 'usage.update': {
      const storage = space.storage + (num(params, 'storageBytes') ?? 0);
      const cpu = space.cpu + (num(params, 'cpuSeconds') ?? 0);
      const next = { ...space, storage, cpu };
      if (storage < 0 || cpu < 0) wrong('60', 'more was given back than was reported');
      // What it holds goes between the requests of one entry.
      if (space.status === 'deleting') return next;
      within(write, space, next);
      const told = field(write.result, 'usage');
      const used = usageOf(next, papers, now);
      for (const [resource, due] of Object.entries(used))
        if (num(field(told, resource), 'used') !== due)
          wrong('60', `${num(field(told, resource), 'used')} of ${resource} is told, ${due} is used`);
      return next;
    }
    case 'presence.set':
      if (!who.admin && !space.members.has(who.user)) wrong('61', `${who.user} is no member`);
      return space;
    default:
      return space;
  }
}

function settled(space: Space, { op, who, wrong }: Write): Space {
  const settings = field(op.params, 'settings');
  const quotas = new Map(space.quotas);
  const asked = field(settings, 'quotas');
  const defaults = new Map<string, number>(Object.entries(LIMITS.workspaceQuotas));
  for (const [resource, before] of space.quotas) {
    const limit = num(asked, resource);
    if (limit === undefined) continue;
    const most = Math.max(before, defaults.get(resource) ?? 0);
    if (limit > most && !who.admin) wrong('61', `the quota of ${resource} was raised to ${limit}`);
    quotas.set(resource, limit);
  }
  return { ...space, quotas, visibility: text(settings, 'visibility') ?? space.visibility };
}

function ofMembers(space: Space, write: Write): Space {
  const { op, who, wrong } = write;
  const { method, params } = op;
  const user = text(params, 'userId') ?? '';
  const [role, before] = [text(params, 'role') ?? '', space.members.get(user)];
  const members = new Map(space.members);
  if (method === 'member.remove') {
    if (before === undefined) wrong('61', `${user} is no member, and was removed`);
    if (user !== who.user && !outranks(space, who, [before])) wrong('61', `${who.user} removed the ${before} ${user}`);
    members.delete(user);
  } else {
    if (!outranks(space, who, [role, before ?? role]))
      wrong('61', `${who.user} made ${user} a ${role}, who was ${before}`);
    if (method === 'member.add' && before !== undefined && before !== role)
      wrong('61', `${user} was a ${before} already`);
    members.set(user, role);
  }
  const next = { ...space, members };
  if (owners(next) === 0) wrong('62', `no owner is left without ${user}`);
  within(write, space, next);
  return next;
}

function ofState(space: Space, write: Write): Space {
  const { op, wrong, result } = write;
  const { method, params } = op;
  const id = text(params, 'snapshotId') ?? '';
  switch (method) {
    case 'state.apply': {
      const values = withOps(space.values, items(params, 'ops'));
      const ifVersion = num(params, 'ifVersion');
      if (values === undefined) {
        wrong('L', 'operations that cannot be done were done');
        return space;
      }
      if (ifVersion !== undefined && ifVersion !== space.version)
        wrong('L', `it was meant for version ${ifVersion}, it is ${space.version}`);
      const next = { ...space, values, version: space.version + 1 };
      if (num(result, 'version') !== next.version)
        wrong('L', `version ${num(result, 'version')} is told, it is ${next.version}`);
      for (const [key, value] of Object.entries(field(result, 'values') ?? {}))
        if (!same(value, values.get(key) ?? null)) wrong('L', `${key} is told to be ${JSON.stringify(value)}`);
      within(write, space, next);
      return next;
    }
    case 'state.snapshot': {
      const made = text(field(result, 'snapshot'), 'id') ?? '';
      const { version, values } = space;
      const next = { ...space, snapshots: new Map(space.snapshots).set(made, { id: made, version, values }) };
      if (num(field(result, 'snapshot'), 'bytes') !== bytesOf(values))
        wrong('60', 'the bytes of a snapshot are told otherwise');
      within(write, space, next);
      return next;
    }
    case 'state.restore': {
      const snapshot = space.snapshots.get(id);
      if (snapshot === undefined) wrong('L', `${id} was restored, which is not there`);
      return { ...space, values: snapshot?.values ?? space.values, version: space.version + 1 };
    }
    case 'state.deleteSnapshot': {
      const snapshots = new Map(space.snapshots);
      if (!snapshots.delete(id)) wrong('L', `${id} was deleted, which is not there`);
      return { ...space, snapshots };
    }
    default:
      return space;
  }
}
