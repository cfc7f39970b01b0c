/**
 * How conflicts are resolved (39): `theirs` changes nothing; anything else is an edit of a version that was current while it was asked for. Which one
 * that was nobody sees, so one has to fit.
 */
import type { Conflict, Doc, Edition } from './document-book.ts';
import { editionBefore } from './document-book.ts';
import { fits } from './document-edits.ts';
import { markersOf, sameText } from './document-text.ts';
import type { Op } from './records.ts';
import { text } from './values.ts';
import type { World } from './world.ts';

export interface Asked {
  readonly op: Op;
  readonly former: Edition;
  /** Undefined: there is none. */
  readonly next: Edition | undefined;
}

export class DocumentResolutions {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  judge(conflict: Conflict, asked: Asked): void {
    const { op, former, next } = asked;
    if (this.#isRight(conflict, asked)) return;
    const how = text(op.params, 'resolution');
    const { id, doc, from } = conflict;
    this.#world.report('39', `${id} of ${doc.id} was resolved as ${how}, and the text is another`, [
      from.index,
      op.index,
      former.mark.index,
      next?.mark.index,
    ]);
  }

  #isRight(conflict: Conflict, { op, former, next }: Asked): boolean {
    const { doc, ours } = conflict;
    const resolution = text(op.params, 'resolution');
    if (resolution === 'theirs') return next === undefined;
    const content = resolution === 'ours' ? ours : text(op.params, 'content');
    if (content !== undefined) return this.isEdit(doc, { content, asked: { op, former, next } });
    return currentFor(doc, { op, former }).some((base) => isMerged(conflict, { base, former, next: next ?? former }));
  }

  /** Whether it is an edit of a version that was current while it was asked for, and makes it this text. */
  isEdit(doc: Doc, { content, asked }: { readonly content: string; readonly asked: Asked }): boolean {
    const { former, next } = asked;
    return currentFor(doc, asked).some((base) => {
      if (next === undefined) return sameText(content, base.text);
      return fits(doc.type, { content, sectionId: undefined, base }, { former, next });
    });
  }
}

function currentFor(doc: Doc, { op, former }: Pick<Asked, 'op' | 'former'>): readonly Edition[] {
  const since = editionBefore(doc, op.index)?.version ?? 1;
  return doc.editions.filter(({ version }) => version >= since && version <= former.version);
}

/** What either side added is there, and nothing of others is gone. */
function isMerged(
  conflict: Conflict,
  { base, former, next }: { readonly base: Edition; readonly former: Edition; readonly next: Edition },
): boolean {
  const old = markersOf(conflict.base);
  const there = markersOf(next.text);
  const added = [...markersOf(conflict.ours), ...markersOf(base.text)].filter((marker) => !old.has(marker));
  const read = markersOf(base.text);
  const kept = [...markersOf(former.text)].every((marker) => there.has(marker) || read.has(marker));
  return kept && added.every((marker) => there.has(marker));
}
