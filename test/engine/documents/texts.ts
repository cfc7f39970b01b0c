/** Texts as the node prepares them, for tests of the engine: a section is named by its place and its text by itself. */
import { createHash } from 'node:crypto';
import type { PreparedText } from '../../../src/engine/port.ts';

export const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

export function textOf(
  base: number,
  texts: readonly string[],
  more: { readonly ids?: readonly string[]; readonly alone?: boolean } = {},
): PreparedText {
  const sections = texts.map((text, place) => ({
    sid: more.ids?.[place] ?? `s${place + 1}`,
    heading: text,
    level: 1,
    sha256: hashOf(text),
    bytes: text.length,
  }));
  return { base, sections, nextNumber: texts.length + 1, alone: more.alone ?? false };
}
