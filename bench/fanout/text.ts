/**
 * A message's text: filling, then its number in ten digits, so that a reader finds the number at one place of the bytes.
 */
import { assert } from '../../src/base/assert.ts';

const DIGITS = 10;
const ZERO = '0'.charCodeAt(0);

/** `size` bytes that end with the number. */
export function textOf(number: number, size: number): string {
  assert(size > DIGITS, 'a text has room for filling');
  return 'x'.repeat(size - DIGITS) + String(number).padStart(DIGITS, '0');
}

/** The number whose digits begin at `at`; −1 if there are none. */
export function numberAt(bytes: Uint8Array, at: number): number {
  let number = 0;
  for (let i = at; i < at + DIGITS; i += 1) {
    const digit = (bytes[i] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}

/** Where the digits of a message's text begin in it; −1 if it has no such text. */
export function placeOf(message: Buffer, size: number): number {
  const text = message.indexOf('x'.repeat(size - DIGITS), 0, 'latin1');
  return text < 0 || numberAt(message, text + size - DIGITS) < 0 ? -1 : text + size - DIGITS;
}
