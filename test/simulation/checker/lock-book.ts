/**
 * What the checker keeps about the locks of a tenant: who holds and waits as the views show it, what was said when it was asked
 * for, what keeps others away after a lock was lost. It is filled by locks.ts.
 */
import type { LockMember, LockMode, LockView, LockWaitView } from '../../../protocol/wire/locks.ts';
import { above, both, covers, excludes, isWriting, lacking, type Needs } from './lock-modes.ts';
import type { Attachment, Mark, SessionRec, Tenant } from './records.ts';
import { field, num, text } from './values.ts';

/** What was said of a lock when it was asked for. */
export interface Terms {
  readonly method: string;
  readonly params: unknown;
  readonly principal: string | undefined;
}

export interface Held {
  readonly view: LockView;
  readonly members: readonly LockMember[];
  readonly needs: Needs;
  /** Every request that it comes from. */
  readonly terms: readonly Terms[];
  /** Live time at which it was acquired or extended last: surely, and perhaps. */
  readonly extended: number;
  readonly perhaps: number;
  readonly since: Mark;
}

export interface Wait {
  readonly view: LockWaitView;
  readonly place: number;
  readonly needs: Needs;
  readonly terms: Terms | undefined;
  readonly since: Mark;
}

/** What keeps everybody but its last owner away. */
export interface Delay {
  readonly owner: string;
  readonly id: string;
  readonly needs: Needs;
  readonly perhaps: Needs;
  readonly from: Mark;
  readonly until: number;
  /** Nobody can be sure of it: its owner may have got it again, or what was said of it when it was acquired differs. */
  readonly over: boolean;
}

/** After one entry. */
export interface LockState {
  readonly held: ReadonlyMap<string, Held>;
  readonly waits: readonly Wait[];
}

export const NOTHING: LockState = { held: new Map(), waits: [] };

export class LockBook {
  readonly tenant: Tenant;
  state = NOTHING;
  before = NOTHING;
  delays: readonly Delay[] = [];
  /** Every one that there was. */
  readonly everDelayed: Delay[] = [];
  /** The places of requests in the queues: the order in which they were carried out. */
  readonly places = new Map<string, number>();
  /** The largest token of locks and assignments. */
  token = 0n;
  /** What was asked under requests that wait, or did. */
  readonly asked = new Map<string, Terms>();
  /** How and when a wait ended. */
  readonly ended = new Map<string, { readonly how: string; readonly index: number }>();
  /** The lock that a request was granted. */
  readonly grantedAs = new Map<string, string>();
  /** Owners under the name that they have now. */
  readonly #names = new Map<string, string>();
  /** States by the position from which on they were. */
  readonly states: { readonly rev: number; readonly live: number; readonly state: LockState }[] = [];
  constructor(tenant: Tenant) {
    this.tenant = tenant;
  }

  get tokens(): Tenant['lockTokens'] {
    return this.tenant.lockTokens;
  }

  get idle(): boolean {
    return this.state.held.size === 0 && this.state.waits.length === 0;
  }

  ownerOf(name: string): string {
    let now = name;
    for (let next = this.#names.get(now); next !== undefined; next = this.#names.get(now)) now = next;
    return now;
  }

  /** What one owned the other owns from now on. */
  renamed(from: string, to: string): void {
    if (this.ownerOf(from) !== to && this.ownerOf(to) !== from) this.#names.set(this.ownerOf(from), to);
  }

  same(a: string, b: string): boolean {
    return this.ownerOf(a) === this.ownerOf(b);
  }

  isOf(session: SessionRec, owner: string): boolean {
    return this.same(session.id, owner) || (session.agentId !== undefined && this.same(session.agentId, owner));
  }

  /** `sure`: it did not change in the entry. */
  presence(owner: string, mark: Mark): { readonly there: boolean; readonly sure: boolean } {
    const sessions = this.sessionsOf(owner);
    if (sessions.length === 0) return { there: false, sure: false };
    const there = sessions.some(({ server }) => server?.attached === true);
    const sure = sessions.every(({ server }) => server !== undefined && server.since.seq !== mark.seq);
    return { there, sure };
  }

  sessionsOf(owner: string): readonly SessionRec[] {
    return this.#sessionsNamed(this.ownerOf(owner));
  }

  /** Those who spoke for an owner, under the name that it had then, when the entry began. */
  attachmentsBefore(owner: string, { seq }: Mark): readonly Attachment[] {
    const agent = this.tenant.agents.get(owner);
    const taken = agent?.bound?.seq === seq ? agent.session : undefined;
    return this.#sessionsNamed(owner).flatMap((session) => {
      if (session === taken) return [];
      const { server, serverBefore } = session;
      return (server?.since.seq === seq ? serverBefore : server) ?? [];
    });
  }

  #sessionsNamed(name: string): readonly SessionRec[] {
    const { sessions } = this.tenant;
    const found = sessions.get(name);
    if (found !== undefined) return [found];
    return [...sessions.values()].filter(({ agentIds, agentId }) => agentId === name || agentIds.has(name));
  }

  /** Something was kept from others at this position. */
  delayed(rev: number): boolean {
    const live = this.states.findLast((one) => one.rev <= rev)?.live ?? 0;
    return this.everDelayed.some(({ from, until }) => from.rev <= rev && live < until);
  }

  /** The state that a read at this position shows. */
  stateAt(rev: number): LockState {
    return this.states.findLast((one) => one.rev <= rev)?.state ?? NOTHING;
  }
}

