/**
 * Merges and compares texts of documents on this machine, by sections, as the server does: in a thread of its own, within its bounds.
 */
import { MARKDOWN } from '../../../protocol/wire/documents.ts';
import type { DocumentForm, Identified, InputOf, Merge, ResultOf, WorkName } from '../../documents/index.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import { CliError } from '../exit.ts';
import type { Known } from './working-copy.ts';

const formOf = (type: string): DocumentForm => (type === MARKDOWN ? 'markdown' : 'plain');

/** The sections of a version as they stand in its text. */
function identified({ base, sections }: Known): Identified {
  const bytes = new TextEncoder().encode(base);
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let at = 0;
  let nextNumber = 1;
  const found = sections.map(({ id, heading, level, bytes: size }) => {
    at += size;
    nextNumber = Math.max(nextNumber, Number(/\d+$/.exec(id)?.[0] ?? 0) + 1);
    return { id, heading, level, text: decoder.decode(bytes.subarray(at - size, at)) };
  });
  return { sections: found, nextNumber };
}

async function work<N extends WorkName>(name: N, input: InputOf<N>): Promise<ResultOf<N>> {
  // Here and not above: every other command starts faster without it.
  const { DocumentThread } = await import('../../documents/index.ts');
  const thread = new DocumentThread(systemScheduler);
  try {
    return await new Promise((resolve, reject) =>
      thread.run(name, input, (outcome) => {
        if (outcome.kind === 'done') resolve(outcome.result);
        else reject(new CliError('TOO_COMPLEX', `The texts could not be compared (${outcome.reason}).`));
      }),
    );
  } finally {
    await new Promise<void>((resolve) => thread.close(resolve));
  }
}

/** Ours, made of `known`, with what came to be of that. */
export function mergedWith(
  known: Known,
  head: Known,
  { ours, labels }: { readonly ours: string; readonly labels: { readonly ours: string; readonly theirs: string } },
): Promise<Merge> {
  const sides = { base: identified(known), ours, theirs: identified(head) };
  return work('mergeDocument', { form: formOf(known.type), labels, ...sides });
}

/** Ids of the sections that a text changes of the version that it was made of; `structural`: some came, went or moved. */
export async function changedIn(
  known: Known,
  text: string,
): Promise<{ readonly sections: readonly string[]; readonly structural: boolean }> {
  const { touched } = await import('../../documents/index.ts');
  const before = identified(known);
  const after = await work('sections', { old: before, text, form: formOf(known.type) });
  const { changed, added, removed, moved } = touched(before.sections, after.sections);
  return {
    sections: [...changed, ...removed, ...moved.filter((id) => !changed.includes(id))],
    structural: added.length + removed.length + moved.length > 0,
  };
}
