/**
 * The index of a history: takes its events one by one and keeps records of tenants, clients, requests and entries.
 *
 * It judges nothing but the form of the history (H); the log is judged where it is indexed, in log.ts. What one event
 * changed is handed to the families as a `Step`.
 */
import type { CheckOptions, EventOf, HistoryEvent } from './history.ts';
import type { InvariantId, Violation } from './invariants.ts';
import { LogBook } from './log.ts';
import type { AgentRec, Answer, Assignment, Change, ClientRec, Conn, Mark, Op, SessionRec, Tenant } from './records.ts';
import { applyViews } from './views.ts';
import { RequestBook } from './request-book.ts';

/** One entry that was applied for the first time. */
export interface AppliedStep {
  readonly tenant: Tenant;
  readonly mark: Mark;
  readonly event: EventOf<'applied'>;
  readonly changes: readonly Change[];
  /** Assignments that began and ended within the entry. */
  readonly hidden: readonly Assignment[];
}

export interface Step {
  readonly index: number;
  readonly event: HistoryEvent;
  readonly applied?: AppliedStep;
  /** For connects and all frames: their connection. */
  readonly conn?: Conn;
  readonly op?: Op;
  readonly answer?: Answer;
}

type ServerEvent = EventOf<'server.start' | 'server.stop' | 'server.crash' | 'fault' | 'caps' | 'heal' | 'end'>;

/** A set of related invariants: looks at each step, and once more at the end. */
export interface Family {
  on?(step: Step): void;
  finish?(): void;
}

export class World {
  readonly options: CheckOptions;
  readonly violations: Violation[] = [];
  readonly tenants = new Map<string, Tenant>();
  readonly conns = new Map<string, Conn>();
  readonly sessions = new Map<string, SessionRec>();
  readonly clients = new Map<string, ClientRec>();
  readonly requests = new RequestBook(this);
  readonly log = new LogBook(this);
  readonly #hellos = new Map<string, Conn[]>();
  /** Indices of faults that name nobody and may stop frames, of crashes, of the latest orderly stop. */
  readonly severedAll: number[] = [];
  readonly crashes: number[] = [];
  stopping = false;
  running = false;
  healed: { readonly index: number; readonly at: number } | undefined;
  end: { readonly index: number; readonly event: EventOf<'end'> } | undefined;
  lastAt = 0;
  /** The clock of the history at the last entry of each tenant. */
  readonly atOf = new Map<string, number>();

  constructor(options: CheckOptions) {
    this.options = options;
  }

  report(invariant: InvariantId, message: string, events: readonly (number | undefined)[]): void {
    if (this.violations.length >= this.options.violationsMax) return;
    const known = events.filter((index) => index !== undefined);
    this.violations.push({ invariant, message, events: [...new Set(known)].sort((a, b) => a - b) });
  }

  /** Connections on which the instance of this agent said HELLO. */
  hellosOf(agent: AgentRec): readonly Conn[] {
    return this.#hellos.get(agentKey(agent.tenant, agent.view)) ?? [];
  }

  tenant(id: string): Tenant {
    let tenant = this.tenants.get(id);
    if (tenant === undefined) this.tenants.set(id, (tenant = newTenant(id)));
    return tenant;
  }

  session(id: string, tenant: Tenant): SessionRec {
    let session = this.sessions.get(id);
    if (session === undefined) this.sessions.set(id, (session = newSession(id, tenant)));
    return session;
  }

  client(client: string, incarnation: number): ClientRec | undefined {
    const found = this.clients.get(client);
    return found?.incarnation === incarnation ? found : undefined;
  }

