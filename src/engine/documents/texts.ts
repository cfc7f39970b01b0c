/** Which texts a state names: those of heads, of versions that are kept, of conflicts, of snapshots and of comments. */
import type { State } from '../kernel/state.ts';

export interface NamedText {
  readonly document: string;
  readonly sha256: string;
  /** Undefined: the state does not say. */
  readonly bytes: number | undefined;
}

/** Document by document, in the order of their ids; `above`: those behind this one. */
export function* textsOf(s: State, above = ''): Generator<NamedText> {
  for (const { id } of s.documentsById.after(above)) yield* namedBy(s, id);
}

/** By one document. */
export function* namedBy(s: State, document: string): Generator<NamedText> {
  for (const { sha256, bytes } of s.documents.get(document)?.sections ?? []) yield { document, sha256, bytes };
  for (const { replaced } of s.versionsByDocument.after(document, ''))
    for (const { sha256, bytes } of replaced) yield { document, sha256, bytes };
  for (const { base, ours, theirs } of s.conflictsByDocument.after(document, ''))
    for (const sha256 of [...base, ...ours, ...theirs]) yield { document, sha256, bytes: undefined };
  for (const { sections } of s.snapshotsByDocument.after(document, ''))
    for (const { sha256, bytes } of sections) yield { document, sha256, bytes };
  for (const { sha256, bytes } of s.commentsByDocument.after(document, '')) yield { document, sha256, bytes };
}
