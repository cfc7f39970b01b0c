/**
 * The client as its users see it: promises, events and typed methods around the core.
 *
 * Owns: what a caller holds. Does not own: anything of the protocol (sdk.ts and below).
 */
import type { Entropy, Scheduler } from '../base/scheduler.ts';
import type {
  AgentShape,
  Method,
  Params,
  Results,
  TaskCreate,
  TaskView,
  Value,
  ValueMap,
  WelcomeBody,
} from '../../protocol/wire/types.ts';
import type { AgentCore, AgentNote, Job, StartJob } from './agent-core.ts';
import type { Call, ConnectionState, Outage, Reply } from './core.ts';
import type { NotificationData } from '../../protocol/wire/notifications.ts';
import { PEER_LIMITS } from '../../protocol/wire/peer-limits.ts';
import { CLOSE } from '../../protocol/wire/codes.ts';
import { isRead } from '../../protocol/wire/operations.ts';
import { Emitter } from './emitter.ts';
import { clientError, MusterError, type ClientCode } from './errors.ts';
import { startHandler, startLater, type AgentMethods, type TaskHandler } from './handlers.ts';
import type { PushIn } from './incoming.ts';
import { activeTraceparent, inContext, type OpenTelemetryApi } from './open-telemetry.ts';
import { withLock, type LockMethods, type LockWhat, type LockWithOptions, type LockWork } from './lock-methods.ts';
import {
  documentsOf,
  type Digest,
  type DocumentCalls,
  type DocumentMethods,
  type TaskMethods,
  type WaitOptions,
} from './own-methods.ts';
import { makeMethods, type Methods, type RequestOptions } from './methods.ts';
import { listen, type TopicMethods } from './listening.ts';
import { handleInTurn, Notifications, type NotificationNote } from './notifications.ts';
import type { Journal } from './outbox.ts';
import { watchOutput, type OutputSource } from './output-watch.ts';
import type { Dial, TokenSource } from './ports.ts';
import { Sdk } from './sdk.ts';
import type { Subtask } from './subtasks.ts';
import { normaliseUrl } from './url.ts';
import { VERSION } from './version.ts';

export interface ClientOptions {
  /** `ws://host:7420`; the path `/v1` is added when there is none. */
  readonly url: string;
  /** An API key, or a function that gives one (or another credential) whenever the client connects. */
  readonly key?: string | (() => string | Promise<string>);
  /** Makes this client an agent: the server pushes tasks to it. */
  readonly agent?: AgentShape;
  /** Handlers by task type, as `client.agent.handle`. */
  readonly handlers?: { readonly [type: string]: TaskHandler };
  /** Topics to listen to from the start. */
  readonly subs?: readonly string[];
  /** What this program is, for the server's logs. */
  readonly name?: string;
  readonly version?: string;
  /** Gives up connecting. */
  readonly signal?: AbortSignal;
  /** How long `connect` tries; 0: until it is given up. Default 30 s. Once connected, the client comes back for ever. */
  readonly connectTimeoutMs?: number;
  /** Unanswered requests; more are refused with OUTBOX_FULL. Default 10,000. */
  readonly callsMax?: number;
  /**
   * The API of `@opentelemetry/api`, as the program has set it up: requests carry the active trace, and handlers run in that of their
   * task. Default: no traces.
   */
  readonly openTelemetry?: OpenTelemetryApi;
  readonly onState?: (state: ConnectionState, outage?: Outage) => void;
}

export interface ClientEvents {
  state: [state: ConnectionState, outage?: Outage];
  /** Events of watched tasks and topics, published messages, notifications. */
  push: [push: PushIn];
  /** Said to this agent, to a capability that it advertises, or to everyone; each once. */
  notification: [notification: NotificationData];
  /**
   * Pushes may be missing: read again what you follow. `epoch`: the log lost its end, and with it what answers said behind the rev `kept` (of a task
   * as of anything: its `rev`); absent: it is not known from where on.
   */
  gap: [reason: string, kept?: number];
  notice: [kind: string, body: ValueMap];
  warning: [warning: ClientWarning];
  /** The end: after `close`, or with the reason why the server does not want this client back. */
  closed: [error?: MusterError];
}

