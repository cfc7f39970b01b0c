/**
 * Edits of one section by its id, and which sections an edit touches.
 *
 * E1 An edit that is accepted leaves every other section as it is, to the byte and by its id; the section keeps its id. If its new text has further headings, they are new sections.
 * E2 Edits of different sections commute: what each is accepted for by itself is accepted in any order, with the same text.
 *
 * For E2 an edited section must not depend on what stands beside it. So it begins with its heading at the margin, and ends so that any heading
 * after it begins a section: an open paragraph or HTML block before another section is closed by an empty line; what an empty line does not close (a fence,
 * a comment) is refused.
 */
import { err, ok, type Result } from '../../base/result.ts';
import { identify, type Identified, type Section } from './identity.ts';
import type { DocumentForm, Parsed, SectionParser } from './parse.ts';

/** A section has at most 1 MiB. */
export const SECTION_UNITS_MAX = 1_024 * 1_024;

/**
 * `NO_SECTION`: no section has that id. `NO_HEADING`: a section other than the first must begin with a heading. `UNCLOSED`: the text
 * would swallow the section behind it. `SPILLS`: the text would change another section. `TOO_LARGE`: the text is too long.
 */
export type EditRefusal = 'NO_SECTION' | 'NO_HEADING' | 'UNCLOSED' | 'SPILLS' | 'TOO_LARGE';

/** A heading that an open paragraph would swallow: what it begins after is closed. */
const PROBE = 'x\n===\n';
/** A heading that ends a paragraph before it. */
const MARKED = /^ {0,3}#{1,6}(?:[ \t\r\n]|$)/;
/** A paragraph that is not closed. */
const OPEN = 'x\n';

export const textOf = (sections: readonly Parsed[]): string => sections.map(({ text }) => text).join('');

/** As the first line ends; of the section alone, since the others may be changed at the same time. */
function lineEndOf(text: string, before: string): string {
  const end = /\r\n|\r|\n/;
  return (end.exec(text) ?? end.exec(before))?.[0] ?? '\n';
}

export interface Edited {
  readonly document: Identified;
  /** E2 holds of it beside this version alone: its sections do not stand for themselves. */
  readonly alone: boolean;
  /**
   * Of the changed sections, by their ids, those that would swallow an underlined heading behind them (`open`), and those whose heading what
   * stands before them could swallow (`under`). One of the latter must not come to stand behind one of the former unseen.
   */
  readonly open: readonly string[];
  readonly under: readonly string[];
}

/** Sections of an edit that are looked at whether they stand for themselves; each look reads the whole text, and they read so much together. */
const LOOKED_AT = 16;
const LOOKED_UNITS = 16 * 1_024 * 1_024;

export class SectionEditor {
  readonly #parser: SectionParser;

  constructor(parser: SectionParser) {
    this.#parser = parser;
  }

