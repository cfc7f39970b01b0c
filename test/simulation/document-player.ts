/**
 * What a program does with documents: it reads, thinks, writes what it made of what it read, and looks at what became of it.
 *
 * Owns: the texts that it writes. Does not own: what the server makes of them.
 */
import { isMap } from '../../protocol/wire/codec.ts';
import { documentPath, type DocumentResolution, type DocumentResults } from '../../protocol/wire/documents.ts';
import type { LockView } from '../../protocol/wire/locks.ts';
import type { Method } from '../../protocol/wire/types.ts';
import type { Reply } from '../../src/client/core.ts';
import { headingOf, splitText } from './checker/document-text.ts';
import { items, text } from './checker/values.ts';
import type { Lane } from './scheduler.ts';
import { care } from './document-carer.ts';
import type { DocumentJob } from './swarm-documents.ts';

export interface Writer {
  readonly lane: Lane;
  readonly ask: (method: Method, params: object, done: (reply: Reply) => void) => void;
}

type Edit = Extract<DocumentJob, { readonly what: 'edit' }>;
type Got = DocumentResults['document.get'];

/** How long a lock is held without anything being done under it. */
const HELD_MS = 300;

export class DocumentPlayer {
  readonly #writer: Writer;

  constructor(writer: Writer) {
    this.#writer = writer;
  }

  create(name: string, job: Extract<DocumentJob, { readonly what: 'create' }>, workspaceId?: string): void {
    const { sections, type, mark } = job;
    const texts = Array.from({ length: sections }, (_, i) => section(`${name} ${i + 1}`, [i === 0 ? mark : '']));
    const content = type === 'markdown' ? texts.join('') : `${mark}\n\n`;
    const within = workspaceId === undefined ? {} : { workspaceId };
    this.#writer.ask('document.create', { name, type, content, ...within }, nothing);
  }

  /** Of a document that there is. */
  play(id: string, job: Exclude<DocumentJob, { readonly what: 'create' }>): void {
    const { ask } = this.#writer;
    switch (job.what) {
      case 'edit':
        return this.#read(id, (got) => this.#edit(got, job));
      case 'read':
        return this.#look(id, job);
      case 'resolve':
        return ask('document.conflicts', { id }, (reply) => {
          const conflict = firstIn(reply);
          const conflictId = text(conflict, 'id');
          if (conflictId !== undefined) this.#resolve(id, conflictId, { how: job.how, mark: job.mark });
        });
      case 'history':
        return ask('document.history', { id, limit: 5 }, nothing);
      case 'conflicts':
        return ask('document.conflicts', { id }, nothing);
      case 'list':
        return ask('document.list', {}, nothing);
      case 'delete':
        return ask('document.delete', { id }, nothing);
      case 'rename':
      case 'archive':
      case 'unarchive':
      case 'diff':
      case 'restore':
      case 'restoreKept':
      case 'readKept':
      case 'dropKept':
      case 'keep':
      case 'kept':
      case 'sections':
      case 'archived':
      case 'comment':
      case 'comments':
      case 'resolveComment':
      case 'dropComment':
        return care(this.#writer, id, job);
    }
  }

  #read(id: string, then: (got: Got) => void): void {
    this.#writer.ask('document.get', { id }, (reply) => {
      if (reply.ok) then(reply.result as unknown as Got);
    });
  }

  /** An older version, or a section. */
  #look(id: string, { back, place }: Extract<DocumentJob, { readonly what: 'read' }>): void {
    if (back === 0 && place === undefined) return this.#read(id, () => undefined);
    this.#read(id, ({ document, version }) => {
      const { id: sectionId } = document.sections[(place ?? 0) % Math.max(1, document.sections.length)] ?? {};
      const which = place === undefined || sectionId === undefined ? {} : { sectionId };
      this.#writer.ask('document.get', { id, version: Math.max(1, version - back), ...which }, nothing);
    });
  }

  #edit(got: Got, job: Edit): void {
    const { lane, ask } = this.#writer;
    const { id, sections, workspaceId } = got.document;
    const at = job.place % Math.max(1, sections.length);
    const sectionId = sections[at]?.id;
    const write = (token: string | undefined, then: () => void): void => {
      const named = token === undefined ? {} : { token };
      const made = madeOf(got, job, at);
      const params = { version: got.version, ...made, ...named };
      const done = (reply: Reply): void => {
        then();
        if (!reply.ok) this.#refused(id, reply.error, job);
      };
      if (job.by === 'section' && made.sectionId !== undefined)
        ask('section.update', { ...params, documentId: id }, done);
      else ask('document.update', { ...params, id }, done);
    };
    const { lock } = job;
    if (lock === undefined) {
      lane.after(job.thinkMs, () => write(undefined, () => undefined));
      return;
    }
    const of = { id, workspaceId, sectionId: lock.of === 'section' ? sectionId : undefined };
    const bySection = job.by === 'section' && of.sectionId !== undefined;
    const locked = (reply: Reply): void => {
      const held =
        reply.ok && isMap(reply.result) ? (reply.result['lock'] as unknown as LockView | undefined) : undefined;
      if (held === undefined) return;
      const release = (): void =>
        ask(bySection ? 'section.unlock' : 'lock.release', { id: held.id, token: held.token }, nothing);
      lane.after(job.thinkMs, () => write(lock.token ? held.token : undefined, lock.keep ? () => undefined : release));
      if (lock.keep) lane.after(job.thinkMs + HELD_MS, release);
    };
    if (bySection) ask('section.lock', { documentId: id, sectionId: of.sectionId, waitMs: 0 }, locked);
    else ask('lock.acquire', { path: documentPath(of), mode: 'exclusive', waitMs: 0 }, locked);
  }

  #refused(id: string, error: { readonly code: string; readonly details?: unknown }, { resolve, mark }: Edit): void {
    const { details } = error;
    const conflict =
      error.code === 'DOCUMENT_CONFLICT' && typeof details === 'object' && details !== null && 'conflictId' in details
        ? String(details.conflictId)
        : undefined;
    if (conflict === undefined || resolve === undefined) return;
    this.#writer.lane.after(resolve.afterMs, () => this.#resolve(id, conflict, { how: resolve.how, mark }));
  }

  #resolve(
    id: string,
    conflictId: string,
    { how, mark }: { readonly how: DocumentResolution; readonly mark: string },
  ): void {
    const { ask } = this.#writer;
    if (how !== 'manual') return ask('document.resolve', { conflictId, resolution: how }, nothing);
    ask('document.conflicts', { id, conflictId }, (reply) => {
      const conflict = firstIn(reply);
      const theirs = text(conflict, 'theirs');
      if (theirs === undefined) return;
      const content = `${theirs.trimEnd()}\n${mark}\n\n`;
      ask('document.resolve', { conflictId, resolution: how, content }, nothing);
    });
  }
}

