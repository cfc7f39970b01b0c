/**
 * The error codes with which a method may answer, as PROTOCOL.md says: those of any method, of any write, and of its own section, with what
 * that refers to.
 *
 * Owns: how the paper is read. Does not own: what stands in it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMethod, isRead } from '../../protocol/wire/operations.ts';

export type Documented = (method: string, code: string) => boolean;

/** Where the paper is: this file also runs from dist/. */
function paperOf(folder: string): string {
  const file = join(folder, 'protocol', 'PROTOCOL.md');
  if (existsSync(file)) return readFileSync(file, 'utf8');
  const above = dirname(folder);
  if (above === folder) throw new Error('there is no protocol/PROTOCOL.md above this file');
  return paperOf(above);
}

const codesIn = (text: string): readonly string[] =>
  [...text.matchAll(/`([A-Z]+(?:_[A-Z]+)*)`/g)].map(([, code = '']) => code);

/** Up to the end of the paragraph that begins so. */
function paragraph(paper: string, start: string): string {
  const at = paper.indexOf(start);
  if (at < 0) throw new Error(`PROTOCOL.md has no paragraph that begins with "${start}"`);
  const end = paper.indexOf('\n\n', at);
  return paper.slice(at, end < 0 ? undefined : end);
}

/** By method: what its section names after "Errors", and what the methods and the rule of tokens have that it refers to. */
function ownErrors(paper: string): ReadonlyMap<string, ReadonlySet<string>> {
  const token = codesIn(/^- \[J2\][^]*?(?=^- \[)/m.exec(paper)?.[0] ?? '');
  const found = new Map<string, Set<string>>();
  const references: (readonly [method: string, to: string])[] = [];
  for (const [, method = '', body = ''] of paper.matchAll(/^### ([a-zA-Z]+\.[a-zA-Z]+)\n([^]*?)(?=^##)/gm)) {
    const at = body.indexOf('Errors');
    const text = at < 0 ? '' : body.slice(at);
    if (/\bas (?:there|of that)\b/.test(text))
      throw new Error(`the errors of ${method} do not name what they refer to`);
    const own = new Set(codesIn(text));
    if (/\bJ2\b/.test(text)) for (const code of token) own.add(code);
    for (const [, to = ''] of text.matchAll(/(?:those of|as of|as) `([a-zA-Z]+\.[a-zA-Z]+)`/g))
      references.push([method, to]);
    found.set(method, own);
  }
  // A method may refer to one that refers, before or behind it.
  for (let grown = true; grown;) {
    grown = false;
    for (const [method, to] of references) {
      const [own, others] = [found.get(method), found.get(to)];
      if (own === undefined || others === undefined)
        throw new Error(`the errors of ${method} refer to ${to}, which has no section`);
      for (const code of others) {
        grown ||= !own.has(code);
        own.add(code);
      }
    }
  }
  return found;
}

export function documentedErrors(paper: string = paperOf(dirname(fileURLToPath(import.meta.url)))): Documented {
  const general = paragraph(paper, 'Any method may answer with');
  const [any = '', write = ''] = general.split('any write with');
  const ofAny = new Set(codesIn(any));
  const ofWrites = new Set(codesIn(write));
  const own = ownErrors(paper);
  return (method, code) => {
    if (!isMethod(method)) return code === 'UNKNOWN_METHOD';
    return ofAny.has(code) || (!isRead(method) && ofWrites.has(code)) || (own.get(method)?.has(code) ?? false);
  };
}
