/**
 * Node's Buffer where there is one: the same bytes and strings as TextEncoder and TextDecoder give, without a view for each; and base64.
 *
 * Owns: finding it at run time. Nothing here is of Node's types, and a browser runs without it.
 */

/** The string of the UTF-8 in start..end, or their base64. */
export type Slice = (this: Uint8Array, start: number, end: number) => string;
/** Writes the string as UTF-8, or what its base64 means, from `at` on, as far as there is room; returns how many bytes. */
export type Write = (this: Uint8Array, text: string, at: number) => number;

/** Zeroed or not: whoever asks writes before it shows. A zeroed block of 64 KiB costs 3 µs more. */
export function platformBlock(size: number): Uint8Array {
  const buffer: unknown = Reflect.get(globalThis, 'Buffer');
  const alloc: unknown = typeof buffer === 'function' ? Reflect.get(buffer, 'allocUnsafeSlow') : undefined;
  const block: unknown = typeof alloc === 'function' ? alloc(size) : undefined;
  // A plain Uint8Array: code that meets two kinds of them is slower.
  return block instanceof Uint8Array ? new Uint8Array(block.buffer) : new Uint8Array(size);
}

export function platformSlice(): Slice | undefined {
  const slice = method('utf8Slice');
  return isSlice(slice) ? slice : undefined;
}

export function platformWrite(): Write | undefined {
  const write = method('utf8Write');
  return isWrite(write) ? write : undefined;
}

export interface Base64 {
  readonly slice: Slice;
  /** Takes more than RFC 4648 does: both alphabets, no padding, and what is no base64 is passed over. */
  readonly write: Write;
}

export function platformBase64(): Base64 | undefined {
  const slice = method('base64Slice');
  const write = method('base64Write');
  return isBase64Slice(slice) && isBase64Write(write) ? { slice, write } : undefined;
}

function method(name: string): unknown {
  const buffer: unknown = Reflect.get(globalThis, 'Buffer');
  return typeof buffer === 'function' ? Reflect.get(buffer.prototype, name) : undefined;
}

function isSlice(slice: unknown): slice is Slice {
  return typeof slice === 'function' && slice.call(Uint8Array.of(0x61, 0xc3, 0xa9, 0x62), 1, 3) === 'é';
}

function isWrite(write: unknown): write is Write {
  const bytes = new Uint8Array(4);
  return typeof write === 'function' && write.call(bytes, 'é', 1) === 2 && bytes[1] === 0xc3 && bytes[2] === 0xa9;
}

function isBase64Slice(slice: unknown): slice is Slice {
  return typeof slice === 'function' && slice.call(Uint8Array.of(0x61, 0xfb, 0xf0, 0x62), 1, 3) === '+/A=';
}

function isBase64Write(write: unknown): write is Write {
  const bytes = new Uint8Array(4);
  return typeof write === 'function' && write.call(bytes, '+/A=', 1) === 2 && bytes[1] === 0xfb && bytes[2] === 0xf0;
}
