/** `client.document.edit`: reads a document, has it edited, writes it; anew when somebody else was first. */
import type { DocumentView } from '../../protocol/wire/documents.ts';
import type { Value } from '../../protocol/wire/types.ts';
import { clientError, MusterError } from './errors.ts';
import { DocumentTexts, sectionsWithTexts, withTexts, type Digest, type DocumentCalls } from './document-texts.ts';
import type { Methods } from './methods.ts';

export interface DocumentEditOptions {
  /** Of this section alone: the function gets its text and gives another one. */
  readonly sectionId?: string;
  /** Of a lock that this client holds on what is edited. */
  readonly token?: string;
  /** How often the edit is made at most. Default 3. */
  readonly tries?: number;
  readonly signal?: AbortSignal;
}

export interface DocumentEditing {
  /** The version that the text is of. */
  readonly version: number;
  /** 1 the first time, 2 when somebody else was first … */
  readonly attempt: number;
  readonly document: DocumentView;
}

/** The new text; undefined: it is to stay as it is. Called again with the newer text when somebody else was first. */
export type DocumentEdit = (
  content: string,
  editing: DocumentEditing,
) => string | undefined | Promise<string | undefined>;

export interface DocumentEdited {
  readonly document: DocumentView;
  /** Ids of the sections that were changed; none: nothing was. */
  readonly sections: readonly string[];
  readonly attempts: number;
}

export interface DocumentMethods {
  /**
   * Has the newest text edited and writes it. What others change meanwhile in other sections stays; when they change the same, the function is called again
   * with the newer text. Rejects with DOCUMENT_CONFLICT when that happened `tries` times: then the conflict of the last time is open, and has the text.
   */
  edit(id: string, edit: DocumentEdit, options?: DocumentEditOptions): Promise<DocumentEdited>;
}

const TRIES = 3;
const TRIES_MAX = 100;

/** The methods of documents and sections as the client has them. */
export function documentsOf(
  methods: Pick<Methods, 'document' | 'section' | 'blob'>,
  digest: Digest,
): { readonly document: DocumentCalls & DocumentMethods; readonly section: Methods['section'] } {
  const texts = new DocumentTexts(methods.blob, digest);
  return {
    document: editing(withTexts(methods.document, texts)),
    section: sectionsWithTexts(methods.section, texts),
  };
}

function editing(methods: DocumentCalls): DocumentCalls & DocumentMethods {
  return { ...methods, edit: (id, edit, options = {}) => new Editing(methods, id, options).run(edit) };
}

class Editing {
  readonly #methods: DocumentCalls;
  readonly #id: string;
  readonly #options: DocumentEditOptions;

  constructor(methods: DocumentCalls, id: string, options: DocumentEditOptions) {
    this.#methods = methods;
    this.#id = id;
    this.#options = options;
  }

  async run(edit: DocumentEdit): Promise<DocumentEdited> {
    const { tries = TRIES } = this.#options;
    if (!Number.isInteger(tries) || tries < 1 || tries > TRIES_MAX)
      throw clientError('INVALID_OPTIONS', `tries is a whole number from 1 to ${TRIES_MAX}.`);
    /** The conflict of a try before, if it is open: its edit is about to be made anew. */
    let before: string | undefined;
    for (let attempt = 1; ; attempt += 1) {
      const made = await this.#once(edit, attempt);
      if (!(made instanceof Stale)) {
        await this.#settle(before);
        return made;
      }
      const { conflictId = before } = made;
      if (conflictId !== before) await this.#settle(before);
      before = conflictId;
      if (attempt === tries) throw made.error;
    }
  }

  async #once(edit: DocumentEdit, attempt: number): Promise<DocumentEdited | Stale> {
    const { sectionId, token, signal } = this.#options;
    const section = sectionId === undefined ? {} : { sectionId };
    const request = signal === undefined ? {} : { signal };
    const { document, version, content } = await this.#methods.get({ id: this.#id, ...section }, request);
    const text = await edit(content, { version, attempt, document });
    if (text === undefined || text === content) return { document, sections: [], attempts: attempt };
    try {
      const lock = token === undefined ? {} : { token };
      const made = await this.#methods.update({ id: this.#id, version, content: text, ...section, ...lock }, request);
      return { document: made.document, sections: made.sections, attempts: attempt };
    } catch (error) {
      if (error instanceof MusterError && isStale(error)) return new Stale(error);
      throw error;
    }
  }

  /** The text of that try was made anew of a newer version: nobody has to look at it. */
  async #settle(conflictId: string | undefined): Promise<void> {
    if (conflictId === undefined) return;
    try {
      await this.#methods.resolve({ conflictId, resolution: 'theirs' });
    } catch (error) {
      // It is resolved already, or stays open for somebody to look at: the edit is what was asked for.
      if (!(error instanceof MusterError)) throw error;
    }
  }
}

/** `LIMIT_EXCEEDED` that names the current version: it would have been a conflict, of which there are too many. */
function isStale({ code, details }: MusterError): boolean {
  return (
    code === 'DOCUMENT_CONFLICT' || (code === 'LIMIT_EXCEEDED' && memberOf(details, 'currentVersion') !== undefined)
  );
}

function memberOf(details: Value | undefined, name: string): Value | undefined {
  if (typeof details !== 'object' || details === null || Array.isArray(details) || details instanceof Uint8Array)
    return undefined;
  return Object.entries(details).find(([member]) => member === name)?.[1];
}

/** Somebody else was first. */
class Stale {
  readonly error: MusterError;

  constructor(error: MusterError) {
    this.error = error;
  }

  get conflictId(): string | undefined {
    const id = memberOf(this.error.details, 'conflictId');
    return typeof id === 'string' ? id : undefined;
  }
}
