/**
 * The characters of a document that were ever there, in order: each keeps its identity, whatever is inserted and deleted around it.
 *
 * A character has two states. In the *merged* document it is there or deleted, for good. At the *looked at* version, which moves about in
 * the history, it does not exist yet, is there, or was deleted so many times (by writers who did not know of each other).
 *
 * Q1 The order never changes, and a character is never taken out.
 * Q2 Characters stand in chunks, chunks in groups, and both count what is there at either version: a place is found by
 *    skipping what lies before it.
 */
import { assert, must } from '../../base/assert.ts';

/** A character by the number under which it was added, from 0. */
export type Character = number;

const CHUNK_MAX = 256;
const GROUP_MAX = 64;

/** At the version that is looked at: 0 not yet, 1 there, n + 1 deleted n times. */
const THERE = 1;

/** How many are there. */
interface Counts {
  viewed: number;
  merged: number;
}

interface Chunk extends Counts {
  readonly characters: Character[];
  group: Group;
  /** What of it is there at the version that is looked at, if nothing of that has changed since it was last asked for. */
  text: string | undefined;
}

interface Group extends Counts {
  readonly chunks: Chunk[];
}

export interface Place {
  readonly group: number;
  readonly chunk: number;
  readonly offset: number;
}

export class Sequence {
  readonly #groups: Group[] = [];
  /** By character. */
  readonly #chunkOf: Chunk[] = [];
  readonly #states: number[] = [];
  readonly #texts: string[] = [];
  readonly #deleted: boolean[] = [];

  constructor() {
    this.#groups.push(newGroup());
  }

  /** Whether it exists at the version that is looked at, deleted or not. */
  exists(character: Character): boolean {
    return this.#state(character) > 0;
  }

  isDeleted(character: Character): boolean {
    return this.#deleted[character] === true;
  }

