/**
 * What is known of the documents of a tenant: every version that one ever had, with its texts, every conflict, every text that is kept.
 *
 * It judges what needs nothing else: that a text is durable under its hash before an entry names it, and is what its name says (36).
 */
import { createHash } from 'node:crypto';
import type { ConflictSeen, DocumentSeen, EventOf } from './history.ts';
import type { Mark, Op, Tenant } from './records.ts';
import type { World } from './world.ts';

export interface SectionText {
  readonly id: string;
  readonly version: number;
  readonly text: string;
  readonly sha256: string;
}

export interface Edition {
  readonly version: number;
  readonly mark: Mark;
  readonly by: string;
  readonly sections: readonly SectionText[];
  readonly text: string;
  /** What made it; undefined: nobody knows. */
  readonly op: Op | undefined;
  /** Ids of the sections that it touched. */
  readonly touched: readonly string[];
  /** The version whose text it has again. */
  restored: number | undefined;
}

/** What a document was called from an entry on. */
export interface Title {
  readonly mark: Mark;
  readonly name: string;
  readonly archived: boolean;
}

export interface Doc {
  readonly id: string;
  readonly type: string;
  readonly workspaceId: string | undefined;
  /** By version, the first at 0. */
  readonly editions: Edition[];
  /** Ids of sections that it ever had. */
  readonly used: Set<string>;
  readonly titles: Title[];
  /** Who changed something about it, in order. */
  readonly touches: { readonly mark: Mark; readonly by: string | undefined }[];
  gone: Mark | undefined;
}

/** A version that is kept. */
export interface Snapshot {
  readonly id: string;
  readonly doc: Doc;
  readonly name: string | undefined;
  readonly version: number;
  readonly by: string | undefined;
  readonly text: string;
  /** Of the texts of its sections. */
  readonly hashes: readonly string[];
  readonly from: Mark;
  to: Mark | undefined;
}

export interface Comment {
  readonly id: string;
  readonly doc: Doc;
  readonly section: string | undefined;
  readonly replyTo: string | undefined;
  readonly by: string | undefined;
  readonly content: string;
  /** Undefined: no entry has shown it yet. */
  sha256: string | undefined;
  /** Who resolved it; undefined: it is open. */
  readonly states: { readonly mark: Mark; readonly resolvedBy: string | undefined }[];
  readonly from: Mark;
  to: Mark | undefined;
}

export interface Conflict {
  readonly id: string;
  readonly doc: Doc;
  readonly by: string;
  readonly baseVersion: number;
  readonly version: number;
  readonly base: string;
  readonly ours: string;
  readonly theirs: string;
  /** Hashes of its texts. */
  readonly names: ReadonlySet<string>;
  readonly from: Mark;
  to: Mark | undefined;
}

export class DocumentBook {
  readonly tenant: Tenant;
  readonly docs = new Map<string, Doc>();
  readonly conflicts = new Map<string, Conflict>();
  readonly snapshots = new Map<string, Snapshot>();
  readonly comments = new Map<string, Comment>();
  readonly #world: World;
  readonly #texts = new Map<string, { readonly text: string; readonly index: number }>();

  constructor(world: World, tenant: Tenant) {
    this.#world = world;
    this.tenant = tenant;
  }

