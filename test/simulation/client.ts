/**
 * A simulated client: one program after the other, each the SDK's core with sockets, timers and a journal of the
 * simulator. What a program is killed with dies; its journal stays.
 */
import type { AgentShape, Method, Value } from '../../protocol/wire/types.ts';
import type { Pending, Reply } from '../../src/client/core.ts';
import type { MusterError } from '../../src/client/errors.ts';
import { Sdk } from '../../src/client/sdk.ts';
import { simHandler } from './handler.ts';
import { SimJournal, type JournalDisk } from './journal.ts';
import type { Network } from './network.ts';
import type { Observer } from './observer.ts';
import type { ClientPlan } from './plan.ts';
import type { Random } from './random.ts';
import type { Recorder } from './recorder.ts';
import { DocumentPlayer } from './document-player.ts';
import { LockPlayer } from './lock-player.ts';
import type { Lane, VirtualTime } from './scheduler.ts';
import type { LockJob } from './swarm-locks.ts';
import { Wire } from './wire.ts';

export interface Surroundings {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly network: Network;
  readonly recorder: Recorder;
  readonly observer: Observer;
}

export interface Wait {
  readonly task: string;
  over: boolean;
}

/** One program. */
interface Program {
  readonly lane: Lane;
  readonly sdk: Sdk;
  readonly incarnation: number;
  wire: Wire | undefined;
  readonly waits: Wait[];
  readonly locks: LockPlayer;
  readonly documents: DocumentPlayer;
}

export class SimClient {
  readonly plan: ClientPlan;
  readonly #around: Surroundings;
  readonly #journal: JournalDisk = new Map();
  #shape: AgentShape | undefined;
  #incarnation = 0;
  #program: Program | undefined;
  #paused = false;
  /** The credential; undefined while it has none. */
  token: string | undefined;
  /** When the present program ended by itself, or was killed, it is not to come back before. */
  restartAt = 0;

  constructor(plan: ClientPlan, around: Surroundings) {
    this.plan = plan;
    this.#around = around;
    this.#shape = plan.agent;
  }

  get name(): string {
    return this.plan.name;
  }

  get running(): boolean {
    return this.#program !== undefined;
  }

  get sdk(): Sdk | undefined {
    return this.#program?.sdk;
  }

  get wire(): Wire | undefined {
    const wire = this.#program?.wire;
    return wire?.open === true ? wire : undefined;
  }

  get incarnation(): number {
    return this.#incarnation;
  }

  get waits(): readonly Wait[] {
    return this.#program?.waits ?? [];
  }

  /** Online, nothing unanswered, nothing running. */
  get quiet(): boolean {
    const sdk = this.#program?.sdk;
    if (sdk === undefined) return false;
    return sdk.core.online && sdk.core.unanswered === 0 && (sdk.agent?.isIdle ?? true);
  }