export type ClientWarning = AgentNote | NotificationNote | { readonly kind: 'outbox'; readonly message: string };

export interface CloseCallOptions {
  /** Let running handlers end, and wait until every request is answered. Default: ask them to stop. */
  readonly drain?: boolean;
  /** Give back at once what is still held. Default true; false: when the lease has run out. */
  readonly requeue?: boolean;
  /** How long that may take. Default: 5 s without `drain`, no limit with it. */
  readonly timeoutMs?: number;
}

export interface Platform {
  readonly scheduler: Scheduler;
  readonly entropy: Entropy;
  readonly digest: Digest;
  dial(url: string): Dial;
  readonly journal?: Journal;
  /** Handlers may stand still for long without being asked for anything: they begin when their tasks are confirmed. */
  readonly handlersBlock?: boolean;
}

export type { WaitOptions };
const CONNECT_TIMEOUT_MS = 30_000;
const STOP_MS = 5_000;
const NO_OPTIONS: RequestOptions = {};
type Listener<E extends keyof ClientEvents> = (...args: ClientEvents[E]) => void;

export class Client implements Omit<Methods, 'agent' | 'task' | 'topic' | 'lock' | 'state'> {
  readonly agent: Methods['agent'] & AgentMethods;
  readonly task: Methods['task'] & TaskMethods;
  readonly strategy: Methods['strategy'];
  readonly rule: Methods['rule'];
  readonly topic: Methods['topic'] & TopicMethods;
  readonly notification: Methods['notification'];
  readonly schedule: Methods['schedule'];
  readonly deadLetter: Methods['deadLetter'];
  readonly lock: Methods['lock'] & LockMethods;
  readonly workspace: Methods['workspace'];
  readonly member: Methods['member'];
  readonly usage: Methods['usage'];
  /** `state.…` of workspaces; `client.state` is that of the connection. */
  readonly sharedState: Methods['state'];
  readonly presence: Methods['presence'];
  readonly document: DocumentCalls & DocumentMethods;
  readonly section: Methods['section'];
  readonly blob: Methods['blob'];
  readonly comment: Methods['comment'];
  readonly activity: Methods['activity'];
  readonly apiKey: Methods['apiKey'];
  readonly tenant: Methods['tenant'];
  readonly backup: Methods['backup'];
  readonly job: Methods['job'];
  readonly node: Methods['node'];
  readonly session: Methods['session'];
  readonly url: string;
  readonly #sdk: Sdk;
  readonly #platform: Platform;
  readonly #telemetry: OpenTelemetryApi | undefined;
  readonly #handlers = new Map<string, StartJob>();
  readonly #events = new Emitter<ClientEvents>();
  readonly #notifications = new Notifications();
  #state: ConnectionState = 'connecting';
  #outage: Outage | undefined;
  #welcome: WelcomeBody | undefined;
  #end: { readonly error: MusterError | undefined } | undefined;

