/** What is read and answered of documents: 4, 38, 39. */
import type { AnswerOk } from './history.ts';
import type { Answer, Op } from './records.ts';
import { editionAt, editionBefore, type Doc, type DocumentBook, type Edition } from './document-book.ts';
import { DocumentCareReads } from './document-care-reads.ts';
import { field, items, num, text } from './values.ts';
import type { World } from './world.ts';

type Ok = Answer & { readonly event: AnswerOk };

const WRITES: ReadonlySet<string> = new Set([
  ...['document.create', 'document.update', 'document.resolve', 'document.restore', 'section.update'],
]);
const READS: ReadonlySet<string> = new Set([
  ...['document.get', 'document.history', 'document.conflicts', 'document.snapshots', 'document.diff'],
  ...['section.list', 'comment.list'],
]);

/** What is refused when there is no such version; of those that read also when there is no such section. */
const EDITS: ReadonlySet<string> = new Set(['document.update', 'section.update']);
const OF_VERSIONS: ReadonlySet<string> = new Set([
  ...['document.get', 'document.diff', 'document.restore', 'document.snapshot'],
  ...EDITS,
]);

export class DocumentReads {
  readonly #world: World;
  readonly #care: DocumentCareReads;

  constructor(world: World) {
    this.#world = world;
    this.#care = new DocumentCareReads(world);
  }

  answer(book: DocumentBook, answer: Answer): void {
    const { event, op } = answer;
    if (!event.ok) {
      if (event.code === 'NOT_FOUND') this.#notFound(book, answer);
      if (event.code === 'INTERNAL') this.#world.report('36', `${op.method}: a text is lost`, [op.index, answer.index]);
      return;
    }
    const ok: Ok = { ...answer, event };
    if (WRITES.has(op.method)) return this.#written(book, ok);
    if (op.method === 'document.list') {
      for (const view of items(event.result, 'documents')) this.#view(book, ok, view);
      return;
    }
    if (!READS.has(op.method)) return;
    const doc = book.docs.get(documentId(op) ?? '');
    const current = doc === undefined ? undefined : editionAt(doc, event.rev);
    if (doc === undefined || current === undefined) return this.#wrong(ok, 'it was read where it is not');
    this.#care.read(book, ok, doc);
    if (op.method === 'document.get') this.#got(book, ok, { doc, current });
    if (op.method === 'document.history') this.#history(ok, doc, current);
    if (op.method === 'document.conflicts') this.#conflicts(book, ok, doc);
  }

