/**
 * A whole server in this thread, on a clock that the test moves: node, sessions, log and store in memory, put
 * together as the composition root does. Its disks outlive it, so that it can die and be started again.
 */
import { createHash, randomBytes } from 'node:crypto';
import { authorise, createAuthenticator, mintKey } from '../../src/access/index.ts';
import type { Scheduler } from '../../src/base/scheduler.ts';
import { MemoryDisk } from '../../src/log/memory-disk.ts';
import { memoryLog, type MemoryLog } from '../../src/log/memory.ts';
import { workInPlace } from '../../src/documents/in-place.ts';
import { searchInMemory } from '../../src/store/search/sqlite.ts';
import { DEFAULT_TENANT, Node } from '../../src/node/node.ts';
import { compileRule } from '../../src/rules/index.ts';
import { createSessionManager } from '../../src/session/manager.ts';
import type { Accept, Connection } from '../../src/session/port.ts';
import { MemoryBlobDisk, MemoryBlobs } from '../../src/store/blobs/memory.ts';
import { MemoryUploads } from '../../src/store/uploads/memory.ts';
import { memoryStore, MemoryStoreDisk, type MemoryStore } from '../../src/store/memory.ts';
import { memoryTransport, type MemoryLink, type MemoryTransport } from '../../src/transport/memory.ts';
import { FakeScheduler } from '../support/fake-scheduler.ts';
import { spokenInText } from './json-text.ts';
import type { Peer, PeerConnection } from './transcript.ts';

interface Running {
  readonly lane: Lane;
  readonly log: MemoryLog;
  readonly store: MemoryStore;
  readonly transport: MemoryTransport;
}

export class MemoryPeer implements Peer {
  credentials: { readonly [placeholder: string]: string } = {};
  adminKey = '';
  readonly #clock = new FakeScheduler();
  readonly #disk = new MemoryDisk();
  readonly #storeDisk = new MemoryStoreDisk();
  readonly #blobDisk = new MemoryBlobDisk();
  #running: Running;
  #starts = 0;
  readonly #text: boolean;

  /** `text`: it speaks `muster.v1.json`. */
  constructor({ text = false }: { readonly text?: boolean } = {}) {
    this.#text = text;
    this.#running = this.#start();
  }

  connect(): PeerConnection {
    const link = new PeerLink(this.#running.transport, this.#text);
    return this.#text ? spokenInText(link) : link;
  }

  async until(isHere: () => boolean): Promise<void> {
    this.#clock.settle();
    // What waits for a flush of the store or a step of the log comes with a little time.
    for (let passed = 0; !isHere() && passed < 500; passed += 5) this.#clock.advance(5);
    if (!isHere()) throw new Error('nothing came');
    return Promise.resolve();
  }

  async advance(ms: number): Promise<void> {
    this.#clock.advance(ms);
    return Promise.resolve();
  }

  async restart(): Promise<void> {
    const { lane, log, store, transport } = this.#running;
    log.crash(false);
    store.crash(0);
    lane.kill();
    for (const link of transport.links()) link.cut();
    this.#running = this.#start();
    return Promise.resolve();
  }

  #start(): Running {
    this.#starts += 1;
    const lane = new Lane(this.#clock);
    const log = memoryLog({ scheduler: lane, disk: this.#disk });
    const store = memoryStore({ scheduler: lane, disk: this.#storeDisk });
    const entropy = (size: number): Uint8Array => Uint8Array.from(randomBytes(size));
    const node: Node = new Node({
      nodeId: `n_${this.#starts}`,
      version: '0.0.0',
      log,
      store,
      scheduler: lane,
      entropy,
      sha256: (bytes) => createHash('sha256').update(bytes).digest(),
      texts: {
        blobs: new MemoryBlobs({ scheduler: lane, disk: this.#blobDisk }),
        uploads: new MemoryUploads(lane),
        run: workInPlace((run) => lane.defer(run)),
        search: searchInMemory(lane),
      },
      access: { authorise, mintKey: (tenant) => mintKey(tenant, entropy), compileRule },
      authenticate: createAuthenticator({
        keys: { find: (tenant, id) => node.findKey(tenant, id) },
        now: () => lane.now(),
      }),
    });
    const sessions = createSessionManager({ node, scheduler: lane });
    let fault: Error | undefined;
    node.start(
      () => {
        if (this.#starts > 1) return undefined;
        const minted = mintKey(DEFAULT_TENANT, entropy);
        this.adminKey = minted.key;
        return minted;
      },
      (failed) => {
        fault = failed;
      },
    );
    this.#clock.settle();
    if (fault !== undefined) throw fault;
    return { lane, log, store, transport: memoryTransport({ scheduler: this.#clock, accept: sessions.accept }) };
  }
}

/** The clock as one incarnation of the server sees it: what it left there dies with it. */
class Lane implements Scheduler {
  readonly #clock: Scheduler;
  #alive = true;

  constructor(clock: Scheduler) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  mono(): number {
    return this.#clock.mono();
  }

  defer(fn: () => void): void {
    this.#clock.defer(() => {
      if (this.#alive) fn();
    });
  }

  after(ms: number, fn: () => void): () => void {
    return this.#clock.after(ms, () => {
      if (this.#alive) fn();
    });
  }

  kill(): void {
    this.#alive = false;
  }
}

class PeerLink implements PeerConnection {
  readonly #link: MemoryLink;
  #connection: Connection | undefined;
  #receive: (bytes: Uint8Array) => void = () => undefined;
  #closed: (code: number) => void = () => undefined;

  constructor(transport: MemoryTransport, text: boolean) {
    const client: Accept = (connection) => {
      this.#connection = connection;
      return {
        message: (bytes) => this.#receive(bytes),
        drain: () => undefined,
        closed: (code) => this.#closed(code),
      };
    };
    this.#link = transport.dial(client, { text });
  }

  send(bytes: Uint8Array): void {
    this.#connection?.write(bytes);
  }

  onMessage(receive: (bytes: Uint8Array) => void): void {
    this.#receive = receive;
  }

  onClose(closed: (code: number) => void): void {
    this.#closed = closed;
  }

  drop(): void {
    this.#link.cut();
  }
}