  /** Use `connect`. */
  constructor(options: ClientOptions, platform: Platform) {
    this.url = normaliseUrl(options.url);
    this.#platform = platform;
    this.#telemetry = options.openTelemetry;
    for (const [type, run] of Object.entries(options.handlers ?? {})) this.#handlers.set(type, this.#starter(run));
    if (this.#handlers.size > 0 && options.agent === undefined)
      throw clientError('INVALID_OPTIONS', 'handlers need an agent: connect({ agent: { name, capabilities } }).');
    if (options.onState !== undefined) this.on('state', options.onState);
    this.#sdk = new Sdk({
      ports: {
        scheduler: platform.scheduler,
        entropy: platform.entropy,
        dial: platform.dial(this.url),
        token: tokenSource(options.key),
      },
      client: { name: options.name ?? 'muster-client', version: options.version ?? VERSION },
      ...(options.agent === undefined ? {} : { agent: options.agent }),
      ...(options.subs === undefined ? {} : { subs: options.subs }),
      ...(platform.journal === undefined ? {} : { journal: platform.journal }),
      ...(options.callsMax === undefined ? {} : { callsMax: options.callsMax }),
      find: (type) => this.#handlers.get(type) ?? this.#handlers.get('*'),
      events: {
        state: (state, outage) => this.#enter(state, outage),
        push: (push) => this.#push(push),
        gap: (reason, kept) => this.#events.emit('gap', reason, ...(kept === undefined ? [] : [kept])),
        welcome: (welcome) => {
          this.#welcome = welcome;
        },
        notice: (kind, body) => this.#events.emit('notice', kind, body),
        note: (note) => this.#events.emit('warning', note),
        closed: (error) => this.#closed(error),
      },
    });
    const methods = makeMethods((method, params, request) => this.request(method, params, request));
    const onNotification: AgentMethods['onNotification'] = (handler) => handleInTurn(this, this.#agent() && handler);
    this.agent = { ...methods.agent, handle: (type, handler) => this.#handle(type, handler), onNotification };
    this.task = {
      ...methods.task,
      wait: (task, wait) => this.#wait(task, wait),
      run: (params, run) => this.#run(params, run),
      watchOutput: (task, watch) => watchOutput(this.#outputOf(typeof task === 'string' ? task : task.id), watch),
    };
    this.strategy = methods.strategy;
    this.rule = methods.rule;
    this.topic = { ...methods.topic, listen: (topic, heard) => listen(this.#listening, topic, heard) };
    this.schedule = methods.schedule;
    this.deadLetter = methods.deadLetter;
    this.lock = {
      ...methods.lock,
      with: <T>(what: LockWhat, options: LockWithOptions | LockWork<T>, work?: LockWork<T>) =>
        this.#withLock(what, options, work),
    };
    this.notification = methods.notification;
    this.workspace = methods.workspace;
    this.member = methods.member;
    this.usage = methods.usage;
    this.sharedState = methods.state;
    this.presence = methods.presence;
    ({ document: this.document, section: this.section } = documentsOf(methods, platform.digest));
    this.blob = methods.blob;
    this.comment = methods.comment;
    this.activity = methods.activity;
    this.apiKey = methods.apiKey;
    this.tenant = methods.tenant;
    this.backup = methods.backup;
    this.job = methods.job;
    this.node = methods.node;
    this.session = methods.session;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The id of this agent, if it is one. */
  get agentId(): string | undefined {
    return this.#welcome?.agent?.id;
  }

  get principal(): WelcomeBody['principal'] | undefined {
    return this.#welcome?.principal;
  }

  get server(): WelcomeBody['server'] | undefined {
    return this.#welcome?.server;
  }

  /** The position up to which pushes were processed. */
  get rev(): number {
    return this.#sdk.core.position;
  }

  /** Sends a request, again after every reconnect until it is answered; rejects with MusterError. */
  request<M extends Method>(method: M, params: Params[M], options: RequestOptions = NO_OPTIONS): Promise<Results[M]> {
    return new Promise((resolve, reject) => {
      if (
        method === 'topic.unsubscribe' &&
        !this.#sdk.subscriptions.unsubscribed((params as Params['topic.unsubscribe']).topic)
      ) {
        // A wait for a task still listens; the caller has let go of it.
        resolve({ rev: this.rev } as unknown as Results[M]);
        return;
      }
      const { key, signal, deadlineMs } = options;
      const note = this.#noting(method, params);
      const done = (reply: Reply): void => {
        if (!reply.ok) return reject(reply.error);
        note?.();
        resolve(reply.result as unknown as Results[M]);
      };
      const call: Call = { method, params: params as unknown as Value, key, deadlineMs, done };
      if (signal !== undefined) return this.#callUntil(signal, { ...call, reject }, options);
      const accepted = this.#submit(call, options.durable ?? false);
      if (accepted instanceof MusterError) reject(accepted);
    });
  }

  on<E extends keyof ClientEvents>(event: E, listener: Listener<E>): this {
    this.#events.on(event, listener);
    if (event === 'notification')
      for (const held of this.#notifications.release()) this.#events.emit('notification', held);
    return this;
  }

  off<E extends keyof ClientEvents>(event: E, listener: Listener<E>): this {
    this.#events.off(event, listener);
    return this;
  }

  /** For what surrounds the client: a warning to its listeners. */
  warn(warning: ClientWarning): void {
    this.#events.emit('warning', warning);
  }

  /** Ends the client. Requests that are still unanswered then are rejected with CLIENT_CLOSED. */
  close(options: CloseCallOptions = {}): Promise<void> {
    const drain = options.drain ?? false;
    const withinMs = options.timeoutMs ?? (drain ? undefined : STOP_MS);
    return new Promise((resolve) => {
      if (this.#end !== undefined) {
        resolve();
        return;
      }
      this.on('closed', () => resolve());
      this.#sdk.close({ drain, requeue: options.requeue ?? true, ...(withinMs === undefined ? {} : { withinMs }) });
    });
  }

  /** Resolves when the client has ended, with the reason if it was not `close`. */
  whenClosed(): Promise<MusterError | undefined> {
    return new Promise((resolve) => {
      if (this.#end === undefined) this.on('closed', resolve);
      else resolve(this.#end.error);
    });
  }

  /** For `connect`: resolves when the server has greeted. */
  open(options: { readonly timeoutMs?: number | undefined; readonly signal?: AbortSignal | undefined }): Promise<this> {
    const { timeoutMs = CONNECT_TIMEOUT_MS, signal } = options;
    return new Promise((resolve, reject) => {
      const giveUp = (error: MusterError): void => {
        settle();
        // Only when everything is released, so that the caller may try again at once.
        this.on('closed', () => reject(error));
        this.#sdk.close({ drain: false, requeue: true, withinMs: 0 });
      };
      const onState = (state: ConnectionState): void => {
        if (state !== 'online') return;
        settle();
        resolve(this);
      };
      const onClosed = (error?: MusterError): void => {
        settle();
        reject(error ?? clientError('CLIENT_CLOSED'));
      };
      const onAbort = (): void =>
        giveUp(clientError('REQUEST_ABORTED', 'Connecting was given up.', { cause: signal?.reason }));
      const cancelTimer =
        timeoutMs > 0
          ? this.#platform.scheduler.after(timeoutMs, () => giveUp(this.#unreachable(timeoutMs)))
          : undefined;
      const settle = (): void => {
        cancelTimer?.();
        signal?.removeEventListener('abort', onAbort);
        this.off('state', onState);
        this.off('closed', onClosed);
      };
      this.on('state', onState);
      this.on('closed', onClosed);
      signal?.addEventListener('abort', onAbort);
      if (signal?.aborted === true) onAbort();
      else this.#sdk.start();
    });
  }

  #unreachable(timeoutMs: number): MusterError {
    const why = this.#outage === undefined ? 'no answer' : this.#outage.message;
    const refused = Object.entries(CLOSE).find(([, row]) => row.code === this.#outage?.closeCode);
    if (refused !== undefined) {
      const [name, { message }] = refused;
      const told = `The server at ${this.url} answered ${name} for ${timeoutMs / 1_000} s: ${message}`;
      return clientError('CONNECT_TIMEOUT', told);
    }
    return clientError(
      'CONNECT_TIMEOUT',
      `No server answered at ${this.url} within ${timeoutMs / 1_000} s (${why}). Is "muster serve" running there?`,
    );
  }

  /** A call that its caller may give up by a signal. */
  #callUntil(signal: AbortSignal, call: Call & { reject(error: unknown): void }, options: RequestOptions): void {
    if (signal.aborted) return call.reject(clientError('REQUEST_ABORTED', undefined, { cause: signal.reason }));
    const done = (reply: Reply): void => {
      signal.removeEventListener('abort', abandon);
      call.done(reply);
    };
    const accepted = this.#submit({ ...call, done }, options.durable ?? false);
    const abandon = (): void => {
      if (!(accepted instanceof MusterError))
        this.#sdk.core.cancel(accepted, clientError('REQUEST_ABORTED', undefined, { cause: signal.reason }));
    };
    if (accepted instanceof MusterError) call.reject(accepted);
    else signal.addEventListener('abort', abandon, { once: true });
  }

  #submit(asked: Call, durable: boolean): ReturnType<Sdk['request']> {
    const traceparent = this.#telemetry === undefined ? undefined : activeTraceparent(this.#telemetry);
    const request = traceparent === undefined ? asked : { ...asked, traceparent };
    const { method, params, done, deadlineMs } = request;
    if (!durable) return this.#sdk.request(request);
    if (this.#platform.journal === undefined)
      return clientError('INVALID_OPTIONS', 'A durable request needs an outbox file: connect({ outbox: path }).');
    if (isRead(method)) return clientError('INVALID_OPTIONS', `${method} changes nothing and cannot be durable.`);
    const key = typeof request.key === 'string' ? { key: request.key } : {};
    return this.#sdk.requestDurably({
      method,
      params,
      done,
      ...key,
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
      ...(traceparent === undefined ? {} : { traceparent }),
    });
  }

  /** What the caller asks for by itself must hold on the next session too; to be called when it was granted. */
  #noting(method: Method, params: Params[Method]): (() => void) | undefined {
    if (method === 'topic.subscribe')
      return () => this.#sdk.subscriptions.subscribed((params as Params['topic.subscribe']).topic);
    if (method === 'agent.register') return this.#sdk.registering(params as Params['agent.register']);
    return undefined;
  }

  #starter(handler: TaskHandler): StartJob {
    const plain = startHandler(handler, (job, params) => this.#spawn(job, params));
    const start = this.#telemetry === undefined ? plain : inContext(plain, this.#telemetry);
    return this.#platform.handlersBlock === true ? startLater(start, this.#platform.scheduler) : start;
  }

  async #spawn(job: Job, params: TaskCreate): Promise<Subtask> {
    const { task } = await this.task.create({ ...params, parentId: job.task.id, parentToken: job.token });
    const ended = (): Promise<TaskView> => this.#wait(task);
    return { id: task.id, task, ended, result: async () => outputOf(await ended()) };
  }

  #push(push: PushIn): void {
    this.#events.emit('push', push);
    if (push.event === 'notification.gap') this.#events.emit('gap', 'notification');
    const notification = this.#notifications.read(push);
    if (notification !== undefined && !this.#notifications.hold(notification))
      this.#events.emit('notification', notification);
  }

  #handle(type: string, handler: TaskHandler): void {
    const agent = this.#agent();
    this.#handlers.set(type, this.#starter(handler));
    agent.handlersChanged();
  }

  #agent(): AgentCore {
    const { agent } = this.#sdk;
    if (agent !== undefined) return agent;
    throw clientError('INVALID_OPTIONS', 'This client is no agent: connect({ agent: { name, capabilities } }).');
  }

  #withLock<T>(what: LockWhat, options: LockWithOptions | LockWork<T>, work?: LockWork<T>): Promise<T> {
    const from = { locks: this.#sdk.locks, scheduler: this.#platform.scheduler };
    if (typeof options === 'function') return withLock(from, what, { options: {}, work: options });
    if (work !== undefined) return withLock(from, what, { options, work });
    return Promise.reject(clientError('INVALID_OPTIONS', 'lock.with needs a function to run under the lock.'));
  }

  #wait(task: string | { readonly id: string }, options: WaitOptions = {}): Promise<TaskView> {
    return new Promise((resolve, reject) =>
      this.#await({ id: typeof task === 'string' ? task : task.id, watched: false }, { ...options, resolve, reject }),
    );
  }

