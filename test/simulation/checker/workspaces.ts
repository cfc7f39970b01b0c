/**
 * Workspaces, from section 24 of the protocol: each request is allowed by the roles just before it, what is there after an entry is what its requests made,
 * and what belongs to a workspace is told to those who may read it. 60, 61, 62, L, Z.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { InvariantId } from './invariants.ts';
import type { EventOf, SpaceSeen, WorkspacesObservation, WriteSeen } from './history.ts';
import type { Conn, Mark, Op, TaskRec, Tenant } from './records.ts';
import { isFinal } from './request-book.ts';
import { field, items, num, same, text } from './values.ts';
import { WorkspaceBook, whoIs } from './workspace-book.ts';
import { may, owners, usageOf, type Space } from './workspace-model.ts';
import { WorkspaceReads } from './workspace-reads.ts';
import { written } from './workspace-writes.ts';
import type { AppliedStep, Family, Step, World } from './world.ts';

export class Workspaces implements Family {
  readonly #world: World;
  readonly #books = new Map<Tenant, WorkspaceBook>();
  readonly #ran = new Set<string>();
  readonly #reads: WorkspaceReads;

  constructor(world: World) {
    this.#world = world;
    this.#reads = new WorkspaceReads(world);
  }

  on({ event, applied, answer, conn, index }: Step): void {
    if (applied !== undefined) this.#applied(applied);
    const tenant = answer?.op.tenant ?? conn?.tenant;
    const book = tenant === undefined ? undefined : this.#books.get(tenant);
    if (book === undefined) return;
    if (answer !== undefined) this.#reads.answer(book, answer);
    if (conn !== undefined && event.kind === 'push') this.#told(book, { conn, event, index });
  }

  #applied(step: AppliedStep): void {
    const { tenant, event, mark } = step;
    const seen = event.workspaces;
    if (seen === undefined) return this.#works(step);
    let book = this.#books.get(tenant);
    if (book === undefined) {
      this.#books.set(tenant, (book = new WorkspaceBook()));
      tenant.spaces = book;
    }
    const versions = [...(event.documents?.versions ?? [])];
    for (const write of seen.writes) {
      const op = this.#opOf(write);
      if (op === undefined) continue;
      this.#write(book, { write, op, seen, mark });
      if (write.ok && op.method.startsWith('document.')) papers(book, op, { result: write.result, versions });
    }
    for (const version of versions) paper(book, version);
    for (const id of event.documents?.gone ?? []) book.gone(id);
    this.#compare(book, seen, mark);
    book.keep(mark, seen.now);
    this.#works(step);
  }

  /** What agents have of a workspace: they may write there when it is given to them, and when an entry leaves nothing to be done (S14). */
  #works({ tenant, mark, changes, hidden }: AppliedStep): void {
    const book = this.#books.get(tenant);
    if (book === undefined) return;
    for (const { task, next } of changes)
      if (next.task.workspaceId !== undefined) book.tasks.set(task.id, next.task.workspaceId);
    const given = [...changes.flatMap(({ started }) => started ?? []), ...hidden];
    for (const { task, agentId } of given) this.#seated(book, { task, agentId, mark });
    if (!mark.drained) return;
    for (const { id, current } of tenant.held) {
      const workspace = book.tasks.get(id);
      const agent = tenant.agents.get(current?.agentId ?? '');
      const space = workspace === undefined ? undefined : book.spaces.get(workspace);
      if (space === undefined || agent === undefined || space.status === 'deleting') continue;
      if (may(space, { user: `agent:${agent.view.name}`, admin: false }, 'write')) continue;
      this.#world.report('61', `${id} is with ${agent.id}, which may not write in ${space.id}`, [mark.index]);
    }
  }

  #seated(book: WorkspaceBook, of: { readonly task: TaskRec; readonly agentId: string; readonly mark: Mark }): void {
    const { task, agentId, mark } = of;
    const workspace = book.tasks.get(task.id);
    const agent = task.tenant.agents.get(agentId);
    if (workspace === undefined || agent === undefined) return;
    const between = { workspace, from: (task.tenant.marks.at(-2) ?? mark).index, until: mark.index };
    if (book.couldWrite({ user: `agent:${agent.view.name}`, admin: false }, between) !== 'never') return;
    this.#world.report('61', `${task.id} was given to ${agentId}, which may not write in ${workspace}`, [mark.index]);
  }

  /** The request, if the entry is the first that carries it out. */
  #opOf({ session, reqId, k, method, ok, code = '' }: WriteSeen): Op | undefined {
    const op = this.#world.requests.group(session, reqId)?.ops.find((one) => one.method === method);
    if (op === undefined) return undefined;
    const byId = JSON.stringify([session, reqId]);
    const byKey =
      k === undefined || method === 'topic.subscribe' ? byId : JSON.stringify([op.tenant.id, op.session.principal, k]);
    if (this.#ran.has(byId) || this.#ran.has(byKey)) return undefined;
    // It is answered again under its id, whatever has become of its sender since.
    if (!ok && !isFinal(code)) {
      if (code === 'UNAUTHORIZED') this.#ran.add(byId);
      return op;
    }
    this.#ran.add(byId);
    if (code !== 'BUSY') this.#ran.add(byKey);
    return op;
  }

  #write(
    book: WorkspaceBook,
    of: { readonly write: WriteSeen; readonly op: Op; readonly seen: WorkspacesObservation; readonly mark: Mark },
  ): void {
    const { write, op, seen, mark } = of;
    const { ok, code, result } = write;
    const spaces = new Map(book.spaces);
    if (op.method === 'workspace.create') {
      const made = ok ? createdBy(op, result) : undefined;
      if (made !== undefined) spaces.set(made.id, made);
      book.spaces = spaces;
      return;
    }
    const id = workspaceOf(book, op, result);
    const space = id === undefined ? undefined : spaces.get(id);
    if (space === undefined) {
      if (ok && id !== undefined && !op.method.startsWith('topic.'))
        this.#world.report('61', `${op.method} was accepted in ${id}, which is not there`, [op.index, mark.index]);
      return;
    }
    const wrong = (invariant: InvariantId, message: string): void =>
      this.#world.report(invariant, `${op.method} in ${space.id}: ${message}`, [op.index, mark.index]);
    const papers = book.papersOf(space.id);
    const next = written(space, { op, who: whoIs(op.session), now: seen.now, ok, code, result, papers, wrong });
    spaces.set(space.id, next);
    book.spaces = spaces;
    book.changed(mark, space, next);
    if (!ok) return;
    const due = TOLD[op.method];
    if (due === undefined || !changed(space, next)) return;
    const told = seen.told.some(({ event, data }) => event === due && text(data, 'workspaceId') === space.id);
    if (!told) this.#world.report('67', `${due} is not told of ${space.id}`, [op.index, mark.index]);
  }

  /** What is there is what the requests made. */
  #compare(book: WorkspaceBook, { spaces, now }: WorkspacesObservation, mark: Mark): void {
    const there = new Map(spaces.map((seen) => [seen.id, seen]));
    const left = new Map(book.spaces);
    for (const [id, space] of book.spaces) {
      const seen = there.get(id);
      if (seen === undefined) {
        if (space.status !== 'deleting') this.#world.report('L', `${id} is gone, and nobody deleted it`, [mark.index]);
        left.delete(id);
        continue;
      }
      const wrong = differences(space, seen, { used: usageOf(space, book.papersOf(id), now) });
      for (const [invariant, message] of wrong) this.#world.report(invariant, `${id}: ${message}`, [mark.index]);
      if (wrong.length > 0) left.set(id, spaceOf(seen, space));
      if (space.status === 'deleting') left.set(id, spaceOf(seen, space));
    }
    for (const id of there.keys())
      if (!book.spaces.has(id)) this.#world.report('L', `${id} is there, and nobody made it`, [mark.index]);
    book.spaces = left;
  }

  /** Whoever hears of a workspace could read it then, and may read it now. */
  #told(
    book: WorkspaceBook,
    { conn, event, index }: { readonly conn: Conn; readonly event: EventOf<'push'>; readonly index: number },
  ): void {
    const { session, welcome } = conn;
    const topic = event.topic ?? '';
    const workspace = book.workspaceBehind(topic) ?? workspaceOfTopic(topic);
    // Of its end everybody hears who listened to it.
    if (workspace === undefined || session === undefined || event.event === 'workspace.deleted') return;
    const who = whoIs(session);
    // Of a workspace that is gone its administrators hear what is told again.
    if (who.admin) return;
    if (event.rev !== undefined && !book.couldAt(who, { workspace, rev: event.rev })) {
      this.#world.report('Z', `${who.user} is told of ${workspace} at ${event.rev}, where it could not read it`, [
        index,
      ]);
      return;
    }
    const since = { workspace, to: 'read', from: welcome?.index ?? index, until: index } as const;
    if (book.could(who, since) === 'never')
      this.#world.report('Z', `${who.user} is told of ${workspace}, which it may not read any more`, [
        welcome?.index,
        index,
      ]);
  }
}

