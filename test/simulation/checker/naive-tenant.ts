/**
 * A tenant as simple as the protocol allows: plain records, everything decided by looking at all of them.
 * It makes the legal histories that the checker's tests start from; nothing else uses it.
 */
import { PRIORITIES } from '../../../protocol/wire/types.ts';
import type { AgentView, RetryPolicy, TaskCreate, TaskView } from '../../../protocol/wire/types.ts';
import type { PushObservation, SessionObservation, TaskObservation } from './history.ts';

export interface NaiveSession {
  readonly id: string;
  readonly principal: string;
  agentId: string | undefined;
  attached: boolean;
  ended: boolean;
  lostAt: number;
  graceMs: number;
  attachedAt: number;
  readonly subs: Set<string>;
  readonly watches: Set<string>;
}

export interface NaiveTask {
  view: TaskView;
  /** Rises with the time of creation. */
  readonly number: number;
  token: string | undefined;
  startedLive: number;
  /** The position when it was assigned. */
  startedRev: number;
  readonly excluded: string[];
}

export interface NaivePush {
  readonly rev: number;
  readonly event: string;
  readonly topic?: string;
  readonly agentId?: string;
  readonly taskId: string;
  readonly token?: string;
  readonly data: unknown;
}

interface Stop {
  readonly agentId: string;
  readonly token: string;
  readonly live: number;
}

const UNIT = 2 ** 40;
const RETRY: RetryPolicy = { maxAttempts: 3, initialDelayMs: 1_000, maxDelayMs: 60_000, factor: 2 };

export class NaiveTenant {
  readonly id: string;
  readonly tasks = new Map<string, NaiveTask>();
  /** Those that have not ended. */
  readonly open = new Set<NaiveTask>();
  readonly agents = new Map<string, AgentView>();
  readonly sessions = new Map<string, NaiveSession>();
  readonly pushes: NaivePush[] = [];
  stops: Stop[] = [];
  epoch = 1;
  count = 0;
  /** The position when the entry began. */
  entryRev = 0;
  tokens = 0;
  ids = 0;
  ts = 0;
  live = 0;
  random: () => number;
  #changed = new Set<string>();
  #entryPushes: PushObservation[] = [];
  /** Assignments of this entry that did not last until its end. */
  #passing: TaskObservation[] = [];

  constructor(id: string, random: () => number) {
    this.id = id;
    this.random = random;
  }

  get rev(): number {
    return this.epoch * UNIT + this.count;
  }

  /** Begins an entry: clocks first, then what they set off. */
  begin(ts: number, opening: boolean): void {
    const step = opening ? 0 : Math.min(Math.max(0, ts - this.ts), 5_000);
    this.ts = Math.max(this.ts, ts);
    this.live += step;
    this.entryRev = this.rev;
    this.count += 1;
    this.#changed = new Set();
    this.#entryPushes = [];
    this.#passing = [];
    if (!opening) this.#timers();
  }

