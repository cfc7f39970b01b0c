/**
 * Texts of documents on their way into the log and out of it.
 *
 * Owns: that texts are durable before a command names them; which sections an edit makes. Does not own: whether it is accepted (the engine).
 *
 * ND1 What a state refuses is refused by the engine, which remembers what it answered: so a request that is asked again is prepared
 *     as far as that is still possible, and sent.
 * ND2 Nothing here is asked of the state twice for one request: base, ids and texts are those of one moment.
 */
import type { Rejection } from '../../protocol/wire/codes.ts';
import { MARKDOWN, type DocumentParams } from '../../protocol/wire/documents.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { resolve } from '../documents/conflicts.ts';
import type { InputOf, Outcome, ResultOf, WorkName } from '../documents/jobs.ts';
import type { Identified, Section } from '../documents/sections/identity.ts';
import type { State } from '../engine/kernel/state.ts';
import type { PreparedParams, PreparedText } from '../engine/port.ts';
import {
  conflictsOf,
  conflictView,
  documentHistory,
  documentView,
  listDocuments,
  readableDocument,
  sectionsAt,
  sectionView,
} from '../engine/queries.ts';
import type { Sha256 } from '../engine/kernel/image.ts';
import type { Blobs } from '../store/blobs.ts';
import { now, refuse, type Answer, type ReadParts } from './read-parts.ts';

/** Where texts are, and who works upon them: beside the thread that serves. */
export interface DocumentTexts {
  readonly blobs: Blobs;
  run<N extends WorkName>(name: N, input: InputOf<N>, done: (outcome: Outcome<N>) => void): void;
}

type Prepared<P> = { readonly ok: true; readonly params: P } | { readonly ok: false; readonly rejection: Rejection };
type Done<P> = (prepared: Prepared<P>) => void;

const LOST: Rejection = { code: 'INTERNAL', message: 'A text is missing or damaged where texts are kept.' };
const WORKLESS: Rejection = { code: 'UNAVAILABLE', message: 'Too much is done upon texts now.', retryAfterMs: 1_000 };
const NO_TEXTS: Rejection = { code: 'UNAVAILABLE', message: 'This server keeps no texts.' };

const formOf = (type: string): 'markdown' | 'plain' => (type === MARKDOWN ? 'markdown' : 'plain');
/** As much of a heading as is shown. */
const shown = (heading: string): string => heading.slice(0, LIMITS.nameBytes).replace(/[\uD800-\uDBFF]$/u, '');
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export interface DocumentsParts {
  readonly tenant: string;
  readonly state: () => State;
  readonly sha256: Sha256;
  readonly texts: DocumentTexts | undefined;
}

/** A text and the version that it is beside. */
interface Asked {
  readonly base: Identified;
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

  create(params: DocumentParams['document.create'], done: Done<PreparedParams['document.create']>): void {
    const { content, ...rest } = params;
    const form = formOf(params.type ?? MARKDOWN);
    this.#make({ base: { sections: [], nextNumber: 1 }, version: 0, text: content, form }, (made) => {
      done(made.ok ? { ok: true, params: { ...rest, text: made.params } } : made);
    });
  }

  update(params: DocumentParams['document.update'], done: Done<PreparedParams['document.update']>): void {
    const { content, ...rest } = params;
    const state = this.#parts.state();
    const known = state.documents.get(params.id);
    const sections = known === undefined ? undefined : sectionsAt(state, known, params.version);
    if (known === undefined || sections === undefined) return done({ ok: true, params: rest }); // ND1
    const { nextNumber } = known;
    this.#load(sections, (loaded) => {
      if (loaded === undefined) return done({ ok: false, rejection: LOST });
      const asked = { text: content, version: params.version, form: formOf(known.type), sectionId: params.sectionId };
      this.#make({ ...asked, base: { sections: loaded, nextNumber } }, (made) =>
        done(made.ok ? { ok: true, params: { ...rest, text: made.params } } : made),
      );
    });
  }

  resolve(params: DocumentParams['document.resolve'], done: Done<PreparedParams['document.resolve']>): void {
    const { content, ...rest } = params;
    const state = this.#parts.state();
    const record = state.documentConflicts.get(params.conflictId);
    const known = record === undefined ? undefined : state.documents.get(record.document);
    if (record === undefined || known === undefined || params.resolution === 'theirs') {
      return done({ ok: true, params: rest }); // ND1
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
            done(made.ok ? { ok: true, params: { ...rest, text: made.params } } : made),
          );
        });
      });
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
      texts.blobs.get({ tenant, sha256 }, (bytes) => {
        if (bytes === undefined) return done(undefined);
        found.push(decoder.decode(bytes));
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
    }[],
    done: (sections: readonly Section[] | undefined) => void,
  ): void {
    this.texts(
      sections.map(({ sha256 }) => sha256),
      (texts) =>
        done(
          texts === undefined
            ? undefined
            : sections.map(({ sid, heading, level }, place) => ({ id: sid, heading, level, text: texts[place] ?? '' })),
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

  #make({ base, version, text, form, sectionId }: Asked, done: Done<PreparedText>): void {
    const section = sectionId === undefined ? undefined : { section: sectionId };
    this.#work('edit', { base, text, form, ...section }, (worked) => {
      if (!worked.ok) return done(worked);
      const { params: result } = worked;
      if (!result.ok)
        return done({ ok: false, rejection: wrong(sectionId === undefined ? 'content' : 'sectionId', result.error) });
      const { document, alone } = result.value;
      this.#keep(base, document.sections, (sections) => {
        if (sections === undefined) return done({ ok: false, rejection: WORKLESS });
        done({ ok: true, params: { base: version, sections, nextNumber: document.nextNumber, alone } });
      });
    });
  }

  /** Puts what is new, one after the other; undefined: one could not be put. */
  #keep(
    base: Identified,
    made: readonly Section[],
    done: (sections: PreparedText['sections'] | undefined) => void,
  ): void {
    const { texts, tenant, sha256 } = this.#parts;
    const had = new Set(base.sections.map(({ text }) => text));
    const sections: PreparedText['sections'][number][] = [];
    const next = (): void => {
      const section = made[sections.length];
      if (section === undefined) return done(sections);
      const bytes = encoder.encode(section.text);
      const hash = hex(sha256(bytes));
      const put = (fault: Error | undefined): void => {
        if (fault !== undefined) return done(undefined);
        const { id: sid, heading, level } = section;
        sections.push({ sid, heading: shown(heading), level, sha256: hash, bytes: bytes.length });
        next();
      };
      if (had.has(section.text)) put(undefined);
      else if (texts === undefined) done(undefined);
      else texts.blobs.put({ tenant, sha256: hash, bytes }, put);
    };
    next();
  }
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function wrong(path: string, reason: string): Rejection {
  return { code: 'INVALID_PARAMS', message: `${path}: ${reason}`, details: [{ path, reason }] };
}

