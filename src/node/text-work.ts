/**
 * Texts as the methods of documents need them: read, worked upon, and made durable before a command names them.
 *
 * ND3 What was put is held until its entry is applied or will never be, and so is what a version has that the store alone names; what an edit
 *     leaves as it was is named by its base, without which the edit is refused.
 * ND4 An edit is given to the log only with so many sections as a document may have.
 */
import type { Rejection } from '../../protocol/wire/codes.ts';
import type { SentText } from '../../protocol/wire/documents.ts';
import { MARKDOWN } from '../../protocol/wire/documents.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { must } from '../base/assert.ts';
import type { InputOf, NoResult, ResultOf, WorkName } from '../documents/jobs.ts';
import type { Identified, Section } from '../documents/sections/identity.ts';
import type { PreparedText } from '../engine/port.ts';
import type { BlobRefusal } from '../store/blobs/port.ts';
import type { BlobTransfers } from './blobs.ts';
import type { Principal } from './port.ts';
import type { Texts } from './texts.ts';

interface Refused {
  readonly ok: false;
  readonly rejection: Rejection;
}
export type Found<P> = { readonly ok: true; readonly params: P } | Refused;
export type Done<P> = (found: Found<P>) => void;
/** ND3. `release`: to be called when the command has its outcome. */
export type Prepared<P> = { readonly ok: true; readonly params: P; readonly release: () => void } | Refused;
export type Ready<P> = (prepared: Prepared<P>) => void;

export const LOST: Rejection = { code: 'INTERNAL', message: 'A text is missing or damaged where texts are kept.' };
export const REFUSED: { readonly [K in BlobRefusal['kind']]: Rejection } = {
  full: { code: 'UNAVAILABLE', message: 'There is no room for the text.', retryAfterMs: 1_000 },
  busy: { code: 'UNAVAILABLE', message: 'Too many texts wait to be written.', retryAfterMs: 1_000 },
  away: { code: 'UNAVAILABLE', message: 'Where texts are kept cannot be reached now.', retryAfterMs: 1_000 },
};
export const NO_TEXTS: Rejection = { code: 'UNAVAILABLE', message: 'This server keeps no texts.' };
const WORKLESS: Rejection = { code: 'UNAVAILABLE', message: 'Too much is done upon texts now.', retryAfterMs: 1_000 };
const NO_RESULT: { readonly [R in NoResult]: Rejection } = {
  BUSY: WORKLESS,
  CLOSED: WORKLESS,
  TIMEOUT: { code: 'TOO_LARGE', message: 'Work upon the text takes too long.', details: { reason: 'timeout' } },
  MEMORY: { code: 'TOO_LARGE', message: 'Work upon the text takes too much memory.', details: { reason: 'memory' } },
};
const NOT_PUT: Rejection = { code: 'NOT_FOUND', message: 'The blob was not put, or that was too long ago.' };
const MANY_SECTIONS: Rejection = {
  code: 'LIMIT_EXCEEDED',
  message: `A document has at most ${LIMITS.documentSectionsMax} sections.`,
};

/** Told of texts, or, if they are undefined, why they are not there. */
export type Told<T> = (found: T | undefined, why: Rejection) => void;

export const formOf = (type: string): 'markdown' | 'plain' => (type === MARKDOWN ? 'markdown' : 'plain');
export const none = (): void => undefined;
/** As much of a heading as is shown. */
const shown = (heading: string): string => heading.slice(0, LIMITS.nameBytes).replace(/[\uD800-\uDBFF]$/u, '');
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export function wrong(path: string, reason: string): Rejection {
  return { code: 'INVALID_PARAMS', message: `${path}: ${reason}`, details: [{ path, reason }] };
}

/** A section as a state has it. */
export interface SectionOf {
  readonly sid: string;
  readonly heading: string;
  readonly level: number;
  readonly sha256: string;
  readonly bytes: number;
  readonly open?: true;
}

/** A section with its text, and what is kept of that. */
export interface Loaded extends Section {
  readonly sha256: string;
  readonly bytes: number;
  readonly open?: true;
}

/** A text and the version that it is beside. */
interface Asked {
  readonly base: { readonly sections: readonly Loaded[]; readonly nextNumber: number };
  readonly version: number;
  readonly text: string;
  readonly form: 'markdown' | 'plain';
  readonly sectionId?: string | undefined;
}

/** How many bytes a text has at most that came with a request. */
export function bytesOf({ content, blob }: SentText): number {
  return blob === undefined ? 3 * (content?.length ?? 0) : LIMITS.documentBytes;
}

export interface TextWorkParts {
  readonly tenant: string;
  readonly texts: Texts | undefined;
  readonly blobs: BlobTransfers;
}

export class TextWork {
  readonly #parts: TextWorkParts;

  constructor(parts: TextWorkParts) {
    this.#parts = parts;
  }

  /** NT1: runs `begin` with room for texts of so many bytes, which is given back when `begin` is done. */
  within<P>(
    bytes: number,
    done: (outcome: P | Refused) => void,
    begin: (done: (outcome: P | Refused) => void) => void,
  ): void {
    const { texts } = this.#parts;
    if (texts === undefined) return done({ ok: false, rejection: NO_TEXTS });
    const giveBack = texts.room.take(bytes);
    if (giveBack === undefined) return done({ ok: false, rejection: WORKLESS });
    begin((outcome) => {
      giveBack();
      done(outcome);
    });
  }