  start(): void {
    const { token } = this;
    if (this.#program !== undefined || token === undefined) return;
    const { time, recorder, random } = this.#around;
    this.#incarnation += 1;
    const incarnation = this.#incarnation;
    const { name, tenant, agent } = this.plan;
    const lane = time.lane(`${name} ${incarnation}`);
    this.#paused = false;
    recorder.add({
      kind: 'client.start',
      client: name,
      incarnation,
      tenant,
      sdk: true,
      ...(agent === undefined
        ? {}
        : { agent: { name: agent.name, ...(agent.instance === undefined ? {} : { instance: agent.instance }) } }),
    });
    const own = random.fork(`${name} ${incarnation}`);
    const journal = this.plan.journal === true ? new SimJournal(this.#journal, lane) : undefined;
    if ((journal?.stored.length ?? 0) > 0)
      recorder.marks.count('stored result sent by the next process', journal?.stored.length);
    const sdk = this.#sdk({ lane, incarnation, entropy: (size) => own.bytes(size), token, journal });
    const locks = new LockPlayer({
      recorder,
      lane,
      client: name,
      incarnation,
      now: () => time.now,
      ask: (method, params, done) => this.ask(method, params, { done }),
    });
    const documents = new DocumentPlayer({ lane, ask: (method, params, done) => this.ask(method, params, { done }) });
    this.#program = { lane, sdk, incarnation, wire: undefined, waits: [], locks, documents };
    sdk.start();
  }

  kill(silently: boolean): void {
    const program = this.#program;
    if (program === undefined) return;
    this.#program = undefined;
    this.#around.recorder.add({ kind: 'client.kill', client: this.name, incarnation: program.incarnation });
    program.lane.kill();
    program.wire?.died(silently);
  }

  leave(how: { readonly drain: boolean; readonly requeue: boolean }): void {
    this.#program?.sdk.close({ ...how, withinMs: 20_000 });
  }

  pause(): void {
    this.#paused = true;
    this.#program?.lane.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#program?.lane.resume();
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Asks something of the server; the program that asked may be gone when the answer comes. */
  ask(
    method: Method,
    params: object,
    more: { readonly key?: string | false; readonly deadlineMs?: number; readonly done?: (reply: Reply) => void } = {},
  ): void {
    const program = this.#program;
    if (program === undefined) return;
    const { recorder } = this.#around;
    const { done, ...options } = more;
    const pending: Pending | MusterError = program.sdk.request({
      method,
      // Values of the plan: plain data.
      params: params as Value,
      ...options,
      done: (reply) => {
        const gaveUp = !reply.ok && reply.error.code === 'REQUEST_TIMEOUT';
        const session = program.sdk.core.sessionId;
        if (gaveUp && !(pending instanceof Error) && session !== undefined) recorder.gaveUp(session, pending.id);
        done?.(reply);
      },
    });
  }

  /** As far as its program knows. */
  get sessionId(): string | undefined {
    return this.#program?.sdk.core.sessionId;
  }

  /** As the library does: what is to survive the program needs a journal. */
  askDurably(method: 'task.create', params: object): void {
    if (this.plan.journal !== true) return this.ask(method, params);
    this.#program?.sdk.requestDurably({ method, params: params as Value, done: () => undefined });
  }

  wait(task: string): void {
    const program = this.#program;
    if (program === undefined) return;
    const wait: Wait = { task, over: false };
    program.waits.push(wait);
    const session = program.sdk.core.sessionId;
    program.sdk.wait(task, false, (outcome) => {
      wait.over = true;
      if (outcome instanceof Error) return;
      this.#around.recorder.marks.count('wait for a task ended');
      if (session !== undefined && session !== program.sdk.core.sessionId)
        this.#around.recorder.marks.count('waited over a lost session');
    });
  }

  lock(job: LockJob): void {
    this.#program?.locks.play(job);
  }

  get documents(): DocumentPlayer | undefined {
    return this.#program?.documents;
  }

  reshape(capacity: number): void {
    const program = this.#program;
    if (program === undefined || this.#shape === undefined) return;
    const shape = { ...this.#shape, capacity };
    const registered = program.sdk.registering(shape);
    this.ask('agent.register', shape, {
      done: (reply) => {
        if (!reply.ok) return;
        this.#shape = shape;
        registered();
      },
    });
  }

  subscribe(topic: string, since: boolean): void {
    const program = this.#program;
    if (program === undefined) return;
    const { sdk } = program;
    this.ask(
      'topic.subscribe',
      { topic, ...(since ? { since: sdk.core.position } : {}) },
      {
        done: (reply) => {
          if (reply.ok) sdk.subscriptions.subscribed(topic);
        },
      },
    );
  }

  unsubscribe(topic: string): void {
    const sdk = this.#program?.sdk;
    if (sdk?.subscriptions.unsubscribed(topic) === true) this.ask('topic.unsubscribe', { topic });
  }

  #sdk(made: {
    readonly lane: Lane;
    readonly incarnation: number;
    readonly entropy: (size: number) => Uint8Array;
    readonly token: string;
    readonly journal: SimJournal | undefined;
  }): Sdk {
    const { lane, incarnation, entropy, token, journal } = made;
    const { network, recorder, observer } = this.#around;
    const { name, tenant, subs, unhandled = [], clumsy = 0, hasty = false } = this.plan;
    const ask = (method: Method, params: object): void => this.ask(method, params);
    const start = simHandler({ recorder, lane, client: name, incarnation, clumsy, hasty, ask });
    const client = { name, incarnation, tenant, operator: this.plan.operator === true };
    return new Sdk({
      ports: {
        scheduler: lane,
        entropy,
        token: (done) => done(token),
        dial: (handler) => {
          const wire = new Wire({ network, recorder, observer, lane, handler, client });
          if (this.#program?.incarnation === incarnation) this.#program.wire = wire;
          return wire;
        },
      },
      client: { name, version: 'simulated' },
      ...(this.#shape === undefined ? {} : { agent: this.#shape }),
      subs,
      ...(journal === undefined ? {} : { journal }),
      find: (type) => (unhandled.includes(type) ? undefined : start),
      events: {
        state: nothing,
        push: (push) => {
          if (push.event.startsWith('lock.')) this.#program?.locks.push(push);
        },
        gap: nothing,
        welcome: nothing,
        notice: nothing,
        note: nothing,
        // The program ends when its connection has ended for good.
        closed: () => lane.after(1, () => this.#exit(incarnation)),
      },
    });
  }

  #exit(incarnation: number): void {
    if (this.#program?.incarnation === incarnation) this.kill(false);
  }
}

function nothing(): void {}
