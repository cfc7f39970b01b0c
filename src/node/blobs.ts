/**
 * Blobs that clients put and get: texts that are too large for a message.
 *
 * NB1 A blob is whole when all of it has come and is what its name says, and is text (UTF-8); then it is durable.
 * NB2 Who put it is written beside it, as a blob of its own, the _ticket_: its name follows from both, so that it is found by them. No text is a ticket:
 *     it begins with a byte that UTF-8 does not have. So nobody gets by its name alone what others have put, or learns that it is there.
 * NB3 Nothing names either until a document does, so both go a day later (store/blobs/sweep.ts); putting again, and asking, makes that a day from then.
 * NB4 What is in documents is read by those who may read a document that names it, in a version that the state or the store has.
 */
import type { BlobParams, BlobResults } from '../../protocol/wire/blobs.ts';
import type { Rejection } from '../../protocol/wire/codes.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { State } from '../engine/kernel/state.ts';
import { namedBy, readableDocument } from '../engine/queries.ts';
import type { BlobHash } from '../store/blobs/port.ts';
import type { VersionArchive } from '../store/port.ts';
import type { UploadOf, UploadRefusal } from '../store/uploads/port.ts';
import type { Principal } from './port.ts';
import { LOST, NO_TEXTS, REFUSED, wrong, type Done } from './text-work.ts';
import type { Texts } from './texts.ts';

const NO_UPLOADS: Rejection = { code: 'UNAVAILABLE', message: 'This server takes no blobs.' };
const ABSENT: Rejection = { code: 'NOT_FOUND', message: 'No such blob.' };
const BUSY: Rejection = { code: 'UNAVAILABLE', message: 'Too many blobs are read now.', retryAfterMs: 1_000 };
const UNREAD = { busy: BUSY, away: REFUSED.away, absent: LOST, lost: LOST } as const;
const UPLOAD_REFUSED: { readonly [K in UploadRefusal['kind']]: Rejection } = {
  full: REFUSED.full,
  busy: REFUSED.busy,
  many: {
    code: 'LIMIT_EXCEEDED',
    message: `At most ${LIMITS.uploadsMax} blobs may be on their way, ${LIMITS.uploadsOfPrincipalMax} of one principal.`,
  },
};

const encoder = new TextEncoder();
/** NB2 */
const NO_UTF8 = 0xff;

export interface BlobsParts {
  readonly tenant: string;
  readonly state: () => State;
  readonly texts: Texts | undefined;
  readonly archive: VersionArchive;
}

interface Asked {
  readonly principal: Principal;
  readonly sha256: BlobHash;
}

export class BlobTransfers {
  readonly #parts: BlobsParts;

  constructor(parts: BlobsParts) {
    this.#parts = parts;
  }

  put(principal: Principal, params: BlobParams['blob.put'], done: Done<BlobResults['blob.put']>): void {
    const { texts, tenant } = this.#parts;
    if (texts === undefined) return done({ ok: false, rejection: NO_TEXTS });
    const { sha256, bytes, offset, data } = params;
    texts.counts.receivedBytes += data.length;
    const of: UploadOf = { tenant, owner: principal.id, sha256, bytes };
    // The answer to the last piece may have been lost, and whoever begins may have put it before.
    const mayBeWhole = data.length === 0 || offset + data.length === bytes;
    if (!mayBeWhole) return this.#append(of, { offset, data }, done);
    this.owned({ principal, sha256 }, (owned) => {
      if (owned.ok && owned.params) done({ ok: true, params: { offset: bytes, complete: true } });
      else this.#append(of, { offset, data }, done);
    });
  }

  get(principal: Principal, params: BlobParams['blob.get'], done: Done<BlobResults['blob.get']>): void {
    const { offset = 0, limit = LIMITS.blobPieceBytes } = params;
    this.read(principal, params, (found) => {
      if (!found.ok) return done(found);
      const data = found.params.subarray(offset, offset + limit);
      this.sent(data.length);
      done({ ok: true, params: { bytes: found.params.length, offset, data } });
    });
  }

  /** So much of one is on its way to a client. */
  sent(bytes: number): void {
    const { texts } = this.#parts;
    if (texts !== undefined) texts.counts.sentBytes += bytes;
  }

