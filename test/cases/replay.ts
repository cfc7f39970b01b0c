/**
 * Replays a recorded session of concurrent editing as updates of one document.
 *
 * The writer of a transaction has seen its parents and what those were made upon. It names as its version the last one that it has seen without a
 * gap: so an update is refused if, and only if, the document has a transaction that its writer had not seen. A refused writer merges: its edit is
 * transformed onto the content that the refusal gives, by the identity of characters in the history of all edits, and sent again for
 * the version that the refusal names. What it then writes keeps what everybody wrote.
 */
import { z } from 'zod';
import { EditHistory, type Patch } from '../../src/documents/edits/history.ts';
import type { DocumentStore } from './document-store.ts';

const PATCH = z.union([
  z.tuple([z.int().min(0), z.int().min(0), z.string()]),
  // Some recordings have the time of each patch beside it.
  z.tuple([z.int().min(0), z.int().min(0), z.string(), z.unknown()]),
]);

export const SESSION = z.object({
  startContent: z.string().optional(),
  endContent: z.string(),
  txns: z.array(
    z.object({ parents: z.array(z.int().min(0)).optional(), agent: z.int().optional(), patches: z.array(PATCH) }),
  ),
});

export type Session = z.infer<typeof SESSION>;

export interface Replay {
  readonly transactions: number;
  /** Accepted as they came. */
  readonly accepted: number;
  /** Refused, as they had to be. */
  readonly refused: number;
  readonly resolved: number;
  /** Refused though they had seen everything, or accepted though they had not. */
  readonly wrong: readonly number[];
  /** Not accepted after they were resolved. */
  readonly unresolved: readonly number[];
  readonly same: boolean;
  readonly content: string;
}

const SURROGATE = /[\uD800-\uDFFF]/;

/** Applies patches in order; positions are in code points. */
export function applyPatches(content: string, patches: readonly Patch[]): string {
  if (!SURROGATE.test(content) && !patches.some(([, , inserted]) => SURROGATE.test(inserted))) {
    let text = content;
    for (const [at, removed, inserted] of patches) text = text.slice(0, at) + inserted + text.slice(at + removed);
    return text;
  }
  const points = Array.from(content);
  for (const [at, removed, inserted] of patches) points.splice(at, removed, ...Array.from(inserted));
  return points.join('');
}

export async function replay(session: Session, store: DocumentStore): Promise<Replay> {
  const start = session.startContent ?? '';
  const history = new EditHistory(start);
  const firstVersion = await store.create(start);
  let newest = start;
  let accepted = 0;
  let refused = 0;
  let resolved = 0;
  const wrong: number[] = [];
  const unresolved: number[] = [];
  for (const [index, txn] of session.txns.entries()) {
    const parents = txn.parents ?? (index === 0 ? [] : [index - 1]);
    if (parents.some((parent) => parent >= index)) throw new Error(`transaction ${index} is made upon a later one.`);
    const patches = txn.patches.map(([at, removed, inserted]): Patch => [at, removed, inserted]);
    history.look(parents);
    const seen = history.knownPrefix;
    const stale = seen < index;
    const wanted = applyPatches(stale ? history.viewed : newest, patches);
    const transformed = history.add({ parents, writer: txn.agent ?? 0, patches });
    let updated = await store.update(wanted, firstVersion + seen);
    if ((updated.kind === 'stale') !== stale) wrong.push(index);
    if (updated.kind === 'updated') {
      accepted += 1;
      newest = wanted;
      continue;
    }
    refused += 1;
    newest = applyPatches(updated.content, transformed);
    updated = await store.update(newest, updated.version);
    if (updated.kind === 'updated') resolved += 1;
    else unresolved.push(index);
  }
  const { content } = await store.read();
  const same = content === session.endContent;
  return { transactions: session.txns.length, accepted, refused, resolved, wrong, unresolved, same, content };
}
