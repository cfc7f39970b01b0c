/**
 * Runs naive tenants with naive clients and writes down the history: the legal histories of the checker's tests.
 * Every step is complete when its method returns, so tests read as a story.
 */
import { createHash } from 'node:crypto';
import type { Role, SessionSnapshot, TaskCreate } from '../../../protocol/wire/types.ts';
import type { CheckOptions, History, HistoryEvent } from './history.ts';
import { NaiveTenant, type NaivePush, type NaiveSession } from './naive-tenant.ts';
import { num, text } from './values.ts';

export interface NaiveClient {
  readonly name: string;
  readonly tenant: string;
  readonly agent?: {
    readonly capabilities: string[];
    readonly capacity: number;
    readonly onLost: 'requeue' | 'hold' | 'fail';
  };
  readonly role: Role;
  readonly subs: readonly string[];
  incarnation: number;
  conn: string | undefined;
  session: NaiveSession | undefined;
  position: number;
  reqId: number;
  /** Tokens of handlers that run. */
  readonly running: Map<string, string>;
}

interface Call {
  readonly method: string;
  readonly params: Record<string, unknown>;
  readonly k?: string;
  /** The connection breaks before the answer arrives. */
  readonly loseAnswer?: boolean;
  /** Takes the place of the method's own effect. */
  readonly opId?: string;
}

export interface RunOptions {
  readonly seed?: number;
  /** Whether entries tell their pushes and commands, as a harness may or may not. */
  readonly detailed?: boolean;
}

type Body = HistoryEvent extends infer E ? (E extends HistoryEvent ? Omit<E, 'at'> : never) : never;

