/**
 * Plays a random course of workspaces to an engine, and throws where that answers, keeps or tells other than the model says.
 *
 * After each entry: members, owners, usage, shared state and presence are those of the model; each push of a workspace is heard by exactly
 * those sessions that listen and may read it then and now; nobody holds a task, a lock or a subscription of a workspace who may not.
 */
import { createHash } from 'node:crypto';
import type { WriteMethod } from '../../../protocol/wire/operations.ts';
import type { Value } from '../../../protocol/wire/types.ts';
import { decodeEntry, encodeEntry } from '../../../src/engine/entry.ts';
import type { Engine } from '../../../src/engine/engine.ts';
import { ENGINE_VERSION, type Command, type EntryOutput, type Reply } from '../../../src/engine/port.ts';
import * as queries from '../../../src/engine/queries.ts';
import { Random } from '../../simulation/random.ts';
import {
  applied,
  bytesOf,
  fits,
  may,
  newSpace,
  operate,
  outranks,
  owners,
  presentAs,
  refusal,
  toldSince,
  usage,
  type Op,
  type Space,
  type Who,
} from './model.ts';

interface Session extends Who {
  readonly id: string;
  readonly agent: string | undefined;
  /** Loses its grace at this live time; undefined: it is there. */
  lostAt: number | undefined;
  attach: number;
}

export interface PlayOptions {
  readonly steps: number;
  readonly each?: (play: Play) => void;
  /** By what the state is asked; default: as this build does. */
  readonly asked?: Pick<typeof queries, 'hears' | 'readWorkspace'>;
}

const EPOCH = 1;
const USERS = ['key:u', 'key:v', 'key:w'];
const AGENTS = ['a', 'b'];
const ROLES = ['owner', 'admin', 'editor', 'commenter', 'viewer', 'guest'];
const KEYS = ['k', 'n', 's'];
const GRACE_MS = 15_000;

export class Play {
  readonly engine: Engine;
  readonly log: { readonly seq: number; readonly ts: number; readonly payload: Uint8Array }[] = [];
  readonly story: string[] = [];
  readonly counts: Record<string, number> = {};
  readonly #random: Random;
  readonly #steps: number;
  readonly #asked: NonNullable<PlayOptions['asked']>;
  readonly #each: ((play: Play) => void) | undefined;
  readonly #spaces = new Map<string, Space>();
  readonly #sessions: Session[] = [];
  #now = 1_800_000_000_000;
  #order = 0;

  constructor(engine: Engine, seed: number, options: PlayOptions) {
    this.#asked = options.asked ?? queries;
    this.engine = engine;
    this.#random = new Random(`workspaces ${seed}`);
    this.#steps = options.steps;
    this.#each = options.each;
  }

  run(): void {
    this.#entry({ kind: 'up', incarnation: 'i1', node: 'n', version: ENGINE_VERSION });
    for (let version = 2; version <= ENGINE_VERSION; version += 1) this.#entry({ kind: 'upgrade', version });
    this.#open('key:a', 'admin');
    for (const user of [...USERS, ...USERS]) this.#open(user, 'member');
    for (const name of AGENTS) this.#open(`agent:${name}`, 'agent', name);
    for (let step = 0; step < this.#steps; step += 1) {
      this.#act();
      this.#judge();
      this.#each?.(this);
    }
  }