export function membersOf(view: LockView | LockWaitView): readonly LockMember[] {
  return view.members ?? [{ path: view.path, mode: view.mode }];
}

export function isLease({ view }: Held): boolean {
  return !view.autoRefresh;
}

/** What the owner has on a path already: by all its locks, those above among them, which are all below in their mode. */
export function ownMode(book: LockBook, state: LockState, owner: string, path: string): LockMode | undefined {
  let mode: LockMode | undefined;
  const higher = above(path);
  for (const held of state.held.values()) {
    if (!book.same(held.view.owner, owner)) continue;
    const has = held.needs.get(path);
    if (has !== undefined) mode = both(mode, has);
    for (const one of held.members) {
      if (!higher.includes(one.path)) continue;
      if (one.mode === 'exclusive') mode = 'exclusive';
      else if (covers(one.mode, 'shared')) mode = both(mode, 'shared');
    }
  }
  return mode;
}

/** How an owner may be said to hold something of a path: itself, or something below it too. */
export type Reading = 'itself' | 'below';

export function holdsOn(
  book: LockBook,
  state: LockState,
  { owner, path, reading }: { readonly owner: string; readonly path: string; readonly reading: Reading },
): boolean {
  for (const { view, members, needs } of state.held.values()) {
    if (!book.same(view.owner, owner)) continue;
    if (reading === 'below' ? needs.has(path) : members.some((member) => member.path === path)) return true;
  }
  return false;
}

/** The paths on which a request wants more than its owner has, each with what it wants more. */
export function wanted(
  book: LockBook,
  state: LockState,
  wait: Pick<Wait, 'needs'> & { readonly owner: string },
): Needs {
  const more = new Map<string, LockMode>();
  for (const [path, mode] of wait.needs) {
    const lack = lacking(ownMode(book, state, wait.owner, path), mode);
    if (lack !== undefined) more.set(path, lack);
  }
  return more;
}

/** The paths on which two exclude each other. */
export function clashes(a: Needs, b: Needs): string[] {
  const found = [];
  for (const [path, mode] of a) {
    const other = b.get(path);
    if (other !== undefined && excludes(mode, other)) found.push(path);
  }
  return found;
}

/** How long nobody else is to get it when it is lost. */
export function delayOf({ members, terms }: Held, defaultMs: number): { readonly min: number; readonly max: number } {
  if (!members.some(({ mode }) => isWriting(mode))) return { min: 0, max: 0 };
  const asked = terms.map(({ params }) => {
    return num(params, 'lockDelayMs') ?? (field(params, 'external') === true ? defaultMs : 0);
  });
  return { min: Math.min(...asked), max: Math.max(...asked) };
}

/** How long it holds when its owner is away. */
export function holdOf(
  { terms }: Held,
  limits: { readonly lockGraceMs: number; readonly lockTtlMs: number },
): {
  readonly min: number;
  readonly max: number;
} {
  const asked = terms.flatMap(({ params }) => {
    const grace = num(params, 'graceMs') ?? limits.lockGraceMs;
    const ttl = num(params, 'ttlMs');
    if (ttl !== undefined) return [Math.max(grace, ttl)];
    // What `autoRefresh` without a time means is not said.
    return field(params, 'autoRefresh') === true ? [grace, Math.max(grace, limits.lockTtlMs)] : [grace];
  });
  return { min: Math.min(...asked), max: Math.max(...asked) };
}

export function memberList(params: unknown): LockMember[] {
  const locks = field(params, 'locks');
  const list: readonly unknown[] = Array.isArray(locks) ? locks : [params];
  return list.map((one) => ({
    path: text(one, 'path') ?? '',
    mode: (text(one, 'mode') ?? 'exclusive') as LockMode,
  }));
}

/** The workspaces that paths belong to. */
export function workspacesOf(members: readonly LockMember[]): readonly string[] {
  return members.flatMap(({ path }) => {
    const [root, id] = path.split('/');
    return root === 'workspace' && id !== undefined ? [id] : [];
  });
}

/** Between two entries its owner could not write where these paths are, or no member of that name is known. */
export function isOut(
  book: LockBook,
  of: { readonly owner: string; readonly members: readonly LockMember[]; readonly from: Mark; readonly until: Mark },
): boolean {
  const { spaces } = book.tenant;
  if (spaces === undefined) return false;
  return workspacesOf(of.members).some((workspace) => {
    const between = { workspace, from: of.from.index, until: of.until.index };
    return book
      .sessionsOf(of.owner)
      .some(
        ({ principal = '', role }) =>
          spaces.couldWrite({ user: principal, admin: role === 'admin' }, between) !== 'always',
      );
  });
}
