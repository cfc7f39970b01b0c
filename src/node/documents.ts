/**
 * Texts of documents on their way into the log and out of it.
 *
 * Owns: that texts are durable before a command names them; which sections an edit makes. Does not own: whether it is accepted (the engine).
 *
 * ND1 What a state refuses is refused by the engine, which remembers what it answered: so a request that is asked again is prepared
 *     as far as that is still possible, and sent.
 * ND2 Nothing here is asked of the state twice for one request: base, ids and texts are those of one moment.
 * ND3 What was put is held until its entry is applied or will never be; what an edit leaves as it was is named by its base, without which the edit
 *     is refused.
 */
import type { Rejection } from '../../protocol/wire/codes.ts';
import type { CommentParams } from '../../protocol/wire/comments.ts';
import { MARKDOWN, type DocumentParams } from '../../protocol/wire/documents.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { must } from '../base/assert.ts';
import { resolve } from '../documents/conflicts.ts';
import type { InputOf, Outcome, ResultOf, WorkName } from '../documents/jobs.ts';
import type { Identified, Section } from '../documents/sections/identity.ts';
import type { State } from '../engine/kernel/state.ts';
import type { PreparedParams, PreparedText } from '../engine/port.ts';
import { sectionsAt, sectionsOf } from '../engine/queries.ts';
import type { BlobRefusal, Blobs } from '../store/blobs/port.ts';

/** Where texts are, and who works upon them: beside the thread that serves. */
export interface DocumentTexts {
  readonly blobs: Blobs;
  run<N extends WorkName>(name: N, input: InputOf<N>, done: (outcome: Outcome<N>) => void): void;
}

type Found<P> = { readonly ok: true; readonly params: P } | { readonly ok: false; readonly rejection: Rejection };
type Done<P> = (found: Found<P>) => void;
/** ND3. `release`: to be called when the command has its outcome. */
export type Prepared<P> =
  | { readonly ok: true; readonly params: P; readonly release: () => void }
  | { readonly ok: false; readonly rejection: Rejection };
type Ready<P> = (prepared: Prepared<P>) => void;

export const LOST: Rejection = { code: 'INTERNAL', message: 'A text is missing or damaged where texts are kept.' };
const WORKLESS: Rejection = { code: 'UNAVAILABLE', message: 'Too much is done upon texts now.', retryAfterMs: 1_000 };
const REFUSED: { readonly [K in BlobRefusal['kind']]: Rejection } = {
  full: { code: 'UNAVAILABLE', message: 'There is no room on the disk for the text.', retryAfterMs: 1_000 },
  busy: { code: 'UNAVAILABLE', message: 'Too many texts wait to be written.', retryAfterMs: 1_000 },
};
const NO_TEXTS: Rejection = { code: 'UNAVAILABLE', message: 'This server keeps no texts.' };

const formOf = (type: string): 'markdown' | 'plain' => (type === MARKDOWN ? 'markdown' : 'plain');
/** As much of a heading as is shown. */
const shown = (heading: string): string => heading.slice(0, LIMITS.nameBytes).replace(/[\uD800-\uDBFF]$/u, '');
const none = (): void => undefined;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export interface DocumentsParts {
  readonly tenant: string;
  readonly state: () => State;
  readonly texts: DocumentTexts | undefined;
}

/** A section with its text, and what is kept of that. */
interface Loaded extends Section {
  readonly sha256: string;
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

export class Documents {
  readonly #parts: DocumentsParts;

  constructor(parts: DocumentsParts) {
    this.#parts = parts;
  }

