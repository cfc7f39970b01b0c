/** A node over logs and a store in memory and a clock that the test drives, with clients that are not sessions. */
import { createHash } from 'node:crypto';
import { decodeFrames, decodeValue, encodeValue, isMap, valueHash } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { SERVER_FRAME_LIMITS } from '../../protocol/wire/scan.ts';
import type { HelloBody, Method, Value, ValueMap } from '../../protocol/wire/types.ts';
import { compileRule } from '../../src/rules/index.ts';
import { authorise, createAuthenticator, mintKey } from '../../src/access/index.ts';
import { must } from '../../src/base/assert.ts';
import type { RingOptions } from '../../src/node/ring.ts';
import { MemoryDisk } from '../../src/log/memory-disk.ts';
import { memoryLog, type MemoryLog } from '../../src/log/memory.ts';
import type { LogDriver } from '../../src/log/port.ts';
import { workInPlace } from '../../src/documents/in-place.ts';
import type { Mismatch } from '../../src/node/audit.ts';
import { Node } from '../../src/node/node.ts';
import type { Attached, Delivery, HelloOutcome, OutPush, Principal, Reply } from '../../src/node/port.ts';
import type { MintedKey } from '../../src/node/requests.ts';
import { MemoryBlobDisk, MemoryBlobs } from '../../src/store/blobs/memory.ts';
import { MemoryUploads } from '../../src/store/uploads/memory.ts';
import type { Blobs } from '../../src/store/blobs/port.ts';
import { memoryStore, MemoryStoreDisk } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/port.ts';
import type { SearchIndex } from '../../src/store/search/port.ts';
import { searchInMemory } from '../../src/store/search/sqlite.ts';
import { FakeScheduler } from './fake-scheduler.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

/** A connection as the node sees it: says what it was handed, in order. */
export class Client implements Delivery {
  readonly told: string[] = [];
  readonly pushes: OutPush[] = [];
  /** The queue takes nothing. */
  full = false;
  /** How often it was asked where it is. */
  asked = 0;
  outcome: HelloOutcome | undefined;
  #lastId = 0;

  get welcome(): (HelloOutcome & { readonly kind: 'welcome' }) | undefined {
    return this.outcome?.kind === 'welcome' ? this.outcome : undefined;
  }

  get attached(): Attached {
    return must(this.welcome, 'a client that was welcomed').attached;
  }