  /** Waits for the end of a task, for its own time limit, or for the caller to give up. */
  #await(
    task: { readonly id: string; readonly watched: boolean },
    wait: WaitOptions & { resolve(task: TaskView): void; reject(error: MusterError): void },
  ): void {
    const { signal, timeoutMs } = wait;
    const release = (): void => {
      cancelTimer?.();
      signal?.removeEventListener('abort', onAbort);
    };
    const abandon = this.#sdk.wait(task.id, task.watched, (outcome) => {
      release();
      if (outcome instanceof MusterError) wait.reject(outcome);
      else wait.resolve(outcome);
    });
    const giveUp = (error: MusterError): void => {
      release();
      abandon();
      wait.reject(error);
    };
    const onAbort = (): void => giveUp(clientError('REQUEST_ABORTED', undefined, { cause: signal?.reason }));
    const onTimeout = (): void => giveUp(clientError('REQUEST_TIMEOUT', `Task ${task.id} did not end in time.`));
    const cancelTimer = timeoutMs === undefined ? undefined : this.#platform.scheduler.after(timeoutMs, onTimeout);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
  }

  #run(params: TaskCreate, options: RequestOptions = {}): Promise<Value> {
    return new Promise((resolve, reject) => {
      const { key, signal, deadlineMs } = options;
      const ended = (task: TaskView): void => {
        if (task.status === 'completed') resolve(task.result ?? null);
        else reject(unfinished(task));
      };
      const accepted = this.#submit(
        {
          method: 'task.create',
          params: params as unknown as Value,
          ...(key === undefined ? {} : { key }),
          done: (reply) => {
            if (!reply.ok) return reject(reply.error);
            const { task } = reply.result as unknown as Results['task.create'];
            // In here, and not in a later turn: the end of the task may stand in the same message.
            const watched = params.watch !== false && !reply.moved;
            this.#await(
              { id: task.id, watched },
              {
                ...(signal === undefined ? {} : { signal }),
                ...(deadlineMs === undefined ? {} : { timeoutMs: deadlineMs }),
                resolve: ended,
                reject,
              },
            );
          },
        },
        options.durable ?? false,
      );
      if (accepted instanceof MusterError) reject(accepted);
    });
  }

  get #listening(): Parameters<typeof listen>[0] {
    const { subscriptions } = this.#sdk;
    return { subscriptions, on: (heard) => this.on('push', heard), off: (heard) => this.off('push', heard) };
  }

  #outputOf(id: string): OutputSource {
    const topic = `task.${id}.output`;
    return {
      read: (offset) => this.request('task.readOutput', { id, offset, limit: PEER_LIMITS.pageMax }),
      listen: (heard) =>
        new Promise((resolve) => {
          const onPush = (push: PushIn): void => {
            if (push.topic === topic) heard(push);
          };
          const onGap = (): void => heard(undefined);
          this.on('push', onPush).on('gap', onGap).on('closed', onGap);
          this.#sdk.subscriptions.acquire(topic, (subscribed) =>
            resolve(() => {
              this.off('push', onPush).off('gap', onGap).off('closed', onGap);
              if (subscribed) this.#sdk.subscriptions.release(topic);
            }),
          );
        }),
      ended: (signal) => this.#wait(id, { signal }),
    };
  }

  #enter(state: ConnectionState, outage: Outage | undefined): void {
    this.#state = state;
    if (outage !== undefined) this.#outage = outage;
    this.#events.emit('state', state, outage);
  }

  #closed(error: MusterError | undefined): void {
    const finish = (): void => {
      this.#end = { error };
      this.#events.emit('closed', error);
    };
    if (this.#platform.journal === undefined) finish();
    else this.#platform.journal.close(finish);
  }
}

