/**
 * The log's worker thread: it touches the database while it has the turn (lane.ts), and sleeps on the bell between.
 *
 * W1 Between two steps of anything else a waiting group of appends is committed: one never waits longer than one step.
 * W2 Other work goes on even when groups come without pause: one step after each; chores rest between (pace.ts).
 * W3 After an error that leaves durability in doubt, nothing more is written: the thread says so and ends.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { must } from '../../base/assert.ts';
import { LogFault } from '../port.ts';
import { startFault } from '../verify.ts';
import { Committer } from './commit.ts';
import { faultOf } from './fault.ts';
import { openFiles, type LogFiles } from './file.ts';
import { areaCount, LaneControl } from './lane.ts';
import {
  faultMessage,
  type Ask,
  type AskMessage,
  type CallKind,
  type Calls,
  type FromWorker,
  type Opened,
  type SnapshotAt,
  type ToWorker,
  type WorkerStart,
} from './messages.ts';
import { Pace } from './pace.ts';
import { Reader, type Sliced } from './reader.ts';
import { Tenants, type Tenant } from './tenants.ts';
import { Trimmer } from './trimmer.ts';

/** Without a ring for so long the worker is idle. */
const idleMs = 50;

type Answer = Calls[CallKind]['answer'];

const port = must(parentPort, 'this file is a worker thread');

class LogWorker {
  readonly #control: LaneControl;
  readonly #files: LogFiles;
  readonly #tenants: Tenants;
  readonly #committer: Committer;
  readonly #reader: Reader;
  readonly #trimmer: Trimmer;
  readonly #areas: Uint8Array[] = [];
  readonly #asks: AskMessage[] = [];
  /** The ask that is being served. */
  #serving: { readonly id: number; readonly ask: Ask; readonly steps: Sliced<Answer> } | undefined;
  readonly #chores: Sliced<void>[] = [];
  readonly #pace = new Pace();
  #groups = 0;
  #closed = false;

