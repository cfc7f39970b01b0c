/** What a push came to, for whoever ran it. */
import type { Context } from '../context.ts';
import type { Pushed } from './sync.ts';
import { conflict } from './working-copy.ts';

export function tellPushed({ known, kind }: Pushed, file: string, context: Context): void {
  const { id, version, sha256 } = known;
  if (kind === 'marked') {
    throw conflict(
      'MERGE_CONFLICT',
      `Version ${version} was made of ${file}; what was edited meanwhile is in it, with marks.`,
      {
        details: { id, file, version },
        words: '',
      },
    );
  }
  context.output.result({ id, file, version, sha256, kind }, () => `${file}: ${PUSHED[kind]} version ${version}`);
}

const PUSHED = {
  none: 'has no edits, it is',
  pushed: 'is now',
  beside: 'has what others changed meanwhile in other sections too, and is now',
} as const;
