/**
 * What an attached session asks: allowed or not, prepared, sent to the log or read from state and store.
 *
 * P1 Writes of one session reach the log in the order in which they were asked, also when one has to wait for
 *    its preparation: those behind it wait too, and its end.
 * P2 Secrets are drawn here; only their hash goes on. The key itself is in the first answer alone.
 */
import { decodeValue, isMap, valueHash } from '../../protocol/wire/codec.ts';
import type { Rejection } from '../../protocol/wire/codes.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { FindingCode } from '../../protocol/wire/observing.ts';
import { OPERATIONS, isRead, type ReadMethod, type WriteMethod } from '../../protocol/wire/operations.ts';
import { RULE_PARTS, type RulePart } from '../../protocol/wire/rules.ts';
import type { Data, Method, Params, Results, Value, ValueMap } from '../../protocol/wire/types.ts';
import type { Result } from '../base/result.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { Calendar } from '../calendar/index.ts';
import type { Backlog } from '../engine/queries.ts';
import type { CommandOutput, RequestCommand, RuleTrees } from '../engine/port.ts';
import { isTerminal } from '../engine/tasks/transitions.ts';
import { isServerTopic } from '../engine/topics/topics.ts';
import type { FinishedTask, TenantStore } from '../store/port.ts';
import type { BlobTransfers } from './blobs.ts';
import type { DocumentIndex } from './document-index.ts';
import type { Documents } from './documents.ts';
import type { Hub } from './hub.ts';
import type { Inspections } from './inspections.ts';
import { tooManyInspections, unserved } from './observing.ts';
import type { Principal, Reply, RequestIn } from './port.ts';
import { Progress } from './progress.ts';
import { DAMAGED } from './read-parts.ts';
import { read } from './reads.ts';
import { missedOn } from './missed.ts';
import type { Found, Prepared } from './text-work.ts';
import { refusePublish } from './seeing.ts';
import { foresee } from './schedules.ts';
import { packSaid } from './talk.ts';
import type { Tenant } from './tenant.ts';

export interface MintedKey {
  readonly keyId: string;
  readonly key: string;
  readonly hash: string;
}

/** As the schema has let it in. */
function backupOf(params: Value): Params['backup.create'] {
  const keep = isMap(params) ? params['keep'] : undefined;
  return typeof keep === 'number' ? { keep } : {};
}

/** Null, as in `rule.update`: none. */
export type RuleSources = { readonly [P in RulePart]?: string | null };

/** What the composition root gives: who may do what, how keys are drawn, how rules are read. */
export interface Access {
  authorise(principal: Principal, method: Method, params: Value): Rejection | undefined;
  mintKey(tenant: string): MintedKey;
  /** Checks the expressions of a rule and makes trees of them, which the engine evaluates. */
  compileRule(sources: RuleSources): Result<RuleTrees, Rejection>;
}

export const LATE = 'This node is behind the others: come again, best to another one.';

export type Answer = (reply: Reply) => void;

/** Runs what belongs to the system tenant's log. */
export interface SystemPort {
  createTenant(asked: { readonly id: string; readonly by: string; readonly dedupe: string }, done: Answer): void;
  /** Why no key can be made for a tenant now. */
  refuseKey(tenant: string): Rejection | undefined;
  /** Makes a key the administrator's of a tenant; `done` when that is durable. */
  installKey(tenant: string, key: MintedKey, done: (fault: Rejection | undefined) => void): void;
  listTenants(asked: Params['tenant.list']): Reply;
  backup(asked: Params['backup.create'], done: Answer): void;
  listJobs(): Reply;
  listNodes(): Reply;
  /** Whether the key of this id and hash is an operator's. */
  isOperator(key: { readonly id: string; readonly secretHash: string } | undefined): boolean;
}

