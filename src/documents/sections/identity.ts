/**
 * Which section of a new version is which of the old one. A section has an id, under which it is locked and edited; the id stays when the section is
 * edited, renamed or moved, or when others come and go.
 *
 * What is the same is found in this order, each step among those that are still open: the same text at the beginning and the end of the
 * document; the same text anywhere; the same heading below the same headings; the same heading anywhere; the same body; and, between two sections that are known, one of the same level with at least
 * half of its lines. Whatever is left is new.
 *
 * I1 Ids are unique in a document and never used again: a new one has a number above all before.
 * I2 The same two versions give the same ids.
 */
import type { Parsed } from './parse.ts';

export interface Section extends Parsed {
  readonly id: string;
}

export interface Identified {
  readonly sections: readonly Section[];
  /** Numbers of ids from here on were never used. */
  readonly nextNumber: number;
}

/** The share of lines that two sections must have in common to be taken for one. */
const ALIKE = 0.5;

const PREFIX = 's';

class Matching {
  readonly #before: readonly Section[];
  readonly #after: readonly Parsed[];
  /** By the place of each new section: the place of the old one. */
  readonly places: (number | undefined)[];
  readonly #taken: boolean[];

  constructor(before: readonly Section[], after: readonly Parsed[]) {
    this.#before = before;
    this.#after = after;
    this.places = after.map(() => undefined);
    this.#taken = before.map(() => false);
  }

  #isOpen(old: number, now: number): boolean {
    return old >= 0 && old < this.#before.length && this.#taken[old] === false && this.places[now] === undefined;
  }

  #take(old: number, now: number): void {
    this.places[now] = old;
    this.#taken[old] = true;
  }

  /** The same text from both ends inward. */
  ends(): void {
    const shorter = Math.min(this.#before.length, this.#after.length);
    const same = (old: number, now: number) => this.#before[old]?.text === this.#after[now]?.text;
    for (let at = 0; at < shorter && same(at, at); at += 1) this.#take(at, at);
    for (let back = 1; back <= shorter; back += 1) {
      const old = this.#before.length - back;
      const now = this.#after.length - back;
      if (!this.#isOpen(old, now) || !same(old, now)) return;
      this.#take(old, now);
    }
  }

  /** Those with the same key, in their order; an undefined key matches nothing. */
  by(keysOf: (sections: readonly Parsed[]) => readonly (string | undefined)[]): void {
    const open = new Map<string, number[]>();
    keysOf(this.#before).forEach((key, old) => {
      if (key === undefined || this.#taken[old] === true) return;
      const same = open.get(key);
      if (same === undefined) open.set(key, [old]);
      else same.push(old);
    });
    for (const same of open.values()) same.reverse();
    keysOf(this.#after).forEach((key, now) => {
      if (key === undefined || this.places[now] !== undefined) return;
      const old = open.get(key)?.pop();
      if (old !== undefined) this.#take(old, now);
    });
  }

  /** What stands between the same neighbours and is alike. */
  neighbours(): void {
    for (let now = 0; now < this.#after.length; now += 1) this.#next(now, now === 0 ? 0 : after(this.places[now - 1]));
    for (let now = this.#after.length - 1; now >= 0; now -= 1) {
      const last = now === this.#after.length - 1;
      this.#next(now, last ? this.#before.length - 1 : before(this.places[now + 1]));
    }
  }

  #next(now: number, old: number | undefined): void {
    if (old === undefined || !this.#isOpen(old, now)) return;
    const one = this.#before[old];
    const other = this.#after[now];
    if (one !== undefined && other !== undefined && one.level === other.level && areAlike(one, other))
      this.#take(old, now);
  }
}

const after = (place: number | undefined) => (place === undefined ? undefined : place + 1);
const before = (place: number | undefined) => (place === undefined ? undefined : place - 1);

const SETEXT = /^ {0,3}(?:=+|-+)[ \t]*$/;

/** The lines below the heading; those of a heading with an underline begin behind it. */
function bodyOf({ level, text }: Parsed): string[] {
  const lines = text.split(/\r\n?|\n/);
  if (level === 0) return lines;
  if (/^ {0,3}#/.test(text)) return lines.slice(1);
  const underline = lines.findIndex((line) => SETEXT.test(line));
  return lines.slice(underline + 1);
}

const saidIn = (section: Parsed): string[] => bodyOf(section).filter((line) => line.trim() !== '');

function areAlike(one: Parsed, other: Parsed): boolean {
  const lines = saidIn(one);
  const others = saidIn(other);
  if (lines.length === 0 && others.length === 0) return true;
  const left = new Map<string, number>();
  for (const line of lines) left.set(line, (left.get(line) ?? 0) + 1);
  let common = 0;
  for (const line of others) {
    const count = left.get(line) ?? 0;
    if (count > 0) common += 1;
    left.set(line, count - 1);
  }
  return common >= ALIKE * Math.max(lines.length, others.length);
}

/** The heading with those above it. */
function paths(sections: readonly Parsed[]): string[] {
  const above: Parsed[] = [];
  return sections.map((section) => {
    while ((above.at(-1)?.level ?? 0) >= section.level && above.length > 0) above.pop();
    above.push(section);
    return JSON.stringify(above.map(({ level, heading }) => [level, heading]));
  });
}

const headings = (sections: readonly Parsed[]) => sections.map(({ level, heading }) => `${level} ${heading}`);

const bodies = (sections: readonly Parsed[]) =>
  sections.map((section) => {
    const said = saidIn(section);
    return said.length === 0 ? undefined : said.join('\n');
  });

/** Gives ids to the sections of a new version. */
export function identify(old: Identified, parsed: readonly Parsed[]): Identified {
  const matching = new Matching(old.sections, parsed);
  matching.ends();
  matching.by((sections) => sections.map(({ text }) => text));
  matching.by(paths);
  matching.by(headings);
  matching.by(bodies);
  matching.neighbours();
  let { nextNumber } = old;
  const sections = parsed.map((section, now): Section => {
    const place = matching.places[now];
    const known = place === undefined ? undefined : old.sections[place]?.id;
    if (known !== undefined) return { ...section, id: known };
    nextNumber += 1;
    return { ...section, id: `${PREFIX}${nextNumber - 1}` }; // I1
  });
  return { sections, nextNumber };
}

/** A document that has no version yet. */
export const NO_SECTIONS: Identified = { sections: [], nextNumber: 1 };