  /** Ends an entry: hands out what waits, and tells what changed. */
  end(): {
    readonly tasks: TaskObservation[];
    readonly passing: TaskObservation[];
    readonly agents: AgentView[];
    readonly sessions: SessionObservation[];
    readonly pushes: PushObservation[];
  } {
    this.assign();
    for (const agent of this.agents.values()) {
      const active = this.#activeOf(agent.id);
      if (active !== agent.active) this.#agent({ ...agent, active });
    }
    const has = (kind: string) => (one: { readonly id: string }) => this.#changed.has(`${kind} ${one.id}`);
    return {
      tasks: [...this.#changed]
        .flatMap((key) => (key.startsWith('task ') ? (this.tasks.get(key.slice(5)) ?? []) : []))
        .map(({ view, token }) => ({ task: view, ...(token !== undefined && { token }) })),
      agents: [...this.agents.values()].filter(has('agent')),
      sessions: [...this.sessions.values()].filter(has('session')).map(observe),
      pushes: this.#entryPushes,
      passing: this.#passing,
    };
  }

  register(
    session: NaiveSession,
    shape: Pick<AgentView, 'name' | 'capacity' | 'onLost'> & { capabilities: string[] },
  ): void {
    const id = session.agentId ?? `agent-${this.id}-${shape.name}`;
    const known = this.agents.get(id);
    session.agentId = id;
    const capabilities = shape.capabilities.map((name) => ({ name, weight: 1 }));
    const { name, capacity, onLost } = shape;
    const fixed = {
      status: 'active' as const,
      acceptMs: 10_000,
      createdAt: known?.createdAt ?? this.ts,
      lastSeenAt: this.ts,
    };
    const counted = { active: known?.active ?? 0, rev: this.rev };
    this.#agent({ id, name, instance: '', capabilities, capacity, onLost, ...fixed, ...counted });
  }

  attach(session: NaiveSession): void {
    this.sessions.set(session.id, session);
    session.attached = true;
    session.attachedAt = this.live;
    this.#touch('session', session.id);
  }

  lose(session: NaiveSession, graceMs: number): void {
    if (!session.attached) return;
    session.attached = false;
    session.lostAt = this.live;
    session.graceMs = graceMs;
    this.#touch('session', session.id);
  }

  /** Another session took the agent over: what it does not claim is lost. */
  replace(old: NaiveSession, running: readonly string[]): void {
    old.attached = false;
    old.ended = true;
    this.#touch('session', old.id);
    this.stops = this.stops.filter((stop) => stop.agentId !== old.agentId);
    const agent = this.agents.get(old.agentId ?? '');
    for (const task of this.#heldBy(old.agentId)) {
      if (running.includes(task.token ?? '')) continue;
      this.#pushOrder(task, 'task.leaseLost');
      if (agent?.onLost === 'fail') this.#finish(task, { status: 'failed', dead: true });
      else this.#lost(task);
    }
  }

  create(params: TaskCreate, by: { session: NaiveSession; retryOf?: string }): TaskView {
    this.ids += 1;
    const delayed = params.delayMs !== undefined && params.delayMs > 0;
    const view: TaskView = {
      id: `task-${this.id}-${this.ids}`,
      type: params.type,
      status: delayed ? 'scheduled' : 'pending',
      priority: params.priority ?? 'normal',
      parameters: params.parameters ?? null,
      requirements: params.requirements ?? [params.type],
      mode: params.mode ?? 'assign',
      attempt: 0,
      losses: 0,
      retry: { ...RETRY, ...params.retry },
      createdBy: by.session.principal,
      createdAt: this.ts,
      updatedAt: this.ts,
      rev: this.rev,
      ...(delayed && { runAt: this.ts + (params.delayMs ?? 0) }),
      ...(params.timeoutMs !== undefined && { timeoutMs: params.timeoutMs }),
      ...(params.strategy !== undefined && { strategy: params.strategy }),
      ...(params.selectors !== undefined && { selectors: params.selectors }),
      ...(params.concurrency !== undefined && { concurrency: { policy: 'queue' as const, ...params.concurrency } }),
      ...(params.sticky !== undefined && { sticky: { mode: 'soft' as const, ttlMs: 3_600_000, ...params.sticky } }),
      ...(params.deadlineMs !== undefined && { deadlineAt: this.ts + params.deadlineMs }),
      ...(by.retryOf !== undefined && { retryOf: by.retryOf }),
    };
    const task: NaiveTask = { view, number: this.ids, token: undefined, startedLive: 0, startedRev: 0, excluded: [] };
    this.tasks.set(view.id, task);
    this.open.add(task);
    if (params.watch !== false) by.session.watches.add(view.id);
    this.#touch('task', view.id);
    return view;
  }

  /** A holder's call. Returns the code of a refusal. */
  hold(method: string, params: { id: string; token: string; [key: string]: unknown }): string | undefined {
    const task = this.tasks.get(params.id);
    if (task === undefined) return 'TASK_NOT_FOUND';
    if (task.token !== params.token) return 'STALE_TOKEN';
    const { view } = task;
    switch (method) {
      case 'task.accept':
        if (view.status !== 'assigned' && view.status !== 'offered') return 'INVALID_TRANSITION';
        this.#set(task, { status: 'accepted' });
        return undefined;
      case 'task.start':
        if (view.status === 'in_progress') return 'INVALID_TRANSITION';
        this.#set(task, { status: 'in_progress', startedAt: this.ts });
        return undefined;
      case 'task.progress':
        this.#set(task, { progress: { percentComplete: Number(params['percentComplete']) } });
        return undefined;
      case 'task.complete':
        if (view.status === 'offered') return 'INVALID_TRANSITION';
        this.#finish(task, { status: 'completed', result: (params['output'] ?? null) as TaskView['parameters'] });
        return undefined;
      case 'task.fail':
        this.#failed(task, { status: 'failed', dead: true }, params['retryable'] !== false);
        return undefined;
      case 'task.reject':
        task.excluded.push(view.agentId ?? '');
        this.#wait(task, {});
        return undefined;
      default: {
        const delayMs = Number(params['delayMs'] ?? 0);
        this.#wait(task, delayMs > 0 ? { status: 'scheduled', runAt: this.ts + delayMs } : {});
        return undefined;
      }
    }
  }

  cancel(id: string): string | undefined {
    const task = this.tasks.get(id);
    if (task === undefined) return 'TASK_NOT_FOUND';
    if (task.view.finishedAt !== undefined) return 'INVALID_TRANSITION';
    this.#stopHolder(task, 'task.cancelled');
    this.#finish(task, { status: 'cancelled' });
    return undefined;
  }

  acknowledge(token: string): void {
    this.stops = this.stops.filter((stop) => stop.token !== token);
  }

  publish(topic: string, data: unknown): number {
    this.#push({ event: 'message', topic, taskId: '', data: { data, from: 'somebody' } });
    return this.rev;
  }

  #timers(): void {
    for (const task of this.open) {
      const { view } = task;
      if (view.deadlineAt !== undefined && this.ts >= view.deadlineAt) {
        this.#stopHolder(task, 'task.leaseLost');
        this.#finish(task, { status: 'timed_out', dead: true });
      } else if (view.status === 'scheduled' && this.ts >= (view.runAt ?? 0)) this.#set(task, { status: 'pending' });
      else if (task.token !== undefined) this.#holderTimers(task);
    }
    this.stops = this.stops.filter((stop) => {
      const session = this.sessionOf(stop.agentId);
      return session?.attached !== true || this.live - Math.max(stop.live, session.attachedAt) < 10_000;
    });
  }