  get id(): number {
    return (this.#lastId += 1);
  }

  push(push: OutPush): boolean {
    if (this.full) return false;
    this.pushes.push(push);
    this.told.push(`push ${push.rev ?? ''}`);
    return true;
  }

  bookmark(): void {}

  ask(): void {
    this.asked += 1;
  }

  gap(): void {
    this.told.push('gap');
  }

  close(name: string): void {
    this.told.push(`close ${name}`);
  }

  /** What it was pushed, as it reads it, in order. */
  heard(): ValueMap[] {
    return this.pushes.map((push) => {
      const frames = decodeFrames(push.msgpack(), SERVER_FRAME_LIMITS);
      if (!frames.ok) throw new Error(frames.error.reason);
      return must(frames.value[0], 'a push is a frame').body;
    });
  }

  /** What messages on topics, and the data of notifications, said, in order. */
  messages(): Value[] {
    return this.heard().flatMap(({ d }) => {
      const data = d === undefined || !isMap(d) ? undefined : d['data'];
      return data === undefined ? [] : [data];
    });
  }
}

/** Lets finished tasks leave memory at once, until the function that is returned is called. */
export function keepNoFinished(): () => void {
  const { finishedKept } = LIMITS;
  Object.assign(LIMITS, { finishedKept: 0 });
  return () => void Object.assign(LIMITS, { finishedKept });
}

export interface NodeRigOptions {
  readonly ring?: RingOptions;
  readonly historyMs?: number;
  /** What the node gets instead of the log in memory. */
  readonly log?: (log: LogDriver) => LogDriver;
  /** Free space of the disk; default: there is none to be asked. */
  readonly free?: LogDriver['disk'];
  /** What the node gets instead of blobs in memory. */
  readonly blobs?: (blobs: Blobs) => Blobs;
  /** Default: one in memory, empty at each start. */
  readonly search?: (scheduler: FakeScheduler) => SearchIndex;
  /** Default: one in memory. */
  readonly store?: (scheduler: FakeScheduler) => Store;
}

/** Blobs that put otherwise. */
export function puttingBy(blobs: Blobs, put: Blobs['put']): Blobs {
  return {
    put,
    hold: (...asked) => blobs.hold(...asked),
    has: (...asked) => blobs.has(...asked),
    get: (...asked) => blobs.get(...asked),
    list: (...asked) => blobs.list(...asked),
    settle: (...asked) => blobs.settle(...asked),
    usage: (...asked) => blobs.usage(...asked),
    close: (done) => blobs.close(done),
  };
}

/** Blobs on another server, which cannot be reached for as long as that is said. */
export function elsewhere(blobs: Blobs, isAway: () => boolean): Blobs {
  const away = { kind: 'away' } as const;
  return {
    ...puttingBy(blobs, (tenant, data, done) =>
      isAway() ? blobs.has(tenant, [], () => done(away)) : blobs.put(tenant, data, done),
    ),
    hold: (tenant, hashes, done) =>
      isAway() ? blobs.has(tenant, [], () => done(away)) : blobs.hold(tenant, hashes, done),
    get: (tenant, hash, done) => (isAway() ? blobs.has(tenant, [], () => done(away)) : blobs.get(tenant, hash, done)),
  };
}

export class NodeRig {
  readonly scheduler = new FakeScheduler();
  readonly disk = new MemoryDisk();
  readonly stores = new MemoryStoreDisk();
  /** What outlives the process of texts. */
  readonly blobs = new MemoryBlobDisk();
  readonly halted: string[] = [];
  readonly differs: Mismatch[] = [];
  /** Tenants whose store has a hole before an entry. */
  readonly begun: string[] = [];
  /** Moves that were done, of those that were proposed. */
  readonly moved: string[] = [];
  readonly #options: NodeRigOptions;
  #draws = 0;
  log: MemoryLog | undefined;
  store: Store | undefined;
  #node: Node | undefined;
  /** The operator's key, which is the administrator's of `default` too. */
  first: MintedKey | undefined;

  #fault: Error | 'starting' | undefined;

  constructor(options: NodeRigOptions = {}) {
    this.#options = options;
  }

