/**
 * A tenant that is served here: its log, engine, connections, requests, store and checkpoints together.
 */
import type { CloseName, ErrorCode, Rejection } from '../../protocol/wire/codes.ts';
import type { HelloBody } from '../../protocol/wire/types.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Entropy, Scheduler } from '../base/scheduler.ts';
import type { Engine } from '../engine/engine.ts';
import type { Sha256 } from '../engine/kernel/image.ts';
import type { State } from '../engine/kernel/state.ts';
import type { EntryOutput, HelloCommand, SessionPrincipal } from '../engine/port.ts';
import { backlog, findAgent, type Backlog } from '../engine/queries.ts';
import type { LogDriver, TenantLog } from '../log/port.ts';
import type { PackedPush, TenantStore } from '../store/port.ts';
import type { Tracing } from '../telemetry/port.ts';
import { packPush } from '../store/push-record.ts';
import type { Calendar } from '../calendar/index.ts';
import { Audit, type Mismatch } from './audit.ts';
import { AttachedSession } from './attached.ts';
import { BesideCheckpoints } from './beside-checkpoints.ts';
import { checkpoint, hold, loadNewest, type CheckpointDone, type CheckpointParts } from './checkpoint.ts';
import { BlobTransfers } from './blobs.ts';
import { DocumentIndex } from './document-index.ts';
import { Documents } from './documents.ts';
import { Epochs } from './epochs.ts';
import { sweepTexts } from './sweep.ts';
import type { Texts } from './texts.ts';
import { Hub, type OrderTracing } from './hub.ts';
import type { Inspections } from './inspections.ts';
import { archive, finishedRow } from './kept.ts';
import type { Delivery, HelloOutcome, Principal } from './port.ts';
import { LetterRuns } from './letter-runs.ts';
import { LATE, Requests, type Access, type SystemPort } from './requests.ts';
import type { RingOptions } from './ring.ts';
import { Schedules } from './schedules.ts';
import { KeptChunks } from './snapshot-chunks.ts';
import { saidIn } from './talk.ts';
import { hex, Tenant, type AppliedEntry } from './tenant.ts';

/** What an observer outside is told of an applied entry: metrics, simulator. */
export interface Applied extends AppliedEntry {
  readonly tenant: string;
  readonly engine: Engine;
}

export interface ServingParts {
  readonly id: string;
  readonly nodeId: string;
  readonly version: string;
  readonly startedAt: number;
  readonly log: TenantLog;
  readonly driver: LogDriver;
  readonly store: TenantStore;
  readonly scheduler: Scheduler;
  readonly entropy: Entropy;
  readonly sha256: Sha256;
  readonly access: Access;
  readonly system: SystemPort;
  readonly calendar: Calendar;
  readonly inspections: Inspections;
  readonly engine: Engine;
  /** An empty one. */
  readonly fresh: () => Engine;
  /** Beside other nodes: up to which entry the store has all of the log. */
  readonly storedSeq: number;
  /** The newest rev that the store has of this tenant: up to there a replay puts nothing. */
  readonly storedRev: number;
  /** Its bounds, if not the usual ones. */
  readonly ring: RingOptions | undefined;
  readonly chunkBytes: number | undefined;
  readonly patienceMs: number | undefined;
  readonly engineVersion: number | undefined;
  readonly tracing: Tracing | undefined;
  readonly texts: Texts | undefined;
  readonly snapshotDamaged: (seq: number, why: string) => void;
  readonly applied: (applied: Applied) => void;
  readonly differs: (mismatch: Mismatch) => void;
  readonly halted: (tenant: string, error: Error) => void;
  readonly ready: (tenant: string) => void;
}

/** How a refused HELLO ends the connection. */
const CLOSE_FOR: { readonly [C in ErrorCode]?: CloseName } = {
  UNAUTHORIZED: 'FORBIDDEN',
  UNAUTHENTICATED: 'BAD_AUTH',
  UNAVAILABLE: 'UNAVAILABLE',
};

/**
 * What is full has room again one day, so whoever says HELLO comes back: the ERROR has to say the same as the close. The engine
 * refuses an agent with the code that `agent.register` has for it, which tells a client not to ask again.
 */
function refusedHello(rejection: Rejection): HelloOutcome & { readonly kind: 'refused' } {
  if (rejection.code === 'LIMIT_EXCEEDED') {
    const later = { ...rejection, code: 'UNAVAILABLE', retryAfterMs: LIMITS.fullRetryMs } as const;
    return { kind: 'refused', close: 'OVERLOADED', rejection: later };
  }
  return { kind: 'refused', close: CLOSE_FOR[rejection.code] ?? 'OVERLOADED', rejection };
}