const ENDS: { readonly [status: string]: ClientCode } = { cancelled: 'TASK_CANCELLED', timed_out: 'TASK_TIMED_OUT' };

function outputOf(task: TaskView): Value {
  if (task.status === 'completed') return task.result ?? null;
  throw unfinished(task);
}

function unfinished(task: TaskView): MusterError {
  const why = task.error === undefined ? '' : `: ${task.error.code}: ${task.error.message}`;
  return clientError(ENDS[task.status] ?? 'TASK_FAILED', `Task ${task.id} ended ${task.status}${why}`, {
    task,
    ...(task.error === undefined ? {} : { details: { ...task.error } }),
  });
}

function tokenSource(key: ClientOptions['key']): TokenSource {
  if (key === undefined || key === '')
    throw clientError(
      'INVALID_OPTIONS',
      'connect needs a key: an API key, or a function that gives one. "muster serve" writes an admin key to <data>/admin.key.',
    );
  if (typeof key === 'string') return (done) => done(key.trim());
  return (done) => {
    void answer(key, done);
  };
}

async function answer(key: () => string | Promise<string>, done: (token: string | Error) => void): Promise<void> {
  let token: string | Error;
  try {
    token = await key();
  } catch (error) {
    token = error instanceof Error ? error : new Error(String(error));
  }
  done(token);
}