  kept({ sha256, text }: EventOf<'text.kept'>, index: number): void {
    if (createHash('sha256').update(text).digest('hex') !== sha256)
      this.#world.report('36', `a text is kept under the hash ${sha256} of another`, [index]);
    if (!this.#texts.has(sha256)) this.#texts.set(sha256, { text, index });
  }

  /** Nobody reads it any more: no version that there ever was names it, and no conflict. */
  removed({ sha256 }: EventOf<'text.gone'>, index: number): void {
    const kept = this.#texts.get(sha256);
    this.#texts.delete(sha256);
    for (const { id, editions, gone } of this.docs.values()) {
      const latest = editions.at(-1)?.version ?? 0;
      const named = editions.find(({ sections }) => sections.some((section) => section.sha256 === sha256));
      if (gone !== undefined || named === undefined) continue;
      const message = `a text of ${id} version ${named.version} is removed, which can be read beside ${latest}`;
      this.#world.report('36', message, [kept?.index, named.mark.index, index]);
    }
    for (const { id, names, from, to } of this.conflicts.values()) {
      if (to === undefined && names.has(sha256))
        this.#world.report('39', `a text of ${id} is removed`, [kept?.index, from.index, index]);
    }
    for (const { id, hashes, from, to } of this.snapshots.values()) {
      if (to === undefined && hashes.includes(sha256))
        this.#world.report('36', `a text of the snapshot ${id} is removed`, [kept?.index, from.index, index]);
    }
    for (const comment of this.comments.values()) {
      if (comment.to === undefined && comment.sha256 === sha256)
        this.#world.report('36', `the text of ${comment.id} is removed`, [kept?.index, comment.from.index, index]);
    }
  }

  /** The text of a hash that an entry names. */
  textOf(sha256: string, mark: Mark): string {
    const kept = this.#texts.get(sha256);
    const appended = this.tenant.entries[mark.seq - 1]?.index ?? mark.index;
    if (kept === undefined || kept.index > appended)
      this.#world.report('36', `entry ${mark.seq} names the text ${sha256}, which was not durable`, [
        kept?.index,
        appended,
        mark.index,
      ]);
    return kept?.text ?? '';
  }

  edition(
    seen: DocumentSeen,
    of: { readonly mark: Mark; readonly op: Op | undefined; readonly former: Edition | undefined },
  ): Edition {
    const { mark, op, former } = of;
    const sections = seen.sections.map(({ id, version, sha256, bytes }): SectionText => {
      const text = this.textOf(sha256, mark);
      if (Buffer.byteLength(text) !== bytes)
        this.#world.report('36', `section ${id} of ${seen.id} is said to have ${bytes} bytes`, [mark.index]);
      return { id, version, text, sha256 };
    });
    const text = sections.map((section) => section.text).join('');
    if (Buffer.byteLength(text) !== seen.bytes)
      this.#world.report('36', `${seen.id} is said to have ${seen.bytes} bytes`, [mark.index]);
    const ids = new Set(sections.map(({ id }) => id));
    const touched = [
      ...sections.filter(({ version }) => version === seen.version).map(({ id }) => id),
      ...(former?.sections ?? []).map(({ id }) => id).filter((id) => !ids.has(id)),
    ];
    return { version: seen.version, mark, by: seen.by, sections, text, op, touched, restored: undefined };
  }

  conflict({ document, ...seen }: ConflictSeen, mark: Mark): Conflict | undefined {
    const doc = this.docs.get(document);
    if (doc === undefined) return undefined;
    const joined = (hashes: readonly string[]): string => hashes.map((one) => this.textOf(one, mark)).join('');
    const { base, ours, theirs } = seen;
    const conflict: Conflict = {
      ...seen,
      doc,
      base: joined(base),
      ours: joined(ours),
      theirs: joined(theirs),
      names: new Set([...base, ...ours, ...theirs]),
      from: mark,
      to: undefined,
    };
    this.conflicts.set(seen.id, conflict);
    return conflict;
  }
}

/** The newest version at a position; undefined: it was not there. */
export function editionAt({ editions, gone }: Doc, rev: number): Edition | undefined {
  if (gone !== undefined && gone.rev <= rev) return undefined;
  return editions.findLast(({ mark }) => mark.rev <= rev);
}

/** It was there at a position. */
export function isOpenAt({ from, to }: { readonly from: Mark; readonly to: Mark | undefined }, rev: number): boolean {
  return from.rev <= rev && (to === undefined || to.rev > rev);
}

/** At a place of the history. */
export function editionBefore({ editions }: Doc, index: number): Edition | undefined {
  return editions.findLast(({ mark }) => mark.index < index);
}

export function sectionOf({ sections }: Edition, id: string): SectionText | undefined {
  return sections.find((section) => section.id === id);
}
