/**
 * The one way in which stored entries are believed: in order, undamaged, each chained to the one before.
 *
 * V1 A missing or repeated seq is GAP, damaged bytes are CORRUPT, intact bytes that do not continue the chain FORK.
 * V2 After a fault a cursor is not used again.
 */
import { chainBytes, Chainer, EnvelopeKind, sameBytes, unseal } from './envelope.ts';
import { LogFault, type LogEntry } from './port.ts';

/** An entry as a driver stores it. */
export interface StoredEntry {
  readonly seq: number;
  /** Envelope, kind entry. */
  readonly bytes: Uint8Array;
  readonly chain: Uint8Array;
}

/** Where a walk over the log stands: after the entry `seq`. */
export interface Position {
  readonly seq: number;
  readonly chain: Uint8Array;
  readonly ts: number;
  readonly epoch: number;
}

export class VerifyingCursor {
  readonly #tenant: string;
  readonly #chainer = new Chainer();
  #at: Position;

  constructor(tenant: string, after: Position) {
    this.#tenant = tenant;
    this.#at = after;
  }

  get at(): Position {
    return this.#at;
  }

  /** The entry that must be the next one. */
  next(stored: StoredEntry): LogEntry | LogFault {
    const { seq, chain, ts, epoch } = this.#at;
    if (stored.seq !== seq + 1) return this.#fault('GAP', `entry ${seq + 1} is missing, ${stored.seq} follows ${seq}`);
    const opened = unseal(EnvelopeKind.entry, stored.bytes);
    if (!opened.ok) return this.#fault(opened.error, `the bytes of entry ${stored.seq} cannot be read`);
    const { value } = opened;
    if (stored.chain.length !== chainBytes || !sameBytes(stored.chain, this.#chainer.next(chain, stored.bytes))) {
      return this.#fault('FORK', `entry ${stored.seq} does not continue entry ${seq}`);
    }
    if (value.ts < ts || value.epoch < epoch) {
      return this.#fault('CORRUPT', `entry ${stored.seq} is stamped before entry ${seq}`);
    }
    this.#at = { seq: stored.seq, chain: stored.chain, ts: value.ts, epoch: value.epoch };
    return { seq: stored.seq, epoch: value.epoch, ts: value.ts, payload: value.payload, chain: stored.chain };
  }

  #fault(name: LogFault['fault'], what: string): LogFault {
    return new LogFault(name, `log of tenant ${this.#tenant}: ${what}`);
  }
}

/** What a log knows of the place where a tail wants to begin. */
export interface Span {
  /** Everything up to here was trimmed. */
  readonly baseSeq: number;
  readonly headSeq: number;
  /** The chain after entry `from.seq`, if that entry or the base is there. */
  readonly chain: Uint8Array | undefined;
}

/** Why a reader that has applied everything up to `from` cannot go on in this log. */
export function startFault(
  tenant: string,
  from: { readonly seq: number; readonly chain?: Uint8Array },
  span: Span,
): LogFault | undefined {
  const where = `log of tenant ${tenant}`;
  if (from.seq < span.baseSeq) {
    return new LogFault(
      'GAP',
      `${where}: entry ${from.seq + 1} was trimmed, the first one there is ${span.baseSeq + 1}`,
    );
  }
  if (from.seq > span.headSeq) {
    return new LogFault('TRUNCATED', `${where} ends at ${span.headSeq}, but ${from.seq} was already applied`);
  }
  if (span.chain === undefined) return new LogFault('GAP', `${where}: entry ${from.seq} is missing`);
  if (from.chain !== undefined && !sameBytes(from.chain, span.chain)) {
    return new LogFault('FORK', `${where}: entry ${from.seq} is not the one that was applied`);
  }
  return undefined;
}
