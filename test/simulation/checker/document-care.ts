/**
 * What is done with documents beside editing them (76): names, archives, snapshots, comments, from D12, D14 and D15 alone. Each request is carried
 * out upon what is known, and what there is after the entry has to be the same.
 */
import type { Comment, Doc, DocumentBook, Snapshot } from './document-book.ts';
import type { CareSeen, CommentSeen, SnapshotSeen, TitleSeen, WriteSeen } from './history.ts';
import type { Mark, Op } from './records.ts';
import { field, text } from './values.ts';
import type { World } from './world.ts';

export interface Told {
  readonly event: string;
  readonly fits: (data: unknown) => boolean;
}

/** A request of an entry, and how it is found that somebody was told. */
export interface CareWrite {
  readonly write: WriteSeen;
  readonly op: Op;
  readonly mark: Mark;
  readonly tell: (doc: Doc, what: Told) => void;
}

interface Upon extends CareWrite {
  readonly book: DocumentBook;
  readonly doc: Doc;
}

export class DocumentCare {
  readonly #world: World;
  /** Changed by the requests of this entry. */
  readonly #titled = new Set<Doc>();
  readonly #opened = new Set<Snapshot | Comment>();
  readonly #closed = new Set<Snapshot | Comment>();

  constructor(world: World) {
    this.#world = world;
  }

  created(doc: Doc, name: string, mark: Mark): void {
    doc.titles.push({ mark, name, archived: false });
    this.#titled.add(doc);
  }

  write(book: DocumentBook, care: CareWrite): void {
    const { method, ok, result } = care.write;
    const { params } = care.op;
    if (!ok) return;
    const comment = book.comments.get(text(params, 'id') ?? '');
    if (method === 'comment.resolve' || method === 'comment.delete') {
      if (comment === undefined || comment.to !== undefined)
        return this.#wrong(care, `${method} of a comment that there is not`);
      const upon = { ...care, book, doc: comment.doc };
      return method === 'comment.resolve' ? this.#resolved(upon, comment) : this.#uncommented(upon, comment);
    }
    const id = text(params, 'id') ?? text(params, 'documentId') ?? '';
    const doc = book.docs.get(id);
    if (doc === undefined || doc.gone !== undefined) return this.#wrong(care, `${method} of ${id}, which is not there`);
    const upon = { ...care, book, doc };
    switch (method) {
      case 'document.rename':
        return this.#renamed(upon, text(params, 'name') ?? '');
      case 'document.archive':
      case 'document.unarchive':
        return this.#archived(upon, method === 'document.archive');
      case 'document.snapshot':
        return this.#kept(upon, field(result, 'snapshot'));
      case 'document.deleteSnapshot':
        return this.#dropped(upon, book.snapshots.get(text(params, 'snapshotId') ?? ''));
      case 'comment.create':
        return this.#commented(upon, field(result, 'comment'));
    }
  }

  /**
   * What it may not do to a document that is archived, and when it may not be refused for that (D12). One of a workspace may be refused
   * because that is archived, which is judged with the workspaces.
   */
  archive(doc: Doc, { write, op, mark }: Omit<CareWrite, 'tell'>): void {
    const archived = doc.titles.at(-1)?.archived === true;
    const leaves = op.method === 'document.resolve' && text(op.params, 'resolution') === 'theirs';
    if (write.ok && archived && !leaves) this.#wrong({ op, mark }, `${op.method} of ${doc.id}, which is archived`);
    if (!write.ok && write.code === 'INVALID_TRANSITION' && !archived && doc.workspaceId === undefined)
      this.#wrong({ op, mark }, `${op.method} of ${doc.id} is refused as if it were archived`);
  }

  ends(book: DocumentBook, doc: Doc, mark: Mark): void {
    for (const one of [...book.snapshots.values(), ...book.comments.values()])
      if (one.doc === doc && one.to === undefined) this.#close(one, mark);
  }