export interface RequestsParts {
  readonly tenant: Tenant;
  readonly hub: Hub;
  readonly store: TenantStore;
  readonly scheduler: Scheduler;
  readonly access: Access;
  /** Free space, where there is a disk. */
  readonly disk: () => { readonly freeBytes: number; readonly freePercent: number } | undefined;
  readonly system: SystemPort;
  readonly calendar: Calendar;
  readonly inspections: Inspections;
  readonly documents: Documents;
  readonly blobs: BlobTransfers;
  readonly index: DocumentIndex | undefined;
  readonly backlog: () => Backlog;
}

/** Blobs of one principal. */
export interface BlobsOf {
  put(params: Params['blob.put'], done: Answer): void;
  /** Whoever sends some of it says so by `sent`. */
  read(params: Pick<Params['blob.get'], 'sha256' | 'documentId'>, done: (found: Found<Uint8Array>) => void): void;
  sent(bytes: number): void;
}

/** Whose requests these are, and what is waiting. */
export interface Caller {
  readonly session: string;
  readonly principal: Principal;
  readonly queue: (() => void)[];
  preparing: boolean;
}

export class Requests {
  readonly #parts: RequestsParts;
  readonly #progress: Progress;
  /** Methods that need more than their entry in the log; true: taken care of. */
  readonly #special: { readonly [M in Method]?: (caller: Caller, request: RequestIn, done: Answer) => boolean } = {
    'apiKey.create': (caller, request, done) => this.#createKey(caller, request, done),
    'apiKey.revoke': (_caller, request, done) => this.#keepOperator(request, done),
    'rule.add': (caller, request, done) => this.#compileRule(caller, request, done),
    'rule.update': (caller, request, done) => this.#compileRule(caller, request, done),
    'document.create': (caller, request, done) => {
      const params = request.params as Params['document.create'];
      return this.#withText(
        caller,
        { request, prepare: (made) => this.#parts.documents.create(caller.principal, params, made) },
        done,
      );
    },
    'document.update': (caller, request, done) => {
      const params = request.params as Params['document.update'];
      return this.#withText(
        caller,
        { request, prepare: (made) => this.#parts.documents.update(caller.principal, params, made) },
        done,
      );
    },
    'document.resolve': (caller, request, done) => {
      const params = request.params as Params['document.resolve'];
      return this.#withText(
        caller,
        { request, prepare: (made) => this.#parts.documents.resolve(caller.principal, params, made) },
        done,
      );
    },
    'document.restore': (caller, request, done) => {
      const params = request.params as Params['document.restore'];
      return this.#withText(caller, { request, prepare: (made) => this.#parts.documents.restore(params, made) }, done);
    },
    'document.snapshot': (caller, request, done) => {
      const params = request.params as Params['document.snapshot'];
      return this.#withText(caller, { request, prepare: (made) => this.#parts.documents.snapshot(params, made) }, done);
    },
    'comment.create': (caller, request, done) => {
      const params = request.params as Params['comment.create'];
      return this.#withText(caller, { request, prepare: (made) => this.#parts.documents.comment(params, made) }, done);
    },
    'section.update': (caller, request, done) => {
      const params = request.params as Params['section.update'];
      const prepare = (made: (prepared: Prepared<Data>) => void): void =>
        this.#parts.documents.updateSection(caller.principal, params, made);
      return this.#withText(caller, { request, prepare }, done);
    },
    'tenant.create': (caller, request, done) => this.#createTenant(caller, request, done),
    'tenant.mend': (caller, request, done) => this.#mend(caller, request, done),
    'task.retry': (caller, request, done) => this.#retry(caller, request, done),
    'deadLetter.edit': (caller, request, done) => this.#withArchived(caller, request, done),
    'deadLetter.replay': (caller, request, done) => this.#withArchived(caller, request, done),
    'deadLetter.discard': (caller, request, done) => this.#withArchived(caller, request, done),
    'schedule.create': (caller, request, done) => this.#foresee(caller, request, done),
    'schedule.update': (caller, request, done) => this.#foresee(caller, request, done),
    'schedule.resume': (caller, request, done) => this.#foresee(caller, request, done),
    'task.progress': (caller, request, done) => this.#hold(caller, request, done),
    'topic.publish': (caller, request, done) => this.#ephemeral(caller, request, done),
    'topic.subscribe': (caller, request, done) => this.#subscribe(caller, request, done),
  };

  constructor(parts: RequestsParts) {
    this.#parts = parts;
    this.#progress = new Progress(parts.tenant, parts.scheduler);
  }

  stop(): void {
    this.#progress.stop();
  }

  request(caller: Caller, request: RequestIn, done: Answer): void {
    const { access, tenant, scheduler } = this.#parts;
    const refused = access.authorise(caller.principal, request.method, request.params);
    if (refused !== undefined) return scheduler.defer(() => done({ ok: false, rejection: refused }));
    if (!tenant.serving) return scheduler.defer(() => done(unavailable('The tenant is not served now.')));
    if (isRead(request.method)) {
      return this.#read(caller, { method: request.method, params: request.params }, done);
    }
    this.inOrder(caller, () => this.#write(caller, request, done));
  }

  #read(
    caller: Caller,
    { method, params }: { readonly method: ReadMethod; readonly params: Value },
    done: Answer,
  ): void {
    const { system, scheduler } = this.#parts;
    const ofServer = (reply: Reply): void => done(this.#here(reply));
    if (method === 'tenant.list') scheduler.defer(() => ofServer(system.listTenants(params as Params['tenant.list'])));
    else if (method === 'backup.create') system.backup(backupOf(params), ofServer);
    else if (method === 'job.list') scheduler.defer(() => ofServer(system.listJobs()));
    else if (method === 'node.list') scheduler.defer(() => ofServer(system.listNodes()));
    else if (method === 'blob.put') this.#putBlob(caller.principal, params as Params['blob.put'], done);
    else read({ ...this.#parts, caller }, { method, params }, done);
  }

  /** What is answered of the server, or was decided in another log: positions of the caller are those of its own. */
  #here(reply: Reply): Reply {
    return reply.ok ? { ...reply, rev: this.#parts.tenant.engine.state.rev } : reply;
  }

  /** No write to the log, and more on the disk all the same. */
  #putBlob(principal: Principal, params: Params['blob.put'], done: Answer): void {
    const { tenant, blobs, scheduler } = this.#parts;
    const refused = this.#diskFull('blob.put');
    if (refused !== undefined) return scheduler.defer(() => done(refused));
    blobs.put(principal, params, (put) => {
      const { rev } = tenant.engine.state;
      scheduler.defer(() => done(put.ok ? { ok: true, rev, result: put.params } : put));
    });
  }

  /** The same of whoever has no session. */
  blobs(principal: Principal): BlobsOf {
    const { access, tenant, blobs } = this.#parts;
    const refused = (method: 'blob.put' | 'blob.get', params: Value): Reply | undefined => {
      const rejection = access.authorise(principal, method, params);
      if (rejection !== undefined) return { ok: false, rejection };
      return tenant.serving ? undefined : unavailable('The tenant is not served now.');
    };
    return {
      put: (params, done) => {
        const reply = refused('blob.put', { ...params });
        if (reply === undefined) this.#putBlob(principal, params, done);
        else done(reply);
      },
      read: (params, done) => {
        const reply = refused('blob.get', { ...params });
        if (reply === undefined || reply.ok) blobs.read(principal, params, done);
        else done(reply);
      },
      sent: (bytes) => blobs.sent(bytes),
    };
  }

  #write(caller: Caller, request: RequestIn, done: Answer): void {
    const refused = this.#diskFull(request.method) ?? this.#late(request.method);
    if (refused !== undefined) return this.#parts.scheduler.defer(() => done(refused));
    if (this.#special[request.method]?.(caller, request, done) === true) return;
    this.#submit(caller, { request }, (output) => this.#answer(request, output, done));
  }

  /** `params`: what goes into the log, if more than the client sent; the hash is always of what the client sent. */
  #submit(
    caller: Caller,
    asked: { readonly request: RequestIn; readonly params?: Data },
    done: (output: CommandOutput) => void,
  ): void {
    const { method, id, ack, key, params, hash } = asked.request;
    const command: RequestCommand = {
      kind: 'request',
      session: caller.session,
      id,
      // A key is good on any session and any encoding, so what it stands for is compared by structure.
      hash: key === undefined ? hash : valueHash([method, params]),
      ack: ack ?? 0,
      method: method as WriteMethod,
      params: (asked.params ?? params) as Value,
      ...(key === undefined ? undefined : { key }),
    };
    this.#parts.tenant.submit(command, done, asked.request.trace);
  }

  /** A task that has left memory is finished, which is what the caller is told. */
  #answer(request: RequestIn, output: CommandOutput, done: Answer): void {
    const { reply } = output;
    if (reply.ok || reply.rejection.code !== 'TASK_NOT_FOUND') return done(toReply(output));
    const { id } = request.params as { readonly id: string };
    this.#parts.store.getFinished(id, (found) => {
      if (found === 'damaged') return done(DAMAGED);
      if (found === undefined) return done(toReply(output));
      const details = { status: found.status };
      done({ ok: false, rejection: { code: 'INVALID_TRANSITION', message: `The task is ${found.status}.`, details } });
    });
  }

  #diskFull(method: Method): Reply | undefined {
    if (OPERATIONS[method].ends === true) return undefined;
    const disk = this.#parts.disk();
    if (disk === undefined) return undefined;
    if (disk.freeBytes >= LIMITS.diskFreeBytes && disk.freePercent >= LIMITS.diskFreePercent) return undefined;
    return unavailable('The disk is nearly full: new work is refused, ends of work are taken.');
  }

  /** What another node may take sooner; ends of work are taken all the same. */
  #late(method: Method): Reply | undefined {
    return this.#parts.tenant.isLate && OPERATIONS[method].ends !== true ? unavailable(LATE) : undefined;
  }

  #createKey(caller: Caller, request: RequestIn, done: Answer): boolean {
    const { access, tenant, system, scheduler } = this.#parts;
    const asked = request.params as Params['apiKey.create'];
    const refused = asked.tenant === undefined ? undefined : system.refuseKey(asked.tenant);
    if (refused !== undefined) {
      scheduler.defer(() => done({ ok: false, rejection: refused }));
      return true;
    }
    const minted = access.mintKey(asked.tenant ?? tenant.id);
    this.#submit(caller, { request, params: { ...asked, keyId: minted.keyId, secretHash: minted.hash } }, (output) => {
      const reply = toReply(output);
      const created = reply.ok ? (reply.result as { readonly id: string }).id : undefined;
      if (!reply.ok || created !== minted.keyId) return done(reply);
      const shown: Reply = { ...reply, result: { id: created, key: minted.key } };
      if (asked.tenant === undefined) return done(shown);
      system.installKey(asked.tenant, minted, (fault) =>
        done(fault === undefined ? shown : { ok: false, rejection: fault }),
      );
    });
    return true;
  }

  /** A faulty rule does not reach the log. */
  #compileRule(caller: Caller, request: RequestIn, done: Answer): boolean {
    const { access, scheduler } = this.#parts;
    const asked = isMap(request.params) ? request.params : {};
    const compiled = access.compileRule(sourcesOf(asked));
    if (compiled.ok) {
      this.#submit(caller, { request, params: { ...asked, trees: compiled.value } }, (output) => done(toReply(output)));
    } else scheduler.defer(() => done({ ok: false, rejection: compiled.error }));
    return true;
  }

  /** No method makes an operator's key, so the server would be without one for good. */
  #keepOperator(request: RequestIn, done: Answer): boolean {
    const { tenant, system, scheduler } = this.#parts;
    const id = isMap(request.params) ? request.params['id'] : undefined;
    if (typeof id !== 'string' || !system.isOperator(tenant.engine.state.apiKeys.get(id))) return false;
    const rejection = { code: 'INVALID_TRANSITION', message: "The operator's key cannot be revoked." } as const;
    scheduler.defer(() => done({ ok: false, rejection }));
    return true;
  }

  #createTenant(caller: Caller, request: RequestIn, done: Answer): boolean {
    const { id } = request.params as Params['tenant.create'];
    const by = caller.principal.id;
    const asked = { id, by, dedupe: this.#nameOf(caller, request) };
    this.#parts.system.createTenant(asked, (reply) => done(this.#here(reply)));
    return true;
  }

  /** What is the same when a request that the caller's own log does not remember is asked again. */
  #nameOf(caller: Caller, request: RequestIn): string {
    const { tenant, access } = this.#parts;
    if (request.key !== undefined) return `${tenant.id} ${caller.principal.id}\n${request.key}`;
    // Without an id nobody can ask again: each is a request of its own.
    return `${tenant.id} ${caller.session} ${request.id === 0 ? access.mintKey(tenant.id).keyId : request.id}`;
  }

  /** P1. Runs it when all that the session asked before has gone to the log. */
  inOrder(caller: Caller, run: () => void): void {
    if (caller.preparing) caller.queue.push(run);
    else run();
  }

  /** P1 */
  #prepared(caller: Caller): void {
    caller.preparing = false;
    while (!caller.preparing && caller.queue.length > 0) caller.queue.shift()?.();
  }

  #retry(caller: Caller, request: RequestIn, done: Answer): boolean {
    const { tenant } = this.#parts;
    const params = request.params as Params['task.retry'];
    const task = tenant.engine.state.tasks.get(params.id);
    return (task === undefined || isTerminal(task.status)) && this.#withArchived(caller, request, done);
  }

  /** The archive has every task that has ended, also while it is in memory: by its turn in the log it may not be any more. */
  #withArchived(caller: Caller, request: RequestIn, done: Answer): boolean {
    const { store } = this.#parts;
    const { params } = request;
    const id = isMap(params) ? params['id'] : undefined;
    if (!isMap(params) || typeof id !== 'string') return false;
    caller.preparing = true;
    store.getFinished(id, (found) => {
      if (found === 'damaged') done(DAMAGED);
      else {
        const prepared = found === undefined ? params : { ...params, archived: archivedFor(request.method, found) };
        this.#submit(caller, { request, params: prepared }, (output) => done(toReply(output)));
      }
      this.#prepared(caller);
    });
    return true;
  }

  /** P1. Texts are durable before the entry that names them. */
  #withText(
    caller: Caller,
    asked: {
      readonly request: RequestIn;
      readonly prepare: (made: (prepared: Prepared<Data>) => void) => void;
    },
    done: Answer,
  ): boolean {
    const { scheduler } = this.#parts;
    caller.preparing = true;
    asked.prepare((prepared) => {
      if (prepared.ok) {
        this.#submit(caller, { request: asked.request, params: prepared.params }, (output) => {
          prepared.release();
          done(toReply(output));
        });
      } else scheduler.defer(() => done({ ok: false, rejection: prepared.rejection }));
      this.#prepared(caller);
    });
    return true;
  }

  /** Faults are looked for here, in slices, and not by the command, which would hold everybody up as long as that takes. */
  #mend(caller: Caller, request: RequestIn, done: Answer): boolean {
    const { tenant, inspections, scheduler } = this.#parts;
    const faults: { code: FindingCode; entity: string }[] = [];
    let left = 0;
    const taken = inspections.run({
      tenant,
      finding: ({ code, entity, mendable }) => {
        if (mendable && faults.length < LIMITS.mendMax) faults.push({ code, entity });
        else left += 1;
      },
      done: (outcome) => {
        if (outcome === 'halted') done(unserved());
        else {
          const params = { ...(isMap(request.params) ? request.params : {}), found: { faults, left } };
          this.#submit(caller, { request, params }, (output) => done(toReply(output)));
        }
        this.#prepared(caller);
      },
    });
    if (taken) caller.preparing = true;
    else scheduler.defer(() => done(tooManyInspections()));
    return true;
  }

  /** An expression that is wrong, or never comes true, is refused here: the engine does not read it. */
  #foresee(caller: Caller, request: RequestIn, done: Answer): boolean {
    const found = foresee(this.#parts, request);
    if (found === undefined) return false;
    if ('code' in found) this.#parts.scheduler.defer(() => done({ ok: false, rejection: found }));
    else {
      const params = { ...(isMap(request.params) ? request.params : undefined), foreseen: found };
      this.#submit(caller, { request, params }, (output) => done(toReply(output)));
    }
    return true;
  }

  #hold(caller: Caller, request: RequestIn, done: Answer): boolean {
    const early = this.#progress.hold(caller.session, request);
    if (early !== undefined) this.#parts.scheduler.defer(() => done(early));
    return early !== undefined;
  }

  #ephemeral(caller: Caller, request: RequestIn, done: Answer): boolean {
    const { topic, data, kind } = request.params as Params['topic.publish'];
    if (kind !== 'ephemeral') return false;
    const { hub, tenant, scheduler } = this.#parts;
    if (isServerTopic(tenant.engine.state, topic)) {
      const rejection = { code: 'UNAUTHORIZED', message: 'Only the server publishes on this topic.' } as const;
      scheduler.defer(() => done({ ok: false, rejection }));
      return true;
    }
    const refused = refusePublish(tenant.engine.state, caller.principal, topic);
    if (refused !== undefined) {
      scheduler.defer(() => done(refused));
      return true;
    }
    const from = caller.principal.id;
    const { members, talk } = tenant.log;
    if (members !== undefined && talk?.say(packSaid({ topic, data, from })) !== true) {
      scheduler.defer(() => done(unavailable('Other nodes cannot be reached now.')));
      return true;
    }
    scheduler.defer(() => {
      hub.message(topic, { data, from });
      const { rev } = tenant.engine.state;
      done({ ok: true, rev, result: { rev } });
    });
    return true;
  }

  /** With `since`, what was published between it and the subscription comes with the answer. */
  #subscribe(caller: Caller, request: RequestIn, done: Answer): boolean {
    const { topic, since } = request.params as Params['topic.subscribe'];
    if (since === undefined) return false;
    this.#submit(caller, { request }, (output) => {
      const reply = toReply(output);
      if (!reply.ok) return done(reply);
      // As it was decided: in the same entry the subscription may have ended, and another begun.
      const result = reply.result as Results['topic.subscribe'];
      missedOn({ ...this.#parts, caller }, { topic, since, upTo: result.from ?? output.rev }, (missed) =>
        done({ ...reply, result: { ...result, ...missed } }),
      );
    });
    return true;
  }
}

/** Of a letter that is thrown away nothing more is wanted. */
function archivedFor(method: Method, { id, status, dead, finishedAt, view }: FinishedTask): Value {
  return method === 'deadLetter.discard' ? { id, status, dead, finishedAt } : decodeValue(view);
}

function sourcesOf(rule: ValueMap): RuleSources {
  const sources: { [P in RulePart]?: string | null } = {};
  for (const part of RULE_PARTS) {
    const source = rule[part];
    if (typeof source === 'string' || source === null) sources[part] = source;
  }
  return sources;
}

export function toReply(output: CommandOutput): Reply {
  const { reply, rev } = output;
  return reply.ok ? { ok: true, rev, result: reply.result } : reply;
}

export function unavailable(message: string): Reply {
  return { ok: false, rejection: { code: 'UNAVAILABLE', message, retryAfterMs: 1_000 } };
}
