/** Texts as the node prepares them, for tests of the engine: a section is named by its place and its text by itself. */
import { createHash } from 'node:crypto';
import type { PreparedText } from '../../../src/engine/port.ts';

export const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

export function textOf(
  base: number,
  texts: readonly string[],
  more: {
    readonly ids?: readonly string[];
    readonly alone?: boolean;
    readonly open?: readonly string[];
    readonly under?: readonly string[];
  } = {},
): PreparedText {
  const sections = texts.map((text, place) => {
    const sid = more.ids?.[place] ?? `s${place + 1}`;
    const open = more.open?.includes(sid) === true ? { open: true as const } : undefined;
    const under = more.under?.includes(sid) === true ? { under: true as const } : undefined;
    return { sid, heading: text, level: 1, sha256: hashOf(text), bytes: text.length, ...open, ...under };
  });
  return { base, sections, nextNumber: texts.length + 1, alone: more.alone ?? false };
}
