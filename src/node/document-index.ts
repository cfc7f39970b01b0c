/**
 * Keeps the index of a tenant's documents (store/search/) as the state is.
 *
 * Owns: which documents have to be put there anew, and when. Does not own: who may see what is found (document-search.ts).
 *
 * NI1 What a document should have there is told by a stamp of its name and the hashes of its sections. When the tenant is served, and after an index
 *     was lost, all are compared: so nothing has to be kept about how far the index is.
 * NI2 A search finds every edit that was accepted before it was asked: it waits until what was touched before is there. While too much is missing it
 *     is refused.
 * NI3 When nobody searches, what was edited is put there `LAZY_MS` later: a document that many edit is put once a second and not for each edit.
 * NI4 A text that is lost or that the index has no room for makes no edit fail. One that cannot be had now is asked for again.
 */
import type { Rejection } from '../../protocol/wire/codes.ts';
import type { SearchTerm } from '../../protocol/wire/document-search.ts';
import { documentTopic } from '../../protocol/wire/documents.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { Sha256 } from '../engine/kernel/image.ts';
import type { State } from '../engine/kernel/state.ts';
import type { EntryOutput } from '../engine/port.ts';
import type { Asked, FoundText, Indexed, IndexedText, SearchIndex, SectionStart } from '../store/search/port.ts';
import type { Documents } from './documents.ts';

/** NI3 */
const LAZY_MS = 1_000;
/** After the disk had no room. */
const FULL_MS = 5_000;
/** Put at once: they share a transaction. */
const AT_ONCE = 8;
const LISTED = 1_000;
const COMPARED = 200;

/** Told when the name or the text of a document is another one, or it is gone. */
const TOUCHING: ReadonlySet<string> = new Set([
  'document.created',
  'document.updated',
  'document.renamed',
  'document.deleted',
]);

const TOPIC = documentTopic('');

const STOPPED: Rejection = { code: 'UNAVAILABLE', retryAfterMs: 1_000 };
const CROWDED: Rejection = { code: 'UNAVAILABLE', message: 'Too many searches wait.', retryAfterMs: 1_000 };
const NO_ROOM: Rejection = {
  code: 'UNAVAILABLE',
  message: 'There is no room on the disk for the index of documents.',
  retryAfterMs: FULL_MS,
};
const BUILT_ANEW: Rejection = {
  code: 'UNAVAILABLE',
  message: 'The index of documents was damaged, and is built anew.',
  retryAfterMs: 1_000,
};

export interface DocumentIndexParts {
  readonly tenant: string;
  readonly state: () => State;
  readonly search: SearchIndex;
  readonly documents: Documents;
  readonly scheduler: Scheduler;
  readonly sha256: Sha256;
}

export type Looked<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly rejection: Rejection };

/** `later`: too much is worked upon, or, if it says why, the text cannot be had now. */
type Put = Indexed<null> | { readonly kind: 'later'; readonly why?: Rejection };

interface Waiter {
  /** The last touch that it waits for. */
  readonly upTo: number;
  readonly done: (refused: Rejection | undefined) => void;
}

const encoder = new TextEncoder();
const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

export class DocumentIndex {
  readonly #parts: DocumentIndexParts;
  /** NI1. `no`: nobody has needed it yet. */
  #compared: 'no' | 'now' | 'yes' = 'no';
  /** Each with the number of its first touch since it was put there, ascending. */
  readonly #touched = new Map<string, number>();
  readonly #busy = new Map<string, number>();
  #touches = 0;
  /** Touches up to this one are being put there. */
  #goal = 0;
  #waiters: Waiter[] = [];
  #timer: (() => void) | undefined;
  /** Nothing is put there now: the disk, or the memory that texts may take, is full, or texts cannot be had. */
  #full = false;
  #stopped = false;

  constructor(parts: DocumentIndexParts) {
    this.#parts = parts;
  }