  constructor(files: LogFiles, control: SharedArrayBuffer) {
    const { db } = files;
    this.#control = new LaneControl(control);
    this.#files = files;
    this.#tenants = new Tenants(this.#files, 0, () => this.#control.returns());
    this.#committer = new Committer(this.#files, this.#tenants, this.#control);
    this.#reader = new Reader(db, this.#tenants);
    this.#trimmer = new Trimmer(db, this.#tenants, {
      wrote: (bytes) => this.#committer.wrote(bytes),
      lazily: (write) => files.lazily(write),
    });
    for (const tenant of this.#tenants.all()) this.#chores.push(this.#trimmer.tidy(tenant));
  }

  run(): void {
    post({ kind: 'ready', fileId: new Uint8Array(this.#files.head.fileId), shared: this.#files.shared });
    while (!this.#closed) {
      const heard = this.#control.heard();
      this.#receive();
      const committed = this.#commit();
      const worked = this.#work();
      if (!committed && !worked) this.#sleep(heard);
    }
  }

  /** One step of something other than a commit of entries. */
  #work(): boolean {
    const worked = this.#serve() || this.#doChore();
    this.#committer.checkSize();
    return worked;
  }

  /** Until something comes, or the chores have rested, or it is quiet enough to tidy up. */
  #sleep(heard: number): void {
    const restMs = this.#chores.length > 0 ? this.#pace.restMs(performance.now()) : Infinity;
    const tidyMs = this.#committer.untidy ? idleMs : Infinity;
    const rung = this.#control.park(heard, Math.min(restMs, tidyMs));
    if (!rung && tidyMs <= restMs) this.#committer.tidy();
  }

  #receive(): void {
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
      const message: ToWorker = next.message;
      if (message.kind === 'area') this.#areas[message.index] = new Uint8Array(message.shared);
      else this.#asks.push(message);
    }
  }

  #commit(): boolean {
    if (this.#control.groups() === this.#groups) return false;
    this.#receive(); // The area of a group is posted before the group is sent, and may have come since.
    this.#committer.group(must(this.#areas[this.#groups % areaCount], 'a group has an area'));
    this.#groups += 1;
    post(this.#groups);
    this.#pace.committed(performance.now());
    this.#committer.checkSize();
    return true;
  }

  /** One step of the ask at hand, or of the next. */
  #serve(): boolean {
    const serving = this.#serving ?? this.#next();
    if (serving === undefined) return false;
    const { id, ask, steps } = serving;
    this.#serving = serving;
    try {
      const step = steps.next();
      if (step.done !== true) return true;
      post({ kind: 'answer', id, answer: step.value });
    } catch (error) {
      const fault =
        writes.has(ask.kind) && !(error instanceof LogFault) ? ioFault(error) : faultOf(error, 'reading the log');
      if (fault.fault === 'IO') throw fault; // W3
      post({ kind: 'refused', id, fault: faultMessage(fault) });
    }
    this.#serving = undefined;
    return true;
  }

  #next(): { readonly id: number; readonly ask: Ask; readonly steps: Sliced<Answer> } | undefined {
    const next = this.#asks.shift();
    return next === undefined ? undefined : { id: next.id, ask: next.ask, steps: this.#steps(next.ask) };
  }

  #doChore(): boolean {
    const chore = this.#chores[0];
    const began = performance.now();
    if (chore === undefined || this.#pace.restMs(began) > 0) return false; // W2
    if (chore.next().done === true) this.#chores.shift();
    this.#committer.checkSize();
    this.#pace.worked(began, performance.now());
    return true;
  }

  *#steps(ask: Ask): Sliced<Answer> {
    switch (ask.kind) {
      case 'tenants':
        return this.#tenants.ids();
      case 'open':
        return yield* this.#open(ask.tenant, ask.newest);
      case 'page':
        return this.#reader.page(this.#tenants.byNo(ask.no), ask);
      case 'verify': {
        const tenant = this.#tenants.byNo(ask.no);
        yield* this.#reader.verify(tenant, tenant.base.seq);
        return null;
      }
      case 'trim': {
        const tenant = this.#tenants.byNo(ask.no);
        this.#trimmer.trim(tenant, ask);
        this.#chores.push(this.#trimmer.tidy(tenant));
        return null;
      }
      case 'hold':
        this.#committer.hold();
        return null;
      case 'release':
        this.#committer.release();
        return null;
      case 'close':
        this.#committer.empty();
        this.#files.close();
        this.#closed = true;
        return null;
    }
  }

  *#open(id: string, newest: SnapshotAt | undefined): Sliced<Opened> {
    const tenant = this.#tenants.byId(id) ?? this.#tenants.create(id);
    this.#committer.wrote(0);
    const fault = tenant.fault ?? this.#snapshotFault(tenant, newest);
    if (fault !== undefined) throw fault;
    try {
      yield* this.#reader.verify(tenant, Math.max(tenant.base.seq, newest?.seq ?? 0));
    } catch (error) {
      tenant.fault = faultOf(error, `log of tenant ${id}`);
      throw error;
    }
    const { no, logId, epoch, base, head } = tenant;
    return { no, logId, epoch, baseSeq: base.seq, head };
  }

  /** The newest snapshot must have been taken of this log as it is. */
  #snapshotFault(tenant: Tenant, newest: SnapshotAt | undefined): LogFault | undefined {
    if (newest === undefined) return undefined;
    if (newest.logId !== tenant.logId) {
      return new LogFault('WRONG_LOG', `the newest snapshot of tenant ${tenant.id} was taken of another log`);
    }
    const chain = this.#tenants.chainAt(tenant, newest.seq);
    const fault = startFault(tenant.id, newest, { baseSeq: tenant.base.seq, headSeq: tenant.head.seq, chain });
    if (fault === undefined) return undefined;
    const { message } = faultMessage(fault);
    return new LogFault(fault.fault, `${message}, by its newest snapshot, which is of entry ${newest.seq}`);
  }
}

/** Asks whose failure leaves in doubt what is on the disk. */
const writes: ReadonlySet<CallKind> = new Set(['trim', 'hold', 'close']);

function ioFault(error: unknown): LogFault {
  return new LogFault('IO', `writing the log: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
  });
}

function post(message: FromWorker): void {
  port.postMessage(message);
}

/** A start that fails says why, and leaves the files to others. */
function started(files: LogFiles, control: SharedArrayBuffer): LogWorker {
  try {
    return new LogWorker(files, control);
  } catch (error) {
    files.close();
    throw faultOf(error, 'the log');
  }
}

function main(start: WorkerStart): void {
  try {
    const worker = started(openFiles(start.dir, start.shared), start.control);
    try {
      worker.run();
    } catch (error) {
      throw error instanceof LogFault ? error : ioFault(error); // W3
    }
  } catch (error) {
    post({ kind: 'fatal', fault: faultMessage(faultOf(error, 'the log')) });
  }
}

main(workerData);
