/** What an entry had to do with documents, as the history wants it. */
import { CareShelf, careOf, changesCare, followCare, noCareChanges, type CareChanges } from './document-care-view.ts';
import { sectionsAt } from '../../src/engine/documents/edits.ts';
import {
  versionKey,
  type DocumentConflictRecord,
  type DocumentRecord,
} from '../../src/engine/documents/document-records.ts';
import type { State } from '../../src/engine/kernel/state.ts';
import type { DocumentSeen, DocumentsObservation, EventOf, TopicTold, WriteSeen } from './checker/history.ts';
import type { MadeEntry } from './entry-marks.ts';

/** Every version, in order; what is gone; conflicts that came and went. */
export interface DocumentChanges {
  readonly versions: DocumentRecord[];
  readonly gone: string[];
  readonly conflicts: DocumentConflictRecord[];
  readonly ended: string[];
  readonly care: CareChanges;
}

export const noDocumentChanges = (): DocumentChanges => ({
  versions: [],
  gone: [],
  conflicts: [],
  ended: [],
  care: noCareChanges(),
});

/** `changes`: where they are written, now. */
export function followDocuments(state: State, changes: () => DocumentChanges): void {
  state.documents.watch((before, after) => {
    if (after === undefined) changes().gone.push(before?.id ?? '');
    else if (after.version !== before?.version) changes().versions.push(after);
  });
  state.documentConflicts.watch((before, after) => {
    if (after === undefined) changes().ended.push(before?.id ?? '');
    else if (before === undefined) changes().conflicts.push(after);
  });
  followCare(state, () => changes().care);
}

/** What is known of documents from entry to entry. */
export class DocumentShelf {
  readonly #versions = new Map<string, number>();
  readonly #conflicts = new Set<string>();
  readonly #care = new CareShelf();

  note({ versions, gone, conflicts, ended, care }: DocumentChanges): void {
    this.#care.note(care);
    for (const { id, version } of versions) this.#versions.set(id, version);
    for (const id of gone) this.#versions.delete(id);
    for (const { id } of conflicts) this.#conflicts.add(id);
    for (const id of ended) this.#conflicts.delete(id);
  }

  /** What the first entry of an engine changed. */
  difference(state: State): DocumentChanges {
    const changes = { ...noDocumentChanges(), care: this.#care.difference(state) };
    for (const known of state.documents.hold()) {
      for (let at = (this.#versions.get(known.id) ?? 0) + 1; at <= known.version; at += 1) {
        const sections = sectionsAt(state, known, at);
        if (sections === undefined) continue;
        const bytes = sections.reduce((sum, section) => sum + section.bytes, 0);
        const updatedBy = state.documentVersions.get(versionKey(known.id, at))?.by ?? known.updatedBy;
        changes.versions.push(at === known.version ? known : { ...known, version: at, sections, bytes, updatedBy });
      }
    }
    for (const id of this.#versions.keys()) if (state.documents.get(id) === undefined) changes.gone.push(id);
    for (const conflict of state.documentConflicts.hold())
      if (!this.#conflicts.has(conflict.id)) changes.conflicts.push(conflict);
    for (const id of this.#conflicts) if (state.documentConflicts.get(id) === undefined) changes.ended.push(id);
    return changes;
  }
}

export function documentsOf(made: MadeEntry): Partial<EventOf<'applied'>> {
  const { versions, gone, conflicts, ended, care } = made.changes.documents;
  const writes = writesOf(made, /^(?:document\.|comment\.|section\.update$)/);
  const told = toldOn(made, 'document.');
  const count = versions.length + gone.length + conflicts.length + ended.length + writes.length + told.length;
  if (count === 0 && !changesCare(care)) return {};
  const documents: DocumentsObservation = {
    versions: versions.map(seen),
    gone,
    conflicts,
    ended,
    care: careOf(care),
    writes,
    told,
  };
  return { documents };
}

function seen({ id, workspaceId, type, version, bytes, updatedBy, sections }: DocumentRecord): DocumentSeen {
  return {
    id,
    ...(workspaceId === undefined ? {} : { workspaceId }),
    type,
    version,
    bytes,
    by: updatedBy,
    sections: sections.map(({ sid, version: at, sha256, bytes: size }) => ({
      id: sid,
      version: at,
      sha256,
      bytes: size,
    })),
  };
}

/** Writes whose method is of a family. */
export function writesOf({ decoded, output }: MadeEntry, family: RegExp): WriteSeen[] {
  return decoded.commands.flatMap((command, i): WriteSeen[] => {
    if (command.kind !== 'request' || !family.test(command.method)) return [];
    const reply = output.commands[i]?.reply;
    if (reply === undefined) return [];
    const { session, id: reqId, key, method } = command;
    const asked = { session, reqId, ...(key === undefined ? {} : { k: key }), method };
    if (reply.ok) return [{ ...asked, ok: true, result: reply.result }];
    const { code, details } = reply.rejection;
    return [{ ...asked, ok: false, code, result: details }];
  });
}

/** What was told under topics that begin so. */
export function toldOn({ output }: MadeEntry, topics: string): TopicTold[] {
  return output.pushes.flatMap(({ rev, event, topic, data }) =>
    topic?.startsWith(topics) === true ? [{ rev, event, topic, data }] : [],
  );
}