/** Of the conflicts that were asked for. */
function firstIn(reply: Reply): unknown {
  return reply.ok ? items(reply.result, 'conflicts')[0] : undefined;
}

function section(title: string, lines: readonly string[]): string {
  return [`# ${title}`, '', ...lines.filter((line) => line !== ''), '', ''].join('\n');
}

/** The content that is sent, and of which section. */
function madeOf(
  got: Got,
  { how, mark, drops, form }: Edit,
  at: number,
): { readonly content: string; readonly sectionId?: string } {
  const { document, content = '' } = got;
  const texts = splitText(document.type, content);
  const old = texts[at] ?? '';
  const marked = formed(withMark(old, { mark, drops }), form);
  const sectionId = document.sections[at]?.id;
  switch (how) {
    case 'section':
      return sectionId === undefined ? { content: marked } : { content: marked, sectionId };
    case 'whole':
      return { content: texts.with(Math.min(at, Math.max(0, texts.length - 1)), marked).join('') };
    case 'add':
      return { content: texts.toSpliced(at + 1, 0, section(`new ${mark}`, [mark])).join('') };
    case 'remove':
      return { content: texts.length > 1 ? texts.toSpliced(at, 1).join('') : marked };
    case 'move':
      return { content: [...texts.slice(1), ...texts.slice(0, 1)].join('') };
    case 'rename':
      return { content: texts.with(at, marked.replace(headingOf(marked), `# renamed ${mark}`)).join('') };
  }
}

/** The marker behind those that are there, of which the oldest may be left out. */
function withMark(text: string, { mark, drops }: { readonly mark: string; readonly drops: number }): string {
  const lines = text.trimEnd().split('\n');
  const marks = lines.filter((line) => /^m\d+$/.test(line));
  const gone = new Set(marks.slice(0, drops));
  const kept = lines.filter((line) => !gone.has(line));
  return [...kept, mark, '', ''].join('\n');
}

function formed(section: string, form: Edit['form']): string {
  if (form === 'open') return `${section.trimEnd()}\n`;
  return form === 'underlined' ? section.replace(/^#+ (.*\n)/, '$1===\n') : section;
}

function nothing(): void {}
