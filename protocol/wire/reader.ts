/**
 * Reads a message in one pass where that is enough: checked and decoded at once.
 *
 * Owns: the quick way. Does not own: what a fault is (scan.ts). Whatever this reader does not take, faulty or merely
 * uncommon, is for scan and decoder, which know all of the profile.
 *
 * Q1 What it takes, the scan takes too, and the decoder gives the same values.
 * Q2 Work and memory are bounded by the length of the message and the limits, never by a length declared in it.
 */
import type { FrameIn } from './codec.ts';
import { isMeta } from './meta.ts';
import { RECENT_BYTES, RecentTexts, Texts } from './texts.ts';
import type { ScanLimits } from './scan.ts';
import { KEY_BYTES, Shapes, startsWith, type Shape } from './shapes.ts';
import type { Value, ValueMap } from './types.ts';

const TWO_32 = 0x1_0000_0000;
const NO_BYTES = new Uint8Array(0);
/** What `scan.ts` keeps levels for. */
const LEVELS = 64;

export class Reader {
  readonly #make: Texts;
  readonly #texts: RecentTexts;
  readonly #shapes = new Shapes();
  readonly #eight = new DataView(new ArrayBuffer(8));
  #bytes: Uint8Array = NO_BYTES;
  #position = 0;
  /** Of what the frame at hand may fill. */
  #stop = 0;
  /** What the frame at hand may still hold. */
  #items = 0;
  #depthMax = 0;

  constructor(portable = false) {
    this.#make = new Texts(portable);
    this.#texts = new RecentTexts(this.#make);
  }

  /** The frames of a message, or undefined if it needs the long way. */
  frames(bytes: Uint8Array, limits: ScanLimits): readonly FrameIn[] | undefined {
    if (bytes.length === 0 || bytes.length > limits.messageBytes || limits.keyBytes < KEY_BYTES) return undefined;
    this.#bytes = bytes;
    this.#position = 0;
    this.#depthMax = Math.min(limits.depthMax, LEVELS);
    const frames: FrameIn[] = [];
    while (this.#position < bytes.length) {
      const frame = frames.length < limits.framesPerMessage ? this.#frame(limits) : undefined;
      if (frame === undefined) {
        this.#bytes = NO_BYTES;
        return undefined;
      }
      frames.push(frame);
    }
    this.#bytes = NO_BYTES;
    return frames;
  }