  /** A new text of a section, or of all of them. */
  edit(
    base: Identified,
    { text, form, id }: { readonly text: string; readonly form: DocumentForm; readonly id: string | undefined },
  ): Result<Edited, EditRefusal> {
    if (id !== undefined) {
      const replaced = this.replace(base, { id, text, form });
      if (!replaced.ok) return err(replaced.error);
      return ok({ document: replaced.value, alone: false, ...this.#joints(base, replaced.value, form) });
    }
    const document = identify(base, this.#parser.parse(text, form));
    return ok({ document, alone: !this.#standAlone(base, document, form), ...this.#joints(base, document, form) });
  }

  #joints(base: Identified, made: Identified, form: DocumentForm): Pick<Edited, 'open' | 'under'> {
    if (form === 'plain') return { open: [], under: [] };
    const before = new Map(base.sections.map((section) => [section.id, section.text]));
    const changed = made.sections.filter(({ id, text }) => before.get(id) !== text);
    const idsOf = (those: readonly Section[]): string[] => those.map(({ id }) => id);
    return {
      open: idsOf(changed.filter(({ text }) => !this.#isClosed(text))),
      under: idsOf(changed.filter(({ text }) => this.#isUnder(text))),
    };
  }

  /** Whether an open paragraph before it would take its heading. */
  #isUnder(text: string): boolean {
    // Most headings are marked and not underlined: nothing takes them, and the text need not be read.
    if (MARKED.test(text)) return false;
    const [first] = this.#parser.parse(OPEN + text, 'markdown');
    return first?.text !== OPEN;
  }

  /** Whether each changed section, put into the base by itself, would be just what it is here. */
  #standAlone(base: Identified, made: Identified, form: DocumentForm): boolean {
    const before = new Map(base.sections.map((section) => [section.id, section.text]));
    const changed = made.sections.filter((section) => before.get(section.id) !== section.text);
    const units = made.sections.reduce((sum, { text }) => sum + text.length, 0);
    return (
      changed.length <= LOOKED_AT &&
      changed.length * units <= LOOKED_UNITS &&
      changed.every((section) => {
        const replaced = this.replace(base, { id: section.id, text: section.text, form });
        return replaced.ok && replaced.value.sections.find(({ id }) => id === section.id)?.text === section.text;
      })
    );
  }

  replace(
    document: Identified,
    edit: { readonly id: string; readonly text: string; readonly form: DocumentForm },
  ): Result<Identified, EditRefusal> {
    const at = document.sections.findIndex(({ id }) => id === edit.id);
    const old = document.sections[at];
    if (old === undefined) return err('NO_SECTION');
    if (edit.text === old.text) return ok(document);
    if (edit.form === 'plain') {
      return ok({ ...document, sections: [{ ...old, text: edit.text }] });
    }
    if (edit.text.length > SECTION_UNITS_MAX) return err('TOO_LARGE');
    const isLast = at === document.sections.length - 1;
    const begun = this.#begun(edit.text, at === 0 && (edit.text !== '' || isLast));
    if (begun === undefined) return err('NO_HEADING');
    const text = isLast ? begun : this.#closed(begun, lineEndOf(begun, old.text));
    if (text === undefined) return err('UNCLOSED');
    return this.#placed(document, { at, text, id: old.id });
  }

  /** The text with its heading at the margin; undefined if it has to have one and has none. */
  #begun(text: string, mayLackHeading: boolean): string | undefined {
    const [first] = this.#parser.parse(text, 'markdown');
    if (first === undefined || first.level === 0) return mayLackHeading ? text : undefined;
    return mayLackHeading ? text : text.replace(/^ {1,3}/, '');
  }

  /** The text so that any heading after it begins a section; undefined if it cannot be. */
  #closed(text: string, end: string): string | undefined {
    let closed = text === '' || /[\r\n]$/.test(text) ? text : text + end;
    if (this.#isClosed(closed)) return closed;
    closed += end;
    return this.#isClosed(closed) ? closed : undefined;
  }

  #isClosed(text: string): boolean {
    const alone = this.#parser.parse(text, 'markdown');
    const probed = this.#parser.parse(text + PROBE, 'markdown');
    const expected = text === '' ? [] : alone.map((section) => section.text);
    return probed.map((section) => section.text).join('\0') === [...expected, PROBE].join('\0');
  }

  #placed(
    document: Identified,
    { at, text, id }: { at: number; text: string; id: string },
  ): Result<Identified, EditRefusal> {
    const pieces = this.#parser.parse(text, 'markdown');
    const others = { before: document.sections.slice(0, at), behind: document.sections.slice(at + 1) };
    const expected: readonly Parsed[] = [...others.before, ...pieces, ...others.behind];
    const parsed = this.#parser.parse(textOf(expected), 'markdown');
    const same =
      parsed.length === expected.length &&
      parsed.every(
        (section, index) => section.text === expected[index]?.text && section.level === expected[index].level,
      );
    if (!same) return err('SPILLS'); // E1
    let { nextNumber } = document;
    const made = pieces.map((piece, index): Section => {
      if (index === 0) return { ...piece, id };
      const [numbered] = identify({ sections: [], nextNumber }, [piece]).sections;
      nextNumber += 1;
      return numbered ?? { ...piece, id };
    });
    return ok({ sections: [...others.before, ...made, ...others.behind], nextNumber });
  }
}

export interface Touched {
  readonly changed: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** The fewest sections whose moving explains the new order. */
  readonly moved: readonly string[];
}

/** What an edit touched: the sections that it needs the locks of. */
export function touched(before: readonly Section[], after: readonly Section[]): Touched {
  const old = new Map(before.map((section, place) => [section.id, { section, place }]));
  const now = new Set(after.map(({ id }) => id));
  const kept = after.filter(({ id }) => old.has(id));
  const places = kept.map(({ id }) => old.get(id)?.place ?? 0);
  const staying = new Set(longestRising(places));
  return {
    changed: kept.filter(({ id, text }) => old.get(id)?.section.text !== text).map(({ id }) => id),
    added: after.filter(({ id }) => !old.has(id)).map(({ id }) => id),
    removed: before.filter(({ id }) => !now.has(id)).map(({ id }) => id),
    moved: kept.filter((_, index) => !staying.has(index)).map(({ id }) => id),
  };
}

/** Places of a longest rising subsequence, by patience sorting. */
function longestRising(values: readonly number[]): number[] {
  const tops: number[] = [];
  const previous: number[] = [];
  values.forEach((value, index) => {
    let low = 0;
    let high = tops.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((values[tops[middle] ?? 0] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    previous[index] = low === 0 ? -1 : (tops[low - 1] ?? -1);
    tops[low] = index;
  });
  const found: number[] = [];
  for (let index = tops.at(-1) ?? -1; index >= 0; index = previous[index] ?? -1) found.push(index);
  return found.reverse();
}
