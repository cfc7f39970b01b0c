/** What a version of a document takes in the archive, with the texts that only older versions have. */
import type { ArchivedVersion } from './port.ts';

export function archivedBytes({ record, anchor, texts }: Omit<ArchivedVersion, 'document' | 'version'>): number {
  return texts.reduce((sum, { bytes }) => sum + bytes, record.length + (anchor?.length ?? 0));
}
