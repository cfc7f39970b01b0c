/** Markdown made of what sections have trouble with. */
import fc from 'fast-check';

const HEADINGS = [
  '# A\n',
  '## B\n',
  '### C ###\n',
  '#\n',
  'Title\n===\n',
  'Two\nlines\n---\n',
  '  ## indented\n',
  '# A\r\n',
];
const BODIES = [
  '',
  '\n',
  'text\n',
  'text\n\n',
  'text',
  '- item\n',
  '- item\n\n',
  '> quote\n',
  '> # no section\n',
  '- # no section\n',
  '```\n# no section\n```\n',
  '```\n# open\n',
  '<div>\n',
  '<!-- open\n',
  '<!-- # closed -->\n',
  '    # code\n',
  '[a]: /url\n',
  '---\n',
  '===\n',
  '\\# escaped\n',
  '#no heading\n',
  '1. one\n   two\n',
  'text\r\nmore\r\n',
  '| a |\n|---|\n',
];

export const body = fc.array(fc.constantFrom(...BODIES), { maxLength: 4 }).map((parts) => parts.join(''));
export const sectionText = fc.tuple(fc.constantFrom(...HEADINGS), body).map((parts) => parts.join(''));
export const anyText = fc
  .tuple(body, fc.array(sectionText, { maxLength: 6 }))
  .map(([lead, sections]) => lead + sections.join(''));
