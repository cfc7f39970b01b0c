/**
 * What an edit may make of a document: 35, 36, 37, 41, and when it has to be refused, or may not be (39).
 *
 * An edit is a text that somebody made of a version that it names. It is accepted if the sections that it changes are as they were there; then
 * the next version is the current one with these sections as the edit has them.
 */
import type { Doc, Edition, SectionText } from './document-book.ts';
import { sectionOf } from './document-book.ts';
import { headingOf, markersOf, needsNeighbours, sameText, splitText } from './document-text.ts';
import type { InvariantId } from './invariants.ts';
import type { World } from './world.ts';

export interface Edit {
  readonly content: string;
  readonly sectionId: string | undefined;
  readonly base: Edition;
}

/** A section that the edit gives another text than the version that it names. */
interface Wanted {
  readonly id: string;
  readonly text: string;
}

/** What it changes, section by section; undefined: it adds, removes or moves some, or may do so. */
export function wantedBy(type: string, { content, sectionId, base }: Edit): readonly Wanted[] | undefined {
  const pieces = splitText(type, content);
  if (sectionId !== undefined) return pieces.length > 1 ? undefined : [{ id: sectionId, text: content }];
  if (pieces.length !== base.sections.length) return undefined;
  const same = pieces.every((text, at) => headingOf(text) === headingOf(base.sections[at]?.text ?? ''));
  if (type === 'markdown' && !same) return undefined;
  return base.sections.flatMap(({ id, text }, at) => {
    const piece = pieces[at] ?? '';
    return sameText(piece, text) ? [] : [{ id, text: piece }];
  });
}

/** Why an edit may not be accepted upon the current version; undefined: it has to be. */
export function whyStale(type: string, edit: Edit, current: Edition): string | undefined {
  if (edit.base.version === current.version) return undefined;
  const wanted = wantedBy(type, edit);
  if (wanted === undefined) return 'it may add, remove or move sections of an old version';
  const other = wanted.find(({ id }) => sectionOf(current, id)?.version !== sectionOf(edit.base, id)?.version);
  return other === undefined ? undefined : `${other.id} has changed since`;
}

/** What the protocol leaves open: beside other sections than those that it was made of it may mean something else. */
export function mayMeanElse(type: string, edit: Edit): boolean {
  return type === 'markdown' && (wantedBy(type, edit) ?? []).some(({ text }) => needsNeighbours(text));
}

export class EditJudge {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** The next version is what the edit makes of the one before. */
  accepted(doc: Doc, edit: Edit, { former, next }: { readonly former: Edition; readonly next: Edition }): void {
    const wrong = (id: InvariantId, message: string): void =>
      this.#world.report(id, `${doc.id} version ${next.version}: ${message}`, [
        edit.base.mark.index,
        former.mark.index,
        next.op?.index,
        next.mark.index,
      ]);
    this.lost(doc, edit.base, { former, next });
    const stale = whyStale(doc.type, edit, former);
    const wanted = wantedBy(doc.type, edit);
    if (edit.base.version !== former.version && wanted === undefined) {
      // One that has another heading may be the section that it was.
      if (!sameIds(former, next)) wrong('35', 'an edit of an old version added, removed or moved sections');
      return;
    }
    if (stale !== undefined) return wrong('35', `it was made of version ${edit.base.version}, and ${stale}`);
    if (wanted === undefined || edit.sectionId === undefined) {
      if (edit.base.version === former.version && !sameText(next.text, whole(edit, former)))
        wrong('36', 'its text is not the one that was sent');
      if (wanted === undefined) return;
    }
    if (!sameIds(former, next)) return wrong('41', 'sections came, went or changed places');
    for (const section of next.sections) {
      const asked = wanted.find(({ id }) => id === section.id)?.text;
      const expected = asked ?? sectionOf(former, section.id)?.text ?? '';
      if (!sameText(section.text, expected)) wrong('36', `section ${section.id} has a text that nobody gave it`);
    }
  }

  /** What holds of every version after the first. */
  follows(doc: Doc, former: Edition, next: Edition): void {
    const wrong = (id: InvariantId, message: string): void =>
      this.#world.report(id, `${doc.id} version ${next.version}: ${message}`, [former.mark.index, next.mark.index]);
    if (next.version !== former.version + 1) wrong('35', `it follows version ${former.version}`);
    const before = new Map(former.sections.map((section) => [section.id, section]));
    for (const { id, text, version } of next.sections) {
      const old = before.get(id);
      if (old === undefined) {
        if (doc.used.has(id)) wrong('41', `the id ${id} is used again`);
        if (version !== next.version) wrong('35', `the new section ${id} has version ${version}`);
        continue;
      }
      const moved = !sameIds(former, next) && version === next.version;
      if (old.text === text ? version !== old.version && !moved : version !== next.version)
        wrong('35', `section ${id} has version ${version}`);
    }
    this.unique(doc, next);
    this.apart(doc, next);
  }

  /** Read by itself, the text has these sections: no heading is taken for a part of what stands above it. */
  apart(doc: Doc, { text, sections, version, mark, op }: Edition): void {
    const pieces = splitText(doc.type, text);
    const same = pieces.length === sections.length && sections.every((section, at) => section.text === pieces[at]);
    if (same || text === '') return;
    const message = `${doc.id} version ${version}: its text has ${pieces.length} sections, ${sections.length} are said`;
    this.#world.report('36', message, [op?.index, mark.index]);
  }

  unique(doc: Doc, edition: Edition): void {
    const ids = edition.sections.map(({ id }) => id);
    if (new Set(ids).size !== ids.length)
      this.#world.report('41', `${doc.id} version ${edition.version}: two sections have one id`, [edition.mark.index]);
    for (const id of ids) doc.used.add(id);
  }

  /** Nothing goes that whoever made the edit had not read. */
  lost(doc: Doc, read: Edition, { former, next }: { readonly former: Edition; readonly next: Edition }): void {
    const left = markersOf(next.text);
    const known = markersOf(read.text);
    for (const marker of markersOf(former.text)) {
      if (left.has(marker) || known.has(marker)) continue;
      const message = `${doc.id} version ${next.version}: ${marker} is gone, made of version ${read.version} without it`;
      this.#world.report('37', message, [read.mark.index, former.mark.index, next.op?.index, next.mark.index]);
    }
  }
}

/** The text of the whole. */
export function whole({ content, sectionId }: Pick<Edit, 'content' | 'sectionId'>, of: Edition): string {
  if (sectionId === undefined) return content;
  return of.sections.map(({ id, text }: SectionText) => (id === sectionId ? content : text)).join('');
}

export function sameIds(one: Edition, other: Edition): boolean {
  return (
    one.sections.length === other.sections.length && one.sections.every(({ id }, at) => id === other.sections[at]?.id)
  );
}

/** Whether the next version is what such an edit makes of the one before. */
export function fits(
  type: string,
  edit: Edit,
  { former, next }: { readonly former: Edition; readonly next: Edition },
): boolean {
  const left = markersOf(next.text);
  const known = markersOf(edit.base.text);
  if ([...markersOf(former.text)].some((marker) => !left.has(marker) && !known.has(marker))) return false;
  if (edit.base.version === former.version) return sameText(next.text, whole(edit, former));
  const wanted = wantedBy(type, edit);
  if (whyStale(type, edit, former) !== undefined || wanted === undefined || !sameIds(former, next)) return false;
  return next.sections.every(({ id, text }) =>
    sameText(text, wanted.find((one) => one.id === id)?.text ?? sectionOf(former, id)?.text ?? ''),
  );
}