  #wrong({ op, index, event }: Ok, message: string, at?: Edition): void {
    const said = `${op.method} of ${documentId(op)} at ${event.rev}: ${message}`;
    this.#world.report(op.method === 'document.conflicts' ? '39' : '38', said, [op.index, at?.mark.index, index]);
  }

  /** The version that is answered is the one that the request made. */
  #written(book: DocumentBook, { op, event, index }: Ok): void {
    const { result } = event;
    const view = field(result, 'document');
    const doc = book.docs.get(text(view, 'id') ?? '');
    const edition = doc?.editions[(num(view, 'version') ?? 0) - 1];
    const made = items(result, 'sections').length > 0;
    if (edition !== undefined && (!made || edition.op === op)) return;
    this.#world.report('4', `${op.method} was answered with a version that it did not make`, [op.index, index]);
  }

  /** It was there all the time, in the versions that were asked for: every one that it ever had is read, edited and kept. */
  #notFound(book: DocumentBook, { op, index }: Answer): void {
    const doc = book.docs.get(documentId(op) ?? '');
    if (doc === undefined || doc.gone !== undefined || doc.workspaceId !== undefined) return;
    if (!OF_VERSIONS.has(op.method)) return;
    const snapshot = text(op.params, 'snapshotId');
    if (snapshot !== undefined) {
      const kept = book.snapshots.get(snapshot);
      if (kept?.doc === doc && kept.to === undefined && kept.from.index < op.index)
        this.#world.report('76', `${snapshot} of ${doc.id} was not found`, [kept.from.index, op.index, index]);
      return;
    }
    const asked = ['version', 'from', 'to'].flatMap((name) => num(op.params, name) ?? []);
    const before = editionBefore(doc, op.index);
    if (before === undefined || (!EDITS.has(op.method) && text(op.params, 'sectionId') !== undefined)) return;
    if (asked.some((version) => version > before.version || version < 1)) return;
    this.#world.report('38', `${op.method}: ${doc.id} was not found`, [before.mark.index, op.index, index]);
  }

  #got(book: DocumentBook, answer: Ok, { doc, current }: { readonly doc: Doc; readonly current: Edition }): void {
    const { op, event } = answer;
    const { result } = event;
    const version = num(result, 'version') ?? 0;
    const kept = book.snapshots.get(text(op.params, 'snapshotId') ?? '');
    const wanted = kept?.version ?? num(op.params, 'version') ?? current.version;
    if (version !== wanted) return this.#wrong(answer, `version ${version} was read, it was ${wanted}`, current);
    const edition = doc.editions[version - 1];
    if (edition === undefined) return this.#wrong(answer, `there is no version ${version}`, current);
    const sectionId = text(op.params, 'sectionId');
    const sections = edition.sections.filter(({ id }) => sectionId === undefined || id === sectionId);
    const content = sections.map((section) => section.text).join('');
    if (text(result, 'content') !== content) this.#wrong(answer, `version ${version} has another text`, edition);
    const views = items(field(result, 'document'), 'sections');
    const same =
      views.length === edition.sections.length &&
      edition.sections.every((section, at) => {
        return text(views[at], 'id') === section.id && num(views[at], 'version') === section.version;
      });
    if (!same) this.#wrong(answer, `version ${version} has other sections`, edition);
    this.#is(answer, doc, { view: field(result, 'document'), current });
  }

  #view(book: DocumentBook, answer: Ok, view: unknown): void {
    const doc = book.docs.get(text(view, 'id') ?? '');
    const current = doc === undefined ? undefined : editionAt(doc, answer.event.rev);
    if (doc === undefined || current === undefined)
      this.#wrong(answer, `${text(view, 'id')} is listed and was not there`);
    else this.#is(answer, doc, { view, current });
  }

  #is(answer: Ok, doc: Doc, { view, current }: { readonly view: unknown; readonly current: Edition }): void {
    this.#care.title(answer, doc, view);
    const by = doc.touches.findLast(({ mark }) => mark.rev <= answer.event.rev)?.by;
    if (num(view, 'version') === current.version && text(view, 'updatedBy') === by) return;
    this.#wrong(answer, `it is shown at version ${num(view, 'version')} of ${text(view, 'updatedBy')}`, current);
  }

  #history(answer: Ok, doc: Doc, current: Edition): void {
    const { op, event } = answer;
    let version = Math.min(current.version, (num(op.params, 'before') ?? Infinity) - 1);
    for (const view of items(event.result, 'versions')) {
      const edition = doc.editions[version - 1];
      const touched = items(view, 'sections');
      const same =
        num(view, 'version') === version &&
        text(view, 'by') === edition?.by &&
        touched.length === edition?.touched.length &&
        num(view, 'restored') === edition.restored &&
        edition.touched.every((id) => touched.includes(id));
      if (!same) return this.#wrong(answer, `version ${version} is told otherwise`, edition);
      version -= 1;
    }
    // All are told, down to the first.
    const next = num(event.result, 'next');
    if (version !== (next ?? 1) - 1 && num(op.params, 'before') !== 1)
      this.#wrong(answer, `the page ends with version ${version + 1}, and goes on before ${next}`);
  }

  #conflicts(book: DocumentBook, answer: Ok, doc: Doc): void {
    const { op, event } = answer;
    const asked = text(op.params, 'conflictId');
    const open = [...book.conflicts.values()].filter(
      (one) => one.doc === doc && one.from.rev <= event.rev && (one.to === undefined || one.to.rev > event.rev),
    );
    const views = items(event.result, 'conflicts');
    const due = open.filter(({ id }) => asked === undefined || id === asked);
    if (views.length !== due.length)
      return this.#wrong(answer, `${views.length} conflicts are shown, ${due.length} are open`);
    for (const view of views) {
      const conflict = due.find(({ id }) => id === text(view, 'id'));
      if (conflict === undefined) return this.#wrong(answer, `${text(view, 'id')} is shown, and is not open`);
      const { base, ours, theirs } = conflict;
      if (asked === undefined) continue;
      if (text(view, 'base') !== base || text(view, 'ours') !== ours || text(view, 'theirs') !== theirs)
        this.#wrong(answer, `${conflict.id} is shown with other texts`);
    }
  }
}

/** The one that a request names. */
function documentId({ params }: Op): string | undefined {
  return text(params, 'id') ?? text(params, 'documentId');
}