  /** The one at `index` of the version that is looked at. */
  viewedAt(index: number): Character {
    let left = index;
    for (const group of this.#groups) {
      if (left >= group.viewed) {
        left -= group.viewed;
        continue;
      }
      for (const chunk of group.chunks) {
        if (left >= chunk.viewed) {
          left -= chunk.viewed;
          continue;
        }
        for (const character of chunk.characters) {
          if (this.#state(character) !== THERE) continue;
          if (left === 0) return character;
          left -= 1;
        }
      }
    }
    assert(false, `there is no character ${index} at that version`);
  }

  placeOf(character: Character): Place {
    const chunk = this.#chunk(character);
    return {
      group: this.#groups.indexOf(chunk.group),
      chunk: chunk.group.chunks.indexOf(chunk),
      offset: chunk.characters.indexOf(character),
    };
  }

  /** The next one in order; undefined at the end. */
  characterAt(place: Place): Character | undefined {
    return this.#groups[place.group]?.chunks[place.chunk]?.characters[place.offset];
  }

  /** The first place, which may be empty. */
  get first(): Place {
    return this.#settled({ group: 0, chunk: 0, offset: 0 });
  }

  after(place: Place): Place {
    return this.#settled({ ...place, offset: place.offset + 1 });
  }

  /** How many characters of the merged document stand before a place. */
  mergedBefore(place: Place): number {
    let count = 0;
    for (const group of this.#groups.slice(0, place.group)) count += group.merged;
    const chunks = this.#groups[place.group]?.chunks ?? [];
    for (const chunk of chunks.slice(0, place.chunk)) count += chunk.merged;
    const characters = chunks[place.chunk]?.characters ?? [];
    for (const character of characters.slice(0, place.offset)) if (!this.isDeleted(character)) count += 1;
    return count;
  }

  /** Adds a character, there at both versions, before what stands at a place. */
  insert(place: Place, text: string): { character: Character; place: Place } {
    const character = this.#states.length;
    const group = must(this.#groups[place.group], 'a place is in a group');
    const chunk = group.chunks[place.chunk] ?? newChunk(group);
    chunk.characters.splice(place.offset, 0, character);
    chunk.text = undefined;
    this.#states.push(THERE);
    this.#texts.push(text);
    this.#deleted.push(false);
    this.#chunkOf.push(chunk);
    count(chunk, { viewed: 1, merged: 1 });
    return { character, place: chunk.characters.length > CHUNK_MAX ? this.#split(chunk, character) : place };
  }

  /** Moves a character's state at the version that is looked at. */
  view(character: Character, step: 1 | -1): void {
    const from = this.#state(character);
    const to = from + step;
    assert(to >= 0, 'a character cannot exist less than not at all');
    this.#states[character] = to;
    const change = Number(to === THERE) - Number(from === THERE);
    if (change === 0) return;
    const chunk = this.#chunk(character);
    count(chunk, { viewed: change, merged: 0 });
    chunk.text = undefined;
  }

  /** Deletes from the merged document; false if it was deleted already. */
  remove(character: Character): boolean {
    if (this.isDeleted(character)) return false;
    this.#deleted[character] = true;
    count(this.#chunk(character), { viewed: 0, merged: -1 });
    return true;
  }

  /** The text at the version that is looked at. */
  get viewed(): string {
    let text = '';
    for (const group of this.#groups) {
      for (const chunk of group.chunks) {
        chunk.text ??= this.#viewedIn(chunk);
        text += chunk.text;
      }
    }
    return text;
  }

  #viewedIn(chunk: Chunk): string {
    let text = '';
    for (const character of chunk.characters) if (this.#states[character] === THERE) text += this.#texts[character];
    return text;
  }

  #state(character: Character): number {
    return must(this.#states[character], 'a character that was added');
  }

  #chunk(character: Character): Chunk {
    return must(this.#chunkOf[character], 'a character that was added');
  }

  /** The same place, named by the chunk that it is the beginning of, if there is one behind. */
  #settled(place: Place): Place {
    let { group, chunk, offset } = place;
    for (;;) {
      const chunks = this.#groups[group]?.chunks ?? [];
      const length = chunks[chunk]?.characters.length;
      if (length !== undefined && offset < length) return { group, chunk, offset };
      if (chunk + 1 < chunks.length) chunk += 1;
      else if (group + 1 < this.#groups.length) {
        group += 1;
        chunk = 0;
      } else return { group, chunk, offset };
      offset = 0;
    }
  }

  /** Halves a chunk, and its group when that has become too large; where the character stands then. */
  #split(chunk: Chunk, character: Character): Place {
    const { group } = chunk;
    const moved = chunk.characters.splice(chunk.characters.length >> 1);
    const made: Chunk = { characters: moved, group, viewed: 0, merged: 0, text: undefined };
    for (const one of moved) {
      this.#chunkOf[one] = made;
      if (this.#state(one) === THERE) made.viewed += 1;
      if (!this.isDeleted(one)) made.merged += 1;
    }
    chunk.viewed -= made.viewed;
    chunk.merged -= made.merged;
    chunk.text = undefined;
    group.chunks.splice(group.chunks.indexOf(chunk) + 1, 0, made);
    if (group.chunks.length > GROUP_MAX) this.#splitGroup(group);
    return this.placeOf(character);
  }

  #splitGroup(group: Group): void {
    const made = newGroup();
    made.chunks.push(...group.chunks.splice(group.chunks.length >> 1));
    for (const chunk of made.chunks) {
      chunk.group = made;
      made.viewed += chunk.viewed;
      made.merged += chunk.merged;
    }
    group.viewed -= made.viewed;
    group.merged -= made.merged;
    this.#groups.splice(this.#groups.indexOf(group) + 1, 0, made);
  }
}

function newGroup(): Group {
  return { chunks: [], viewed: 0, merged: 0 };
}

function newChunk(group: Group): Chunk {
  const chunk: Chunk = { characters: [], group, viewed: 0, merged: 0, text: undefined };
  group.chunks.push(chunk);
  return chunk;
}

function count(chunk: Chunk, by: Counts): void {
  chunk.viewed += by.viewed;
  chunk.merged += by.merged;
  chunk.group.viewed += by.viewed;
  chunk.group.merged += by.merged;
}
