/**
 * Sequences of map keys that were seen and found good, as a tree: most maps have the keys of the one before.
 *
 * Owns: which keys are known to be good behind which. Does not own: reading values.
 *
 * H1 A path from a root to a node is the beginning of a map whose keys are distinct, short ASCII and none of the denied: who
 *    finds the next key among a node's children need not look at it again.
 * H2 The tree is bounded; a map that does not fit is for the caller to read another way.
 */
import { DENIED_KEYS } from './denied.ts';

/** Longest key in a node: its head is one byte. */
export const KEY_BYTES = 31;
/** More keys than this are not kept: looking for duplicates goes through all of them. */
const SHAPE_KEYS = 48;
/** Of one node. */
const CHILDREN = 16;
/** At this size the tree begins anew. About 200 bytes each, with its inner root. */
const NODES = 8_192;

const NO_BYTES = new Uint8Array(0);

export class Shape {
  readonly key: string;
  /** The head and the text of the key. */
  readonly bytes: Uint8Array;
  readonly parent: Shape | undefined;
  /** The one that was met last. */
  next: Shape | undefined;
  readonly children: Shape[] = [];
  /** Where the maps begin that are the value of this key, or stand in an array that is. */
  #inner: Shape | undefined;

  constructor(key: string, bytes: Uint8Array, parent?: Shape) {
    this.key = key;
    this.bytes = bytes;
    this.parent = parent;
  }

  get inner(): Shape {
    return (this.#inner ??= new Shape('', NO_BYTES));
  }
}

export class Shapes {
  #root = new Shape('', NO_BYTES);
  #nodes = 0;

  get root(): Shape {
    return this.#root;
  }

  /** The child of `of` whose key stands at `at`; undefined if it is not a good one or does not fit. */
  child(of: Shape, bytes: Uint8Array, at: number): Shape | undefined {
    for (const child of of.children) {
      if (child !== of.next && startsWith(bytes, at, child.bytes)) {
        of.next = child;
        return child;
      }
    }
    return this.#learn(of, bytes, at);
  }

  #learn(of: Shape, bytes: Uint8Array, at: number): Shape | undefined {
    const size = (bytes[at] ?? 0) - 0xa0;
    if (size < 1 || size > KEY_BYTES || at + 1 + size > bytes.length) return undefined;
    let text = '';
    for (let i = at + 1; i <= at + size; i += 1) {
      const byte = bytes[i] ?? 0x80;
      if (byte >= 0x80) return undefined;
      text += String.fromCharCode(byte);
    }
    if (DENIED_KEYS.includes(text)) return undefined;
    let depth = 0;
    for (let node: Shape | undefined = of; node !== undefined; node = node.parent) {
      if (node.key === text || depth === SHAPE_KEYS) return undefined;
      depth += 1;
    }
    if (this.#nodes === NODES) {
      this.#root = new Shape('', NO_BYTES);
      this.#nodes = 0;
      return undefined;
    }
    this.#nodes += 1;
    const child = new Shape(internalized(text), bytes.slice(at, at + 1 + size), of);
    // At the bound a new one takes the place of an old one: keys that never come again do not stay for ever.
    const { length } = of.children;
    of.children[length < CHILDREN ? length : this.#nodes % CHILDREN] = child;
    of.next = child;
    return child;
  }
}

export function startsWith(bytes: Uint8Array, at: number, with_: Uint8Array): boolean {
  for (let i = 0; i < with_.length; i += 1) if (bytes[at + i] !== with_[i]) return false;
  return true;
}

/** The same text as the engine keeps it for names of properties: what is stored under it needs no search then. */
function internalized(text: string): string {
  for (const key of Object.keys({ [text]: 0 })) return key;
  return text;
}
