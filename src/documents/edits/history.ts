/**
 * Merges edits of writers who do not know of each other's: an edit says upon which others it was made, with positions in the document
 * as it was there; what comes out are patches for the document that has all edits so far.
 *
 * The algorithm is that of J. Gentle and M. Kleppmann, "Collaborative Text Editing with Eg-walker: Better, Faster, Smaller" (2024): a
 * sequence of all characters is looked at from the version on which an edit was made, by taking back the edits that it did not know and
 * doing those again that it did; there its positions say which characters are meant. Where several insert at the same place the order is that of YATA (P. Nicolaescu and others,
 * 2016) as J. Gentle mended it: by what stands to the left and right, and at last by the number of the writer.
 *
 * H1 Every writer who has the same edits has the same document, in whatever order they came.
 * H2 A character that was deleted stays deleted; deleting it twice deletes it once.
 * H3 Positions are counted in code points.
 */
import { assert, must } from '../../base/assert.ts';
import { Sequence, type Character, type Place } from './sequence.ts';

/** At `at`, so many code points go, and these come. Several are made one after the other. */
export type Patch = readonly [at: number, removed: number, inserted: string];

export interface Edit {
  /** Earlier edits, by their number from 0; with what they were made upon they are all that the writer knew. */
  readonly parents: readonly number[];
  readonly writer: number;
  readonly patches: readonly Patch[];
}

/** What an edit did, to be taken back and done again. */
interface Done {
  readonly parents: readonly number[];
  readonly writer: number;
  readonly inserted: Character[];
  readonly removed: Character[];
}

/** What an inserted character stood between when it was written; undefined for the ends. */
interface Origin {
  readonly left: Character | undefined;
  readonly right: Character | undefined;
  readonly edit: number;
}

/** The edit that made what the document began with. */
const BEGINNING = -1;

export class EditHistory {
  readonly #sequence = new Sequence();
  readonly #origins: Origin[] = [];
  readonly #edits: Done[] = [];
  /** Whether an edit is in the version that is looked at, by its number. */
  readonly #viewed: boolean[] = [];
  #heads: readonly number[] = [];
  /** All below are in the version that is looked at. */
  #known = 0;

  constructor(content = '') {
    let place = this.#sequence.first;
    let left: Character | undefined;
    for (const text of content) {
      const added = this.#sequence.insert(place, text);
      this.#origins.push({ left, right: undefined, edit: BEGINNING });
      left = added.character;
      place = this.#sequence.after(added.place);
    }
  }

  /** Looks at the version that the edits `heads`, and all that they were made upon, give. */
  look(heads: readonly number[]): void {
    const { goes, comes } = this.#between(this.#heads, heads);
    for (const edit of goes) this.#step(edit, -1);
    for (const edit of comes.reverse()) this.#step(edit, 1);
    this.#heads = heads;
  }

  /** How many of the first edits the version that is looked at has without a gap; all, if it is the newest one. */
  get knownPrefix(): number {
    return this.#known;
  }

  /** The document at the version that is looked at. */
  get viewed(): string {
    return this.#sequence.viewed;
  }

  /** Adds an edit, and gives the patches that make the same of the document that has all edits before it. */
  add({ parents, writer, patches }: Edit): Patch[] {
    this.look(parents);
    const number = this.#edits.length;
    const done: Done = { parents, writer, inserted: [], removed: [] };
    this.#edits.push(done);
    const merged: Patch[] = [];
    for (const [at, removed, inserted] of patches) {
      for (let count = 0; count < removed; count += 1) this.#remove(this.#sequence.viewedAt(at), done, merged);
      if (inserted !== '') this.#insert(at, inserted, { number, done, merged });
    }
    this.#viewed.push(true);
    this.#heads = [number];
    this.#advanceKnown();
    return merged;
  }

  #remove(character: Character, done: Done, merged: Patch[]): void {
    const at = this.#sequence.mergedBefore(this.#sequence.placeOf(character));
    this.#sequence.view(character, 1);
    done.removed.push(character);
    if (!this.#sequence.remove(character)) return; // H2
    const last = merged.at(-1);
    if (last?.[0] === at && last[2] === '') merged[merged.length - 1] = [at, last[1] + 1, ''];
    else merged.push([at, 1, '']);
  }