/** A small generator of numbers in [0, 1): mulberry32. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class NaiveRun {
  readonly events: HistoryEvent[] = [];
  readonly tenants = new Map<string, NaiveTenant>();
  readonly clients = new Map<string, NaiveClient>();
  readonly random: () => number;
  readonly detailed: boolean;
  now = 1_000;
  up = false;
  #serial = 0;
  #batch: { readonly tenant: NaiveTenant; readonly replies: (() => void)[] } | undefined;
  readonly #log = new Map<string, { seq: number; chain: string; opening: boolean }>();
  readonly #answers = new Map<string, Body>();
  readonly #byKey = new Map<string, { readonly rev: number; readonly result: unknown }>();

  constructor(options: RunOptions = {}) {
    this.random = generator(options.seed ?? 1);
    this.detailed = options.detailed ?? true;
  }

  history(options?: Partial<CheckOptions>): History {
    return { format: 1, events: this.events, ...(options && { options }) };
  }

  emit(body: Body): void {
    this.events.push({ ...body, at: this.now });
  }

  tenant(id: string): NaiveTenant {
    let tenant = this.tenants.get(id);
    if (tenant === undefined) this.tenants.set(id, (tenant = new NaiveTenant(id, this.random)));
    return tenant;
  }

  /** Starts the server, or starts it again after a crash. */
  start(...tenants: string[]): void {
    this.emit({ kind: 'server.start' });
    this.up = true;
    for (const id of tenants) this.tenant(id);
    for (const tenant of this.tenants.values()) {
      const log = this.#log.get(tenant.id) ?? { seq: 0, chain: sha(`log of ${tenant.id}`), opening: true };
      if (log.seq > 0) tenant.epoch += 1;
      this.#log.set(tenant.id, { ...log, opening: true });
      const head = log.seq === 0 ? {} : { chain: log.chain };
      this.emit({
        kind: 'log.open',
        tenant: tenant.id,
        logId: `log of ${tenant.id}`,
        epoch: tenant.epoch,
        seq: log.seq,
        ...head,
      });
      this.entry(tenant, () => {
        for (const session of tenant.sessions.values()) tenant.lose(session, 45_000);
      });
    }
  }

  crash(): void {
    this.emit({ kind: 'server.crash' });
    this.up = false;
    for (const client of this.clients.values()) this.#cut(client);
  }

  /** Time passes; each tenant has an entry at its end. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 2_500) {
      this.now += Math.min(left, 2_500);
      if (this.up) for (const tenant of this.tenants.values()) this.entry(tenant, () => undefined);
    }
  }

  /** Several commands in one entry: answers and pushes leave after the last. */
  batch(tenant: NaiveTenant, commands: () => void): void {
    const replies: (() => void)[] = [];
    const decide = (): void => {
      this.#batch = { tenant, replies };
      commands();
      this.#batch = undefined;
    };
    this.entry(tenant, decide, () => {
      for (const reply of replies) reply();
    });
  }

  get batching(): boolean {
    return this.#batch !== undefined;
  }

  /** One entry: what `decide` does, then `reply`, then the pushes. */
  entry(tenant: NaiveTenant, decide: () => void, reply?: () => void): void {
    if (this.#batch?.tenant === tenant) {
      decide();
      tenant.assign();
      if (reply !== undefined) this.#batch.replies.push(reply);
      return;
    }
    const log = this.#log.get(tenant.id) ?? { seq: 0, chain: '', opening: false };
    const first = tenant.pushes.length;
    tenant.begin(this.now, log.opening);
    decide();
    const views = tenant.end();
    const seq = log.seq + 1;
    const stored = Buffer.from(`entry ${seq} of ${tenant.id}`).toString('hex');
    const chain = createHash('sha256').update(log.chain, 'hex').update(stored, 'hex').digest('hex');
    this.#log.set(tenant.id, { seq, chain, opening: false });
    const { epoch, ts, live, rev } = tenant;
    this.emit({ kind: 'log.append', tenant: tenant.id, seq, epoch, ts, chain, stored, payloadHash: sha(stored) });
    this.emit({ kind: 'log.durable', tenant: tenant.id, seq });
    const { pushes, passing, ...rest } = views;
    // What passed within the entry is told in one of the two ways that the format knows.
    const told = this.detailed ? { pushes } : { tasks: [...passing, ...rest.tasks] };
    const stateHash = sha(`${tenant.id} ${seq} ${rev}`);
    this.emit({
      kind: 'applied',
      tenant: tenant.id,
      seq,
      rev,
      live,
      stateHash,
      ...rest,
      ...told,
    });
    reply?.();
    for (const push of tenant.pushes.slice(first)) {
      for (const client of this.clients.values()) if (client.tenant === tenant.id) this.#deliver(client, push);
    }
  }

  /** A client process starts and connects. */
  client(name: string, options: Partial<Pick<NaiveClient, 'tenant' | 'agent' | 'role' | 'subs'>> = {}): NaiveClient {
    const client: NaiveClient = {
      name,
      tenant: options.tenant ?? 'a',
      ...(options.agent && { agent: options.agent }),
      role: options.role ?? (options.agent === undefined ? 'member' : 'agent'),
      subs: options.subs ?? [],
      incarnation: 0,
      conn: undefined,
      session: undefined,
      position: 0,
      reqId: 0,
      running: new Map(),
    };
    this.clients.set(name, client);
    this.restart(client);
    return client;
  }

  restart(client: NaiveClient): void {
    client.incarnation += 1;
    const { name, incarnation, tenant } = client;
    const agent = client.agent === undefined ? {} : { agent: { name } };
    this.emit({ kind: 'client.start', client: name, incarnation, tenant, sdk: true, ...agent });
    client.running.clear();
    this.fresh(client);
  }

  kill(client: NaiveClient): void {
    this.emit({ kind: 'client.kill', client: client.name, incarnation: client.incarnation });
    client.running.clear();
    const { session } = client;
    client.conn = undefined;
    if (session !== undefined && this.up) this.#lost(session, client.tenant);
  }

  /** The socket breaks and both sides notice. */
  drop(client: NaiveClient): void {
    const { session } = client;
    this.#cut(client);
    if (session !== undefined && this.up) this.#lost(session, client.tenant);
  }

  #lost(session: NaiveSession, tenant: string): void {
    const owner = this.tenant(tenant);
    if (session.attached) this.entry(owner, () => owner.lose(session, 15_000));
  }

  #cut(client: NaiveClient): void {
    if (client.conn !== undefined) this.emit({ kind: 'disconnect', conn: client.conn });
    client.conn = undefined;
  }

  #dial(client: NaiveClient): string {
    this.#serial += 1;
    const conn = `c${this.#serial}`;
    this.emit({ kind: 'connect', conn, client: client.name, incarnation: client.incarnation });
    return conn;
  }

  /** A HELLO without a resume; with `reason`, one that asked for a resume and did not get it. */
  fresh(client: NaiveClient, refused?: { readonly reason: string; readonly forged?: boolean }): void {
    const tenant = this.tenant(client.tenant);
    const conn = this.#dial(client);
    const old = client.session;
    const running = [...client.running].map(([token, id]) => ({ id, token }));
    const agent = client.agent === undefined ? {} : { agent: { name: client.name, running } };
    const resume =
      refused === undefined || old === undefined ? {} : { resume: { session: old.id, rev: client.position } };
    const forged = refused?.forged === true ? { forged: true } : {};
    this.emit({ kind: 'hello', conn, ...agent, ...resume, ...forged, subs: client.subs });
    const session: NaiveSession = {
      id: `session-${client.tenant}-${this.#serial}`,
      principal: client.agent === undefined ? `key:${client.name}` : `agent:${client.name}`,
      agentId: client.agent === undefined ? undefined : old?.agentId,
      attached: true,
      ended: false,
      lostAt: 0,
      graceMs: 15_000,
      attachedAt: 0,
      subs: new Set(client.subs),
      watches: new Set(),
    };
    let rev = 0;
    let snapshot: SessionSnapshot | undefined;
    const decide = (): void => {
      if (old !== undefined && client.agent !== undefined)
        tenant.replace(
          old,
          running.map(({ token }) => token),
        );
      tenant.attach(session);
      if (client.agent !== undefined) tenant.register(session, { name: client.name, ...client.agent });
      rev = tenant.rev;
      snapshot = snapshotOf(tenant, session.agentId);
    };
    this.entry(tenant, decide, () => {
      client.conn = conn;
      client.session = session;
      client.position = rev;
      client.reqId = 0;
      const refusal = refused === undefined ? {} : { reason: refused.reason };
      this.#welcome(client, { rev, resumed: false, ...refusal, ...(snapshot && { snapshot }) });
    });
  }

  resume(client: NaiveClient): void {
    const tenant = this.tenant(client.tenant);
    const { session, position } = client;
    if (session === undefined) throw new Error('no session to resume');
    const conn = this.#dial(client);
    const agent = client.agent === undefined ? {} : { agent: { name: client.name } };
    this.emit({ kind: 'hello', conn, ...agent, resume: { session: session.id, rev: position } });
    const before = tenant.pushes.length;
    this.entry(
      tenant,
      () => tenant.attach(session),
      () => {
        client.conn = conn;
        this.#welcome(client, { rev: position, resumed: true });
        for (const push of tenant.pushes.slice(0, before)) {
          const given = push.event === 'task.assigned' || push.event === 'task.offered';
          const current = !given || push.token === undefined || tenant.tasks.get(push.taskId)?.token === push.token;
          if (push.rev > position && current) this.#deliver(client, push);
        }
      },
    );
  }

  #welcome(
    client: NaiveClient,
    what: { rev: number; resumed: boolean; reason?: string; snapshot?: SessionSnapshot },
  ): void {
    const { session, conn, tenant, role } = client;
    if (session === undefined || conn === undefined) return;
    const { id, principal, agentId } = session;
    const agent = agentId === undefined ? {} : { agentId };
    this.emit({ kind: 'welcome', conn, session: id, tenant, principal, role, ...agent, ...what });
  }

  #deliver(client: NaiveClient, push: NaivePush): void {
    const { session, conn } = client;
    if (session === undefined || conn === undefined || push.rev <= client.position) return;
    const { rev, event, topic, data } = push;
    const mine =
      topic === undefined
        ? push.agentId === session.agentId
        : session.watches.has(push.taskId) || session.subs.has(topic);
    if (!mine) return;
    client.position = rev;
    this.emit({ kind: 'push', conn, rev, event, data: structuredClone(data), ...(topic !== undefined && { topic }) });
  }

  ping(client: NaiveClient): void {
    const { rev } = this.tenant(client.tenant);
    client.position = Math.max(client.position, rev);
    if (client.conn !== undefined) this.emit({ kind: 'ping', conn: client.conn, rev });
  }

  /** A request and its answer; returns the result, or the code of the refusal. */
  call(client: NaiveClient, call: Call): unknown {
    const { session, conn } = client;
    if (session === undefined || conn === undefined) throw new Error(`${client.name} is not connected`);
    const tenant = this.tenant(client.tenant);
    const { method, params, k } = call;
    client.reqId += 1;
    const { reqId } = client;
    const opId = call.opId ?? `${session.id}/${reqId}`;
    const withKey = k === undefined ? {} : { k };
    this.emit({ kind: 'invoke', opId, conn, session: session.id, reqId, method, params, ...withKey });
    let outcome: unknown;
    const remembered = this.#byKey.get(`${session.principal} ${k}`);
    const decide = (): void => {
      outcome = (k !== undefined && remembered?.result) || this.#decide(tenant, session, call);
    };
    const reply = (): void => {
      const at = { kind: 'answer' as const, conn, session: session.id, reqId };
      const rev = remembered?.rev ?? tenant.rev;
      const answer: Body =
        typeof outcome === 'string'
          ? { ...at, ok: false, code: outcome }
          : { ...at, ok: true, rev, result: structuredClone(outcome) };
      this.#answers.set(opId, answer);
      if (k !== undefined && typeof outcome !== 'string')
        this.#byKey.set(`${session.principal} ${k}`, { rev, result: outcome });
      if (call.loseAnswer === true) this.#cut(client);
      else this.emit(answer);
    };
    if (method === 'task.get' || method === 'task.list') {
      outcome = this.#decide(tenant, session, call);
      reply();
    } else this.entry(tenant, decide, reply);
    if (call.loseAnswer === true) this.#lost(session, client.tenant);
    return outcome;
  }

  /** Sends a request again on the resumed session and gets the first answer. */
  again(client: NaiveClient, opId: string): void {
    const answer = this.#answers.get(opId);
    if (answer?.kind !== 'answer' || client.conn === undefined) throw new Error(`no answer to ${opId}`);
    const { session, reqId } = answer;
    this.emit({ kind: 'send', opId, conn: client.conn, session, reqId });
    this.emit({ ...answer, conn: client.conn });
  }

  #decide(tenant: NaiveTenant, session: NaiveSession, { method, params }: Call): unknown {
    const id = text(params, 'id') ?? '';
    const task = () => ({ task: tenant.tasks.get(id)?.view });
    switch (method) {
      case 'task.create': {
        const made = tenant.create(params as unknown as TaskCreate, { session });
        return { task: made };
      }
      case 'task.retry': {
        const source = tenant.tasks.get(id)?.view;
        if (source?.finishedAt === undefined) return 'INVALID_TRANSITION';
        return { task: tenant.create({ type: source.type, parameters: source.parameters }, { session, retryOf: id }) };
      }
      case 'task.cancel':
        return tenant.cancel(id) ?? task();
      case 'task.get':
        return tenant.tasks.has(id) ? task() : 'TASK_NOT_FOUND';
      case 'task.list':
        return { tasks: [...tenant.tasks.values()].slice(-50).map(({ view }) => view) };
      case 'task.acknowledge':
        tenant.acknowledge(text(params, 'token') ?? '');
        return { id };
      case 'topic.subscribe':
        session.subs.add(text(params, 'topic') ?? '');
        return { rev: tenant.rev, ...missed(tenant, params) };
      case 'topic.unsubscribe':
        session.subs.delete(text(params, 'topic') ?? '');
        return { rev: tenant.rev };
      case 'topic.publish':
        return { rev: tenant.publish(text(params, 'topic') ?? '', params['data']) };
      default:
        return tenant.hold(method, { ...params, id, token: text(params, 'token') ?? '' }) ?? task();
    }
  }

  handlerStart(client: NaiveClient, taskId: string): string {
    const task = this.tenant(client.tenant).tasks.get(taskId);
    const token = task?.token ?? '';
    client.running.set(token, taskId);
    const { name, incarnation } = client;
    this.emit({ kind: 'handler.start', client: name, incarnation, taskId, token, attempt: task?.view.attempt ?? 0 });
    return token;
  }

  handlerEnd(client: NaiveClient, token: string): void {
    const taskId = client.running.get(token) ?? '';
    client.running.delete(token);
    this.emit({ kind: 'handler.end', client: client.name, incarnation: client.incarnation, taskId, token });
  }

  settle(): History {
    this.emit({ kind: 'end', settled: true, wall: this.now });
    return this.history();
  }
}

/** What a subscription with `since` is told of the past. */
function missed(tenant: NaiveTenant, params: Record<string, unknown>): object {
  const since = num(params, 'since');
  if (since === undefined) return {};
  const past = tenant.pushes.filter(({ rev, topic }) => rev > since && topic === params['topic']);
  return { missed: past.map(({ rev, event, data }) => ({ rev, e: event, d: data })) };
}

function snapshotOf(tenant: NaiveTenant, agentId: string | undefined): SessionSnapshot {
  const held = [...tenant.open].filter(({ token, view }) => token !== undefined && view.agentId === agentId);
  const tasks = held.map(({ view, token = '' }) => ({ task: view, attempt: view.attempt, token, leaseMs: 15_000 }));
  return { tasks, locks: [], waits: [], subs: [] };
}

function sha(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