  on(event: HistoryEvent, index: number): Step {
    if (event.at < this.lastAt) this.report('H', 'the clock of the history falls', [index]);
    this.lastAt = Math.max(this.lastAt, event.at);
    switch (event.kind) {
      case 'client.start':
      case 'client.kill':
      case 'handler.start':
      case 'handler.end':
      case 'handler.order':
      case 'lock.belief':
      case 'lock.doubt':
        return this.#clientEvent(event, index);
      case 'connect':
      case 'hello':
      case 'welcome':
      case 'push':
      case 'ping':
      case 'notice':
      case 'bye':
      case 'disconnect':
        return this.#connEvent(event, index);
      case 'invoke':
      case 'send':
      case 'answer':
      case 'info':
        return this.requests.on(event, index);
      case 'applied': {
        const applied = this.#applied(event, index);
        return { index, event, ...(applied && { applied }) };
      }
      case 'text.kept':
      case 'text.gone':
        return { index, event };
      case 'log.open':
      case 'log.append':
      case 'log.durable':
      case 'log.read':
      case 'log.trim':
      case 'snapshot':
      case 'replay':
        this.log.on(event, index);
        return { index, event };
      case 'server.start':
      case 'server.stop':
      case 'server.crash':
      case 'fault':
      case 'caps':
      case 'heal':
      case 'end':
        this.#serverEvent(event, index);
        return { index, event };
    }
  }

  #applied(event: EventOf<'applied'>, index: number): AppliedStep | undefined {
    const tenant = this.tenant(event.tenant);
    const mark = this.log.mark(event, index);
    if (mark === undefined) return undefined;
    this.atOf.set(tenant.id, event.at);
    for (const { task, token } of event.moves ?? []) tenant.moves.add(`${task} ${token}`);
    return { tenant, mark, event, ...applyViews(this, event, mark) };
  }

  #clientEvent(
    event: EventOf<
      'client.start' | 'client.kill' | 'handler.start' | 'handler.end' | 'handler.order' | 'lock.belief' | 'lock.doubt'
    >,
    index: number,
  ): Step {
    if (event.kind === 'client.start') {
      this.clients.set(event.client, {
        client: event.client,
        incarnation: event.incarnation,
        tenant: this.tenant(event.tenant),
        sdk: event.sdk,
        start: index,
        killed: undefined,
        killedAt: undefined,
        conns: [],
        handlers: new Map(),
      });
      return { index, event };
    }
    const client = this.client(event.client, event.incarnation);
    if (client === undefined || client.killed !== undefined) {
      this.report('H', `${event.kind} of a process that does not run`, [index]);
    } else if (event.kind === 'client.kill') {
      client.killed = index;
      client.killedAt = event.at;
      for (const conn of client.conns) conn.closed ??= { index, code: undefined };
    }
    return { index, event };
  }

  #connEvent(
    event: EventOf<'connect' | 'hello' | 'welcome' | 'push' | 'ping' | 'notice' | 'bye' | 'disconnect'>,
    index: number,
  ): Step {
    if (event.kind === 'connect') return this.#connect(event, index);
    const conn = this.conns.get(event.conn);
    if (conn === undefined) {
      this.report('H', `${event.kind} on an unknown connection`, [index]);
      return { index, event };
    }
    if (conn.closed !== undefined && event.kind !== 'disconnect') {
      this.report('H', `${event.kind} on a closed connection`, [conn.closed.index, index]);
    }
    if (event.kind === 'hello') this.#hello(conn, event, index);
    else if (event.kind === 'welcome') this.#welcome(conn, event, index);
    else if (event.kind === 'push') conn.pushes.push({ event, index });
    else if (event.kind === 'bye') {
      conn.left = true;
      if (event.requeue === true) conn.session?.byes.push(index);
    } else if (event.kind === 'disconnect') conn.closed ??= { index, code: event.code };
    else if (event.kind === 'notice' && event.notice === 'gap') {
      conn.gapTo = conn.tenant.marks.at(-1)?.rev ?? 0;
    }
    return { index, event, conn };
  }

  #connect(event: EventOf<'connect'>, index: number): Step {
    const client = this.client(event.client, event.incarnation);
    if (client === undefined || client.killed !== undefined || this.conns.has(event.conn)) {
      this.report('H', 'a connection of a process that does not run, or opened twice', [index]);
      return { index, event };
    }
    const conn: Conn = {
      id: event.conn,
      client,
      tenant: client.tenant,
      opened: index,
      hello: undefined,
      welcome: undefined,
      session: undefined,
      closed: undefined,
      severed: false,
      left: false,
      position: 0,
      positions: [],
      pushes: [],
      gapTo: 0,
    };
    this.conns.set(conn.id, conn);
    client.conns.push(conn);
    return { index, event, conn };
  }

  #hello(conn: Conn, event: EventOf<'hello'>, index: number): void {
    conn.hello ??= { event, index };
    if (event.resume !== undefined) this.sessions.get(event.resume.session)?.resumes.push(conn);
    if (event.agent === undefined) return;
    const key = agentKey(conn.tenant, event.agent);
    this.#hellos.set(key, [...(this.#hellos.get(key) ?? []), conn]);
  }

  #welcome(conn: Conn, event: EventOf<'welcome'>, index: number): void {
    const session = this.session(event.session, conn.tenant);
    conn.welcome ??= { event, index };
    conn.session = session;
    conn.position = event.rev;
    conn.positions.push({ rev: event.rev, index });
    const fresh = session.conns.length === 0;
    session.conns.push(conn);
    session.principal ??= event.principal;
    session.role ??= event.role;
    session.agentId ??= event.agentId;
    if (event.agentId !== undefined) session.agentIds.add(event.agentId);
    if (!fresh) return;
    for (const topic of conn.hello?.event.subs ?? []) {
      session.subs.push({ topic, asked: -1, from: event.rev, mustTo: Infinity, mayTo: Infinity });
    }
  }

  #serverEvent(event: ServerEvent, index: number): void {
    switch (event.kind) {
      case 'server.start':
        this.running = true;
        this.stopping = false;
        for (const tenant of this.tenants.values()) tenant.opening = true;
        break;
      case 'server.stop':
        this.stopping = true;
        break;
      case 'server.crash':
        this.running = false;
        this.crashes.push(index);
        break;
      case 'fault':
        if (event.severs === true) this.#sever(event, index);
        break;
      case 'heal':
        this.healed = { index, at: event.at };
        break;
      case 'end':
        this.end = { index, event };
        break;
      case 'caps':
        break;
    }
  }

  #sever(event: EventOf<'fault'>, index: number): void {
    if (event.conn === undefined && event.client === undefined) {
      this.severedAll.push(index);
      for (const conn of this.conns.values()) conn.severed = true;
      return;
    }
    const named = event.conn === undefined ? undefined : this.conns.get(event.conn);
    if (named !== undefined) named.severed = true;
    const client = event.client === undefined ? undefined : this.clients.get(event.client);
    for (const conn of client?.conns ?? []) conn.severed = true;
  }
}