  /** The text that came with a request, or that its blob has. */
  sent(principal: Principal, { content, blob }: SentText, done: Done<string>): void {
    if (blob === undefined) return done({ ok: true, params: content ?? '' });
    const { texts, tenant, blobs } = this.#parts;
    if (texts === undefined) return done({ ok: false, rejection: NO_TEXTS });
    blobs.owned({ principal, sha256: blob }, (owned) => {
      if (!owned.ok) return done(owned);
      if (!owned.params) return done({ ok: false, rejection: NOT_PUT });
      texts.get(tenant, blob, (got) => {
        if (got.kind === 'found') done({ ok: true, params: decoder.decode(got.data) });
        else if (got.kind === 'absent') done({ ok: false, rejection: NOT_PUT });
        else done({ ok: false, rejection: got.kind === 'away' ? REFUSED.away : LOST });
      });
    });
  }

  /** The text of each, in their order; undefined: one is lost, or cannot be had now. */
  texts(hashes: readonly string[], done: Told<readonly string[]>): void {
    const { texts, tenant } = this.#parts;
    const found: string[] = [];
    const next = (): void => {
      const sha256 = hashes[found.length];
      if (sha256 === undefined) return done(found, LOST);
      if (texts === undefined) return done(undefined, NO_TEXTS);
      texts.get(tenant, sha256, (got) => {
        if (got.kind !== 'found') return done(undefined, got.kind === 'away' ? REFUSED.away : LOST);
        found.push(decoder.decode(got.data));
        next();
      });
    };
    next();
  }

  load(sections: readonly SectionOf[], done: Told<readonly Loaded[]>): void {
    this.texts(
      sections.map(({ sha256 }) => sha256),
      (texts, why) =>
        done(
          texts === undefined
            ? undefined
            : sections.map(({ sid, heading, level, sha256, bytes, open }, place) => ({
                id: sid,
                heading,
                level,
                sha256,
                bytes,
                text: texts[place] ?? '',
                ...(open === undefined ? {} : { open }),
              })),
          why,
        ),
    );
  }

  /** ND3: of texts that are there. */
  hold(
    sections: readonly SectionOf[],
    done: (held: { readonly ok: true; readonly release: () => void } | Refused) => void,
  ): void {
    const { texts, tenant } = this.#parts;
    if (texts === undefined) return done({ ok: false, rejection: NO_TEXTS });
    const hashes = [...new Set(sections.map(({ sha256 }) => sha256))];
    texts.given.blobs.hold(tenant, hashes, (outcome) => {
      if (outcome.kind === 'held') done({ ok: true, release: () => outcome.release() });
      else done({ ok: false, rejection: outcome.kind === 'missing' ? LOST : REFUSED[outcome.kind] });
    });
  }

  work<N extends WorkName>(name: N, input: InputOf<N>, done: Done<ResultOf<N>>): void {
    const { texts } = this.#parts;
    if (texts === undefined) return done({ ok: false, rejection: NO_TEXTS });
    texts.given.run(name, input, (outcome) => {
      if (outcome.kind === 'done') done({ ok: true, params: outcome.result });
      else done({ ok: false, rejection: NO_RESULT[outcome.reason] });
    });
  }

  make({ base, version, text, form, sectionId }: Asked, done: Ready<PreparedText>): void {
    const section = sectionId === undefined ? undefined : { section: sectionId };
    const plain: Identified = {
      sections: base.sections.map(({ id, heading, level, text: had }) => ({ id, heading, level, text: had })),
      nextNumber: base.nextNumber,
    };
    this.work('edit', { base: plain, text, form, ...section }, (worked) => {
      if (!worked.ok) return done(worked);
      const { params: result } = worked;
      if (!result.ok)
        return done({ ok: false, rejection: wrong(sectionId === undefined ? 'content' : 'sectionId', result.error) });
      const { document, alone, open, under } = result.value;
      if (document.sections.length > LIMITS.documentSectionsMax) return done({ ok: false, rejection: MANY_SECTIONS }); // ND4
      const texts = new Map(document.sections.map((made) => [made.id, made.text]));
      this.#keep(base.sections, document.sections, (kept) => {
        if (!kept.ok) return done(kept);
        const { release } = kept;
        const was = base.sections.filter((had) => had.open === true && texts.get(had.id) === had.text);
        const joints = { open: new Set([...open, ...was.map(({ id }) => id)]), under: new Set(under) };
        const sections = kept.params.map((one) => ({
          ...one,
          ...(joints.open.has(one.sid) ? { open: true as const } : undefined),
          ...(joints.under.has(one.sid) ? { under: true as const } : undefined),
        }));
        done({ ok: true, params: { base: version, sections, nextNumber: document.nextNumber, alone }, release });
      });
    });
  }

  /** Puts what is new, all at once. */
  #keep(base: readonly Loaded[], made: readonly Section[], done: Ready<PreparedText['sections']>): void {
    const { texts, tenant } = this.#parts;
    const names = new Map(base.map(({ text, sha256, bytes }) => [text, { sha256, bytes }]));
    const fresh = [...new Set(made.map(({ text }) => text))].filter((text) => !names.has(text));
    const finish = (release: () => void): void => {
      const sections = made.map(({ id: sid, heading, level, text }) => ({
        sid,
        heading: shown(heading),
        level,
        ...must(names.get(text), 'each text has a name'),
      }));
      done({ ok: true, params: sections, release });
    };
    if (fresh.length === 0) return finish(none);
    if (texts === undefined) return done({ ok: false, rejection: NO_TEXTS });
    const bytes = fresh.map((text) => encoder.encode(text));
    texts.given.blobs.put(tenant, bytes, (outcome) => {
      if (outcome.kind !== 'stored') return done({ ok: false, rejection: REFUSED[outcome.kind] });
      for (const [place, text] of fresh.entries()) {
        const sha256 = must(outcome.hashes[place], 'a name for each');
        names.set(text, { sha256, bytes: must(bytes[place], 'the bytes of each').length });
      }
      finish(() => outcome.release());
    });
  }
}
