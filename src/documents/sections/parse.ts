/**
 * A document as sections. In Markdown (CommonMark) a section begins with a heading and ends before the next one, of any level; what stands before the
 * first heading is a section of level 0. A document of any other type is one section.
 *
 * Only headings of the document itself begin a section: one in a block quote or a list belongs to that. What looks like a heading in a fenced block,
 * in HTML or in an indented block is none. YAML at the head of a file is no part of CommonMark: its last line and the `---` below it are a heading.
 *
 * S1 The texts of the sections, joined, are the document, to the byte; there is always at least one.
 * S2 No section but the first can be empty or lack a heading.
 */
import MarkdownIt, { type Token } from 'markdown-it';

export type DocumentForm = 'markdown' | 'plain';

export interface Parsed {
  /** 1 to 6; 0 before the first heading, and for what is no Markdown. */
  readonly level: number;
  /** The heading as it is written, without its marks; empty at level 0. */
  readonly heading: string;
  readonly text: string;
}

interface Heading {
  readonly line: number;
  readonly level: number;
  readonly text: string;
}

const LINE_END = /\r\n?|\n/g;

/** Finds sections. Keeps a parser, which has no state between documents. */
export class SectionParser {
  readonly #markdown = new MarkdownIt('commonmark');

  parse(text: string, form: DocumentForm): Parsed[] {
    const headings = form === 'markdown' ? this.#headings(text) : [];
    const starts = offsets(text, headings);
    const sections: Parsed[] = [];
    if (starts[0] !== 0) sections.push({ level: 0, heading: '', text: text.slice(0, starts[0]) });
    headings.forEach((heading, index) => {
      sections.push({
        level: heading.level,
        heading: heading.text,
        text: text.slice(starts[index], starts[index + 1]),
      });
    });
    return sections;
  }

  /** Blocks alone are parsed: what stands in the lines does not make a section. */
  #headings(text: string): Heading[] {
    const tokens: Token[] = [];
    const source = text.replaceAll(LINE_END, '\n').replaceAll('\0', '\uFFFD');
    this.#markdown.block.parse(source, this.#markdown, {}, tokens);
    return tokens.flatMap((token, index) => {
      if (token.type !== 'heading_open' || token.level !== 0) return [];
      const [line = 0] = token.map ?? [];
      return [{ line, level: Number(token.tag.slice(1)), text: tokens[index + 1]?.content ?? '' }];
    });
  }
}

/** Where the lines of headings begin in the text. */
function offsets(text: string, headings: readonly Heading[]): number[] {
  const found: number[] = [];
  let line = 0;
  let at = 0;
  const ends = text.matchAll(LINE_END);
  for (const heading of headings) {
    while (line < heading.line) {
      const end = ends.next();
      if (end.done === true) break;
      at = end.value.index + end.value[0].length;
      line += 1;
    }
    found.push(at);
  }
  return found;
}
