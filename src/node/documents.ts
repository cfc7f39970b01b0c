/**
 * Texts of documents on their way into the log and out of it.
 *
 * Owns: which sections an edit makes, and that their texts are durable before a command names them (text-work.ts). Does not own: whether it is
 * accepted (the engine).
 *
 * ND1 What a state refuses is refused by the engine, which remembers what it answered: so a request that is asked again is prepared
 *     as far as that is still possible, and sent.
 * ND2 Nothing here is asked of the state twice for one request: base, ids and texts are those of one moment. A text that was put as a blob is
 *     read before.
 */
import type { CommentParams } from '../../protocol/wire/comments.ts';
import { HTML, MARKDOWN, type ConflictSide, type DocumentParams } from '../../protocol/wire/documents.ts';
import { must } from '../base/assert.ts';
import { resolve } from '../documents/conflicts.ts';
import type { ResultOf } from '../documents/jobs.ts';
import type { State } from '../engine/kernel/state.ts';
import type { PreparedParams, PreparedText } from '../engine/port.ts';
import type { VersionArchive } from '../store/port.ts';
import { DAMAGED_VERSION, findSections, type FoundSections } from './archive.ts';
import type { BlobTransfers } from './blobs.ts';
import type { Principal } from './port.ts';
import {
  bytesOf,
  formOf,
  none,
  NO_TEXTS,
  REFUSED,
  TextWork,
  wrong,
  type Done,
  type Found,
  type Prepared,
  type Ready,
  type Told,
} from './text-work.ts';
import type { Texts } from './texts.ts';

export type { DocumentTexts } from './texts.ts';

export interface DocumentsParts {
  readonly tenant: string;
  readonly state: () => State;
  readonly texts: Texts | undefined;
  readonly blobs: BlobTransfers;
  readonly archive: VersionArchive;
}

const encoder = new TextEncoder();
const total = (sections: readonly { readonly bytes: number }[]): number =>
  sections.reduce((sum, { bytes }) => sum + bytes, 0);

/** Texts of a conflict, each about as large as the document. */
const SIDES = 3;

export type ConflictRecord = NonNullable<ReturnType<State['documentConflicts']['get']>>;
type KnownDocument = NonNullable<ReturnType<State['documents']['get']>>;

/** A document as it is, and a version of it. */
interface VersionOf {
  readonly known: KnownDocument;
  readonly wanted: FoundSections;
}

interface OpenConflict {
  readonly record: ConflictRecord;
  readonly known: KnownDocument;
}

/** Of each side of a conflict the texts of its sections. */
export type ConflictTexts = {
  readonly [S in ConflictSide]: readonly { readonly sha256: string; readonly bytes: number; readonly text: string }[];
};

export class Documents {
  readonly #parts: DocumentsParts;
  readonly work: TextWork;

  constructor(parts: DocumentsParts) {
    this.#parts = parts;
    this.work = new TextWork(parts);
  }

  create(
    principal: Principal,
    params: DocumentParams['document.create'],
    prepared: Ready<PreparedParams['document.create']>,
  ): void {
    const { content: _, blob: __, ...rest } = params;
    const form = formOf(params.type ?? MARKDOWN);
    this.work.within(bytesOf(params), prepared, (done) => {
      this.work.sent(principal, params, (text) => {
        if (!text.ok) return done(text);
        const asked = { base: { sections: [], nextNumber: 1 }, version: 0, text: text.params, form };
        this.work.make(asked, (made) => done(made.ok ? { ...made, params: { ...rest, text: made.params } } : made));
      });
    });
  }

