/**
 * The texts of documents, as far as the runs write such: each section begins with a line that begins with `#`, and ends with an empty line.
 * Every edit writes a marker of its own into a section, so that what became of it can be told from the text alone.
 */

/** The texts of the sections; those of one text, joined, are the text. */
export function splitText(type: string, text: string): readonly string[] {
  if (type !== 'markdown') return [text];
  return text === '' ? [] : text.split(/^(?=#{1,6} )/m);
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