  /** NB2, NB4. All of it; not to be changed. */
  read(
    principal: Principal,
    { sha256, documentId }: Pick<BlobParams['blob.get'], 'sha256' | 'documentId'>,
    done: Done<Uint8Array>,
  ): void {
    const { texts, tenant } = this.#parts;
    if (texts === undefined) return done({ ok: false, rejection: NO_TEXTS });
    this.#mayRead({ principal, sha256 }, documentId, (may) => {
      if (!may.ok) return done(may);
      if (!may.params) return done({ ok: false, rejection: ABSENT });
      texts.pieces.read(tenant, sha256, (got) => {
        if (got.kind === 'found') done({ ok: true, params: got.data });
        else done({ ok: false, rejection: UNREAD[got.kind] });
      });
    });
  }

  /** NB2, NB3: whether this principal put it, and it is still there; refused if that cannot be known now. */
  owned({ principal, sha256 }: Asked, done: Done<boolean>): void {
    const { texts, tenant } = this.#parts;
    if (texts === undefined) return done({ ok: false, rejection: NO_TEXTS });
    const ticket = hexOf(texts.sha256(ticketOf(principal, sha256)));
    texts.given.blobs.hold(tenant, [ticket, sha256], (outcome) => {
      if (outcome.kind === 'held') outcome.release();
      const known = outcome.kind === 'held' || outcome.kind === 'missing';
      if (known) done({ ok: true, params: outcome.kind === 'held' });
      else done({ ok: false, rejection: REFUSED[outcome.kind] });
    });
  }

  #mayRead(asked: Asked, documentId: string | undefined, done: Done<boolean>): void {
    if (documentId === undefined) return this.owned(asked, done);
    const state = this.#parts.state();
    const known = readableDocument(state, asked.principal, documentId);
    if ('ok' in known) return done({ ok: true, params: false });
    const { sha256 } = asked;
    if (isNamed(state, documentId, sha256)) return done({ ok: true, params: true });
    this.#parts.archive.named({ hashes: [sha256], document: documentId }, (named) =>
      done({ ok: true, params: named.has(sha256) }),
    );
  }

  #append(
    of: UploadOf,
    piece: { readonly offset: number; readonly data: Uint8Array },
    done: Done<BlobResults['blob.put']>,
  ): void {
    const uploads = this.#parts.texts?.given.uploads;
    if (uploads === undefined) return done({ ok: false, rejection: NO_UPLOADS });
    uploads.append(of, piece, (outcome) => {
      if (outcome.kind === 'at') return done({ ok: true, params: { offset: outcome.offset, complete: false } });
      if (outcome.kind !== 'whole') return done({ ok: false, rejection: UPLOAD_REFUSED[outcome.kind] });
      this.#finish(of, outcome.data, (fault) => {
        // What could not be stored stays, so that the last piece alone is sent again.
        if (fault?.code === 'UNAVAILABLE') return done({ ok: false, rejection: fault });
        uploads.forget(of, () => {
          if (fault !== undefined) done({ ok: false, rejection: fault });
          else done({ ok: true, params: { offset: of.bytes, complete: true } });
        });
      });
    });
  }

  /** NB1, NB2: the ticket last, so that it tells of what is durable and right. */
  #finish(of: UploadOf, data: Uint8Array, done: (fault: Rejection | undefined) => void): void {
    const { texts, tenant } = this.#parts;
    if (texts === undefined) return done(NO_TEXTS);
    if (!(texts.given.isUtf8 ?? isText)(data)) return done(wrong('data', 'is not UTF-8'));
    const { blobs } = texts.given;
    blobs.put(tenant, [data], (stored) => {
      if (stored.kind !== 'stored') return done(REFUSED[stored.kind]);
      if (stored.hashes[0] !== of.sha256) {
        stored.release();
        return done(wrong('sha256', 'is not that of the data'));
      }
      blobs.put(tenant, [ticketOf({ id: of.owner }, of.sha256)], (ticket) => {
        stored.release();
        if (ticket.kind !== 'stored') return done(REFUSED[ticket.kind]);
        ticket.release();
        done(undefined);
      });
    });
  }
}

/** NB2 */
function ticketOf(principal: Pick<Principal, 'id'>, sha256: BlobHash): Uint8Array {
  return Uint8Array.of(NO_UTF8, ...encoder.encode(`${sha256} ${principal.id}`));
}

/** The text itself is not wanted: it is decoded by whoever needs it. */
function isText(data: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(data);
    return true;
  } catch {
    return false;
  }
}

function isNamed(state: State, documentId: string, sha256: BlobHash): boolean {
  for (const named of namedBy(state, documentId)) if (named.sha256 === sha256) return true;
  return false;
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
