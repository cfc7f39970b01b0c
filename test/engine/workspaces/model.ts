/**
 * What workspaces are, told once more and plainly: by lists, and a matrix that was written by hand. Shares nothing with the engine but
 * the names of its methods.
 */
import type { Value } from '../../../protocol/wire/types.ts';

/** Of each role what it may: see, read, comment, write, delete, invite, seTtings, own; R: reads if it is public. */
const MAY: { readonly [role: string]: string } = {
  owner: 'srcwdito',
  admin: 'srcwdit',
  editor: 'srcw',
  commenter: 'src',
  viewer: 'sr',
  guest: 'sR',
};
const ORDER = Object.keys(MAY);
const DAY_MS = 86_400_000;
export const OPEN: { readonly [visibility: string]: string } = { private: '', team: 's', public: 'sr' };

export interface Member {
  role: string;
  /** What is said after it is its. */
  since: number;
}

export interface Snapshot {
  readonly id: string;
  readonly values: ReadonlyMap<string, Value>;
}

export interface Space {
  readonly id: string;
  visibility: string;
  /** What is said after it is for everybody. */
  publicSince: number;
  status: 'active' | 'archived' | 'deleting';
  quotas: Record<string, number>;
  readonly members: Map<string, Member>;
  values: Map<string, Value>;
  version: number;
  snapshots: Snapshot[];
  storage: number;
  cpu: number;
  operations: number;
  day: number;
  /** By session. */
  readonly presence: Map<string, { readonly user: string; readonly status: string; readonly order: number }>;
  /** As the changes that were told say. */
  readonly told: Map<string, string>;
  toldAt: number;
}

export interface Who {
  readonly user: string;
  readonly admin: boolean;
}

export function newSpace(id: string, user: string, rev: number): Space {
  return {
    id,
    visibility: 'private',
    publicSince: 0,
    status: 'active',
    quotas: {},
    members: new Map([[user, { role: 'owner', since: rev }]]),
    values: new Map(),
    version: 0,
    snapshots: [],
    storage: 0,
    cpu: 0,
    operations: 0,
    day: 0,
    presence: new Map(),
    told: new Map(),
    toldAt: -Infinity,
  };
}

export function may(space: Space, { user, admin }: Who, letter: string): boolean {
  if (admin) return true;
  const member = space.members.get(user);
  if (member === undefined) return OPEN[space.visibility]?.includes(letter) === true;
  const row = MAY[member.role] ?? '';
  return row.includes(letter) || (letter === 'r' && space.visibility === 'public' && row.includes('R'));
}

/** The code of the answer as far as permissions go; undefined: it may. */
export function refusal(space: Space | undefined, who: Who, letter: string, active = false): string | undefined {
  if (space === undefined || !may(space, who, 's')) return 'NOT_FOUND';
  if (!may(space, who, letter)) return 'UNAUTHORIZED';
  return active && space.status !== 'active' ? 'INVALID_TRANSITION' : undefined;
}

/** Whether who acts may give, change or take these roles. */
export function outranks(space: Space, who: Who, roles: readonly string[]): boolean {
  const own = who.admin ? 'owner' : (space.members.get(who.user)?.role ?? 'guest');
  return roles.every((role) => ORDER.indexOf(role) >= ORDER.indexOf(own));
}

/** From where on it is told what is said, if it may read. */
export function toldSince(space: Space, { user, admin }: Who): number {
  const member = space.members.get(user);
  if (admin) return 0;
  if (member !== undefined && MAY[member.role]?.includes('r') === true) return member.since;
  return Math.max(member?.since ?? 0, space.publicSince);
}

export function owners(space: Space): number {
  return [...space.members.values()].filter(({ role }) => role === 'owner').length;
}

const weighed = (value: Value): number => {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 8;
  return Object.values(value).reduce((sum: number, one) => sum + 16 + weighed(one), 0);
};

export const bytesOf = (values: ReadonlyMap<string, Value>): number =>
  [...values].reduce((sum, [name, value]) => sum + 64 + name.length + weighed(value), 0);

/** Everything that is used, counted from what is there. */
export function usage(space: Space, now: number): Record<string, number> {
  const users = [...space.members.keys()];
  return {
    storageBytes:
      space.storage + bytesOf(space.values) + space.snapshots.reduce((sum, { values }) => sum + bytesOf(values), 0),
    cpuSeconds: space.cpu,
    members: users.length,
    documents: 0,
    agents: users.filter((user) => user.startsWith('agent:')).length,
    operations: space.day === Math.floor(now / DAY_MS) ? space.operations : 0,
  };
}

export function fits(space: Space, now: number, wanted: Readonly<Record<string, number>>): boolean {
  const used = usage(space, now);
  return Object.entries(wanted).every(
    ([name, more]) => more <= 0 || (used[name] ?? 0) + more <= (space.quotas[name] ?? Infinity),
  );
}

export function operate(space: Space, now: number, count: number): void {
  const day = Math.floor(now / DAY_MS);
  space.operations = (space.day === day ? space.operations : 0) + count;
  space.day = day;
}

export interface Op {
  readonly op: string;
  readonly key: string;
  readonly value?: Value;
  readonly by?: number;
}

/** The values after the operations; undefined: one of them cannot be done. */
export function applied(values: ReadonlyMap<string, Value>, ops: readonly Op[]): Map<string, Value> | undefined {
  const next = new Map(values);
  for (const { op, key, value = null, by = 0 } of ops) {
    const before = next.get(key);
    if (op === 'set') {
      if (value === null) next.delete(key);
      else next.set(key, value);
    } else if (op === 'increment') {
      if (before !== undefined && typeof before !== 'number') return undefined;
      next.set(key, (before ?? 0) + by);
    } else {
      if (before !== undefined && !Array.isArray(before)) return undefined;
      const set: Value[] = [...((before as Value[] | undefined) ?? [])];
      const at = set.indexOf(value);
      if (op === 'add_to_set' && at < 0) set.push(value);
      if (op === 'remove_from_set' && at >= 0) set.splice(at, 1);
      next.set(key, set);
    }
  }
  return next;
}

export function presentAs(space: Space, user: string): string {
  const own = [...space.presence.values()].filter((one) => one.user === user);
  return own.toSorted((a, b) => b.order - a.order)[0]?.status ?? 'offline';
}