  update(
    principal: Principal,
    params: DocumentParams['document.update'],
    prepared: Ready<PreparedParams['document.update']>,
  ): void {
    const { content: _, blob: __, ...rest } = params;
    this.#version(params, (of) => {
      if (of === undefined) return prepared({ ok: true, params: rest, release: none }); // ND1
      if ('ok' in of) return prepared(of);
      this.work.within(bytesOf(params) + total(of.wanted.sections), prepared, (done) => {
        this.work.sent(principal, params, (sent) => {
          if (!sent.ok) return done(sent);
          this.#update({ ...of, text: sent.params, sectionId: params.sectionId }, (made) =>
            done(made.ok ? { ...made, params: { ...rest, text: made.params } } : made),
          );
        });
      });
    });
  }

  #update(
    of: VersionOf & { readonly text: string; readonly sectionId: string | undefined },
    done: Ready<PreparedText>,
  ): void {
    const { known, wanted, text, sectionId } = of;
    const { nextNumber, type } = known;
    this.#held(wanted, done, (held) =>
      this.work.load(wanted.sections, (sections, why) => {
        if (sections === undefined) return held({ ok: false, rejection: why });
        const asked = { text, version: wanted.version, form: formOf(type), sectionId };
        this.work.make({ ...asked, base: { sections, nextNumber } }, (made) => {
          if (!made.ok || wanted.archived !== true) return held(made);
          const from = wanted.sections.map(({ sid, version, sha256 }) => ({ sid, version, sha256 }));
          held({ ...made, params: { ...made.params, from } });
        });
      }),
    );
  }

  /** ND3: runs `begin` while the texts of a version that the state does not name are held, and as long as what it prepared is. */
  #held<P>(wanted: FoundSections, done: Ready<P>, begin: (done: Ready<P>) => void): void {
    if (wanted.archived !== true) return begin(done);
    this.work.hold(wanted.sections, (held) => {
      if (!held.ok) return done(held);
      begin((made) => {
        if (!made.ok) held.release();
        done(
          made.ok
            ? {
                ...made,
                release: () => {
                  made.release();
                  held.release();
                },
              }
            : made,
        );
      });
    });
  }

  /** ND2. Undefined: there is no such document or version. */
  #version(
    asked: { readonly id: string; readonly version?: number; readonly snapshotId?: string },
    done: (found: VersionOf | Extract<Prepared<never>, { readonly ok: false }> | undefined) => void,
  ): void {
    const state = this.#parts.state();
    const known = state.documents.get(asked.id);
    if (known === undefined) return done(undefined);
    const { version, snapshotId } = asked;
    findSections({ state, archive: this.#parts.archive }, { known, version, snapshotId }, (wanted) => {
      if (wanted === 'damaged') done({ ok: false, rejection: DAMAGED_VERSION });
      else done(wanted === undefined ? undefined : { known, wanted });
    });
  }

  /** A version that the store alone has comes with the request. */
  snapshot(params: DocumentParams['document.snapshot'], done: Ready<PreparedParams['document.snapshot']>): void {
    this.#version(params, (of) => {
      if (of !== undefined && 'ok' in of) return done(of);
      const { archived, sections } = of?.wanted ?? { sections: [] };
      if (archived !== true) return done({ ok: true, params, release: none }); // ND1
      this.work.hold(sections, (held) => done(held.ok ? { ...held, params: { ...params, sections } } : held));
    });
  }

  updateSection(
    principal: Principal,
    params: DocumentParams['section.update'],
    done: Ready<PreparedParams['section.update']>,
  ): void {
    const { documentId, ...rest } = params;
    this.update(principal, { ...rest, id: documentId }, (made) => {
      if (!made.ok) return done(made);
      const { id: _, ...edit } = made.params;
      done({ ...made, params: { ...edit, sectionId: params.sectionId, documentId } });
    });
  }

  /** The text of another version, as an edit of the current one. */
  restore(params: DocumentParams['document.restore'], prepared: Ready<PreparedParams['document.restore']>): void {
    this.#version(params, (of) => {
      if (of === undefined)
        prepared({ ok: true, params, release: none }); // ND1
      else if ('ok' in of) prepared(of);
      else this.#restore({ ...of, params }, prepared);
    });
  }

  #restore(
    of: VersionOf & { readonly params: DocumentParams['document.restore'] },
    prepared: Ready<PreparedParams['document.restore']>,
  ): void {
    const { known, wanted, params } = of;
    const { nextNumber, version, type } = known;
    this.work.within(known.bytes + total(wanted.sections), prepared, (done) =>
      this.work.load(known.sections, (head, noHead) =>
        this.work.texts(
          wanted.sections.map(({ sha256 }) => sha256),
          (texts, why) => {
            if (head === undefined) return done({ ok: false, rejection: noHead });
            if (texts === undefined) return done({ ok: false, rejection: why });
            const asked = { base: { sections: head, nextNumber }, version, text: texts.join(''), form: formOf(type) };
            this.work.make(asked, (made) =>
              done(made.ok ? { ...made, params: { ...params, text: made.params } } : made),
            );
          },
        ),
      ),
    );
  }

  /** What a browser may show of a text, made in the documents' thread. */
  html(of: { readonly text: string; readonly type: string }, done: Done<ResultOf<'html'>>): void {
    const { text, type } = of;
    const form = type === MARKDOWN || type === HTML ? type : 'plain';
    this.work.work('html', { text, form }, done);
  }

  diff(
    texts: { readonly before: string; readonly after: string; readonly from: number; readonly to: number },
    done: Done<ResultOf<'diff'>>,
  ): void {
    const { before, after, from, to } = texts;
    this.work.work('diff', { before, after, names: { before: `version ${from}`, after: `version ${to}` } }, done);
  }

  resolve(
    principal: Principal,
    params: DocumentParams['document.resolve'],
    prepared: Ready<PreparedParams['document.resolve']>,
  ): void {
    const { content: _, blob: __, ...rest } = params;
    const of = this.#openConflict(params.conflictId);
    if (of === undefined || params.resolution === 'theirs') {
      return prepared({ ok: true, params: rest, release: none }); // ND1
    }
    this.work.within(bytesOf(params) + SIDES * of.known.bytes, prepared, (done) => {
      this.work.sent(principal, params, (sent) => {
        if (!sent.ok) return done(sent);
        const still = this.#openConflict(params.conflictId);
        if (still === undefined) return done({ ok: true, params: rest, release: none }); // ND1
        const content = params.content === undefined && params.blob === undefined ? undefined : sent.params;
        this.#resolve({ ...still, asked: params, content }, (made) =>
          done(made.ok ? { ...made, params: { ...rest, text: made.params } } : made),
        );
      });
    });
  }

  #openConflict(id: string): OpenConflict | undefined {
    const state = this.#parts.state();
    const record = state.documentConflicts.get(id);
    const known = record === undefined ? undefined : state.documents.get(record.document);
    return record === undefined || known === undefined ? undefined : { record, known };
  }

  #resolve(
    of: OpenConflict & { readonly asked: DocumentParams['document.resolve']; readonly content: string | undefined },
    done: Ready<PreparedText>,
  ): void {
    const { nextNumber, version, type, sections } = of.known;
    this.work.load(sections, (head, noHead) => {
      if (head === undefined) return done({ ok: false, rejection: noHead });
      this.#sides(of.record, (sides, why) => {
        if (sides === undefined) return done({ ok: false, rejection: why });
        const theirs = head.map(({ text }) => text).join('');
        this.#resolved({ ...sides, theirs, asked: of.asked, content: of.content, version }, (found) => {
          if (!found.ok) return done(found);
          const base = { sections: head, nextNumber };
          this.work.make({ base, version, text: found.params, form: formOf(type) }, done);
        });
      });
    });
  }

  comment(params: CommentParams['comment.create'], done: Ready<PreparedParams['comment.create']>): void {
    const { content, ...rest } = params;
    const { texts, tenant } = this.#parts;
    if (texts === undefined) return done({ ok: false, rejection: NO_TEXTS });
    const bytes = encoder.encode(content);
    texts.given.blobs.put(tenant, [bytes], (outcome) => {
      if (outcome.kind !== 'stored') return done({ ok: false, rejection: REFUSED[outcome.kind] });
      const sha256 = must(outcome.hashes[0], 'a name of the text');
      done({ ok: true, params: { ...rest, sha256, bytes: bytes.length }, release: () => outcome.release() });
    });
  }

  /** The texts of a conflict, of which no size is known but that of the document. */
  conflict({ base, ours, theirs }: ConflictRecord, bytes: number, told: Done<ConflictTexts>): void {
    const hashes = [...base, ...ours, ...theirs];
    this.work.within<Found<ConflictTexts>>(SIDES * bytes, told, (done) =>
      this.work.texts(hashes, (texts, why) => {
        if (texts === undefined) return done({ ok: false, rejection: why });
        const all = texts.map((text, place) => ({
          sha256: must(hashes[place], 'each text has a name'),
          bytes: encoder.encode(text).length,
          text,
        }));
        const behind = base.length + ours.length;
        const params = {
          base: all.slice(0, base.length),
          ours: all.slice(base.length, behind),
          theirs: all.slice(behind),
        };
        done({ ok: true, params });
      }),
    );
  }

  /** The texts of a conflict. */
  #sides(
    record: { readonly base: readonly string[]; readonly ours: readonly string[] },
    done: Told<{ readonly base: string; readonly ours: string }>,
  ): void {
    this.work.texts(record.base, (base, noBase) =>
      this.work.texts(record.ours, (ours, why) => {
        if (base === undefined) done(undefined, noBase);
        else if (ours === undefined) done(undefined, why);
        else done({ base: base.join(''), ours: ours.join('') }, why);
      }),
    );
  }

  #resolved(
    of: {
      readonly base: string;
      readonly ours: string;
      readonly theirs: string;
      readonly asked: DocumentParams['document.resolve'];
      readonly content: string | undefined;
      readonly version: number;
    },
    done: Done<string>,
  ): void {
    const { base, ours, theirs, asked, content = '', version } = of;
    if (asked.resolution !== 'merged') {
      return done({ ok: true, params: asked.resolution === 'ours' ? ours : content });
    }
    this.work.work('merge', { base, ours, theirs }, (merged) => {
      if (!merged.ok) return done(merged);
      const { params: outcome } = merged;
      if (of.content === undefined) {
        if (outcome.kind === 'clean') return done({ ok: true, params: outcome.text });
        const why = outcome.kind === 'refused' ? { reason: outcome.reason } : {};
        const details = { conflictId: asked.conflictId, currentVersion: version, ...why };
        return done({
          ok: false,
          rejection: { code: 'DOCUMENT_CONFLICT', message: 'They cannot be merged by lines.', details },
        });
      }
      const marked = outcome.kind === 'conflict' ? { marked: outcome.text } : undefined;
      const found = resolve({ base, ours, theirs, ...marked }, { kind: 'merged', content });
      if (found.ok) return done({ ok: true, params: found.value });
      done({ ok: false, rejection: wrong('content', 'still has marks of the conflict') });
    });
  }
}
