/**
 * Work upon texts that may take long, as values: what is sent to the documents' thread and what comes back. Each is a pure function.
 */
import { HtmlWriter, type Shown, type ShownForm } from './html.ts';
import { identify, type Identified } from './sections/identity.ts';
import { mergeDocument, type DocumentMergeInput } from './sections/merge.ts';
import { SectionParser, type DocumentForm } from './sections/parse.ts';
import { SectionEditor, type Edited, type EditRefusal } from './sections/edit.ts';
import type { Result } from '../base/result.ts';
import { merge, type Merge, type MergeInput } from './text/merge.ts';
import { unifiedDiff, type Diff, type DiffInput } from './text/unified.ts';

/** Work by its name: what is given, and what comes of it. */
export interface Work {
  readonly merge: { readonly input: MergeInput; readonly result: Merge };
  /** A stale edit of a document, by sections where it has some. */
  readonly mergeDocument: { readonly input: DocumentMergeInput; readonly result: Merge };
  /** The sections of a new version, with the ids of the old one. */
  readonly sections: {
    readonly input: { readonly old: Identified; readonly text: string; readonly form: DocumentForm };
    readonly result: Identified;
  };
  readonly replaceSection: {
    readonly input: {
      readonly document: Identified;
      readonly id: string;
      readonly text: string;
      readonly form: DocumentForm;
    };
    readonly result: Result<Identified, EditRefusal>;
  };
  /** A new text of a document, or of a section of it. */
  readonly edit: {
    readonly input: {
      readonly base: Identified;
      readonly text: string;
      readonly form: DocumentForm;
      readonly section?: string;
    };
    readonly result: Result<Edited, EditRefusal>;
  };
  readonly html: { readonly input: { readonly text: string; readonly form: ShownForm }; readonly result: Shown };
  readonly diff: { readonly input: DiffInput; readonly result: Diff };
}

export type WorkName = keyof Work;
export type InputOf<N extends WorkName> = Work[N]['input'];
export type ResultOf<N extends WorkName> = Work[N]['result'];

/** The thread did not answer: `TIMEOUT` it took too long, `MEMORY` it needed too much, `BUSY` too much waits, `CLOSED`. */
export type NoResult = 'TIMEOUT' | 'MEMORY' | 'BUSY' | 'CLOSED';

export type Outcome<N extends WorkName> =
  { readonly kind: 'done'; readonly result: ResultOf<N> } | { readonly kind: 'none'; readonly reason: NoResult };

type Performers = { readonly [N in WorkName]: (input: InputOf<N>) => ResultOf<N> };

/** Does the work; keeps the parsers, which cost more to make than to use. */
export class Performer {
  readonly #parser = new SectionParser();
  readonly #editor = new SectionEditor(this.#parser);
  readonly #writer = new HtmlWriter();
  readonly #performers: Performers = {
    merge: (input) => merge(input),
    mergeDocument: (input) => mergeDocument(input, this.#parser),
    sections: ({ old, text, form }) => identify(old, this.#parser.parse(text, form)),
    replaceSection: ({ document, ...edit }) => this.#editor.replace(document, edit),
    edit: ({ base, section, ...edit }) => this.#editor.edit(base, { ...edit, id: section }),
    html: ({ text, form }) => this.#writer.write(text, form),
    diff: (input) => unifiedDiff(input),
  };

  perform<N extends WorkName>(name: N, input: InputOf<N>): ResultOf<N> {
    return this.#performers[name](input);
  }
}
