/**
 * The SDK without promises and without I/O: connection, requests, agent, subscriptions and waits, wired together.
 * A simulator drives this; client.ts puts promises around it.
 *
 * Owns: who hears what the connection says, and the order in which a client ends.
 */
import type { AgentShape, ValueMap, WelcomeBody } from '../../protocol/wire/types.ts';
import { AgentCore, type AgentNote, type StartJob } from './agent-core.ts';
import { ClientCore, type Call, type ConnectionState, type Outage, type Pending } from './core.ts';
import { clientError, type MusterError } from './errors.ts';
import type { PushIn } from './incoming.ts';
import { Locks } from './lock-core.ts';
import { Outbox, type Journal, type OutboxCall } from './outbox.ts';
import type { CorePorts } from './ports.ts';
import { Subscriptions } from './subscriptions.ts';
import { Waits, type WaitDone } from './waits.ts';

export interface SdkEvents {
  state(state: ConnectionState, outage?: Outage): void;
  /** Everything that was pushed but orders to this agent. */
  push(push: PushIn): void;
  /** Pushes may be missing: the session could not be resumed, or the server says so. */
  /** `kept`: what was told up to here is there, if that is known. */
  gap(reason: string, kept?: number): void;
  welcome(welcome: WelcomeBody): void;
  notice(kind: string, body: ValueMap): void;
  note(note: AgentNote): void;
  closed(error: MusterError | undefined): void;
}

export interface SdkOptions {
  readonly ports: CorePorts;
  readonly client: { readonly name: string; readonly version: string };
  readonly agent?: AgentShape;
  readonly subs?: readonly string[];
  readonly journal?: Journal;
  /** Unanswered requests; more are refused with OUTBOX_FULL. */
  readonly callsMax?: number;
  readonly bytesMax?: number;
  readonly refusalsMax?: number;
  readonly idsMax?: number;
  /** How a task of this type is begun; undefined: not by this agent. */
  find?(type: string): StartJob | undefined;
  readonly events: SdkEvents;
}

export interface CloseOptions {
  /** Work that runs goes on to its end first; without it, it is asked to stop. */
  readonly drain: boolean;
  /** What is still held is given back at once; else when its lease has run out. */
  readonly requeue: boolean;
  /** Handlers that were asked to stop get so long; none: as long as they take. */
  readonly withinMs?: number;
}

export class Sdk {
  readonly core: ClientCore;
  readonly outbox: Outbox;
  readonly subscriptions: Subscriptions;
  readonly waits: Waits;
  readonly locks: Locks;
  readonly agent: AgentCore | undefined;
  readonly #options: SdkOptions;
  /** Registered by a request, on a client that has no handlers. */
  #registered: AgentShape | undefined;
  /** How many were said. */
  #hellos = 0;
  #closing: CloseOptions | undefined;
  #cancelClose: (() => void) | undefined;

