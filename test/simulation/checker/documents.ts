/**
 * Documents, from section 25 of the protocol: what each entry did with them is what was asked for in it, in that order. 35 to 41, and what
 * is told of it (67).
 */
import { DocumentCare } from './document-care.ts';
import { DocumentBook, editionBefore, type Conflict, type Doc, type Edition } from './document-book.ts';
import { EditJudge, mayMeanElse, sameIds, whole, whyStale, type Edit } from './document-edits.ts';
import { DocumentLocks } from './document-locks.ts';
import { DocumentReads } from './document-reads.ts';
import { DocumentResolutions } from './document-resolutions.ts';
import { sameLines, sameText, splitText } from './document-text.ts';
import type { ConflictSeen, DocumentSeen, DocumentsObservation, TopicTold, WriteSeen } from './history.ts';
import type { InvariantId } from './invariants.ts';
import type { Mark, Op, Tenant } from './records.ts';
import { isFinal } from './request-book.ts';
import { field, items, num, text } from './values.ts';
import type { AppliedStep, Family, Step, World } from './world.ts';

/** What of an entry is not explained yet. */
interface Left {
  readonly mark: Mark;
  readonly versions: DocumentSeen[];
  readonly conflicts: Map<string, ConflictSeen>;
  readonly ended: Set<string>;
  readonly gone: Set<string>;
  readonly told: TopicTold[];
}

interface Books {
  readonly book: DocumentBook;
  readonly locks: DocumentLocks;
  readonly care: DocumentCare;
}

/** What is asked of the text, and what is asked of all else. */
const EDITS: ReadonlySet<string> = new Set([
  'document.update',
  'section.update',
  'document.restore',
  'document.resolve',
]);
const READS_AND_WRITES = /^(?:document|comment)\.|^section\.(?:list|update)$/;

export class Documents implements Family {
  readonly #world: World;
  readonly #books = new Map<Tenant, Books>();
  readonly #ran = new Set<string>();
  readonly #edits: EditJudge;
  readonly #reads: DocumentReads;
  readonly #resolutions: DocumentResolutions;

  constructor(world: World) {
    this.#world = world;
    this.#edits = new EditJudge(world);
    this.#reads = new DocumentReads(world);
    this.#resolutions = new DocumentResolutions(world);
  }

  on({ event, applied, answer, index }: Step): void {
    if (event.kind === 'text.kept') this.#of(this.#world.tenant(event.tenant)).book.kept(event, index);
    if (event.kind === 'text.gone') this.#of(this.#world.tenant(event.tenant)).book.removed(event, index);
    if (applied !== undefined) this.#applied(applied);
    if (answer !== undefined && READS_AND_WRITES.test(answer.op.method))
      this.#reads.answer(this.#of(answer.op.tenant).book, answer);
  }

  #of(tenant: Tenant): Books {
    let books = this.#books.get(tenant);
    if (books === undefined)
      this.#books.set(
        tenant,
        (books = {
          book: new DocumentBook(this.#world, tenant),
          locks: new DocumentLocks(),
          care: new DocumentCare(this.#world),
        }),
      );
    return books;
  }

  #applied({ tenant, event, mark }: AppliedStep): void {
    if (event.documents === undefined && event.locks === undefined && !this.#books.has(tenant)) return;
    const books = this.#of(tenant);
    books.locks.entry(event);
    if (event.documents !== undefined) this.#entry(books, event.documents, mark);
  }

