/** Carries out what a plan asks of documents: of the newest one of a name, which renaming makes longer. */
import type { Asked } from './asks.ts';
import type { DocumentAsk } from './swarm-documents.ts';

export function askDocuments({ name, job }: DocumentAsk, { client, book }: Asked): void {
  const player = client.documents;
  if (player === undefined) return;
  if (job.what === 'create') return player.create(name, job);
  const known = [...(book.tracker?.engine.state.documents.hold() ?? [])].filter(
    (one) => one.name.split(' ')[0] === name,
  );
  const [newest] = known.toSorted((a, b) => b.createdAt - a.createdAt);
  if (newest !== undefined) player.play(newest.id, job);
}