  create(params: DocumentParams['document.create'], done: Ready<PreparedParams['document.create']>): void {
    const { content, ...rest } = params;
    const form = formOf(params.type ?? MARKDOWN);
    this.#make({ base: { sections: [], nextNumber: 1 }, version: 0, text: content, form }, (made) => {
      done(made.ok ? { ...made, params: { ...rest, text: made.params } } : made);
    });
  }

  update(params: DocumentParams['document.update'], done: Ready<PreparedParams['document.update']>): void {
    const { content, ...rest } = params;
    const state = this.#parts.state();
    const known = state.documents.get(params.id);
    const sections = known === undefined ? undefined : sectionsAt(state, known, params.version);
    if (known === undefined || sections === undefined) return done({ ok: true, params: rest, release: none }); // ND1
    const { nextNumber } = known;
    this.#load(sections, (loaded) => {
      if (loaded === undefined) return done({ ok: false, rejection: LOST });
      const asked = { text: content, version: params.version, form: formOf(known.type), sectionId: params.sectionId };
      this.#make({ ...asked, base: { sections: loaded, nextNumber } }, (made) =>
        done(made.ok ? { ...made, params: { ...rest, text: made.params } } : made),
      );
    });
  }

  updateSection(params: DocumentParams['section.update'], done: Ready<PreparedParams['section.update']>): void {
    const { documentId, ...rest } = params;
    this.update({ ...rest, id: documentId }, (made) => {
      if (!made.ok) return done(made);
      const { id: _, ...edit } = made.params;
      done({ ...made, params: { ...edit, sectionId: params.sectionId, documentId } });
    });
  }

  /** The text of another version, as an edit of the current one. */
  restore(params: DocumentParams['document.restore'], done: Ready<PreparedParams['document.restore']>): void {
    const state = this.#parts.state();
    const known = state.documents.get(params.id);
    const wanted = known === undefined ? undefined : sectionsOf(state, known, params);
    if (known === undefined || wanted === undefined) return done({ ok: true, params, release: none }); // ND1
    const { nextNumber, version, type } = known;
    this.#load(known.sections, (head) =>
      this.texts(
        wanted.sections.map(({ sha256 }) => sha256),
        (texts) => {
          if (head === undefined || texts === undefined) return done({ ok: false, rejection: LOST });
          const asked = { base: { sections: head, nextNumber }, version, text: texts.join(''), form: formOf(type) };
          this.#make(asked, (made) => done(made.ok ? { ...made, params: { ...params, text: made.params } } : made));
        },
      ),
    );
  }

  diff(
    texts: { readonly before: string; readonly after: string; readonly from: number; readonly to: number },
    done: Done<ResultOf<'diff'>>,
  ): void {
    const { before, after, from, to } = texts;
    this.#work('diff', { before, after, names: { before: `version ${from}`, after: `version ${to}` } }, done);
  }

  resolve(params: DocumentParams['document.resolve'], done: Ready<PreparedParams['document.resolve']>): void {
    const { content, ...rest } = params;
    const state = this.#parts.state();
    const record = state.documentConflicts.get(params.conflictId);
    const known = record === undefined ? undefined : state.documents.get(record.document);
    if (record === undefined || known === undefined || params.resolution === 'theirs') {
      return done({ ok: true, params: rest, release: none }); // ND1
    }
    const { nextNumber, version, type } = known;
    this.#load(known.sections, (head) => {
      if (head === undefined) return done({ ok: false, rejection: LOST });
      this.#sides(record, (sides) => {
        if (sides === undefined) return done({ ok: false, rejection: LOST });
        const theirs = head.map(({ text }) => text).join('');
        this.#resolved({ ...sides, theirs, asked: params, content, version }, (found) => {
          if (!found.ok) return done(found);
          const base = { sections: head, nextNumber };
          this.#make({ base, version, text: found.params, form: formOf(type) }, (made) =>
            done(made.ok ? { ...made, params: { ...rest, text: made.params } } : made),
          );
        });
      });
    });
  }

  comment(params: CommentParams['comment.create'], done: Ready<PreparedParams['comment.create']>): void {
    const { content, ...rest } = params;
    const { texts, tenant } = this.#parts;
    if (texts === undefined) return done({ ok: false, rejection: NO_TEXTS });
    const bytes = encoder.encode(content);
    texts.blobs.put(tenant, [bytes], (outcome) => {
      if (outcome.kind !== 'stored') return done({ ok: false, rejection: REFUSED[outcome.kind] });
      const sha256 = must(outcome.hashes[0], 'a name of the text');
      done({ ok: true, params: { ...rest, sha256, bytes: bytes.length }, release: () => outcome.release() });
    });
  }

  /** The texts of a conflict; undefined: one is lost. */
  #sides(
    record: { readonly base: readonly string[]; readonly ours: readonly string[] },
    done: (sides: { readonly base: string; readonly ours: string } | undefined) => void,
  ): void {
    this.texts(record.base, (base) =>
      this.texts(record.ours, (ours) => {
        if (base === undefined || ours === undefined) done(undefined);
        else done({ base: base.join(''), ours: ours.join('') });
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
    this.#work('merge', { base, ours, theirs }, (merged) => {
      if (!merged.ok) return done(merged);
      const { params: outcome } = merged;
      if (of.content === undefined) {
        if (outcome.kind === 'clean') return done({ ok: true, params: outcome.text });
        const details = { conflictId: asked.conflictId, currentVersion: version };
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

  /** The text of each, in their order; undefined: one is lost. */
  texts(hashes: readonly string[], done: (texts: readonly string[] | undefined) => void): void {
    const { texts, tenant } = this.#parts;
    const found: string[] = [];
    const next = (): void => {
      const sha256 = hashes[found.length];
      if (sha256 === undefined) return done(found);
      if (texts === undefined) return done(undefined);
      texts.blobs.get(tenant, sha256, (got) => {
        if (got.kind !== 'found') return done(undefined);
        found.push(decoder.decode(got.data));
        next();
      });
    };
    next();
  }

  #load(
    sections: readonly {
      readonly sid: string;
      readonly heading: string;
      readonly level: number;
      readonly sha256: string;
      readonly open?: true;
    }[],
    done: (sections: readonly Loaded[] | undefined) => void,
  ): void {
    this.texts(
      sections.map(({ sha256 }) => sha256),
      (texts) =>
        done(
          texts === undefined
            ? undefined
            : sections.map(({ sid, heading, level, sha256, open }, place) => ({
                id: sid,
                heading,
                level,
                sha256,
                text: texts[place] ?? '',
                ...(open === undefined ? {} : { open }),
              })),
        ),
    );
  }

  #work<N extends WorkName>(name: N, input: InputOf<N>, done: Done<ResultOf<N>>): void {
    const { texts } = this.#parts;
    if (texts === undefined) return done({ ok: false, rejection: NO_TEXTS });
    texts.run(name, input, (outcome) => {
      if (outcome.kind === 'done') done({ ok: true, params: outcome.result });
      else done({ ok: false, rejection: WORKLESS });
    });
  }

  #make({ base, version, text, form, sectionId }: Asked, done: Ready<PreparedText>): void {
    const section = sectionId === undefined ? undefined : { section: sectionId };
    const plain: Identified = {
      sections: base.sections.map(({ id, heading, level, text: had }) => ({ id, heading, level, text: had })),
      nextNumber: base.nextNumber,
    };
    this.#work('edit', { base: plain, text, form, ...section }, (worked) => {
      if (!worked.ok) return done(worked);
      const { params: result } = worked;
      if (!result.ok)
        return done({ ok: false, rejection: wrong(sectionId === undefined ? 'content' : 'sectionId', result.error) });
      const { document, alone, open, under } = result.value;
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
    const names = new Map(base.map(({ text, sha256 }) => [text, sha256]));
    const fresh = [...new Set(made.map(({ text }) => text))].filter((text) => !names.has(text));
    const finish = (release: () => void): void => {
      const sections = made.map(({ id: sid, heading, level, text }) => ({
        sid,
        heading: shown(heading),
        level,
        sha256: must(names.get(text), 'each text has a name'),
        bytes: encoder.encode(text).length,
      }));
      done({ ok: true, params: sections, release });
    };
    if (fresh.length === 0) return finish(none);
    if (texts === undefined) return done({ ok: false, rejection: NO_TEXTS });
    const bytes = fresh.map((text) => encoder.encode(text));
    texts.blobs.put(tenant, bytes, (outcome) => {
      if (outcome.kind !== 'stored') return done({ ok: false, rejection: REFUSED[outcome.kind] });
      for (const [place, text] of fresh.entries()) names.set(text, must(outcome.hashes[place], 'a name for each'));
      finish(() => outcome.release());
    });
  }
}

function wrong(path: string, reason: string): Rejection {
  return { code: 'INVALID_PARAMS', message: `${path}: ${reason}`, details: [{ path, reason }] };
}