const TOLD: { readonly [method: string]: string } = {
  'member.add': 'workspace.memberAdded',
  'member.setRole': 'workspace.roleChanged',
  'member.remove': 'workspace.memberRemoved',
  'state.apply': 'workspace.state',
  'state.restore': 'workspace.state',
};

type Papers = NonNullable<EventOf<'applied'>['documents']>['versions'][number];

function paper(book: WorkspaceBook, { id, workspaceId, bytes }: Papers): void {
  if (workspaceId !== undefined) book.papers.set(id, { workspace: workspaceId, bytes });
}

/** What the request made of documents counts for those behind it. */
function papers(
  book: WorkspaceBook,
  { method, params }: Op,
  of: { readonly result: unknown; readonly versions: Papers[] },
): void {
  const id = text(field(of.result, 'document'), 'id');
  if (method === 'document.delete') return book.gone(text(params, 'id') ?? '');
  if (items(of.result, 'sections').length === 0) return;
  const at = of.versions.findIndex((version) => version.id === id);
  const [version] = at < 0 ? [] : of.versions.splice(at, 1);
  if (version !== undefined) paper(book, version);
}

function changed(before: Space, after: Space): boolean {
  return before.version !== after.version || !same([...before.members], [...after.members]);
}

export function workspaceOfTopic(topic: string): string | undefined {
  const [first, id] = topic.split('.');
  return first === 'workspace' && id !== undefined && !/[*>]/.test(id) ? id : undefined;
}

