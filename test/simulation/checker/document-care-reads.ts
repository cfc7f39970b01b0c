/** What is read of documents beside their texts (38, 76): names, snapshots, sections, comments, and how versions differ. */
import { documentPath } from '../../../protocol/wire/documents.ts';
import { editionAt, isOpenAt, type Comment, type Doc, type DocumentBook, type Edition } from './document-book.ts';
import { countSigned, patched } from './document-patch.ts';
import type { AnswerOk } from './history.ts';
import type { InvariantId } from './invariants.ts';
import type { Answer } from './records.ts';
import { field, items, num, text } from './values.ts';
import type { World } from './world.ts';

type Ok = Answer & { readonly event: AnswerOk };

export class DocumentCareReads {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Of one document that is there. */
  read(book: DocumentBook, answer: Ok, doc: Doc): void {
    switch (answer.op.method) {
      case 'document.snapshots':
        return this.#snapshots(book, answer, doc);
      case 'section.list':
        return this.#sections(answer, doc);
      case 'comment.list':
        return this.#comments(book, answer, doc);
      case 'document.diff':
        return this.#diff(answer, doc);
    }
  }

  /** How it is called, whether it is archived, and who changed something about it last. */
  title(answer: Ok, doc: Doc, view: unknown): void {
    const { rev } = answer.event;
    const title = doc.titles.findLast(({ mark }) => mark.rev <= rev);
    const archived = field(view, 'archived') === true;
    const wanted = field(answer.op.params, 'archived');
    if (title !== undefined && (text(view, 'name') !== title.name || archived !== title.archived))
      this.#wrong(answer, `${doc.id} is shown as ${text(view, 'name')}${archived ? ', archived' : ''}`);
    if (answer.op.method === 'document.list' && wanted !== undefined && wanted !== archived)
      this.#wrong(answer, `${doc.id} is listed among those that are ${archived ? 'not ' : ''}archived`);
  }

  #wrong({ op, index }: Answer, message: string, id: InvariantId = '76'): void {
    this.#world.report(id, `${op.method}: ${message}`, [op.index, index]);
  }

  #snapshots(book: DocumentBook, answer: Ok, doc: Doc): void {
    const { rev, result } = answer.event;
    const open = [...book.snapshots.values()].filter((one) => one.doc === doc && isOpenAt(one, rev));
    const views = items(result, 'snapshots');
    const same = views.every((view) => {
      const one = open.find(({ id }) => id === text(view, 'id'));
      return (
        one !== undefined &&
        one.version === num(view, 'version') &&
        one.name === text(view, 'name') &&
        one.by === text(view, 'by')
      );
    });
    if (!same || views.length !== open.length)
      this.#wrong(answer, `${doc.id} has ${open.length} snapshots, others are shown`);
  }

  #sections(answer: Ok, doc: Doc): void {
    const { rev, result } = answer.event;
    const sections = editionAt(doc, rev)?.sections ?? [];
    const views = items(result, 'sections');
    const same =
      views.length === sections.length &&
      sections.every(({ id, version }, at) => {
        const path = documentPath({ id: doc.id, workspaceId: doc.workspaceId, sectionId: id });
        return (
          text(views[at], 'id') === id && num(views[at], 'version') === version && text(views[at], 'path') === path
        );
      });
    if (!same) this.#wrong(answer, `${doc.id} has other sections`, '38');
    this.title(answer, doc, field(result, 'document'));
  }

  #comments(book: DocumentBook, answer: Ok, doc: Doc): void {
    const { op, event } = answer;
    const wanted = field(op.params, 'resolved');
    const due = [...book.comments.values()].filter(
      (one) =>
        one.doc === doc &&
        isOpenAt(one, event.rev) &&
        (wanted === undefined || wanted === (resolvedAt(one, event.rev) !== undefined)),
    );
    const views = items(event.result, 'comments');
    const whole = text(event.result, 'cursor') === undefined;
    if (whole && views.length !== due.length)
      this.#wrong(answer, `${doc.id} has ${due.length} comments, ${views.length} are shown`);
    for (const view of views) {
      const one = due.find(({ id }) => id === text(view, 'id'));
      const same =
        one !== undefined &&
        one.content === text(view, 'content') &&
        one.by === text(view, 'by') &&
        one.section === text(view, 'sectionId') &&
        one.replyTo === text(view, 'replyTo') &&
        resolvedAt(one, event.rev) === text(view, 'resolvedBy');
      if (!same) this.#wrong(answer, `${text(view, 'id')} of ${doc.id} is shown otherwise`);
    }
  }

  #diff(answer: Ok, doc: Doc): void {
    const { op, event } = answer;
    const { result } = event;
    const current = editionAt(doc, event.rev);
    const [from, to] = [num(op.params, 'from') ?? 0, num(op.params, 'to') ?? current?.version ?? 0];
    const [before, after] = [from, to].map((version): Edition | undefined => doc.editions[version - 1]);
    const diff = text(result, 'diff') ?? '';
    const counted =
      num(result, 'added') === countSigned(diff, '+') && num(result, 'removed') === countSigned(diff, '-');
    const right =
      before !== undefined &&
      after !== undefined &&
      num(result, 'to') === to &&
      patched(before.text, diff) === after.text;
    if (!right || !counted) this.#wrong(answer, `versions ${from} and ${to} of ${doc.id} differ otherwise`, '38');
  }
}

function resolvedAt({ states }: Comment, rev: number): string | undefined {
  return states.findLast(({ mark }) => mark.rev <= rev)?.resolvedBy;
}
