/** Texts of documents, and blobs on their way. */
import type { BlobFigures } from './port.ts';
import type { Scrape } from './scrape.ts';

const GAUGES = [
  ['muster_blobs_kept', 'Blobs that are kept, as last counted.', (now) => now.kept.count],
  ['muster_blobs_bytes', 'Bytes of blobs that are kept, as last counted.', (now) => now.kept.bytes],
  ['muster_blob_uploads', 'Blobs that have not come whole yet.', (now) => now.uploads.count],
  ['muster_blob_uploads_bytes', 'Bytes that have come of blobs that are not whole.', (now) => now.uploads.bytes],
] as const satisfies readonly Figure[];

const COUNTERS = [
  ['muster_blobs_received_bytes_total', 'Bytes of blobs that clients sent, also again.', (now) => now.receivedBytes],
  ['muster_blobs_sent_bytes_total', 'Bytes of blobs that clients were sent.', (now) => now.sentBytes],
  ['muster_blobs_damaged_total', 'Times that a blob was damaged, or missing, when it was read.', (now) => now.damaged],
] as const satisfies readonly Figure[];

type Figure = readonly [name: string, help: string, read: (now: BlobFigures) => number];

/** Asks `figures` once at each scrape. */
export function watchBlobs(scrape: Scrape, figures: () => BlobFigures): void {
  // What is counted is told the next time: so the first scrape has what the start found.
  let now = figures();
  scrape.before(() => {
    now = figures();
  });
  for (const [name, help, read] of GAUGES) scrape.gauge({ name, help }, () => [{ value: read(now) }]);
  for (const [name, help, read] of COUNTERS) scrape.counter({ name, help }, () => [{ value: read(now) }]);
}
