/**
 * Workspaces as section 24 of the protocol tells of them: who may do what, what a request makes of one, what is used. A `Space` never changes: what is
 * done makes another.
 */
import { field, items, num, text } from './values.ts';

export interface Snapshot {
  readonly id: string;
  readonly version: number;
  readonly values: ReadonlyMap<string, unknown>;
}

export interface Space {
  readonly id: string;
  readonly status: string;
  readonly visibility: string;
  readonly quotas: ReadonlyMap<string, number>;
  /** Roles by the names of members. */
  readonly members: ReadonlyMap<string, string>;
  /** The shared state. */
  readonly values: ReadonlyMap<string, unknown>;
  readonly version: number;
  readonly snapshots: ReadonlyMap<string, Snapshot>;
  /** Reported by members. */
  readonly storage: number;
  readonly cpu: number;
  /** What was done on this day of UTC. */
  readonly operations: number;
  readonly day: number;
}

export type Permission = 'see' | 'read' | 'comment' | 'write' | 'delete' | 'invite' | 'settings' | 'own';

export interface Who {
  readonly user: string;
  /** An administrator of the tenant may in every workspace what an owner may. */
  readonly admin: boolean;
}

const LADDER = ['owner', 'admin', 'editor', 'commenter', 'viewer', 'guest'] as const;

/** Down to which role it is allowed. */
const DOWN_TO: { readonly [P in Permission]: (typeof LADDER)[number] } = {
  own: 'owner',
  settings: 'admin',
  invite: 'admin',
  delete: 'admin',
  write: 'editor',
  comment: 'commenter',
  read: 'viewer',
  see: 'guest',
};

const rank = (role: string | undefined): number => {
  const at = LADDER.findIndex((one) => one === role);
  return at < 0 ? LADDER.length : at;
};

export function may({ members, visibility }: Space, { user, admin }: Who, to: Permission): boolean {
  if (admin) return true;
  const open = visibility === 'public' ? ['see', 'read'] : visibility === 'team' ? ['see'] : [];
  const role = members.get(user);
  if (role === undefined) return open.includes(to);
  return rank(role) <= rank(DOWN_TO[to]) || (to === 'read' && visibility === 'public');
}

/** Whether it may give or take each of these roles. */
export function outranks({ members }: Space, { user, admin }: Who, roles: readonly (string | undefined)[]): boolean {
  const own = admin ? 0 : rank(members.get(user));
  return roles.every((role) => own <= rank(role));
}

export const owners = ({ members }: Space): number => [...members.values()].filter((role) => role === 'owner').length;

const DAY_MS = 24 * 60 * 60 * 1_000;
export const dayOf = (now: number): number => Math.floor(now / DAY_MS);

/** What a value weighs in the count of bytes. */
function weight(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 8;
  return Object.values(value).reduce<number>((sum, one) => sum + 16 + weight(one), 0);
}

export function bytesOf(values: ReadonlyMap<string, unknown>): number {
  let sum = 0;
  for (const [name, value] of values) sum += 64 + name.length + weight(value);
  return sum;
}

/** What documents there are, by workspace. */
export interface Papers {
  readonly count: number;
  readonly bytes: number;
}

/** All that is used, counted from what is there. */
export function usageOf(space: Space, papers: Papers, now: number): { readonly [resource: string]: number } {
  const users = [...space.members.keys()];
  const kept = [...space.snapshots.values()].reduce((sum, { values }) => sum + bytesOf(values), 0);
  return {
    storageBytes: space.storage + bytesOf(space.values) + kept + papers.bytes,
    cpuSeconds: space.cpu,
    members: users.length,
    documents: papers.count,
    agents: users.filter((user) => user.startsWith('agent:')).length,
    operations: space.day === dayOf(now) ? space.operations : 0,
  };
}

export function operated(space: Space, now: number): Space {
  const day = dayOf(now);
  return { ...space, day, operations: (space.day === day ? space.operations : 0) + 1 };
}

/** The values after the operations, in their order; undefined: one of them is not to be done. */
export function withOps(
  values: ReadonlyMap<string, unknown>,
  ops: readonly unknown[],
): Map<string, unknown> | undefined {
  const next = new Map(values);
  for (const op of ops) {
    const key = text(op, 'key') ?? '';
    const made = withOp(next.get(key), op);
    if (made === undefined) return undefined;
    if (made.value === null) next.delete(key);
    else next.set(key, made.value);
  }
  return next;
}

function withOp(before: unknown, op: unknown): { readonly value: unknown } | undefined {
  const value = field(op, 'value');
  switch (text(op, 'op') ?? '') {
    case 'set':
      return { value: value ?? null };
    case 'increment':
      if (before !== undefined && !Number.isSafeInteger(before)) return undefined;
      return { value: Number(before ?? 0) + (num(op, 'by') ?? 0) };
    case 'add_to_set': {
      const set = setOf(before);
      return set === undefined ? undefined : { value: set.includes(value) ? set : [...set, value] };
    }
    case 'remove_from_set': {
      const set = setOf(before);
      return set === undefined ? undefined : { value: set.filter((one) => one !== value) };
    }
    default:
      return undefined;
  }
}

/** Distinct strings, numbers and booleans; nothing is an empty one. */
function setOf(value: unknown): readonly unknown[] | undefined {
  if (value === undefined) return [];
  const list = items({ value }, 'value');
  const scalar = list.every((one) => ['string', 'number', 'boolean'].includes(typeof one));
  return Array.isArray(value) && scalar && new Set(list).size === list.length ? list : undefined;
}
