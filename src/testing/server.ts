/**
 * A whole server without files and sockets: node, sessions, log and store as the composition root puts them together, over
 * disks in memory that outlive it. One object is one process; the next one gets the same disks.
 */
import { createHash } from 'node:crypto';
import { authorise, createAuthenticator, mintKey } from '../access/index.ts';
import type { Entropy } from '../base/scheduler.ts';
import { RETENTION, startHousekeeping } from '../housekeeping.ts';
import { EmbeddedJobs } from '../jobs/index.ts';
import { MemoryDisk } from '../log/memory-disk.ts';
import { memoryLog, type MemoryLog } from '../log/memory.ts';
import { workInPlace } from '../documents/in-place.ts';
import { DEFAULT_TENANT, Node } from '../node/node.ts';
import type { MintedKey } from '../node/requests.ts';
import { compileRule } from '../rules/index.ts';
import { createSessionManager } from '../session/manager.ts';
import type { Accept } from '../session/port.ts';
import type { Tracing } from '../telemetry/port.ts';
import { MemoryUploads } from '../store/uploads/memory.ts';
import { MemoryBlobDisk, MemoryBlobs } from '../store/blobs/memory.ts';
import { memoryStore, MemoryStoreDisk, type MemoryStore } from '../store/memory.ts';
import { searchInMemory } from '../store/search/sqlite.ts';
import type { Lane } from './clock.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

/** Bytes that look random and are the same for the same seed. Nothing that is made of them is a secret. */
export function seededEntropy(seed: string): Entropy {
  let block: Uint8Array = new Uint8Array(0);
  let used = 0;
  let count = 0;
  return (size) => {
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at += 1, used += 1) {
      if (used === block.length) {
        block = sha256(new TextEncoder().encode(`${seed} ${count}`));
        count += 1;
        used = 0;
      }
      bytes[at] = block[used] ?? 0;
    }
    return bytes;
  };
}

/** What a crash leaves. */
export class Disks {
  readonly log = new MemoryDisk('testing');
  readonly store = new MemoryStoreDisk();
  readonly blobs = new MemoryBlobDisk();
  firstKey: MintedKey | undefined;
}

export interface TestServerParts {
  readonly lane: Lane;
  readonly disks: Disks;
  readonly entropy: Entropy;
  readonly version: string;
  readonly nodeId: string;
  /** Undefined: nothing is traced. */
  readonly tracing?: Tracing | undefined;
  /** A bug of the server: a tenant was halted. */
  readonly onHalted: (error: Error) => void;
}

export class TestServer {
  readonly #parts: TestServerParts;
  readonly #log: MemoryLog;
  readonly #store: MemoryStore;
  readonly #blobs: MemoryBlobs;
  readonly #node: Node;
  readonly #accept: Accept;
  readonly #jobs: EmbeddedJobs;

  constructor(parts: TestServerParts) {
    const { lane, disks, entropy, nodeId, version, tracing } = parts;
    this.#parts = parts;
    this.#jobs = new EmbeddedJobs({ scheduler: lane, entropy });
    this.#log = memoryLog({ scheduler: lane, disk: disks.log });
    this.#store = memoryStore({ scheduler: lane, disk: disks.store, ...RETENTION });
    this.#blobs = new MemoryBlobs({ scheduler: lane, disk: disks.blobs });
    const node: Node = new Node({
      nodeId,
      version,
      log: this.#log,
      store: this.#store,
      scheduler: lane,
      entropy,
      sha256,
      access: { authorise, mintKey: (tenant) => mintKey(tenant, entropy), compileRule },
      authenticate: createAuthenticator({
        keys: { find: (tenant, keyId) => node.findKey(tenant, keyId) },
        now: () => lane.now(),
      }),
      // Time stands still unless a test moves it, and what was asked for is to be there when all has settled.
      patienceMs: 0,
      tracing,
      jobs: () => this.#jobs.status(),
      texts: {
        blobs: this.#blobs,
        uploads: new MemoryUploads(lane),
        run: workInPlace((run) => lane.defer(run)),
        search: searchInMemory(lane),
      },
      events: { halted: (_tenant, error) => parts.onHalted(error) },
    });
    this.#node = node;
    this.#accept = createSessionManager({ node, scheduler: lane, tracing }).accept;
  }

  /** Resolves when it takes connections, with how. */
  async start(): Promise<Accept> {
    const { lane, disks, entropy } = this.#parts;
    await new Promise<void>((done, failed) => {
      this.#node.start(
        (system) => {
          if (system.tenant.engine.state.apiKeys.size > 0) return undefined;
          disks.firstKey ??= mintKey(DEFAULT_TENANT, entropy);
          return disks.firstKey;
        },
        (fault) => (fault === undefined ? done() : failed(fault)),
      );
    });
    startHousekeeping({ node: this.#node, store: this.#store, scheduler: lane, jobs: this.#jobs, rebalance: false });
    return (connection) => {
      const handler = this.#accept(connection);
      // The network outlives the process; the process hears nothing after its end.
      return {
        message: (bytes) => void (lane.ended || handler.message(bytes)),
        drain: () => void (lane.ended || handler.drain()),
        closed: (code) => void (lane.ended || handler.closed(code)),
      };
    };
  }

  /** As by `kill -9`: what is not durable is gone. */
  kill(): void {
    this.#log.crash(false);
    this.#store.crash(0);
    this.#blobs.crash();
    this.#parts.lane.end();
  }
}