  #renamed({ op, doc, mark, tell }: Upon, name: string): void {
    const last = doc.titles.at(-1);
    if (last?.name === name) return;
    this.#title(doc, { mark, name, archived: last?.archived === true });
    doc.touches.push({ mark, by: op.session.principal });
    tell(doc, { event: 'document.renamed', fits: (data) => text(data, 'name') === name });
  }

  #archived({ op, doc, mark, tell }: Upon, archived: boolean): void {
    const last = doc.titles.at(-1);
    if (last?.archived === archived) return;
    this.#title(doc, { mark, name: last?.name ?? '', archived });
    doc.touches.push({ mark, by: op.session.principal });
    tell(doc, { event: archived ? 'document.archived' : 'document.unarchived', fits: () => true });
  }

  #title(doc: Doc, title: Doc['titles'][number]): void {
    doc.titles.push(title);
    this.#titled.add(doc);
  }

  #kept({ book, op, doc, mark, tell, write }: Upon, view: unknown): void {
    const id = text(view, 'id') ?? '';
    const name = text(op.params, 'name');
    const version = Number(field(op.params, 'version') ?? doc.editions.at(-1)?.version);
    const edition = doc.editions[version - 1];
    if (edition === undefined || book.snapshots.has(id) || field(view, 'version') !== version)
      return this.#wrong(
        { op, mark },
        `${write.method} of ${doc.id} gave ${id} of version ${String(field(view, 'version'))}`,
      );
    const about = { id, doc, name, version, by: op.session.principal, from: mark, to: undefined };
    const made: Snapshot = { ...about, text: edition.text, hashes: edition.sections.map(({ sha256 }) => sha256) };
    book.snapshots.set(id, made);
    this.#opened.add(made);
    tell(doc, {
      event: 'document.snapshot',
      fits: (data) => text(data, 'snapshotId') === id && text(data, 'name') === name,
    });
  }

  #dropped({ op, doc, mark, tell }: Upon, snapshot: Snapshot | undefined): void {
    if (snapshot === undefined || snapshot.doc !== doc || snapshot.to !== undefined)
      return this.#wrong({ op, mark }, 'a snapshot was deleted that there is not');
    this.#close(snapshot, mark);
    tell(doc, { event: 'document.snapshotDeleted', fits: (data) => text(data, 'snapshotId') === snapshot.id });
  }

  #commented({ book, op, doc, mark, tell }: Upon, view: unknown): void {
    const id = text(view, 'id') ?? '';
    const [section, replyTo] = [text(op.params, 'sectionId'), text(op.params, 'replyTo')];
    const above = replyTo === undefined ? undefined : book.comments.get(replyTo);
    if (replyTo !== undefined && (above?.doc !== doc || above.to !== undefined))
      this.#wrong({ op, mark }, `${id} answers ${replyTo}, which is no comment of ${doc.id}`);
    const current = doc.editions.at(-1);
    if (section !== undefined && current?.sections.some((one) => one.id === section) !== true)
      this.#wrong({ op, mark }, `${id} is about ${section}, which is no section of ${doc.id}`);
    const content = text(op.params, 'content') ?? '';
    const about = { id, doc, section, replyTo, by: op.session.principal, content, from: mark, to: undefined };
    const made: Comment = { ...about, sha256: undefined, states: [{ mark, resolvedBy: undefined }] };
    book.comments.set(id, made);
    this.#opened.add(made);
    tell(doc, { event: 'document.commented', fits: (data) => text(data, 'commentId') === id });
  }

  #resolved({ op, doc, mark, tell }: Upon, comment: Comment): void {
    const resolved = field(op.params, 'resolved') !== false;
    const last = comment.states.at(-1)?.resolvedBy;
    if ((last !== undefined) === resolved) return;
    comment.states.push({ mark, resolvedBy: resolved ? op.session.principal : undefined });
    this.#opened.add(comment);
    const said = (data: unknown): boolean =>
      text(data, 'commentId') === comment.id && field(data, 'resolved') === resolved;
    tell(doc, { event: 'document.commentResolved', fits: said });
  }

  #uncommented({ book, op, doc, mark, tell }: Upon, comment: Comment): void {
    const { principal, role } = op.session;
    if (doc.workspaceId === undefined && comment.by !== principal && role !== 'admin')
      this.#world.report('61', `${comment.id} of ${comment.by} was deleted by ${principal}`, [op.index, mark.index]);
    const gone = [comment];
    for (const one of gone) {
      this.#close(one, mark);
      gone.push(...[...book.comments.values()].filter(({ replyTo, to }) => replyTo === one.id && to === undefined));
    }
    tell(doc, { event: 'document.commentDeleted', fits: (data) => text(data, 'commentId') === comment.id });
  }

  #close(one: Snapshot | Comment, mark: Mark): void {
    one.to = mark;
    this.#closed.add(one);
  }

  /** After all requests of an entry: there is what they made of it. */
  compare(book: DocumentBook, seen: CareSeen | undefined, mark: Mark): void {
    if (seen !== undefined) {
      this.#titles(book, seen.titles, mark);
      this.#there(book.snapshots, { seen: seen.snapshots, gone: seen.snapshotsGone, fits: isSnapshot, mark });
      this.#there(book.comments, { seen: seen.comments, gone: seen.commentsGone, fits: isComment, mark });
      for (const one of seen.comments) this.#said(book, one, mark);
    }
    for (const changed of [this.#titled, this.#opened, this.#closed]) changed.clear();
  }

  #titles(book: DocumentBook, seen: readonly TitleSeen[], mark: Mark): void {
    for (const { id, name, archived } of seen) {
      const doc = book.docs.get(id);
      const last = doc?.titles.at(-1);
      if (doc !== undefined) this.#titled.delete(doc);
      if (doc?.gone === undefined && (last?.name !== name || last.archived !== archived))
        this.#report(
          `${id} is called ${name}${archived ? ' and is archived' : ''}, which nobody asked for`,
          last?.mark,
          mark,
        );
    }
    for (const doc of this.#titled) {
      const before = doc.titles.findLast((one) => one.mark !== mark);
      const last = doc.titles.at(-1);
      if (doc.gone === undefined && (last?.name !== before?.name || last?.archived !== before?.archived))
        this.#report(
          `${doc.id} is called and archived as before, though it was accepted otherwise`,
          before?.mark,
          mark,
        );
    }
  }

  #there<K extends Snapshot | Comment, S extends { readonly id: string }>(
    known: ReadonlyMap<string, K>,
    of: {
      readonly seen: readonly S[];
      readonly gone: readonly string[];
      readonly fits: (known: K, seen: S) => boolean;
      readonly mark: Mark;
    },
  ): void {
    const { seen, gone, fits, mark } = of;
    for (const one of seen) {
      const made = known.get(one.id);
      if (made === undefined || made.to !== undefined || !fits(made, one))
        this.#report(`${one.id} is there and is not what was asked for`, made?.from, mark);
      if (made !== undefined) this.#opened.delete(made);
    }
    for (const id of gone) {
      const made = known.get(id);
      if (made?.to === undefined && made !== undefined)
        this.#report(`${id} is gone, and nobody deleted it`, made.from, mark);
      if (made !== undefined) this.#closed.delete(made);
    }
    for (const one of known.values()) {
      if (this.#opened.has(one) && one.to === undefined)
        this.#report(`${one.id} was accepted and is not there`, undefined, mark);
      if (this.#closed.has(one) && one.from !== mark)
        this.#report(`${one.id} is there, and was deleted`, one.from, mark);
    }
  }

  #said(book: DocumentBook, { id, sha256 }: CommentSeen, mark: Mark): void {
    const comment = book.comments.get(id);
    if (comment === undefined || comment.sha256 !== undefined) return;
    comment.sha256 = sha256;
    if (book.textOf(sha256, mark) !== comment.content)
      this.#report(`${id} does not say what was sent`, comment.from, mark);
  }

  #report(message: string, before: Mark | undefined, mark: Mark): void {
    this.#world.report('76', message, [before?.index, mark.index]);
  }

  #wrong({ op, mark }: { readonly op: Op; readonly mark: Mark }, message: string): void {
    this.#world.report('76', message, [op.index, mark.index]);
  }
}

function isSnapshot(known: Snapshot, { document, name, version, by, texts }: SnapshotSeen): boolean {
  return (
    texts.length === known.hashes.length &&
    texts.every((sha256, at) => known.hashes[at] === sha256) &&
    known.doc.id === document &&
    known.name === name &&
    known.version === version &&
    known.by === by
  );
}

function isComment(known: Comment, { document, section, replyTo, by, resolvedBy }: CommentSeen): boolean {
  return (
    known.doc.id === document &&
    known.section === section &&
    known.replyTo === replyTo &&
    known.by === by &&
    known.states.at(-1)?.resolvedBy === resolvedBy
  );
}