  #frame(limits: ScanLimits): FrameIn | undefined {
    const bytes = this.#bytes;
    const start = this.#position;
    this.#stop = Math.min(bytes.length, start + limits.frameBytes);
    const size = (bytes[start] ?? 0) - 0x90;
    if (size !== 3 && size !== 4) return undefined;
    this.#items = limits.itemsMax - 1 - size;
    const op = bytes[start + 1] ?? 0;
    if (op === 0 || op > 0x7f) return undefined;
    this.#position = start + 2;
    const root = this.#shapes.root;
    const id = this.#value(1, root);
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > 0xffff_ffff) return undefined;
    const bodyStart = this.#position;
    const body = this.#mapHere(root);
    const bodyEnd = this.#position;
    if (body === undefined) return undefined;
    const meta = size === 4 ? this.#mapHere(root.inner) : undefined;
    if (size === 4 && (meta === undefined || !isMeta(meta))) return undefined;
    return { op, id, body, meta, start, end: this.#position, bodyStart, bodyEnd };
  }

  #mapHere(root: Shape): ValueMap | undefined {
    const head = this.#bytes[this.#position] ?? 0;
    this.#position += 1;
    if ((head & 0xf0) === 0x80) return this.#map(head & 0x0f, 1, root);
    return head === 0xde ? this.#map(this.#unsigned(2), 1, root) : undefined;
  }

  /** One value with everything in it; undefined if it is not to be read here. `level` is that of what it
   * stands in, `root` begins the maps that may stand here. */
  #value(level: number, root: Shape): Value | undefined {
    const at = this.#position;
    if (at >= this.#stop) return undefined;
    const head = this.#bytes[at] ?? 0;
    this.#position = at + 1;
    if (head < 0x80) return head;
    if (head < 0x90) return this.#map(head & 0x0f, level + 1, root);
    if (head < 0xa0) return this.#array(head & 0x0f, level + 1, root);
    if (head < 0xc0) return this.#string(head & 0x1f);
    if (head >= 0xe0) return head - 0x100;
    return this.#long(head, level, root);
  }

  #long(head: number, level: number, root: Shape): Value | undefined {
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xcb:
        return this.#float();
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#inside(this.#unsigned(1 << (head - 0xcc)));
      case 0xcf:
        return this.#wide(this.#unsigned(4), this.#unsigned(4));
      case 0xd0:
        return this.#inside((this.#unsigned(1) << 24) >> 24);
      case 0xd1:
        return this.#inside((this.#unsigned(2) << 16) >> 16);
      case 0xd2:
        return this.#inside(this.#unsigned(4) | 0);
      case 0xd3:
        return this.#wide(this.#unsigned(4) | 0, this.#unsigned(4));
      case 0xc4:
      case 0xc5:
        return this.#binary(this.#unsigned(1 << (head - 0xc4)));
      case 0xd9:
      case 0xda:
        return this.#string(this.#unsigned(1 << (head - 0xd9)));
      case 0xdc:
        return this.#array(this.#unsigned(2), level + 1, root);
      case 0xde:
        return this.#map(this.#unsigned(2), level + 1, root);
      default:
        return undefined;
    }
  }

  #inside(value: number): number | undefined {
    return this.#position <= this.#stop ? value : undefined;
  }

  #unsigned(width: number): number {
    const bytes = this.#bytes;
    const end = this.#position + width;
    let value = 0;
    for (let i = this.#position; i < end; i += 1) value = value * 0x100 + (bytes[i] ?? 0);
    this.#position = end;
    return value;
  }

  /** An integer of 64 bits within ±(2^53 - 1). */
  #wide(high: number, low: number): number | undefined {
    return high < 0x20_0000 && high >= -0x1f_ffff ? this.#inside(high * TWO_32 + low) : undefined;
  }

  /** A copy, so that nothing of the message is held on to. */
  #binary(size: number): Uint8Array | undefined {
    const start = this.#position;
    this.#position = start + size;
    return this.#position <= this.#stop ? new Uint8Array(this.#bytes.subarray(start, start + size)) : undefined;
  }

  #float(): number | undefined {
    const at = this.#position;
    this.#position = at + 8;
    if (this.#position > this.#stop) return undefined;
    for (let i = 0; i < 8; i += 1) this.#eight.setUint8(i, this.#bytes[at + i] ?? 0);
    const value = this.#eight.getFloat64(0);
    return Number.isFinite(value) ? value : undefined;
  }

  /** Takes `count` off what the frame may hold. */
  #has(count: number, level: number): boolean {
    this.#items -= count;
    return this.#items >= 0 && level < this.#depthMax && this.#position + count <= this.#stop;
  }

  #array(count: number, level: number, root: Shape): Value[] | undefined {
    if (!this.#has(count, level)) return undefined;
    const values = new Array<Value>(count);
    for (let i = 0; i < count; i += 1) {
      const value = this.#value(level, root);
      if (value === undefined) return undefined;
      values[i] = value;
    }
    return values;
  }

  #map(count: number, level: number, root: Shape): ValueMap | undefined {
    if (!this.#has(count * 2, level)) return undefined;
    const map: { [key: string]: Value } = {};
    let shape = root;
    for (let i = 0; i < count; i += 1) {
      const at = this.#position;
      let next = shape.next;
      if (next === undefined || !startsWith(this.#bytes, at, next.bytes)) {
        next = this.#shapes.child(shape, this.#bytes, at);
        if (next === undefined) return undefined;
      }
      shape = next;
      this.#position = at + shape.bytes.length;
      const value = this.#value(level, shape.inner);
      if (value === undefined) return undefined;
      map[shape.key] = value;
    }
    return map;
  }

  #string(size: number): string | undefined {
    const start = this.#position;
    const end = start + size;
    if (end > this.#stop) return undefined;
    this.#position = end;
    const text =
      size > RECENT_BYTES || size === 0
        ? this.#make.make(this.#bytes, start, end)
        : this.#texts.at(this.#bytes, start, size);
    // Every invalid sequence becomes at least one of these; a text that has one itself is looked at by the scan.
    return text.includes('\ufffd') ? undefined : text;
  }
}