  #insert(at: number, text: string, { number, done, merged }: { number: number; done: Done; merged: Patch[] }): void {
    let left = at === 0 ? undefined : this.#sequence.viewedAt(at - 1);
    const right = this.#nextExisting(left);
    let place = this.#resolve({ left, right, edit: number });
    merged.push([this.#sequence.mergedBefore(place), 0, text]);
    for (const one of text) {
      const added = this.#sequence.insert(place, one);
      this.#origins.push({ left, right, edit: number });
      done.inserted.push(added.character);
      left = added.character;
      place = this.#sequence.after(added.place);
    }
  }

  #behind(character: Character | undefined): Place {
    return character === undefined ? this.#sequence.first : this.#sequence.after(this.#sequence.placeOf(character));
  }

  /** What stands next, deleted or not, at the version that is looked at. */
  #nextExisting(left: Character | undefined): Character | undefined {
    let place = this.#behind(left);
    for (;;) {
      const character = this.#sequence.characterAt(place);
      if (character === undefined || this.#sequence.exists(character)) return character;
      place = this.#sequence.after(place);
    }
  }

  /** The place for a character among those that others inserted between the same two meanwhile. */
  #resolve(origin: Origin): Place {
    let place = this.#behind(origin.left);
    let found = place;
    let passing = false;
    for (;;) {
      if (!passing) found = place;
      const other = this.#sequence.characterAt(place);
      if (other === undefined || other === origin.right) return found;
      const otherOrigin = must(this.#origins[other], 'every character has an origin');
      const left = this.#compare(otherOrigin.left, origin.left, 'before');
      if (left < 0) return found;
      if (left === 0) {
        const right = this.#compare(otherOrigin.right, origin.right, 'behind');
        if (right === 0 && this.#comesFirst(origin.edit, otherOrigin.edit)) return found;
        passing = right < 0;
      }
      place = this.#sequence.after(place);
    }
  }

  /** Orders two characters; the undefined one stands before or behind all. */
  #compare(a: Character | undefined, b: Character | undefined, none: 'before' | 'behind'): number {
    if (a === b) return 0;
    if (a === undefined) return none === 'before' ? -1 : 1;
    if (b === undefined) return none === 'before' ? 1 : -1;
    const one = this.#sequence.placeOf(a);
    const other = this.#sequence.placeOf(b);
    return one.group - other.group || one.chunk - other.chunk || one.offset - other.offset;
  }

  #comesFirst(edit: number, other: number): boolean {
    const writers = this.#writer(edit) - this.#writer(other);
    return writers === 0 ? edit < other : writers < 0;
  }

  #writer(edit: number): number {
    return this.#edits[edit]?.writer ?? BEGINNING;
  }

  /** Edits that one version has and the other has not, later ones first. */
  #between(from: readonly number[], to: readonly number[]): { goes: number[]; comes: number[] } {
    const goes: number[] = [];
    const comes: number[] = [];
    const sides = new Map<number, number>();
    /** How many are known to one version alone, and not yet visited. */
    let open = 0;
    const mark = (edit: number, side: number) => {
      const before = sides.get(edit) ?? 0;
      const after = before | side;
      sides.set(edit, after);
      open += Number(after !== BOTH) - Number(before !== 0 && before !== BOTH);
    };
    for (const edit of from) mark(edit, FROM);
    for (const edit of to) mark(edit, TO);
    for (let edit = Math.max(-1, ...from, ...to); open > 0; edit -= 1) {
      const side = sides.get(edit);
      if (side === undefined) continue;
      if (side !== BOTH) open -= 1;
      if (side === FROM) goes.push(edit);
      if (side === TO) comes.push(edit);
      for (const parent of this.#edit(edit).parents) mark(parent, side);
      sides.delete(edit);
    }
    return { goes, comes };
  }

  #edit(number: number): Done {
    return must(this.#edits[number], 'the parents of an edit come before it');
  }

  /** Does an edit, or takes it back, at the version that is looked at. */
  #step(number: number, step: 1 | -1): void {
    const { inserted, removed } = this.#edit(number);
    assert(this.#viewed[number] === (step === -1), 'an edit is done once');
    this.#viewed[number] = step === 1;
    for (const character of inserted) if (step === 1) this.#sequence.view(character, 1);
    for (const character of removed) this.#sequence.view(character, step);
    for (const character of inserted) if (step === -1) this.#sequence.view(character, -1);
    if (step === -1) this.#known = Math.min(this.#known, number);
    else this.#advanceKnown();
  }

  #advanceKnown(): void {
    while (this.#viewed[this.#known] === true) this.#known += 1;
  }
}

const FROM = 1;
const TO = 2;
const BOTH = 3;