  constructor(options: SdkOptions) {
    this.#options = options;
    const { ports, events } = options;
    this.core = new ClientCore({
      ports,
      client: options.client,
      ...(options.callsMax === undefined ? {} : { callsMax: options.callsMax }),
      ...(options.bytesMax === undefined ? {} : { bytesMax: options.bytesMax }),
      ...(options.refusalsMax === undefined ? {} : { refusalsMax: options.refusalsMax }),
      ...(options.idsMax === undefined ? {} : { idsMax: options.idsMax }),
      hello: () => {
        this.#hellos += 1;
        const agent = this.agent?.shape() ?? this.#registered;
        return { ...(agent === undefined ? {} : { agent }), subs: this.subscriptions.first() };
      },
      events: {
        state: (state, outage) => {
          if (state === 'offline') this.locks.offline();
          events.state(state, outage);
        },
        proven: () => this.locks.proven(),
        welcome: (welcome, lost) => this.#welcome(welcome, lost),
        push: (push) => this.#push(push),
        notice: (kind, body) => this.#notice(kind, body),
        writing: () => this.agent?.writing(),
        idle: () => this.#settle(),
        closed: (error) => this.#closed(error),
      },
    });
    this.outbox = new Outbox(this.core, options.journal);
    this.subscriptions = new Subscriptions(this.core, options.subs ?? []);
    this.waits = new Waits(this.core, ports.scheduler, this.subscriptions);
    this.locks = new Locks({ core: this.core, scheduler: ports.scheduler, idle: () => this.#settle() });
    this.agent =
      options.agent === undefined
        ? undefined
        : new AgentCore({
            shape: options.agent,
            core: this.core,
            outbox: this.outbox,
            scheduler: ports.scheduler,
            find: (type) => options.find?.(type),
            note: (note) => events.note(note),
            idle: () => this.#settle(),
          });
    this.outbox.restore((request, reply) => this.agent?.restored(request, reply));
  }

  start(): void {
    this.core.start();
  }

  request(call: Call): Pending | MusterError {
    return this.core.request(call);
  }

  /** As `request`, but stored first: it survives this process. */
  requestDurably(call: OutboxCall): Pending | MusterError {
    return this.outbox.send(call);
  }

  /**
   * The caller registers its agent by a request; what is returned is called when that was granted: the next HELLO says the same. One
   * that was said meanwhile named the agent as it had been, and may have been decided after the request: then it is registered again.
   */
  registering(shape: AgentShape): () => void {
    const hellos = this.#hellos;
    return () => {
      if (this.agent === undefined) this.#registered = shape;
      else this.agent.reshape(shape);
      if (this.#hellos === hellos || this.#closing !== undefined) return;
      this.core.request({ method: 'agent.register', params: { ...shape }, key: false, discard: true, done: nothing });
    };
  }

  /** The end of a task; `watched`: its creation was answered on the present session. Returns how to give up. */
  wait(id: string, watched: boolean, done: WaitDone): () => void {
    return this.waits.add(id, watched, done);
  }

  /** Ends the client; `events.closed` follows. */
  close(options: CloseOptions): void {
    if (this.core.closed) return;
    this.#closing = options;
    this.#cancelClose?.();
    this.#cancelClose = undefined;
    if (options.drain) this.agent?.drain();
    else {
      this.agent?.stopAll('the client is being closed');
      this.locks.stopAll(clientError('CLIENT_CLOSED', 'The client is being closed.'));
    }
    if (options.withinMs !== undefined)
      this.#cancelClose = this.#options.ports.scheduler.after(options.withinMs, () => this.core.close(options.requeue));
    this.#settle();
    if (options.drain) this.core.hasten();
  }

  /** Closes when what was waited for has come. */
  #settle(): void {
    const closing = this.#closing;
    if (closing === undefined || (this.agent !== undefined && !this.agent.isIdle) || !this.locks.isIdle) return;
    if (closing.drain && this.core.unanswered > 0) return;
    this.core.close(closing.requeue);
  }

  #welcome(welcome: WelcomeBody, lost: boolean): void {
    this.subscriptions.welcome(welcome.resumed);
    this.agent?.welcome(welcome);
    this.locks.welcome(welcome);
    this.waits.missed(welcome.resumed);
    this.#options.events.welcome(welcome);
    if (lost) this.#options.events.gap(welcome.reason ?? 'expired', welcome.kept);
  }

  #push(push: PushIn): void {
    if (this.agent?.push(push) === true || this.locks.push(push)) return;
    this.waits.push(push);
    this.#options.events.push(push);
  }

  #notice(kind: string, body: ValueMap): void {
    if (kind === 'gap') {
      this.agent?.missed();
      this.locks.missed();
      this.waits.missed(false);
      this.#options.events.gap('gap');
    }
    this.#options.events.notice(kind, body);
  }

  #closed(error: MusterError | undefined): void {
    this.#cancelClose?.();
    this.agent?.end(error === undefined ? 'the client is closed' : error.message);
    const ended = clientError('CLIENT_CLOSED', undefined, { cause: error });
    this.waits.end(ended);
    this.locks.end(ended);
    this.#options.events.closed(error);
  }
}

function nothing(): void {
  /* What was granted once is granted again; else the next HELLO says it. */
}
