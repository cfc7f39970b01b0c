/**
 * Requests that must reach the server, however often the connection or the process breaks.
 *
 * Owns: the journal's port and the order "store, send, forget when answered".
 * Does not own: the file (outbox-file.ts), sending again (requests.ts).
 *
 * O1 A request is forgotten only after a final answer; until then it is sent again, on every session.
 * O2 Storing and sending go on side by side: a process that dies loses the request only if neither the disk nor the
 *    server had it yet, which is a shorter time than waiting for the disk would leave.
 * O3 A stored request carries an idempotency key, so that the process after this one gets the first outcome. What is
 *    not stored and names the token of an assignment needs none: the token makes a repeat harmless.
 */
import { isMethod, OPERATIONS, type WriteMethod } from '../../protocol/wire/operations.ts';
import type { Value } from '../../protocol/wire/types.ts';
import type { ClientCore, Pending, Reply } from './core.ts';
import type { MusterError } from './errors.ts';

export interface StoredRequest {
  readonly key: string;
  readonly method: string;
  readonly params: Value;
}

/** Memory that outlives the process. */
export interface Journal {
  /** What an earlier process stored and did not see answered, in the order of storing. */
  readonly stored: readonly StoredRequest[];
  /** Takes the request at once; it is durable when a later `flushed` calls back. Never throws. */
  put(request: StoredRequest): void;
  /** The request was answered. */
  drop(key: string): void;
  /** Calls back when all that was put is durable, or can no longer become so. */
  flushed(done: () => void): void;
  /** Flushes and releases. */
  close(done: () => void): void;
}

export interface OutboxCall {
  readonly method: WriteMethod;
  readonly params: Value;
  /** Without one: drawn if the request is stored. */
  readonly key?: string;
  readonly deadlineMs?: number;
  /** Of the trace that is under way; it is not stored. */
  readonly traceparent?: string;
  /** Only whether it was done matters, not what the answer says. */
  readonly discard?: boolean;
  readonly done: (reply: Reply) => void;
}

export class Outbox {
  readonly #core: ClientCore;
  readonly #journal: Journal | undefined;

  constructor(core: ClientCore, journal: Journal | undefined) {
    this.#core = core;
    this.#journal = journal;
  }

  /** What an earlier process left. */
  get stored(): readonly StoredRequest[] {
    return this.#journal?.stored ?? [];
  }

  /** Sends again what an earlier process left; `done` gets each answer. */
  restore(done: (request: StoredRequest, reply: Reply) => void): void {
    for (const request of this.stored) {
      if (!isMethod(request.method)) {
        this.#journal?.drop(request.key);
        continue;
      }
      this.#core.request({
        method: request.method,
        params: request.params,
        key: request.key,
        urgent: true,
        done: (reply) => {
          this.#answered(request.key, reply);
          done(request, reply);
        },
      });
    }
  }

  send(call: OutboxCall): Pending | MusterError {
    const journal = this.#journal;
    const { method, params, done, deadlineMs, traceparent, discard = false } = call;
    const asked = { method, params, discard, deadlineMs, traceparent, urgent: true };
    if (journal === undefined) return this.#core.request({ ...asked, done, key: call.key ?? false });
    const key = call.key ?? this.#core.newKey(OPERATIONS[method].class !== 'hold');
    const accepted = this.#core.request({
      ...asked,
      key,
      done: (reply) => {
        this.#answered(key, reply);
        done(reply);
      },
    });
    if (!(accepted instanceof Error)) journal.put({ key, method, params });
    return accepted;
  }

  /** The end of the client is not an answer: the next process sends it again. */
  #answered(key: string, reply: Reply): void {
    if (reply.ok || reply.error.code !== 'CLIENT_CLOSED') this.#journal?.drop(key); // O1
  }
}