type Reads = ReadParts & { readonly documents: Documents };

export function readDocument(parts: Reads, params: DocumentParams['document.get'], done: Answer): void {
  const { state } = parts.tenant.engine;
  const known = readableDocument(state, parts.caller.principal, params.id);
  if ('ok' in known) return refuse(parts, known.rejection, done);
  const { version = known.version, sectionId } = params;
  const sections = sectionsAt(state, known, version);
  if (sections === undefined) {
    const details = { currentVersion: known.version };
    return refuse(parts, { code: 'NOT_FOUND', message: `Version ${version} is not kept.`, details }, done);
  }
  const wanted = sectionId === undefined ? sections : sections.filter(({ sid }) => sid === sectionId);
  if (sectionId !== undefined && wanted.length === 0) {
    return refuse(parts, { code: 'NOT_FOUND', message: 'No such section.' }, done);
  }
  const document = { ...documentView(known), sections: sections.map(sectionView) };
  const { rev } = state;
  parts.documents.texts(
    wanted.map(({ sha256 }) => sha256),
    (texts) => {
      if (texts === undefined) return refuse(parts, LOST, done);
      parts.scheduler.defer(() => done({ ok: true, rev, result: { document, version, content: texts.join('') } }));
    },
  );
}

export function readDocuments(parts: Reads, params: DocumentParams['document.list'], done: Answer): void {
  now(parts, listDocuments(parts.tenant.engine.state, parts.caller.principal, params), done);
}

export function readVersions(parts: Reads, params: DocumentParams['document.history'], done: Answer): void {
  const { state } = parts.tenant.engine;
  const known = readableDocument(state, parts.caller.principal, params.id);
  if ('ok' in known) refuse(parts, known.rejection, done);
  else now(parts, documentHistory(state, known, params), done);
}

export function readConflicts(parts: Reads, params: DocumentParams['document.conflicts'], done: Answer): void {
  const { state } = parts.tenant.engine;
  const known = readableDocument(state, parts.caller.principal, params.id);
  if ('ok' in known) return refuse(parts, known.rejection, done);
  const { conflictId } = params;
  const records = conflictsOf(state, known);
  if (conflictId === undefined) return now(parts, { conflicts: records.map(conflictView) }, done);
  const record = records.find(({ id }) => id === conflictId);
  if (record === undefined) return refuse(parts, { code: 'NOT_FOUND', message: 'No such conflict.' }, done);
  const { base, ours, theirs } = record;
  const { rev } = state;
  parts.documents.texts([...base, ...ours, ...theirs], (texts) => {
    if (texts === undefined) return refuse(parts, LOST, done);
    const said = {
      base: texts.slice(0, base.length).join(''),
      ours: texts.slice(base.length, base.length + ours.length).join(''),
      theirs: texts.slice(base.length + ours.length).join(''),
    };
    parts.scheduler.defer(() => done({ ok: true, rev, result: { conflicts: [{ ...conflictView(record), ...said }] } }));
  });
}