  /** Documents that are not there as they are. */
  get behind(): number {
    return this.#touched.size + this.#busy.size;
  }

  /** The state is known. */
  begin(): void {
    if (this.#parts.state().documents.size > 0) this.#compare();
  }

  applied({ pushes }: EntryOutput): void {
    for (const { event, topic } of pushes) {
      if (!TOUCHING.has(event) || topic === undefined) continue;
      this.#touch(topic.slice(TOPIC.length));
      this.#compare();
      this.#rest(LAZY_MS);
    }
  }

  find(terms: readonly SearchTerm[], done: (looked: Looked<readonly string[]>) => void): void {
    this.#settled((refused) => {
      if (refused !== undefined) return done({ ok: false, rejection: refused });
      this.#parts.search.find(this.#parts.tenant, terms, (outcome) => done(this.#looked(outcome)));
    });
  }

  show(asked: Asked, done: (looked: Looked<readonly FoundText[]>) => void): void {
    this.#parts.search.show(this.#parts.tenant, asked, (outcome) => done(this.#looked(outcome)));
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.();
    this.#refuse(STOPPED);
  }

  #looked<T>(outcome: Indexed<T>): Looked<T> {
    if (outcome.kind === 'done') return { ok: true, value: outcome.value };
    if (outcome.kind === 'full') return { ok: false, rejection: NO_ROOM };
    this.#lost();
    return { ok: false, rejection: BUILT_ANEW };
  }

  /** NI2 */
  #settled(done: Waiter['done']): void {
    if (this.#stopped) return done(STOPPED);
    if (this.#waiters.length >= LIMITS.searchesMax) return done(CROWDED);
    this.#waiters.push({ upTo: this.#touches, done });
    this.#compare();
    this.#hurry();
  }

  #touch(id: string): void {
    this.#touches += 1;
    if (!this.#touched.has(id)) this.#touched.set(id, this.#touches);
  }

  #lost(): void {
    if (this.#compared === 'yes') this.#compared = 'no';
    this.#compare();
  }

  /** NI1 */
  #compare(): void {
    if (this.#compared !== 'no' || this.#stopped) return;
    this.#compared = 'now';
    const there = new Map<string, string>();
    const page = (above: string): void =>
      this.#parts.search.list(this.#parts.tenant, { above, limit: LISTED }, (outcome) => {
        if (this.#stopped) return;
        if (outcome.kind !== 'done') return this.#notCompared(outcome.kind);
        for (const { id, stamp } of outcome.value) there.set(id, stamp);
        const last = outcome.value.at(-1);
        if (last !== undefined && outcome.value.length === LISTED) page(last.id);
        else this.#compareWith(there, '');
      });
    page('');
  }

  #notCompared(why: 'lost' | 'full'): void {
    this.#compared = 'no';
    if (why === 'lost') return this.#compare();
    this.#refuse(NO_ROOM);
    this.#rest(FULL_MS);
  }

  #compareWith(there: Map<string, string>, above: string): void {
    if (this.#stopped) return;
    let count = 0;
    for (const known of this.#parts.state().documentsById.after(above)) {
      if (there.get(known.id) !== this.#stampOf(known)) this.#touch(known.id);
      there.delete(known.id);
      count += 1;
      if (count === COMPARED) return this.#parts.scheduler.defer(() => this.#compareWith(there, known.id));
    }
    for (const id of there.keys()) this.#touch(id);
    this.#compared = 'yes';
    // Who waits already waits for what was missing, too.
    this.#waiters = this.#waiters.map(({ done }) => ({ done, upTo: this.#touches }));
    this.#hurry();
  }

  #stampOf({ name, sections }: { readonly name: string; readonly sections: readonly Named[] }): string {
    const of = [name, ...sections.map(({ sid, sha256 }) => `${sid} ${sha256}`)].join('\n');
    return hex(this.#parts.sha256(encoder.encode(of))).slice(0, 32);
  }

  /** NI3 */
  #rest(ms: number): void {
    if (this.#stopped) return;
    this.#timer ??= this.#parts.scheduler.after(ms, () => {
      this.#timer = undefined;
      this.#full = false;
      this.#compare();
      this.#hurry();
    });
  }

  #hurry(): void {
    this.#goal = this.#touches;
    this.#pump();
  }

  #pump(): void {
    if (this.#stopped || this.#compared !== 'yes') return;
    for (const [id, touch] of this.#full ? [] : this.#touched) {
      if (this.#busy.size >= AT_ONCE || touch > this.#goal) break;
      if (this.#busy.has(id)) continue;
      this.#touched.delete(id);
      this.#busy.set(id, touch);
      this.#put(id);
    }
    if (this.#busy.size === 0 && this.#touched.size > 0) this.#rest(LAZY_MS);
    this.#tell();
  }

  #put(id: string): void {
    const { search, tenant, state, documents } = this.#parts;
    const done = (outcome: Put): void => this.#putDone(id, outcome);
    const known = state().documents.get(id);
    if (known === undefined) return search.remove(tenant, id, done);
    const { name, version, sections } = known;
    const stamp = this.#stampOf(known);
    const put = (told: (outcome: Put) => void): void =>
      documents.work.texts(
        sections.map(({ sha256 }) => sha256),
        (texts, why) => {
          if (texts === undefined && why.code === 'UNAVAILABLE') return told({ kind: 'later', why });
          // NI4: it is found by its name, and looked at again at the next start.
          const lost: IndexedText = { id, name, version, stamp: `${stamp} lost`, text: '', sections: [] };
          const whole = texts === undefined ? lost : { ...lost, stamp, ...joined(sections, texts) };
          search.put(tenant, whole, told);
        },
      );
    // A text has two bytes for a letter in memory.
    documents.work.within<Put>(
      2 * known.bytes,
      (outcome) => this.#putDone(id, 'kind' in outcome ? outcome : { kind: 'later' }),
      put,
    );
  }

  #putDone(id: string, outcome: Put): void {
    const { kind } = outcome;
    const touch = this.#busy.get(id) ?? 0;
    this.#busy.delete(id);
    if (kind === 'full' || kind === 'later') {
      this.#touched.set(id, Math.min(touch, this.#touched.get(id) ?? touch));
      this.#full = true;
      if (kind === 'full') this.#refuse(NO_ROOM);
      else if (outcome.why !== undefined) this.#refuse(outcome.why);
      this.#rest(kind === 'full' ? FULL_MS : LAZY_MS);
    }
    if (kind === 'lost') this.#lost();
    this.#pump();
  }

  /** NI2 */
  #tell(): void {
    if (this.behind > LIMITS.searchBehindMax) {
      const message = `The index of documents is being built: ${this.behind} are missing.`;
      return this.#refuse({ code: 'UNAVAILABLE', message, retryAfterMs: 1_000 });
    }
    const missing = Math.min(...this.#touched.values(), ...this.#busy.values());
    const ready = this.#waiters.filter(({ upTo }) => upTo < missing);
    this.#waiters = this.#waiters.filter(({ upTo }) => upTo >= missing);
    for (const { done } of ready) done(undefined);
  }

  #refuse(rejection: Rejection): void {
    const refused = this.#waiters;
    this.#waiters = [];
    for (const { done } of refused) done(rejection);
  }
}

interface Named {
  readonly sid: string;
  readonly sha256: string;
}

function joined(sections: readonly Named[], texts: readonly string[]): Pick<IndexedText, 'text' | 'sections'> {
  let from = 0;
  const starts = sections.map(({ sid }, place): SectionStart => {
    const start: SectionStart = [sid, from];
    from += texts[place]?.length ?? 0;
    return start;
  });
  return { text: texts.join(''), sections: starts };
}