/** Of the paths that a lock is asked for on: in runs they are all of one. */
function workspaceOfLock(params: unknown): string | undefined {
  const [first] = [text(params, 'path'), ...items(params, 'locks').map((one) => text(one, 'path'))].filter(
    (path) => path !== undefined,
  );
  const [root, id] = first?.split('/') ?? [];
  return root === 'workspace' ? id : undefined;
}

/** What a request is about. */
function workspaceOf(book: WorkspaceBook, { method, params }: Op, result: unknown): string | undefined {
  if (method.startsWith('topic.')) return workspaceOfTopic(text(params, 'topic') ?? '');
  if (method === 'lock.acquire' || method === 'lock.acquireAll') return workspaceOfLock(params);
  if (method === 'document.resolve') return text(field(result, 'document'), 'workspaceId');
  if (method.startsWith('document.') && method !== 'document.create')
    return book.papers.get(text(params, 'id') ?? '')?.workspace;
  return text(params, 'workspaceId') ?? (method.startsWith('workspace.') ? text(params, 'id') : undefined);
}

/** As it is asked for; its quotas are the defaults but for those that were named. */
function createdBy({ params, session }: Op, result: unknown): Space | undefined {
  const id = text(field(result, 'workspace'), 'id');
  if (id === undefined) return undefined;
  const settings = field(params, 'settings');
  const asked = field(settings, 'quotas');
  const quotas = new Map(
    Object.entries(LIMITS.workspaceQuotas).map(([resource, limit]) => [resource, num(asked, resource) ?? limit]),
  );
  return {
    id,
    status: 'active',
    visibility: text(settings, 'visibility') ?? 'private',
    quotas,
    members: new Map([[session.principal ?? '', 'owner']]),
    values: new Map(),
    version: 0,
    snapshots: new Map(),
    storage: 0,
    cpu: 0,
    operations: 0,
    day: 0,
  };
}

type Wrong = readonly [InvariantId, string];

function differences(
  space: Space,
  seen: SpaceSeen,
  { used }: { readonly used: { readonly [resource: string]: number } },
): readonly Wrong[] {
  if (seen.status === 'deleting' && space.status === 'deleting') return [];
  const found: Wrong[] = [];
  const members = new Map(seen.members.map(({ user, role }) => [user, role]));
  if (!same(Object.fromEntries(members), Object.fromEntries(space.members)))
    found.push(['61', `its members are ${[...members].join(' ')}`]);
  if (![...members.values()].includes('owner') || owners(space) === 0) found.push(['62', 'it has no owner']);
  if (seen.status !== space.status || seen.visibility !== space.visibility)
    found.push(['61', `it is ${seen.status} and ${seen.visibility}`]);
  if (seen.version !== space.version) found.push(['L', `its state has version ${seen.version}, not ${space.version}`]);
  if (!same(seen.values, Object.fromEntries(space.values)))
    found.push(['L', `its state is ${JSON.stringify(seen.values)}`]);
  for (const { id, values } of seen.snapshots)
    if (!same(values, Object.fromEntries(space.snapshots.get(id)?.values ?? [])))
      found.push(['L', `${id} keeps other values`]);
  if (seen.snapshots.length !== space.snapshots.size) found.push(['L', `it has ${seen.snapshots.length} snapshots`]);
  for (const [resource, due] of Object.entries(used))
    if (seen.used[resource] !== due)
      found.push(['60', `${seen.used[resource]} of ${resource} is used, ${due} is there`]);
  for (const [resource, limit] of space.quotas)
    if (seen.quotas[resource] !== limit) found.push(['61', `the quota of ${resource} is ${seen.quotas[resource]}`]);
  return found;
}

/** As it was seen: what was reported once is not reported of every entry after it. */
function spaceOf(seen: SpaceSeen, { storage, cpu, operations, day }: Space): Space {
  return {
    id: seen.id,
    status: seen.status,
    visibility: seen.visibility,
    quotas: new Map(Object.entries(seen.quotas)),
    members: new Map(seen.members.map(({ user, role }) => [user, role])),
    values: new Map(Object.entries(seen.values)),
    version: seen.version,
    snapshots: new Map(
      seen.snapshots.map(({ id, version, values }) => [id, { id, version, values: new Map(Object.entries(values)) }]),
    ),
    storage,
    cpu,
    operations,
    day,
  };
}