  get node(): Node {
    return must(this.#node, 'a node that was started');
  }

  start(): this {
    this.#open();
    this.scheduler.settle();
    return this.#opened();
  }

  /** The same with a store that has a thread of its own: `settled` waits for a condition while the node goes on. */
  async startWith(settled: (condition: () => boolean) => Promise<void>): Promise<this> {
    this.#open();
    await settled(() => this.#fault !== 'starting');
    return this.#opened();
  }

  #opened(): this {
    if (this.#fault === 'starting') throw new Error('the start does not end');
    if (this.#fault !== undefined) throw this.#fault;
    return this;
  }

  #open(): void {
    const { scheduler, disk, stores } = this;
    const { ring, historyMs, free } = this.#options;
    const entropy = (size: number): Uint8Array => {
      this.#draws += 1;
      const seed = new TextEncoder().encode(`draw ${this.#draws}`);
      return Uint8Array.from({ length: size }, (_, index) => sha256(seed)[index % 32] ?? 0);
    };
    this.log = memoryLog({ scheduler, disk, ...(free === undefined ? {} : { free }) });
    this.store =
      this.#options.store?.(scheduler) ??
      memoryStore({ scheduler, disk: stores, ...(historyMs === undefined ? {} : { historyMs }) });
    const defer = (run: () => void): void => scheduler.defer(run);
    const blobs = new MemoryBlobs({ scheduler, disk: this.blobs });
    const uploads = new MemoryUploads(scheduler);
    const node: Node = new Node({
      nodeId: 'n1',
      version: 'test',
      log: this.#options.log?.(this.log) ?? this.log,
      store: this.store,
      scheduler,
      entropy,
      sha256,
      access: { authorise, mintKey: (tenant) => mintKey(tenant, entropy), compileRule },
      authenticate: createAuthenticator({
        keys: { find: (tenant, keyId) => node.findKey(tenant, keyId) },
        now: () => scheduler.now(),
      }),
      texts: {
        blobs: this.#options.blobs?.(blobs) ?? blobs,
        uploads,
        run: workInPlace(defer),
        search: this.#options.search?.(scheduler) ?? searchInMemory(scheduler),
      },
      events: {
        halted: (tenant) => this.halted.push(tenant),
        differs: (_, mismatch) => this.differs.push(mismatch),
        storeBegins: (tenant, seq) => this.begun.push(`${tenant} ${seq}`),
        moved: ({ proposed, applied }) => this.moved.push(`${applied} of ${proposed}`),
      },
      ...(ring === undefined ? {} : { ring }),
    });
    this.#node = node;
    this.#fault = 'starting';
    node.start(
      (system) => {
        if (system.tenant.engine.state.apiKeys.size > 0) return undefined;
        this.first ??= mintKey('default', entropy);
        return this.first;
      },
      (failed) => {
        this.#fault = failed;
      },
    );
  }

  /** The process dies and another one starts. */
  restart(): this {
    this.crash();
    return this.start();
  }

  crash(): void {
    must(this.log, 'a log').crash(false);
  }

  get operator(): Principal {
    return this.holder(must(this.first, 'a first key').key);
  }

  holder(key: string): Principal {
    const holder = must(this.node.authenticate(key), 'a key that is valid');
    if (holder === 'unavailable') throw new Error('the tenant of this key is not served');
    return holder;
  }

  /** Says HELLO for a client, which begins when it is welcomed. */
  begin(client: Client, principal: Principal, body: Partial<HelloBody> = {}): void {
    const whole = { v: [1, 0, 0], client: { name: 'test', version: '1' }, auth: { token: 'x' }, ...body } as const;
    this.node.hello({ principal, body: whole, delivery: client }, (outcome) => {
      client.outcome = outcome;
      if (outcome.kind === 'welcome') outcome.attached.begin();
    });
  }

  hello(principal: Principal, body: Partial<HelloBody> = {}, client = new Client()): HelloOutcome {
    this.begin(client, principal, body);
    this.scheduler.settle();
    return must(client.outcome, 'an outcome');
  }

  /** A client with an open session. */
  client(principal: Principal, body: Partial<HelloBody> = {}): Client {
    const client = new Client();
    const outcome = this.hello(principal, body, client);
    if (outcome.kind !== 'welcome') throw new Error(`refused: ${outcome.rejection.code}`);
    return client;
  }

  /** The reply to a request; `id` default: the client's next. */
  ask(
    client: Client,
    method: Method,
    asked: { readonly params?: Value; readonly id?: number; readonly key?: string } = {},
  ): Reply {
    let reply: Reply | undefined;
    const { params = {}, id = client.id, key } = asked;
    const hash = valueHash([method, params]);
    client.attached.request({ id, method, params, hash, ...(key === undefined ? {} : { key }) }, (answer) => {
      reply = answer;
    });
    this.scheduler.settle();
    return must(reply, `an answer to ${method}`);
  }

  /** The results of requests that come in one message, and so stand in one entry. */
  together(client: Client, asked: readonly (readonly [method: Method, params: Value])[]): Value[] {
    const replies = new Map<number, Reply>();
    for (const [at, [method, params]] of asked.entries()) {
      const hash = valueHash([method, params]);
      client.attached.request({ id: client.id, method, params, hash }, (answer) => replies.set(at, answer));
    }
    this.scheduler.settle();
    return asked.map(([method], at) => {
      const reply = must(replies.get(at), `an answer to ${method}`);
      return decodeValue(encodeValue(reply.ok ? reply.result : reply.rejection.code));
    });
  }

  /** Removes texts that nobody names. */
  sweepTexts(): void {
    let done = false;
    this.node.sweepTexts(() => {
      done = true;
    });
    this.scheduler.settle();
    if (!done) throw new Error('the sweep did not end');
  }

  /** Its result, which must be one. */
  result(client: Client, method: Method, params: Value = {}): ValueMap {
    const reply = this.ask(client, method, { params });
    if (!reply.ok) throw new Error(`${method}: ${reply.rejection.code} ${reply.rejection.message ?? ''}`);
    // As a client sees it: answers write themselves.
    return decodeValue(encodeValue(reply.result)) as ValueMap;
  }

  /** Drops history that is too old. */
  retain(): void {
    let done = false;
    must(this.store, 'a store').retain(this.scheduler.now(), () => {
      done = true;
    });
    this.scheduler.settle();
    if (!done) throw new Error('retention did not end');
  }
}