  #holderTimers(task: NaiveTask): void {
    const { view } = task;
    const session = this.sessionOf(view.agentId ?? '');
    if (session === undefined) return;
    if (view.timeoutMs !== undefined && this.live - task.startedLive >= view.timeoutMs) {
      this.#stopHolder(task, 'task.leaseLost');
      return this.#failed(task, { status: 'timed_out', dead: true });
    }
    if (!session.attached) {
      const agent = this.agents.get(view.agentId ?? '');
      if (this.live - session.lostAt < (agent?.onLost === 'hold' ? 600_000 : session.graceMs)) return;
      this.stops = this.stops.filter((stop) => stop.agentId !== view.agentId);
      this.#pushOrder(task, 'task.leaseLost');
      if (agent?.onLost === 'fail') this.#finish(task, { status: 'failed', dead: true });
      else this.#lost(task);
      return;
    }
    const unconfirmed = view.status === 'assigned' || view.status === 'offered';
    const waited = this.live - Math.max(task.startedLive, session.attachedAt);
    if (unconfirmed && waited >= 10_000) {
      this.#stopHolder(task, 'task.leaseLost');
      task.excluded.push(view.agentId ?? '');
      this.#lost(task);
    }
  }

  sessionOf(agentId: string): NaiveSession | undefined {
    const all = [...this.sessions.values()].filter((session) => session.agentId === agentId);
    return all.findLast((session) => !session.ended) ?? all.at(-1);
  }

  /** Hands out what waits. */
  assign(): void {
    const waiting = [...this.open].filter(({ view }) => view.status === 'pending');
    const rank = ({ view }: NaiveTask): number => PRIORITIES.indexOf(view.priority);
    // A level of priority is worth a minute of waiting.
    const since = (task: NaiveTask): number => task.view.createdAt - 60_000 * rank(task);
    for (const task of waiting.sort((a, b) => since(a) - since(b) || rank(b) - rank(a) || a.number - b.number)) {
      const able = [...this.agents.values()].filter((agent) => {
        const names = agent.capabilities.map(({ name }) => name);
        const free = this.#activeOf(agent.id) < agent.capacity && this.sessionOf(agent.id)?.attached === true;
        return (
          free && task.view.requirements.every((need) => names.includes(need)) && !task.excluded.includes(agent.id)
        );
      });
      const share = (agent: AgentView): number => this.#activeOf(agent.id) / agent.capacity;
      const [best] = able.sort((a, b) => share(a) - share(b));
      if (best === undefined) continue;
      this.tokens += 1;
      task.token = String(this.epoch * UNIT + this.tokens);
      task.startedLive = this.live;
      task.startedRev = this.rev;
      const offered = task.view.mode === 'offer';
      const attempt = task.view.attempt === 0 ? 1 : task.view.attempt;
      this.#set(task, { status: offered ? 'offered' : 'assigned', agentId: best.id, attempt });
      this.#pushOrder(task, offered ? 'task.offered' : 'task.assigned');
    }
  }

  #activeOf(agentId: string): number {
    return this.#heldBy(agentId).length + this.stops.filter((stop) => stop.agentId === agentId).length;
  }

  #heldBy(agentId: string | undefined): NaiveTask[] {
    return [...this.open].filter((task) => task.token !== undefined && task.view.agentId === agentId);
  }

  #lost(task: NaiveTask): void {
    this.#wait(task, { losses: task.view.losses + 1 });
  }

  #failed(task: NaiveTask, end: Partial<TaskView>, retryable = true): void {
    const { attempt, retry } = task.view;
    if (attempt >= retry.maxAttempts || !retryable) return this.#finish(task, end);
    let delay = retry.initialDelayMs;
    for (let i = 1; i < attempt; i += 1) delay *= retry.factor;
    const runAt = this.ts + 1 + Math.floor(this.random() * Math.min(delay, retry.maxDelayMs));
    this.#wait(task, { status: 'scheduled', runAt, attempt: attempt + 1 });
  }

  #unhold(task: NaiveTask): void {
    const { view, token, startedRev } = task;
    if (token !== undefined && startedRev > this.entryRev) this.#passing.push({ task: view, token });
    task.token = undefined;
  }

  #wait(task: NaiveTask, change: Partial<TaskView>): void {
    this.#unhold(task);
    const { agentId: _, startedAt: __, progress: ___, ...rest } = task.view;
    task.view = rest;
    this.#set(task, { status: 'pending', ...change });
  }

  #finish(task: NaiveTask, change: Partial<TaskView>): void {
    this.#unhold(task);
    this.open.delete(task);
    this.#set(task, { ...change, finishedAt: this.ts });
  }

  /** The slot stays taken until the holder acknowledges. */
  #stopHolder(task: NaiveTask, event: string): void {
    if (task.token === undefined) return;
    if (task.view.status !== 'offered')
      this.stops.push({ agentId: task.view.agentId ?? '', token: task.token, live: this.live });
    this.#pushOrder(task, event);
  }

  #set(task: NaiveTask, change: Partial<TaskView>): void {
    const before = task.view.status;
    task.view = { ...task.view, ...change, updatedAt: this.ts, rev: this.rev };
    this.#touch('task', task.view.id);
    if (before === task.view.status) return;
    const { id, status, attempt } = task.view;
    this.#push({ event: `task.${status}`, topic: `task.${id}`, taskId: id, data: { id, status, attempt } });
  }

  #pushOrder(task: NaiveTask, event: string): void {
    const { view, token = '' } = task;
    const { id, attempt, agentId = '' } = view;
    const full = event === 'task.assigned' || event === 'task.offered';
    const data = full ? { task: view, attempt, token, leaseMs: 15_000 } : { id, attempt, token };
    this.#push({ event, agentId, taskId: id, token, data });
  }

  #push(push: Omit<NaivePush, 'rev'>): void {
    this.count += 1;
    const { event, topic, agentId, taskId, token, data } = push;
    this.pushes.push({ rev: this.rev, ...push });
    const status = (data as { status?: string }).status;
    this.#entryPushes.push({
      rev: this.rev,
      event,
      taskId,
      ...(topic !== undefined && { topic }),
      ...(agentId !== undefined && { agentId }),
      ...(token !== undefined && { token }),
      ...(status !== undefined && { status }),
    });
  }

  #agent(view: AgentView): void {
    this.agents.set(view.id, view);
    this.#touch('agent', view.id);
  }

  #touch(kind: string, id: string): void {
    this.#changed.add(`${kind} ${id}`);
  }
}

function observe(session: NaiveSession): SessionObservation {
  const { id, principal, agentId, attached, ended } = session;
  return { id, principal, attached, ...(agentId !== undefined && { agentId }), ...(ended && { ended }) };
}
