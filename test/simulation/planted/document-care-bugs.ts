/** Planted bugs in what is done with documents beside editing them. */
import type { PlantedBug } from './bug.ts';

const runs = 'documents' as const;

export const DOCUMENT_CARE_BUGS: readonly PlantedBug[] = [
  {
    name: 'renamed-in-vain',
    runs,
    file: 'src/engine/documents/care.ts',
    find: 'const record: DocumentRecord = { ...known, name, updatedBy: by, updatedAt: c.now };',
    replace: 'const record: DocumentRecord = { ...known, updatedBy: by, updatedAt: c.now };',
    breaks: 'A document keeps the name that it had.',
    invariants: ['76'],
  },
  {
    name: 'archived-still-edited',
    runs,
    file: 'src/engine/documents/documents.ts',
    find: 'return known.archived === true ? ARCHIVED : known;',
    replace: 'return known;',
    breaks: 'Archived documents are edited and renamed.',
    invariants: ['76'],
  },
  {
    name: 'archived-for-good',
    runs,
    file: 'src/engine/documents/care.ts',
    find: 'if ((known.archived === true) === archived) return',
    replace: 'if (known.archived === true) return',
    breaks: 'What was archived stays so.',
    invariants: ['76'],
  },
  {
    name: 'snapshot-not-deleted',
    runs,
    file: 'src/engine/documents/care.ts',
    find: "  change(c, { kind: 'unsnapshot', id: record.id });\n",
    replace: '',
    breaks: 'A snapshot stays when it is deleted.',
    invariants: ['76'],
  },
  {
    name: 'snapshots-outlive-their-document',
    runs,
    file: 'src/engine/documents/documents.ts',
    find: "  for (const { id } of s.snapshotsByDocument.after(known.id, '')) change(c, { kind: 'unsnapshot', id });\n",
    replace: '',
    breaks: 'The snapshots of a document that is deleted stay.',
    invariants: ['76'],
  },
  {
    name: 'snapshot-read-as-current',
    runs,
    file: 'src/engine/documents/view.ts',
    find: 'return kept?.document === known.id ? { version: kept.version, sections: kept.sections } : undefined;',
    replace: 'return kept?.document === known.id ? { version: kept.version, sections: known.sections } : undefined;',
    breaks: 'Of a snapshot the current text is read and restored.',
    invariants: ['38', '36'],
  },
  {
    name: 'restored-untold',
    runs,
    file: 'src/engine/documents/documents.ts',
    find: 'sections: version.touched, ...(restored === undefined ? {} : { restored }) },',
    replace: 'sections: version.touched },',
    breaks: 'Nobody is told that a version is the text of another one again.',
    invariants: ['67'],
  },
  {
    name: 'section-edit-of-the-whole',
    runs,
    file: 'src/node/documents.ts',
    find: '    const { documentId, ...rest } = params;\n    this.update(',
    replace: '    const { documentId, sectionId: _, ...rest } = params;\n    this.update(',
    breaks: 'The text of a section becomes that of the document.',
    invariants: ['37', '36', '35', '41'],
  },
];
