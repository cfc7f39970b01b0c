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
    name: 'snapshot-not-deleted',
    runs,
    file: 'src/engine/documents/care.ts',
    find: "  change(c, { kind: 'unsnapshot', id: record.id });\n",
    replace: '',
    breaks: 'A snapshot stays when it is deleted.',
    invariants: ['76'],
  },
];
