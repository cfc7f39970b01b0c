/**
 * Errors of the disk below the simulated server: what the log, its readers and its snapshots meet in place of an answer.
 *
 * D1 An error of a write or sync of the log is the end of the process, as in the real one: whether the group is durable is
 *    found by the next (`keep`).
 * D2 An error of a snapshot, while it is written or read, is one of that snapshot: the log goes on.
 * D3 A process that could not read what it needs at its start refuses tenants or does not start, and says so; the next one,
 *    when the disk can be read again, finds everything. `refusing` says that this may happen now.
 */
import {
  LogFault,
  type SnapshotStore,
  type SnapshotWriter,
  type TailSink,
  type TenantLog,
} from '../../src/log/port.ts';
import type { Mark, Marks } from './marks.ts';
import type { DiskTrouble } from './plan.ts';
import type { Random } from './random.ts';
import type { VirtualTime } from './scheduler.ts';

type Kind = DiskTrouble['what'];

const MARKS: { readonly [K in Kind]: Mark } = {
  sync: 'error of the disk in the log',
  writeSnapshot: 'error of the disk while a snapshot was written',
  readSnapshot: 'error of the disk while a snapshot was read',
  readLog: 'error of the disk while the log was read',
  low: 'disk nearly full',
};

export interface DiskFaultsOptions {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly marks: Marks;
}

export class DiskFaults {
  readonly #options: DiskFaultsOptions;
  #troubles: (DiskTrouble & { readonly until: number })[] = [];
  /** The running process was refused a read. */
  refusing = false;

  constructor(options: DiskFaultsOptions) {
    this.#options = options;
  }

  begin(trouble: DiskTrouble): void {
    this.#troubles.push({ ...trouble, until: this.#options.time.now + trouble.ms });
  }

  heal(): void {
    this.#troubles = [];
  }

  /** Whether this call meets an error of the kind. */
  strikes(kind: Kind): DiskTrouble | undefined {
    const { time, random, marks } = this.#options;
    if (this.#troubles.length === 0) return undefined;
    this.#troubles = this.#troubles.filter(({ until }) => until > time.now);
    const found = this.#troubles.find(({ what, percent }) => what === kind && random.below(100) < percent);
    if (found !== undefined) marks.count(MARKS[kind]);
    return found;
  }

  /** What the server asks before it takes new work. */
  free(): { readonly freeBytes: number; readonly freePercent: number } | undefined {
    return this.strikes('low') !== undefined ? { freeBytes: 1024 * 1024, freePercent: 1 } : undefined;
  }

  snapshots(store: SnapshotStore, later: (fn: () => void) => void): SnapshotStore {
    return {
      begin: (tenant, meta) => this.#writer(store.begin(tenant, meta), later),
      list: (tenant, done) => store.list(tenant, done),
      read: (of, onChunk, done) => {
        let failed = false;
        const chunk = (bytes: Uint8Array): void => {
          failed ||= this.#refused('readSnapshot');
          if (!failed) onChunk(bytes);
        };
        store.read(of, chunk, (fault) => done(failed ? io('reading a snapshot') : fault));
      },
      prune: (tenant, keep, done) => store.prune(tenant, keep, done),
    };
  }

  log(log: TenantLog): TenantLog {
    return {
      tenant: log.tenant,
      logId: log.logId,
      epoch: log.epoch,
      append: (payloads, done) => log.append(payloads, done),
      tail: (from, sink) => log.tail(from, this.#sink(sink)),
      read: (from, limit, done) => log.read(from, limit, done),
      trim: (seq, done) => log.trim(seq, done),
    };
  }

  /** What fails is not on the disk. */
  #writer(writer: SnapshotWriter, later: (fn: () => void) => void): SnapshotWriter {
    return {
      chunk: (bytes, done) => {
        if (this.strikes('writeSnapshot') === undefined) writer.chunk(bytes, done);
        else later(() => done(io('writing a snapshot')));
      },
      commit: (done) => {
        if (this.strikes('writeSnapshot') === undefined) writer.commit(done);
        else later(() => done(io('syncing a snapshot')));
      },
      abort: () => writer.abort(),
    };
  }

  /** Only what was in the log when the process began is read from the disk. */
  #sink(sink: TailSink): TailSink {
    let reading = true;
    let failed = false;
    return {
      entries: (batch) => {
        if (failed) return;
        failed = reading && this.#refused('readLog');
        if (failed) sink.fault(io('reading the log'));
        else sink.entries(batch);
      },
      caughtUp: (head) => {
        reading = false;
        if (!failed) sink.caughtUp(head);
      },
      fault: (fault) => sink.fault(fault),
    };
  }

  #refused(kind: Kind): boolean {
    const refused = this.strikes(kind) !== undefined;
    this.refusing ||= refused;
    return refused;
  }
}

function io(what: string): LogFault {
  return new LogFault('IO', `${what}: EIO`);
}