/** A checkpoint is made after so many entries, or so many bytes of log, since the last one. */
const CHECKPOINT_ENTRIES = 20_000;
const CHECKPOINT_BYTES = 64 * 1024 * 1024;
/** Beside other nodes what the store has is made durable after so many entries, or so long: behind it the log may be trimmed. */
const KEPT_ENTRIES = 2_000;
const KEPT_MS = 5_000;
/** Of the revs that the history has, the ring takes up so many at a start: who was away for the restart missed no more. */
const REPLAYED = 16_384;

export class Serving {
  readonly id: string;
  readonly tenant: Tenant;
  readonly hub: Hub;
  readonly blobs: BlobTransfers;
  readonly requests: Requests;
  readonly schedules: Schedules;
  readonly letterRuns: LetterRuns;
  /** Undefined: nothing is searched. */
  readonly index: DocumentIndex | undefined;
  readonly #parts: ServingParts;
  /** Undefined: no other node serves the tenant. */
  readonly #audit: Audit | undefined;
  #entries = 0;
  #bytes = 0;
  #checkpointing = false;
  /** Undefined: no other node serves the tenant. */
  readonly #checkpoints: BesideCheckpoints | undefined;
  /** Up to here what the store has is durable. */
  #kept: { readonly seq: number; readonly at: number };
  #keeping = false;
  #passing = false;
  readonly #chunks = new KeptChunks();
  readonly #epochs: Epochs;
  #backlog: { readonly at: number; readonly view: Backlog } | undefined;

  constructor(parts: ServingParts) {
    this.id = parts.id;
    this.#parts = parts;
    const { scheduler, store } = parts;
    this.#epochs = new Epochs(parts.engine.state);
    this.tenant = new Tenant({
      id: parts.id,
      nodeId: parts.nodeId,
      version: parts.version,
      startedAt: parts.startedAt,
      log: parts.log,
      scheduler,
      entropy: parts.entropy,
      engine: parts.engine,
      patienceMs: parts.patienceMs,
      engineVersion: parts.engineVersion,
      observer: {
        keep: (output) => this.#keep(output),
        applied: (done) => this.#applied(done),
        halted: (error) => this.#halted(error),
        heardHere: () => this.hub.heardHere(),
        audits: () => this.#audit?.told ?? [],
        kept: () => this.#keptSeq(),
        beaten: () => this.#beaten(),
        cutOff: () => this.hub.closeAll('UNAVAILABLE', 'This node cannot reach the log now.'),
        caughtUp: () => {
          this.schedules.look();
          this.letterRuns.look();
          this.index?.begin();
          parts.ready(parts.id);
        },
      },
    });
    this.#audit = auditOf(parts, (mismatch) => this.#differs(mismatch));
    this.#kept = { seq: parts.storedSeq, at: scheduler.mono() };
    this.#checkpoints = this.#checkpointsBeside();
    this.hub = new Hub({
      engine: parts.engine,
      store,
      scheduler,
      ring: parts.ring,
      orders: orderTracing(parts),
      passed: (rev) => this.#pass(rev),
      beside: this.tenant.beside,
    });
    const state = (): State => this.tenant.engine.state;
    const of = { tenant: parts.id, state, texts: parts.texts, archive: store.archive };
    const blobs = new BlobTransfers(of);
    this.blobs = blobs;
    const documents = new Documents({ ...of, blobs });
    this.index = indexOf(parts, { documents, state });
    this.requests = new Requests({
      tenant: this.tenant,
      hub: this.hub,
      store,
      scheduler,
      access: parts.access,
      disk: () => parts.driver.disk(),
      system: parts.system,
      calendar: parts.calendar,
      inspections: parts.inspections,
      documents,
      blobs,
      index: this.index,
      backlog: () => this.backlog(),
    });
    this.letterRuns = new LetterRuns({ tenant: this.tenant, store, scheduler });
    this.schedules = new Schedules({ tenant: this.tenant, scheduler, calendar: parts.calendar });
    parts.log.talk?.hear((bytes) => this.#heard(bytes));
  }

  /** Published at another node, for whoever listens here. */
  #heard(bytes: Uint8Array): void {
    const said = this.tenant.serving ? saidIn(bytes) : undefined;
    if (said !== undefined) this.hub.message(said.topic, { data: said.data, from: said.from });
  }

