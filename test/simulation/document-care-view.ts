/** What an entry changed of documents beside their texts: names, archives, what is kept under names, comments. */
import type {
  CommentRecord,
  DocumentRecord,
  DocumentSnapshotRecord,
} from '../../src/engine/documents/document-records.ts';
import type { State } from '../../src/engine/kernel/state.ts';
import type { CareSeen, CommentSeen, SnapshotSeen, TitleSeen } from './checker/history.ts';

/** As it is after the entry; undefined: it is gone. */
export interface CareChanges {
  readonly titles: Map<string, TitleSeen>;
  readonly snapshots: Map<string, SnapshotSeen | undefined>;
  readonly comments: Map<string, CommentSeen | undefined>;
}

export const noCareChanges = (): CareChanges => ({ titles: new Map(), snapshots: new Map(), comments: new Map() });

export function followCare(state: State, changes: () => CareChanges): void {
  state.documents.watch((before, after) => {
    if (after === undefined) return;
    const other = before === undefined || before.name !== after.name || before.archived !== after.archived;
    if (other) changes().titles.set(after.id, titleOf(after));
  });
  state.documentSnapshots.watch((before, after) => {
    changes().snapshots.set((after ?? before)?.id ?? '', after === undefined ? undefined : snapshotOf(after));
  });
  state.comments.watch((before, after) => {
    changes().comments.set((after ?? before)?.id ?? '', after === undefined ? undefined : commentOf(after));
  });
}

export function changesCare({ titles, snapshots, comments }: CareChanges): boolean {
  return titles.size + snapshots.size + comments.size > 0;
}

export function careOf({ titles, snapshots, comments }: CareChanges): CareSeen {
  return {
    titles: [...titles.values()],
    snapshots: present(snapshots),
    snapshotsGone: gone(snapshots),
    comments: present(comments),
    commentsGone: gone(comments),
  };
}

function present<T>(changed: ReadonlyMap<string, T | undefined>): T[] {
  return [...changed.values()].flatMap((one) => (one === undefined ? [] : [one]));
}

function gone(changed: ReadonlyMap<string, unknown>): string[] {
  return [...changed].flatMap(([id, one]) => (one === undefined ? [id] : []));
}

/** What is known of it from entry to entry. */
export class CareShelf {
  readonly #known = noCareChanges();

  note({ titles, snapshots, comments }: CareChanges): void {
    for (const [id, one] of titles) this.#known.titles.set(id, one);
    put(this.#known.snapshots, snapshots);
    put(this.#known.comments, comments);
  }

  /** What the first entry of an engine changed. */
  difference(state: State): CareChanges {
    const changes = noCareChanges();
    for (const record of state.documents.hold()) {
      const title = titleOf(record);
      if (!alike(this.#known.titles.get(record.id), title)) changes.titles.set(record.id, title);
    }
    compare(this.#known.snapshots, changes.snapshots, [...state.documentSnapshots.hold()].map(snapshotOf));
    compare(this.#known.comments, changes.comments, [...state.comments.hold()].map(commentOf));
    return changes;
  }
}

function put<T>(known: Map<string, T | undefined>, changed: ReadonlyMap<string, T | undefined>): void {
  for (const [id, one] of changed) {
    if (one === undefined) known.delete(id);
    else known.set(id, one);
  }
}

function compare<T extends { readonly id: string }>(
  known: ReadonlyMap<string, T | undefined>,
  changes: Map<string, T | undefined>,
  now: readonly T[],
): void {
  for (const one of now) if (!alike(known.get(one.id), one)) changes.set(one.id, one);
  const left = new Set(now.map(({ id }) => id));
  for (const id of known.keys()) if (!left.has(id)) changes.set(id, undefined);
}

const alike = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

function titleOf({ id, name, archived }: DocumentRecord): TitleSeen {
  return { id, name, archived: archived === true };
}

function snapshotOf({ id, document, name, version, by, sections }: DocumentSnapshotRecord): SnapshotSeen {
  const texts = sections.map(({ sha256 }) => sha256);
  return { id, document, ...(name === undefined ? {} : { name }), version, by, texts };
}

function commentOf({ id, document, section, replyTo, by, sha256, resolvedBy }: CommentRecord): CommentSeen {
  return {
    id,
    document,
    ...(section === undefined ? {} : { section }),
    ...(replyTo === undefined ? {} : { replyTo }),
    by,
    sha256,
    ...(resolvedBy === undefined ? {} : { resolvedBy }),
  };
}