  #entry(books: Books, seen: DocumentsObservation, mark: Mark): void {
    const left: Left = {
      mark,
      versions: [...seen.versions],
      conflicts: new Map(seen.conflicts.map((one) => [one.id, one])),
      ended: new Set(seen.ended),
      gone: new Set(seen.gone),
      told: seen.told.filter(({ event }) => event.startsWith('document.')),
    };
    for (const write of seen.writes) {
      const op = this.#opOf(write, mark);
      if (op !== undefined) this.#write(books, { write, op, left });
    }
    this.#withWorkspaces(books, left);
    books.care.compare(books.book, seen.care, mark);
    for (const { id, version } of left.versions)
      this.#world.report('35', `${id} version ${version} was made by no edit`, [mark.index]);
    for (const id of left.conflicts.keys()) this.#world.report('39', `${id} stems from no edit`, [mark.index]);
    for (const id of left.ended) this.#world.report('39', `${id} ends, and nobody resolved it`, [mark.index]);
    for (const id of left.gone) this.#world.report('7', `${id} is gone, and nobody deleted it`, [mark.index]);
    for (const { event, topic } of left.told)
      this.#world.report('67', `${event} on ${topic} tells what did not happen`, [mark.index]);
  }

  /** The request, if the entry is the first that carries it out. */
  #opOf({ session, reqId, k, method, ok, code = '' }: WriteSeen, mark: Mark): Op | undefined {
    const group = this.#world.requests.group(session, reqId);
    const op = group?.ops.find((one) => one.method === method);
    if (op === undefined) {
      this.#world.report('7', `${method} ${session}#${reqId} ran and was never sent`, [mark.index]);
      return undefined;
    }
    const byId = JSON.stringify([session, reqId]);
    const byKey = k === undefined ? byId : JSON.stringify([op.tenant.id, op.session.principal, k]);
    if (this.#ran.has(byId) || this.#ran.has(byKey)) return undefined;
    if (!ok && !isFinal(code)) return op;
    this.#ran.add(byId);
    // What may be asked again is carried out again (Q15).
    if (code !== 'BUSY') this.#ran.add(byKey);
    return op;
  }

  #write(books: Books, { write, op, left }: { readonly write: WriteSeen; readonly op: Op; readonly left: Left }): void {
    const { method, ok, result, code } = write;
    const { mark } = left;
    if (method === 'document.create' && ok) return this.#created(books, { result, op, left });
    if (method === 'document.update' || method === 'section.update' || method === 'document.restore') {
      const doc = books.book.docs.get(text(op.params, 'id') ?? text(op.params, 'documentId') ?? '');
      if (doc === undefined) return;
      books.care.archive(doc, { write, op, mark });
      return this.#update(books, { write, op, left, doc });
    }
    if (method === 'document.resolve') {
      const conflict = books.book.conflicts.get(text(op.params, 'conflictId') ?? '');
      if (conflict !== undefined) books.care.archive(conflict.doc, { write, op, mark });
      if (conflict !== undefined && ok) this.#resolved(books, { conflict, result, op, left });
      if (conflict !== undefined && !ok) this.#refusal(books, { doc: conflict.doc, op, code, mark: left.mark });
    }
    if (method === 'document.delete' && ok) this.#deleted(books, { op, left });
    if (EDITS.has(method) || method === 'document.create' || method === 'document.delete') return;
    const doc = books.book.docs.get(text(op.params, 'id') ?? '');
    if (doc !== undefined && method === 'document.rename') books.care.archive(doc, { write, op, mark });
    books.care.write(books.book, { write, op, mark, tell: (of, what) => this.#tell(left, of, what) });
  }

  #created(
    { book, care }: Books,
    { result, op, left }: { readonly result: unknown; readonly op: Op; readonly left: Left },
  ): void {
    const { mark } = left;
    const id = text(field(result, 'document'), 'id') ?? '';
    const seen = take(left.versions, id);
    if (seen?.version !== 1 || book.docs.has(id)) return this.#unseen('document.create', op, mark);
    const { type, workspaceId } = seen;
    const none = { editions: [], used: new Set<string>(), titles: [], touches: [], gone: undefined };
    const doc: Doc = { id, type, workspaceId, ...none };
    const edition = book.edition(seen, { mark, op, former: undefined });
    book.docs.set(id, doc);
    doc.editions.push(edition);
    doc.touches.push({ mark, by: edition.by });
    care.created(doc, text(op.params, 'name') ?? '', mark);
    const content = text(op.params, 'content') ?? '';
    if (edition.text !== content) this.#wrong('36', doc, 'it does not have the text that was sent', edition);
    if (edition.sections.length !== Math.max(1, splitText(type, content).length))
      this.#wrong('41', doc, `it has ${edition.sections.length} sections`, edition);
    this.#edits.unique(doc, edition);
    this.#edits.apart(doc, edition);
    this.#byItsCaller(doc, edition);
    this.#tell(left, doc, { event: 'document.created', fits: (data) => num(data, 'version') === 1 });
  }

  #update(
    books: Books,
    of: { readonly write: WriteSeen; readonly op: Op; readonly left: Left; readonly doc: Doc },
  ): void {
    const { write, op, left, doc } = of;
    const { mark } = left;
    const former = doc.editions.at(-1);
    if (former === undefined) return;
    if (doc.gone !== undefined) {
      if (write.ok) this.#world.report('35', `${doc.id} was edited after it was deleted`, [doc.gone.index, mark.index]);
      return;
    }
    if (op.method === 'document.restore' && write.ok) return this.#restored(books, { write, op, left, doc, former });
    const edit = op.method === 'document.restore' ? this.#restoring(books.book, of) : editOf(op, doc);
    if (write.ok) {
      if (edit === undefined) return this.#wrong('35', doc, 'an edit of a version that there never was', former);
      if (items(write.result, 'sections').length > 0) return this.#edited(books, { doc, edit, op, left, former });
      if (!sameText(whole(edit, edit.base), edit.base.text))
        this.#world.report('36', `${doc.id}: an edit that changes something made no version`, [op.index, mark.index]);
      return;
    }
    this.#refusal(books, { doc, op, code: write.code, mark });
    if (write.code !== 'DOCUMENT_CONFLICT' || edit === undefined) return;
    const id = text(write.result, 'conflictId') ?? '';
    const seen = left.conflicts.get(id);
    left.conflicts.delete(id);
    const conflict = seen === undefined ? undefined : books.book.conflict(seen, mark);
    if (conflict === undefined)
      return this.#world.report('39', `${doc.id}: an edit was refused and left no conflict`, [op.index, mark.index]);
    this.#conflict(conflict, { edit, former, op });
    this.#tell(left, doc, { event: 'document.conflict', fits: (data) => text(data, 'conflictId') === id });
  }

  /** As an edit of a version that was current while it was asked for: one has to fit (D13). */
  #restored(
    books: Books,
    of: {
      readonly write: WriteSeen;
      readonly op: Op;
      readonly left: Left;
      readonly doc: Doc;
      readonly former: Edition;
    },
  ): void {
    const { write, op, left, doc, former } = of;
    const again = againOf(books.book, doc, op);
    if (again === undefined) return this.#wrong('36', doc, 'what there never was is restored', former);
    const made = items(write.result, 'sections').length > 0;
    const next = made ? this.#next(books, { doc, op, left, former, restored: again.version }) : undefined;
    if (this.#resolutions.isEdit(doc, { content: again.text, asked: { op, former, next } })) return;
    this.#world.report('36', `${doc.id}: version ${again.version} was restored, and the text is another`, [
      op.index,
      former.mark.index,
      left.mark.index,
    ]);
  }

  /** One that was refused: its conflict says of which version it was made. */
  #restoring(
    book: DocumentBook,
    { write, op, left, doc }: { readonly write: WriteSeen; readonly op: Op; readonly left: Left; readonly doc: Doc },
  ): Edit | undefined {
    const again = againOf(book, doc, op);
    const conflict = left.conflicts.get(text(write.result, 'conflictId') ?? '');
    const since = editionBefore(doc, op.index)?.version ?? 1;
    const base = doc.editions[(conflict?.baseVersion ?? 0) - 1];
    if (again === undefined || base === undefined || base.version < since) return undefined;
    return { content: again.text, sectionId: undefined, base };
  }

  #edited(
    books: Books,
    of: { readonly doc: Doc; readonly edit: Edit; readonly op: Op; readonly left: Left; readonly former: Edition },
  ): void {
    const { doc, edit, op, left, former } = of;
    const next = this.#next(books, { doc, op, left, former });
    if (next !== undefined) this.#edits.accepted(doc, edit, { former, next });
  }

  /** The version that the request made. */
  #next(
    { book, locks }: Books,
    of: {
      readonly doc: Doc;
      readonly op: Op;
      readonly left: Left;
      readonly former: Edition;
      readonly restored?: number;
    },
  ): Edition | undefined {
    const { doc, op, left, former, restored } = of;
    const { mark } = left;
    const seen = take(left.versions, doc.id);
    if (seen === undefined) {
      this.#unseen(op.method, op, mark);
      return undefined;
    }
    const next = book.edition(seen, { mark, op, former });
    next.restored = restored;
    doc.editions.push(next);
    doc.touches.push({ mark, by: next.by });
    this.#edits.follows(doc, former, next);
    this.#byItsCaller(doc, next);
    const touched = sameIds(former, next) ? next.touched : undefined;
    const lock = locks.foreign(doc, op, touched);
    if (lock !== undefined) this.#wrong('40', doc, `${lock.id} of ${lock.owner} locks what it touches`, next);
    const token = text(op.params, 'token');
    if (token !== undefined && !locks.holds(op, { token, doc, touched, sure: false }))
      this.#wrong('40', doc, `it names the token ${token}, under which its caller has nothing`, next);
    const said = (data: unknown): boolean =>
      num(data, 'version') === next.version && sameNames(data, next.touched) && num(data, 'restored') === restored;
    this.#tell(left, doc, { event: 'document.updated', fits: said });
    return next;
  }

  #refusal(
    { locks }: Books,
    of: { readonly doc: Doc; readonly op: Op; readonly code: string | undefined; readonly mark: Mark },
  ): void {
    const { doc, op, code, mark } = of;
    const wrong = (message: string): void => this.#world.report('40', `${doc.id}: ${message}`, [op.index, mark.index]);
    if (code === 'BUSY' && !locks.mayBeBusy(doc, op)) wrong('an edit was refused as BUSY, and nobody has locked it');
    const token = text(op.params, 'token');
    if (code === 'NOT_HELD' && token !== undefined && locks.holds(op, { token, doc, touched: undefined, sure: true }))
      wrong(`an edit was refused under the token ${token}, which its caller holds`);
  }

  #conflict(
    conflict: Conflict,
    { edit, former, op }: { readonly edit: Edit; readonly former: Edition; readonly op: Op },
  ): void {
    const { doc, id, base, ours, theirs, from } = conflict;
    const wrong = (message: string): void =>
      this.#world.report('39', `${id} of ${doc.id}: ${message}`, [edit.base.mark.index, op.index, from.index]);
    if (conflict.baseVersion !== edit.base.version || conflict.version !== former.version)
      wrong('it names other versions');
    if (base !== edit.base.text) wrong('it does not keep the text that the edit was made of');
    if (!sameLines(ours, whole(edit, edit.base))) wrong('it does not keep the text that was refused');
    if (theirs !== former.text) wrong('it does not keep the text that was current');
    if (conflict.by !== op.session.principal) wrong('it is of somebody else');
    if (whyStale(doc.type, edit, former) === undefined && !mayMeanElse(doc.type, edit))
      wrong('the sections that the edit touches are as they were');
  }

  #resolved(
    books: Books,
    of: { readonly conflict: Conflict; readonly result: unknown; readonly op: Op; readonly left: Left },
  ): void {
    const { conflict, result, op, left } = of;
    const { doc, id } = conflict;
    const { mark } = left;
    const former = doc.editions.at(-1);
    if (conflict.to !== undefined || !left.ended.delete(id))
      return this.#world.report('39', `${id} was resolved, and is open or was resolved before`, [
        conflict.to?.index,
        op.index,
        mark.index,
      ]);
    conflict.to = mark;
    if (former === undefined) return;
    const made = items(result, 'sections').length > 0;
    const next = made ? this.#next(books, { doc, op, left, former }) : undefined;
    this.#resolutions.judge(conflict, { op, former, next });
    const said = (data: unknown): boolean =>
      text(data, 'conflictId') === id && num(data, 'version') === (next ?? former).version;
    this.#tell(left, doc, { event: 'document.resolved', fits: said });
  }

  #deleted(books: Books, { op, left }: { readonly op: Op; readonly left: Left }): void {
    const { book, locks } = books;
    const doc = book.docs.get(text(op.params, 'id') ?? '');
    if (doc === undefined || !left.gone.delete(doc.id)) return this.#unseen('document.delete', op, left.mark);
    const lock = locks.foreign(doc, op, undefined);
    const last = doc.editions.at(-1);
    if (lock !== undefined && last !== undefined)
      this.#wrong('40', doc, `it is deleted while ${lock.id} of ${lock.owner} locks it`, last);
    this.#ends(books, doc, left);
  }

  /** Documents end with their workspace. */
  #withWorkspaces(books: Books, left: Left): void {
    for (const id of [...left.gone]) {
      const doc = books.book.docs.get(id);
      if (doc?.workspaceId === undefined) continue;
      left.gone.delete(id);
      this.#ends(books, doc, left);
    }
  }

  #ends({ book, care }: Books, doc: Doc, left: Left): void {
    doc.gone = left.mark;
    care.ends(book, doc, left.mark);
    for (const conflict of book.conflicts.values()) {
      if (conflict.doc !== doc || conflict.to !== undefined) continue;
      conflict.to = left.mark;
      if (!left.ended.delete(conflict.id))
        this.#world.report('39', `${conflict.id} outlives ${doc.id}`, [conflict.from.index, left.mark.index]);
    }
    this.#tell(left, doc, { event: 'document.deleted', fits: () => true });
  }

  #byItsCaller(doc: Doc, edition: Edition): void {
    if (edition.by !== edition.op?.session.principal)
      this.#wrong('61', doc, `it is said to be made by ${edition.by}`, edition);
  }

  #tell(left: Left, doc: Doc, what: { readonly event: string; readonly fits: (data: unknown) => boolean }): void {
    const topic = `document.${doc.id}`;
    const at = left.told.findIndex(
      ({ event, topic: on, data }) => event === what.event && on === topic && what.fits(data),
    );
    if (at >= 0) left.told.splice(at, 1);
    else this.#world.report('67', `${what.event} is not told on ${topic}`, [left.mark.index]);
  }

  #unseen(method: string, op: Op, mark: Mark): void {
    this.#world.report('4', `${method} was accepted, and nothing was done`, [op.index, mark.index]);
  }

  #wrong(id: InvariantId, doc: Doc, message: string, { version, mark, op }: Edition): void {
    this.#world.report(id, `${doc.id} version ${version}: ${message}`, [op?.index, mark.index]);
  }
}

function editOf(op: Op, doc: Doc): Edit | undefined {
  const base = doc.editions[(num(op.params, 'version') ?? 0) - 1];
  if (base === undefined) return undefined;
  return { content: text(op.params, 'content') ?? '', sectionId: text(op.params, 'sectionId'), base };
}

/** The version, or the snapshot, that a restore names. */
function againOf(
  book: DocumentBook,
  doc: Doc,
  { params }: Op,
): { readonly version: number; readonly text: string } | undefined {
  const snapshotId = text(params, 'snapshotId');
  if (snapshotId === undefined) return doc.editions[(num(params, 'version') ?? 0) - 1];
  const kept = book.snapshots.get(snapshotId);
  return kept?.doc === doc ? kept : undefined;
}

function take(versions: DocumentSeen[], id: string): DocumentSeen | undefined {
  const at = versions.findIndex((one) => one.id === id);
  return at < 0 ? undefined : versions.splice(at, 1)[0];
}

function sameNames(data: unknown, touched: readonly string[]): boolean {
  const told = items(data, 'sections');
  return told.length === touched.length && touched.every((id) => told.includes(id));
}