  /** More is known of other nodes. */
  #beaten(): void {
    this.hub.pass();
    const { beside } = this.tenant;
    if (beside?.isFirst === true) this.tenant.upgrade();
    this.#audit?.compare(beside?.audits() ?? []);
    this.#checkpoints?.beaten();
  }

  /** What waits, at most `backlogMs` old. */
  backlog(): Backlog {
    const at = this.#parts.scheduler.mono();
    if (this.#backlog === undefined || at - this.#backlog.at >= LIMITS.backlogMs) {
      this.#backlog = { at, view: backlog(this.tenant.engine, { scanMax: LIMITS.backlogScanMax }) };
    }
    return this.#backlog.view;
  }

  hello(
    asked: { readonly principal: Principal; readonly body: HelloBody; readonly delivery: Delivery },
    done: (outcome: HelloOutcome) => void,
  ): void {
    const { resume } = asked.body;
    if (this.tenant.isLate) {
      const rejection = { code: 'UNAVAILABLE', message: LATE, retryAfterMs: 1_000 } as const;
      return this.#parts.scheduler.defer(() => done({ kind: 'refused', close: 'UNAVAILABLE', rejection }));
    }
    if (resume === undefined) return this.#hello(asked, undefined, done);
    // The client may have been told by another node what this one has not read yet: read all of it first.
    if (this.tenant.log.members === undefined) return this.#resume({ ...asked, resume }, done);
    this.tenant.submit({ kind: 'tick' }, ({ reply }) => {
      if (reply.ok) return this.#resume({ ...asked, resume }, done);
      done(refusedHello(reply.rejection));
    });
  }

  #resume(
    asked: Parameters<Serving['hello']>[0] & { readonly resume: NonNullable<HelloBody['resume']> },
    done: (outcome: HelloOutcome) => void,
  ): void {
    const { resume } = asked;
    const { state } = this.tenant.engine;
    const told = toldTo(resume);
    const isKnown = this.#epochs.knows(...told);
    const isThere = state.sessions.get(resume.session) !== undefined;
    // Of one that is not there, beyond all that this log has told, it may be that it was another tenant's.
    if (!isKnown && (isThere || this.#epochs.kept(...told) !== undefined)) return this.#hello(asked, 'epoch', done);
    if (!isThere) return this.#hello(asked, undefined, done);
    this.hub.covers(resume.session, resume.rev, (covered) => this.#hello(asked, covered ? undefined : 'gap', done));
  }

  checkpointDue(): boolean {
    return this.#entries >= CHECKPOINT_ENTRIES || this.#bytes >= CHECKPOINT_BYTES;
  }

  /** Entries since the last checkpoint. */
  get entriesBehind(): number {
    return this.#entries;
  }

  checkpoint(done: CheckpointDone): void {
    if (this.#checkpointing) return done({ skipped: 'one is under way' });
    this.#checkpointing = true;
    const ended: CheckpointDone = (outcome) => {
      this.#checkpointing = false;
      done(outcome);
    };
    if (this.#checkpoints !== undefined) return this.#checkpointBeside(this.#checkpoints, ended);
    const [entries, bytes] = [this.#entries, this.#bytes];
    checkpoint(this.#checkpointParts(), (outcome) => {
      if ('seq' in outcome) {
        this.#entries -= entries;
        this.#bytes -= bytes;
      }
      ended(outcome);
    });
  }

  /** Another node may have made the newest one. */
  #checkpointBeside(checkpoints: BesideCheckpoints, done: CheckpointDone): void {
    checkpoints.newest((newest) => {
      const known = this.#entries;
      this.#entries = Math.min(known, Math.max(0, (this.tenant.head?.seq ?? 0) - newest));
      if (this.#entries < known) this.#bytes = Math.round((this.#bytes * this.#entries) / known);
      if (known > this.#entries && !this.checkpointDue()) return done({ skipped: 'another node made one' });
      checkpoints.ask(done);
    });
  }

  #checkpointParts(): CheckpointParts {
    const { store, driver, scheduler, sha256, chunkBytes } = this.#parts;
    const { snapshots } = driver;
    return { tenant: this.tenant, store, snapshots, scheduler, sha256, kept: this.#chunks, chunkBytes };
  }

  #checkpointsBeside(): BesideCheckpoints | undefined {
    const { beside } = this.tenant;
    if (beside === undefined) return undefined;
    const { id, scheduler, driver } = this.#parts;
    return new BesideCheckpoints({
      tenant: id,
      beside,
      scheduler,
      snapshots: driver.snapshots,
      tick: () => this.tenant.submit({ kind: 'tick' }),
      make: (confirm, done) => hold({ ...this.#checkpointParts(), confirm }, done),
    });
  }

  /** Asked with each beat: makes durable what the store has, now and then. */
  #keptSeq(): number {
    const { store, scheduler } = this.#parts;
    const seq = this.tenant.head?.seq ?? 0;
    const at = scheduler.mono();
    const due = seq - this.#kept.seq >= KEPT_ENTRIES || (seq > this.#kept.seq && at - this.#kept.at >= KEPT_MS);
    if (due && !this.#keeping) {
      this.#keeping = true;
      store.flush(() => {
        this.#keeping = false;
        this.#kept = { seq, at };
      });
    }
    return this.#kept.seq;
  }

  /** Nothing is begun that takes long, and what waits for others is given up. */
  drain(): void {
    this.#checkpoints?.end();
  }

  sweepTexts(done: () => void): void {
    const { texts, scheduler, store } = this.#parts;
    if (texts === undefined) done();
    else sweepTexts({ tenant: this.tenant, blobs: texts.given.blobs, archive: store.archive, scheduler }, done);
  }

  stop(done: () => void): void {
    this.requests.stop();
    this.schedules.stop();
    this.letterRuns.stop();
    this.index?.stop();
    this.hub.closeAll('SHUTDOWN');
    this.tenant.stop(() => this.#parts.store.flush(done));
  }

  #hello(
    asked: { readonly principal: Principal; readonly body: HelloBody; readonly delivery: Delivery },
    gap: 'gap' | 'epoch' | undefined,
    done: (outcome: HelloOutcome) => void,
  ): void {
    const { body, principal, delivery } = asked;
    const secret = hex(this.#parts.entropy(20));
    const resumes = body.resume !== undefined;
    const deaf = resumes && this.#parts.access.authorise(principal, 'topic.subscribe', {}) !== undefined;
    const command: HelloCommand = {
      kind: 'session.hello',
      principal: recorded(principal),
      secretHash: this.#hash(secret),
      subs: [...new Set(body.subs)],
      node: this.#parts.nodeId,
      ...(deaf ? { deaf } : undefined),
      ...(body.agent === undefined ? undefined : { agent: body.agent, ...this.#seen(body.agent) }),
      ...(body.resume === undefined
        ? undefined
        : {
            resume: {
              session: body.resume.session,
              secretHash: this.#hash(body.resume.secret),
              rev: body.resume.rev,
              ...(gap === undefined ? undefined : { gap }),
            },
          }),
    };
    this.tenant.submit(command, (output) => {
      const { welcome, reply } = output;
      if (!reply.ok || welcome === undefined) {
        return done(refusedHello(reply.ok ? { code: 'INTERNAL' } : reply.rejection));
      }
      const line = this.hub.attach({ session: welcome.session, attach: welcome.attach, delivery, rev: welcome.rev });
      const attached = new AttachedSession({ serving: this, line, principal });
      const { attach: _, snapshot, ...told } = welcome;
      const { resume } = body;
      const kept =
        welcome.reason === 'epoch' && resume !== undefined ? this.#epochs.kept(...toldTo(resume)) : undefined;
      const wanted = !welcome.resumed && (body.agent !== undefined || body.resume !== undefined);
      done({
        kind: 'welcome',
        attached,
        secret,
        ...told,
        ...(kept === undefined ? undefined : { kept }),
        ...(wanted && snapshot !== undefined ? { snapshot } : undefined),
      });
    });
  }

  /** Where the agent's client is on the connection that it has until now. */
  #seen(shape: NonNullable<HelloBody['agent']>): { readonly seen?: number } {
    const session = findAgent(this.tenant.engine.state, shape)?.session;
    const seen = session === undefined ? undefined : this.hub.heardBy(session);
    return seen === undefined ? {} : { seen };
  }

  #pass(rev: number): void {
    if (this.#passing) return;
    this.#passing = true;
    this.tenant.submit({ kind: 'notifications.passed', rev }, () => {
      this.#passing = false;
    });
  }

  #hash(text: string): string {
    return hex(this.#parts.sha256(new TextEncoder().encode(text)));
  }

  #applied(done: AppliedEntry): void {
    const { entry, decoded, output, live, appendMs, applyMs } = done;
    const { engine } = this.tenant;
    if (this.tenant.log.members !== undefined) this.#parts.store.putApplied(entry.seq);
    if (this.#audit?.applied(entry, live) === true) this.#checkpoints?.audited(entry.seq);
    this.#entries += 1;
    this.#bytes += entry.payload.length;
    const { tracing, scheduler } = this.#parts;
    if (tracing !== undefined && done.live && output.pushes.length > 0) {
      const at = scheduler.mono();
      for (const { event, data } of output.pushes) tracing.happened({ tenant: this.id, event, data, at });
    }
    this.hub.deliver(output);
    if (live) this.index?.applied(output);
    engine.state.views.forget();
    if (engine.state.awaitingSchedules.size > 0) this.schedules.look();
    if (engine.state.runningLetterRuns.size > 0) this.letterRuns.look();
    this.#parts.applied({ tenant: this.id, entry, decoded, output, engine, live, appendMs, applyMs });
  }

  /** What leaves memory one day goes to the store now, where it becomes durable in its own time. */
  #keep(output: EntryOutput): void {
    const { store, storedRev, ring } = this.#parts;
    const { state } = this.tenant.engine;
    this.#epochs.applied(state);
    const stored = output.rev <= storedRev;
    // The store knows which it has counted, which may be fewer than the pushes that it has.
    if (output.facts.length > 0) store.putFacts(output.rev, output.now, output.facts);
    // Rev goes up by one at least for each push, so the ring would have dropped these by the end of the replay.
    if (stored && output.rev + Math.min(REPLAYED, ring?.pushesMax ?? REPLAYED) <= storedRev) {
      return this.hub.skip(output.rev);
    }
    if (!stored && output.finished.length > 0) {
      store.putFinished(output.finished.map((task) => finishedRow(task, state.views)));
    }
    if (!stored && output.pieces !== undefined) store.putOutput(output.pieces);
    if (!stored && output.archived !== undefined) archive(output.archived, store.archive);
    const packed: PackedPush[] = [];
    for (const push of output.pushes) if (push.latestKey === undefined) packed.push(packPush(push, output.now));
    if (packed.length === 0) return;
    this.hub.keep(packed);
    if (!stored) store.putHistory(packed);
  }

  /** A node whose state is wrong tells nobody anything more. */
  #differs(mismatch: Mismatch): void {
    if (mismatch.verdict === 'this node is wrong') this.tenant.quarantine(mismatch.seq);
    this.#parts.differs(mismatch);
  }

  #halted(error: Error): void {
    this.hub.closeAll('UNAVAILABLE', 'The tenant is halted.');
    this.#parts.halted(this.id, error);
  }
}

/** What a client that comes back has been told, by its own word. */
function toldTo({ rev, told }: NonNullable<HelloBody['resume']>): readonly number[] {
  return told === undefined ? [rev] : [rev, told];
}

function indexOf(
  { id: tenant, texts, scheduler, sha256 }: ServingParts,
  of: { readonly documents: Documents; readonly state: () => State },
): DocumentIndex | undefined {
  const search = texts?.given.search;
  return search === undefined ? undefined : new DocumentIndex({ tenant, search, scheduler, sha256, ...of });
}

function recorded(principal: Principal): SessionPrincipal {
  const { id, role, agent, keyId, expiresAt, scopes } = principal;
  return {
    id,
    role,
    ...(agent === undefined ? undefined : { agent }),
    ...(keyId === undefined ? undefined : { keyId }),
    ...(expiresAt === undefined ? undefined : { expiresAt }),
    ...(scopes === undefined ? undefined : { scopes }),
  };
}

/** What goes with an order of a task that is traced. */
function orderTracing({ id, tracing, scheduler }: ServingParts): OrderTracing | undefined {
  if (tracing === undefined) return undefined;
  return ({ order, event }) =>
    order?.task === undefined
      ? undefined
      : tracing.order({ tenant: id, task: order.task, event, at: scheduler.mono() });
}

/** Nobody else serves the tenant: there is nothing to be compared. */
function auditOf(parts: ServingParts, differs: (mismatch: Mismatch) => void): Audit | undefined {
  const { log, scheduler, sha256, engine, fresh, driver, snapshotDamaged: damaged } = parts;
  if (log.members === undefined) return undefined;
  const { snapshots } = driver;
  const base: ConstructorParameters<typeof Audit>[0]['base'] = (upTo, done) =>
    loadNewest({ tenant: log.tenant, snapshots, sha256, fresh, upTo, damaged }, (loaded) =>
      done(loaded.engine, loaded.seq),
    );
  const read: ConstructorParameters<typeof Audit>[0]['read'] = (from, limit, done) => log.read(from, limit, done);
  return new Audit({ scheduler, sha256, engine, base, read, differs });
}