  #act(): void {
    const acts: readonly (readonly [number, () => void])[] = [
      [4, () => this.#create()],
      [14, () => this.#add()],
      [9, () => this.#remove()],
      [9, () => this.#setRole()],
      [5, () => this.#update()],
      [16, () => this.#apply()],
      [4, () => this.#snapshot()],
      [4, () => this.#restore()],
      [3, () => this.#dropSnapshot()],
      [6, () => this.#use()],
      [14, () => this.#presence()],
      [10, () => this.#task()],
      [6, () => this.#finish()],
      [6, () => this.#lock()],
      [8, () => this.#listen()],
      [3, () => this.#turn()],
      [1, () => this.#delete()],
      [2, () => this.#lose()],
      [9, () => this.#wait()],
    ];
    let draw = this.#random.below(acts.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, act] of acts) {
      draw -= weight;
      if (draw < 0) return act();
    }
  }

  #open(user: string, role: 'admin' | 'member' | 'agent', agent?: string): void {
    const { commands } = this.#entry({
      kind: 'session.hello',
      principal: { id: user, role, ...(agent === undefined ? {} : { agent }) },
      secretHash: 's',
      subs: [],
      node: 'n',
      ...(agent === undefined ? {} : { agent: { name: agent, capabilities: ['work'], capacity: 2 } }),
    });
    const id = commands[0]?.welcome?.session ?? '';
    this.#sessions.push({ id, user, admin: role === 'admin', agent, lostAt: undefined, attach: 1 });
  }

  #create(): void {
    if (this.#spaces.size >= 4) return;
    const who = this.#somebody();
    const before = this.engine.state.rev;
    const { reply } = this.#ask(who, 'workspace.create', { name: 'x' });
    this.#expect(reply, undefined, 'workspace.create');
    const { id } = (this.#result(reply) as { readonly workspace: { readonly id: string } }).workspace;
    // The entry counts first, then what was decided in it.
    this.#spaces.set(id, newSpace(id, who.user, before + 1));
  }

  #add(): void {
    const [space, who] = this.#pair();
    if (space === undefined) return;
    const user = this.#pick([...USERS, ...AGENTS.map((name) => `agent:${name}`)]);
    const role = this.#pick(ROLES);
    const known = space.members.get(user);
    this.#stir(space);
    const before = this.engine.state.rev;
    const { reply } = this.#ask(who, 'member.add', { workspaceId: space.id, userId: user, role });
    const wanted = { members: 1, agents: user.startsWith('agent:') ? 1 : 0 };
    const refused =
      refusal(space, who, 'i', true) ??
      (outranks(space, who, [role]) ? undefined : 'UNAUTHORIZED') ??
      (known !== undefined && known.role !== role ? 'ALREADY_EXISTS' : undefined) ??
      (known !== undefined || fits(space, this.#now, wanted) ? undefined : 'QUOTA_EXCEEDED');
    this.#expect(reply, refused, 'member.add');
    if (refused !== undefined || known !== undefined) return;
    const since = may(space, { user, admin: false }, 'r') ? toldSince(space, { user, admin: false }) : undefined;
    space.members.set(user, { role, since: since ?? this.#decidedAt(before) });
  }

  #remove(): void {
    const [space, who] = this.#pair();
    if (space === undefined) return;
    const user = this.#random.chance(0.2) ? who.user : this.#pick([...space.members.keys(), 'key:nobody']);
    const leaves = user === who.user;
    const { reply } = this.#ask(who, 'member.remove', { workspaceId: space.id, userId: user });
    const member = space.members.get(user);
    const refused =
      refusal(space, who, leaves ? 's' : 'i') ??
      (member === undefined ? 'NOT_FOUND' : undefined) ??
      (leaves || outranks(space, who, [member?.role ?? '']) ? undefined : 'UNAUTHORIZED') ??
      (member?.role === 'owner' && owners(space) === 1 ? 'INVALID_TRANSITION' : undefined);
    this.#expect(reply, refused, 'member.remove');
    if (refused !== undefined) return;
    space.members.delete(user);
    for (const session of this.#sessions)
      if (session.user === user && !session.admin) space.presence.delete(session.id);
  }

  #setRole(): void {
    const [space, who] = this.#pair();
    if (space === undefined) return;
    const user = this.#pick([...space.members.keys()]);
    const role = this.#pick(ROLES);
    const member = space.members.get(user);
    if (member === undefined) return;
    this.#stir(space);
    const before = this.engine.state.rev;
    const since = may(space, { user, admin: false }, 'r') ? toldSince(space, { user, admin: false }) : undefined;
    const { reply } = this.#ask(who, 'member.setRole', { workspaceId: space.id, userId: user, role });
    const refused =
      refusal(space, who, 'i', true) ??
      (outranks(space, who, [member.role, role]) ? undefined : 'UNAUTHORIZED') ??
      (member.role !== role && member.role === 'owner' && owners(space) === 1 ? 'INVALID_TRANSITION' : undefined);
    this.#expect(reply, refused, 'member.setRole');
    if (refused !== undefined || member.role === role) return;
    member.role = role;
    if (may(space, { user, admin: false }, 'r')) member.since = since ?? this.#decidedAt(before);
  }

  #update(): void {
    const [space, who] = this.#pair();
    if (space === undefined) return;
    const visibility = this.#pick(['private', 'team', 'public']);
    const quotas = {
      members: 1 + this.#random.below(6),
      agents: this.#random.below(3),
      operations: this.#random.below(9),
      storageBytes: this.#random.below(900),
    };
    const settings = { visibility, ...(this.#random.chance(0.5) ? { quotas } : {}) };
    const before = this.engine.state.rev;
    const { reply } = this.#ask(who, 'workspace.update', { id: space.id, settings });
    const refused = refusal(space, who, 't', true);
    this.#expect(reply, refused, 'workspace.update');
    if (refused !== undefined) return;
    if (visibility === 'public' && space.visibility !== 'public') space.publicSince = this.#decidedAt(before);
    space.visibility = visibility;
    Object.assign(space.quotas, settings.quotas);
  }

  #apply(): void {
    const [space, who] = this.#pair();
    if (space === undefined) return;
    const ops = Array.from({ length: 1 + this.#random.below(3) }, () => this.#op());
    const ifVersion = this.#random.chance(0.3) ? space.version - Number(this.#random.chance(0.3)) : undefined;
    const params = {
      workspaceId: space.id,
      ops,
      ...(ifVersion === undefined ? {} : { ifVersion: Math.max(0, ifVersion) }),
    };
    const { reply } = this.#ask(who, 'state.apply', params);
    const next = applied(space.values, ops);
    const more = next === undefined ? 0 : bytesOf(next) - bytesOf(space.values);
    const refused =
      refusal(space, who, 'w', true) ??
      (params.ifVersion === undefined || params.ifVersion === space.version ? undefined : 'STATE_CONFLICT') ??
      (next === undefined ? 'STATE_CONFLICT' : undefined) ??
      (fits(space, this.#now, { storageBytes: more }) ? undefined : 'QUOTA_EXCEEDED');
    this.#expect(reply, refused, 'state.apply');
    if (refused !== undefined || next === undefined) return;
    space.values = next;
    space.version += 1;
  }

  #op(): Op {
    const key = this.#pick(KEYS);
    // Mostly what fits: k takes anything, n numbers, s sets.
    const kind = this.#random.chance(0.85) ? key : this.#pick(KEYS);
    const value = this.#pick<Value>(['x', 'yy', 3, true]);
    if (kind === 'n') return { op: 'increment', key, by: this.#random.below(9) - 4 };
    if (kind === 's') return { op: this.#pick(['add_to_set', 'add_to_set', 'remove_from_set']), key, value };
    return { op: 'set', key, value: this.#pick<Value>([null, { a: [1, 'b'] }, 'text']) };
  }

  #snapshot(): void {
    const [space, who] = this.#pair();
    if (space === undefined || space.snapshots.length >= 10) return;
    const { reply } = this.#ask(who, 'state.snapshot', { workspaceId: space.id });
    const fit = fits(space, this.#now, { storageBytes: bytesOf(space.values) });
    const refused = refusal(space, who, 'w', true) ?? (fit ? undefined : 'QUOTA_EXCEEDED');
    this.#expect(reply, refused, 'state.snapshot');
    if (refused !== undefined) return;
    const { id } = (this.#result(reply) as { readonly snapshot: { readonly id: string } }).snapshot;
    space.snapshots.push({ id, values: new Map(space.values) });
  }

  #restore(): void {
    const [space, who] = this.#pair();
    const snapshot = space === undefined || space.snapshots.length === 0 ? undefined : this.#pick(space.snapshots);
    if (space === undefined || snapshot === undefined) return;
    const { reply } = this.#ask(who, 'state.restore', { workspaceId: space.id, snapshotId: snapshot.id });
    const more = bytesOf(snapshot.values) - bytesOf(space.values);
    const fit = fits(space, this.#now, { storageBytes: more });
    const refused = refusal(space, who, 'w', true) ?? (fit ? undefined : 'QUOTA_EXCEEDED');
    this.#expect(reply, refused, 'state.restore');
    if (refused !== undefined) return;
    space.values = new Map(snapshot.values);
    space.version += 1;
  }

  #dropSnapshot(): void {
    const [space, who] = this.#pair();
    const snapshot = space === undefined || space.snapshots.length === 0 ? undefined : this.#pick(space.snapshots);
    if (space === undefined || snapshot === undefined) return;
    const { reply } = this.#ask(who, 'state.deleteSnapshot', { workspaceId: space.id, snapshotId: snapshot.id });
    const refused = refusal(space, who, 'd');
    this.#expect(reply, refused, 'state.deleteSnapshot');
    if (refused === undefined) space.snapshots = space.snapshots.filter((one) => one !== snapshot);
  }

  #use(): void {
    const [space, who] = this.#pair();
    if (space === undefined) return;
    const [storageBytes, cpuSeconds] = [this.#random.below(400) - 150, this.#random.below(20) - 8];
    const { reply } = this.#ask(who, 'usage.update', { workspaceId: space.id, storageBytes, cpuSeconds });
    const refused =
      refusal(space, who, 'w') ??
      (fits(space, this.#now, { storageBytes, cpuSeconds }) ? undefined : 'QUOTA_EXCEEDED') ??
      (space.storage + storageBytes < 0 || space.cpu + cpuSeconds < 0 ? 'INVALID_PARAMS' : undefined);
    this.#expect(reply, refused, 'usage.update');
    if (refused !== undefined) return;
    space.storage += storageBytes;
    space.cpu += cpuSeconds;
  }

  /** Now and then somebody's presence changes so that it is told in the next entry, before what is asked there. */
  #stir(space: Space): void {
    if (!this.#random.chance(0.2)) return;
    this.#present(space, this.#somebody());
    this.#now += 1_000;
  }

  #presence(): void {
    const [space, who] = this.#pair();
    if (space !== undefined) this.#present(space, who);
  }

  #present(space: Space, who: Session): void {
    const status = this.#pick(['online', 'away', 'busy', 'offline']);
    const { reply } = this.#ask(who, 'presence.set', { workspaceId: space.id, status });
    const member = who.admin || space.members.has(who.user);
    const refused = refusal(space, who, 's') ?? (member ? undefined : 'UNAUTHORIZED');
    this.#expect(reply, refused, 'presence.set');
    if (refused !== undefined) return;
    if (status === 'offline') space.presence.delete(who.id);
    else if (space.presence.get(who.id)?.status !== status) {
      this.#order += 1;
      space.presence.set(who.id, { user: who.user, status, order: this.#order });
    }
  }

  #task(): void {
    const [space, who] = this.#pair();
    if (space === undefined) return;
    const tasks = Array.from({ length: 1 + this.#random.below(3) }, () => ({ type: 'work', workspaceId: space.id }));
    const { reply } = this.#ask(who, 'task.createBatch', { tasks });
    this.#made(reply, { space, who, count: tasks.length, what: 'task.createBatch' });
  }

  #made(
    reply: Reply,
    of: { readonly space: Space; readonly who: Who; readonly count: number; readonly what: string },
  ): void {
    const { space, who, count, what } = of;
    const fit = fits(space, this.#now, { operations: count });
    const refused = refusal(space, who, 'w', true) ?? (fit ? undefined : 'QUOTA_EXCEEDED');
    this.#expect(reply, refused, what);
    if (refused === undefined) operate(space, this.#now, count);
  }

  /** An agent ends what it holds. */
  #finish(): void {
    const who = this.#pick(this.#sessions.filter(({ agent }) => agent !== undefined));
    const agent = [...this.engine.state.agentsById].find(({ name }) => name === who.agent);
    const [slot] = [...(this.engine.state.assignmentsByAgent.of(agent?.id ?? '') ?? [])];
    if (slot === undefined || who.lostAt !== undefined) return;
    const held = { id: slot.task, token: String(slot.token) };
    if (slot.state === 'stopping') this.#ask(who, 'task.acknowledge', { ...held, control: slot.control });
    else this.#expect(this.#ask(who, 'task.complete', held).reply, undefined, 'task.complete');
  }

  #lock(): void {
    const [space, who] = this.#pair();
    if (space === undefined) return;
    const path = `workspace/${space.id}/${this.#random.below(40)}-${this.#order}`;
    const { reply } = this.#ask(who, 'lock.acquire', { path });
    if (!reply.ok && reply.rejection.code === 'BUSY') return;
    this.#made(reply, { space, who, count: 1, what: 'lock.acquire' });
    this.#order += 1;
  }

  #listen(): void {
    const [space, who] = this.#pair();
    if (space === undefined) return;
    const topic = this.#pick([
      `workspace.${space.id}`,
      `workspace.${space.id}.presence`,
      `workspace.${space.id}.state`,
    ]);
    const { reply } = this.#ask(who, 'topic.subscribe', { topic });
    this.#expect(reply, refusal(space, who, 'r'), 'topic.subscribe');
  }

  #turn(): void {
    const [space, who] = this.#pair();
    if (space === undefined) return;
    const to = space.status === 'active' ? 'archived' : 'active';
    const { reply } = this.#ask(who, to === 'active' ? 'workspace.unarchive' : 'workspace.archive', { id: space.id });
    const refused = refusal(space, who, 't');
    this.#expect(reply, refused, to);
    if (refused === undefined) space.status = to;
  }

  #delete(): void {
    const [space, who] = this.#pair();
    if (space === undefined) return;
    const { reply } = this.#ask(who, 'workspace.delete', { id: space.id });
    const refused = refusal(space, who, 'o');
    this.#expect(reply, refused, 'workspace.delete');
    if (refused !== undefined) return;
    this.#spaces.delete(space.id);
    for (let n = 0; n < 20 && this.engine.state.workspaces.get(space.id) !== undefined; n += 1) {
      this.#entry({ kind: 'continue' });
    }
    const s = this.engine.state;
    const left = [
      s.workspaces.get(space.id),
      ...s.membersByWorkspace.after(space.id, ''),
      ...s.valuesByWorkspace.after(space.id, ''),
      ...s.snapshotsByWorkspace.after(space.id, ''),
      ...s.openByWorkspace.after(space.id, ''),
    ];
    if (left.some((one) => one !== undefined)) throw new Error('something is left of a workspace that was deleted');
    const locks = [...s.locks.hold()].filter(({ members }) => members.some(({ path }) => path.includes(space.id)));
    if (locks.length > 0) throw new Error('a lock is left of a workspace that was deleted');
  }

  /** A session goes, and another of the same principal comes when its grace is over. */
  #lose(): void {
    const session = this.#pick(this.#sessions.filter(({ agent, admin }) => agent === undefined && !admin));
    if (session.lostAt !== undefined) return;
    this.#entry({ kind: 'session.lost', session: session.id, attach: session.attach });
    session.lostAt = this.engine.state.counters.live;
    this.#count('lost');
  }

  #wait(): void {
    this.#now += this.#pick([200, 900, 1_500, 4_000]);
    if (this.#random.chance(0.02)) this.#now += 86_400_000;
    this.#entry({ kind: 'tick' });
  }

  /** What has ended by itself by this time. */
  #expire(): void {
    const { live } = this.engine.state.counters;
    for (const session of this.#sessions) {
      if (session.lostAt === undefined || live < session.lostAt + GRACE_MS) continue;
      for (const space of this.#spaces.values()) space.presence.delete(session.id);
    }
  }

  #judge(): void {
    this.#settle();
    this.#expire();
    const s = this.engine.state;
    for (const space of this.#spaces.values()) {
      this.#judgeSpace(space);
      if (owners(space) < 1) throw new Error('a workspace has no owner');
    }
    if (s.workspaces.size !== this.#spaces.size) throw new Error('there are other workspaces');
    for (const session of this.#sessions) this.#judgeSession(session);
    for (const slot of s.assignments.hold()) {
      const task = s.tasks.get(slot.task);
      const space = this.#spaces.get(task?.workspaceId ?? '');
      const name = s.agents.get(slot.agent)?.name ?? '';
      if (slot.state !== 'current' || space === undefined) continue;
      if (!may(space, { user: `agent:${name}`, admin: false }, 'w'))
        throw new Error(`agent ${name} has a task of a workspace in which it may not work`);
    }
    for (const [id, agent] of [...s.agentsById].map((one) => [one.id, one] as const)) {
      const free = agent.attached && agent.active < agent.capacity;
      const waits = [...s.tasksById].some((task) => {
        const space = this.#spaces.get(task.workspaceId ?? '');
        // One that it did not confirm it is not asked again.
        return (
          task.status === 'pending' &&
          task.excluded.length === 0 &&
          space?.status === 'active' &&
          may(space, { user: `agent:${agent.name}`, admin: false }, 'w')
        );
      });
      if (free && waits) throw new Error(`agent ${id} is free, and a task that it may have waits`);
    }
  }

  #judgeSpace(space: Space): void {
    const s = this.engine.state;
    const members = [...s.membersByWorkspace.after(space.id, '')].map(({ user, role }) => `${user} ${role}`);
    const expected = [...space.members].map(([user, { role }]) => `${user} ${role}`);
    if (members.toSorted().join() !== expected.toSorted().join())
      throw new Error(`members are ${members.join()}, not ${expected.join()}`);
    const who = { id: 'key:a', role: 'admin' } as const;
    const params = { workspaceId: space.id };
    const checked = this.#asked.readWorkspace(s, who, { method: 'usage.check', params });
    if ('ok' in checked) throw new Error('an administrator reads');
    for (const [name, used] of Object.entries(usage(space, s.counters.now))) {
      const told = checked.usage[name as keyof typeof checked.usage];
      if (told.used !== used) throw new Error(`${told.used} ${name} are told, and ${used} are used`);
      const over = used > (space.quotas[name] ?? Infinity);
      if (checked.exceeded.includes(name as keyof typeof checked.usage) !== over)
        throw new Error(`${name} is over, or not`);
    }
    const state = this.#asked.readWorkspace(s, who, { method: 'state.get', params });
    if ('ok' in state) throw new Error('an administrator reads');
    const [is, should] = [state.values, Object.fromEntries(space.values)].map((one) =>
      JSON.stringify(Object.entries(one).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    );
    if (is !== should || state.version !== space.version) throw new Error(`the state is ${is}, not ${should}`);
    if (s.timers.get('presence', space.id) === undefined) {
      for (const user of new Set([...space.told.keys(), ...[...space.presence.values()].map((one) => one.user)])) {
        const [told, now] = [space.told.get(user) ?? 'offline', presentAs(space, user)];
        if (told !== now) throw new Error(`${user} is told to be ${told}, and is ${now}`);
      }
    }
  }

  #judgeSession(session: Session): void {
    const s = this.engine.state;
    for (const sub of s.subsBySession.of(session.id) ?? []) {
      const space = this.#spaces.get(sub.topic.split('.')[1] ?? '');
      if (space !== undefined && !may(space, session, 'r')) throw new Error(`${session.user} listens to ${sub.topic}`);
    }
    for (const lock of s.locksByOwner.of(session.id) ?? []) {
      const space = this.#spaces.get(lock.members[0]?.path.split('/')[1] ?? '');
      if (space !== undefined && !may(space, session, 'w'))
        throw new Error(`${session.user} holds a lock where it may not write`);
    }
    const count = s.subsBySession.count(session.id);
    if (s.sessions.get(session.id) !== undefined && s.sessions.get(session.id)?.subs !== count)
      throw new Error('subscriptions are counted');
  }

  /** Who hears of it, when what the entry made of the state has been seen. */
  #judgePushes({ pushes }: EntryOutput): void {
    const s = this.engine.state;
    for (const push of pushes) {
      const id = queries.guarding(push.to);
      const space = this.#spaces.get(id ?? '');
      if (push.topic?.startsWith('workspace.') === true && id === undefined && push.event !== 'workspace.deleted') {
        throw new Error(`${push.event} is told to everyone`);
      }
      if (id === undefined || space === undefined) continue;
      if (push.event === 'workspace.presence') this.#toldPresence(space, push.data);
      for (const session of this.#sessions) {
        const record = s.sessions.get(session.id);
        if (record === undefined) continue;
        const since = toldSince(space, session);
        const should = may(space, session, 'r') && (push.rev === 0 || since < push.rev);
        if (this.#asked.hears(s, record, { workspace: id, rev: push.rev }) !== should) {
          throw new Error(`${session.user} ${should ? 'does not hear' : 'hears'} of ${push.event}`);
        }
      }
    }
  }

  #toldPresence(space: Space, data: unknown): void {
    const { changes } = data as { readonly changes: readonly { readonly userId: string; readonly status: string }[] };
    const { live } = this.engine.state.counters;
    if (live - space.toldAt < 1_000) throw new Error(`presence is told ${live - space.toldAt} ms after it was told`);
    space.toldAt = live;
    for (const { userId, status } of changes) space.told.set(userId, status);
    this.#count('presence');
  }

  #ask(who: Session, method: WriteMethod, params: object): { readonly reply: Reply } {
    const request = { kind: 'request', session: who.id, id: 0, hash: 1, ack: 0, method } as const;
    const output = this.#entry({ ...request, params: params as never }, false);
    this.#pending = output;
    return { reply: output.commands[0]?.reply ?? { ok: true, result: null } };
  }

  /** The rev at which the last request was decided: the entry counts first, then what timers tell in it, each by itself. */
  #decidedAt(before: number): number {
    const timed = this.#pending?.pushes.filter(({ event }) => event === 'workspace.presence') ?? [];
    return Math.max(before + 1, ...timed.map(({ rev }) => rev));
  }

  /** Pushes of a request are judged when the model knows what it came to. */
  #pending: EntryOutput | undefined;

  #entry(command: Command, judged = true): EntryOutput {
    this.#settle();
    this.#now += 1;
    const seq = this.log.length + 1;
    const random = createHash('md5').update(`${seq} ${this.#random.next()}`).digest();
    const payload = encodeEntry({ node: 'n', random, commands: [command] });
    const logged = { seq, ts: this.#now, payload };
    this.log.push(logged);
    this.story.push(`${seq} ${JSON.stringify(command)}`);
    const output = this.engine.apply(decodeEntry(payload, { ...logged, epoch: EPOCH }));
    if (judged) this.#judgePushes(output);
    return output;
  }

  #settle(): void {
    const output = this.#pending;
    this.#pending = undefined;
    if (output !== undefined) this.#judgePushes(output);
  }

  #expect(reply: Reply, code: string | undefined, what: string): void {
    const got = reply.ok ? undefined : reply.rejection.code;
    if (got !== code) throw new Error(`${what} is answered ${got ?? 'ok'}, not ${code ?? 'ok'}`);
    this.#count(code === undefined ? what : code);
  }

  #result(reply: Reply): object {
    if (!reply.ok || typeof reply.result !== 'object' || reply.result === null) throw new Error('it was refused');
    return reply.result;
  }

  #pair(): readonly [Space | undefined, Session] {
    const spaces = [...this.#spaces.values()];
    return [spaces.length === 0 ? undefined : this.#pick(spaces), this.#somebody()];
  }

  #somebody(): Session {
    return this.#pick(this.#sessions.filter(({ lostAt }) => lostAt === undefined));
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#random.below(list.length)] as T;
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}
