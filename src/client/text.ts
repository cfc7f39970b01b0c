/** Texts that must fit a bound in bytes. */

/** The longest beginning of `text` that has at most `bytes` bytes of UTF-8. */
export function cut(text: string, bytes: number): string {
  if (text.length * 3 <= bytes) return text;
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytes));
  return text.slice(0, read);
}
