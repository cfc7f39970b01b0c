/**
 * The texts of documents, as far as the runs write such: each section begins with a line that begins with `#`, or with a paragraph that is underlined.
 * Every edit writes a marker of its own into a section, so that what became of it can be told from the text alone.
 */

/** The texts of the sections; those of one text, joined, are the text. */
export function splitText(type: string, text: string): readonly string[] {
  if (type !== 'markdown') return [text];
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const starts: number[] = [];
  let paragraph: number | undefined;
  for (const [at, line] of lines.entries()) {
    const underlined = paragraph !== undefined && UNDERLINE.test(line);
    if (/^#{1,6} /.test(line)) starts.push(at);
    else if (underlined) starts.push(paragraph ?? at);
    else if (line.trim() !== '') {
      paragraph ??= at;
      continue;
    }
    paragraph = undefined;
  }
  const begins = starts[0] === 0 || lines.length === 0 ? starts : [0, ...starts];
  return begins.map((first, i) => lines.slice(first, begins[i + 1]).join(''));
}

const UNDERLINE = /^=+\s*$/;

/** It may mean something else beside others: a heading behind it, or its own, may be taken for a part of a paragraph (D4). */
export function needsNeighbours(section: string): boolean {
  const [, second = ''] = section.split('\n');
  return UNDERLINE.test(second) || !section.startsWith('#') || !section.endsWith('\n\n');
}

export function headingOf(section: string): string {
  return section.slice(0, section.indexOf('\n'));
}

const MARKER = /\bm\d+\b/g;

export function markersOf(text: string): ReadonlySet<string> {
  return new Set(text.match(MARKER) ?? []);
}

/** Empty lines at the end say nothing: a section that another follows is closed by one. */
export function sameText(one: string, other: string): boolean {
  return one === other || one.trimEnd() === other.trimEnd();
}

/** Empty lines aside: a section that was given by itself and does not end with one may have got one, wherever it stands. */
export function sameLines(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .join('\n'),
  );
  return a === b;
}