function agentKey(tenant: Tenant, agent: { readonly name: string; readonly instance?: string }): string {
  return JSON.stringify([tenant.id, agent.name, agent.instance ?? '']);
}

function newTenant(id: string): Tenant {
  return {
    id,
    logId: undefined,
    entries: [],
    durable: 0,
    marks: [],
    tasks: new Map(),
    agents: new Map(),
    sessions: new Map(),
    tokens: new Map(),
    effects: new Map(),
    ops: [],
    opsByTask: new Map(),
    adminOps: [],
    makers: [],
    moves: new Set(),
    drains: [],
    okRev: 0,
    opening: true,
    opened: undefined,
    held: new Set(),
    scheduled: new Set(),
    waiting: new Set(),
    pending: new Map(),
    rules: [],
    ruled: undefined,
    lockTokens: new Map(),
    locked: new Set(),
    lockEnds: new Map(),
    lockReleases: new Map(),
    spaces: undefined,
  };
}

function newSession(id: string, tenant: Tenant): SessionRec {
  return {
    id,
    tenant,
    principal: undefined,
    role: undefined,
    agentId: undefined,
    agentIds: new Set(),
    resumes: [],
    conns: [],
    subs: [],
    watches: new Map(),
    server: undefined,
    serverBefore: undefined,
    byes: [],
    registers: [],
    awayMs: 0,
    groups: [],
    maxReqId: 0,
    acked: 0,
  };
}
