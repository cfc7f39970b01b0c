/**
 * Texts of documents of any size: what is too large for a message is put as a blob before, and fetched after.
 *
 * Owns: which way a text goes. Does not own: requests (core), what a document is.
 *
 * DX1 An upload goes on where it stopped, also one of an earlier process: the server is asked how far it has come.
 * DX2 What is fetched is what its name says, or the call is rejected.
 * DX3 What fits a message is sent at once, before whatever is asked for next.
 * DX4 Of one client few uploads are under way together, the others wait for them in order: the server takes only so many of a principal.
 */
import type { BlobRef } from '../../protocol/wire/blobs.ts';
import { PEER_LIMITS } from '../../protocol/wire/peer-limits.ts';
import type { SentText } from '../../protocol/wire/documents.ts';
import type { Params, Results } from '../../protocol/wire/types.ts';
import { clientError } from './errors.ts';
import type { Methods, RequestOptions } from './methods.ts';

/** Of these bytes, 32 of them. */
export type Digest = (data: Uint8Array) => Promise<Uint8Array>;

type With<R, More> = Omit<R, keyof More> & More;
/** A document with its text, however large it is. */
export type DocumentRead = With<Results['document.get'], { readonly content: string }>;
export type ConflictsRead = Results['document.conflicts'];

/** The methods of documents, of which no text is too large for a message. */
export type DocumentCalls = Omit<Methods['document'], 'get'> & {
  get(params: Params['document.get'], options?: RequestOptions): Promise<DocumentRead>;
};

export function withTexts(methods: Methods['document'], texts: DocumentTexts): DocumentCalls {
  return {
    ...methods,
    create: texts.sending(methods.create),
    update: texts.sending(methods.update),
    resolve: texts.sending(methods.resolve),
    get: async (params, options) => texts.read(await methods.get(params, options), options),
    conflicts: async (params, options) => texts.conflicts(await methods.conflicts(params, options), options),
  };
}

export function sectionsWithTexts(methods: Methods['section'], texts: DocumentTexts): Methods['section'] {
  return { ...methods, update: texts.sending(methods.update) };
}

/** Leaves room in a frame for what else a request has. */
const INLINE_BYTES = PEER_LIMITS.documentInlineBytes - 16 * 1024;
/** Pieces of an upload that are under way together, and blobs that are fetched together. */
const TOGETHER = 4;
/** Half of what a principal may have under way: another client of it has room too. */
const UPLOADS_TOGETHER = 4;
/** Rounds of an upload in which nothing of it arrived: somebody else sends the same, or the server forgets. */
const IDLE_ROUNDS_MAX = 8;

const encoder = new TextEncoder();

export class DocumentTexts {
  readonly #blobs: Methods['blob'];
  readonly #digest: Digest;
  #uploads = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(blobs: Methods['blob'], digest: Digest) {
    this.#blobs = blobs;
    this.#digest = digest;
  }

  /** DX3. A method that takes a text of any size. */
  sending<P extends SentText, R>(call: (params: P, options?: RequestOptions) => Promise<R>): typeof call {
    return (params, options) => {
      const { content = '' } = params;
      if (content.length * 3 <= INLINE_BYTES) return call(params, options);
      const data = encoder.encode(content);
      if (data.length <= INLINE_BYTES) return call(params, options);
      return this.put(data, options).then((blob) => call(withBlob(params, blob), options));
    };
  }

  /** DX4. Resolves with the name of the blob. */
  async put(data: Uint8Array, options: RequestOptions = {}): Promise<string> {
    if (this.#uploads >= UPLOADS_TOGETHER) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#uploads += 1;
    try {
      return await this.#upload(data, options);
    } finally {
      // Its place goes to who waits longest.
      const next = this.#waiting.shift();
      if (next === undefined) this.#uploads -= 1;
      else next();
    }
  }

  /** DX1 */
  async #upload(data: Uint8Array, options: RequestOptions): Promise<string> {
    const sha256 = hexOf(await this.#digest(data));
    const asked = forReads(options);
    const piece = (offset: number, length: number): Params['blob.put'] => ({
      sha256,
      bytes: data.length,
      offset,
      data: data.subarray(offset, Math.min(data.length, offset + length)),
    });
    let { offset, complete } = await this.#blobs.put(piece(0, 0), asked);
    for (let idle = 0; !complete;) {
      const from = offset;
      const places = Array.from({ length: TOGETHER }, (_, place) => from + place * PEER_LIMITS.blobPieceBytes);
      const sent = places.filter((place) => place < data.length || place === from);
      const answers = await Promise.all(
        sent.map((place) => this.#blobs.put(piece(place, PEER_LIMITS.blobPieceBytes), asked)),
      );
      complete = answers.some((answer) => answer.complete);
      offset = answers.at(-1)?.offset ?? offset;
      idle = offset > from ? 0 : idle + 1;
      if (!complete && idle >= IDLE_ROUNDS_MAX)
        throw clientError('UPLOAD_FAILED', `The upload does not get beyond ${offset} of ${data.length} bytes.`);
    }
    return sha256;
  }

  /** DX2. The bytes of a blob: what this client's principal put, or what a document names. */
  async get(
    of: { readonly sha256: string; readonly documentId?: string },
    options: RequestOptions = {},
  ): Promise<Uint8Array> {
    const asked = forReads(options);
    const first = await this.#blobs.get(of, asked);
    const data = new Uint8Array(first.bytes);
    data.set(first.data);
    let next = first.data.length;
    while (next < data.length) {
      const piece = await this.#blobs.get({ ...of, offset: next }, asked);
      if (piece.data.length === 0) break;
      data.set(piece.data, next);
      next += piece.data.length;
    }
    if (hexOf(await this.#digest(data)) !== of.sha256)
      throw clientError('UPLOAD_FAILED', `What came of the blob ${of.sha256} is not what its name says.`);
    return data;
  }

  async read(answer: Results['document.get'], options?: RequestOptions): Promise<DocumentRead> {
    const { blobs, content, ...rest } = answer;
    if (blobs === undefined) return { ...rest, content: content ?? '' };
    return { ...rest, content: await this.#joined(blobs, rest.document.id, options) };
  }

  async conflicts(answer: ConflictsRead, options?: RequestOptions): Promise<ConflictsRead> {
    const conflicts: ConflictsRead['conflicts'][number][] = [];
    for (const { blobs, ...conflict } of answer.conflicts) {
      if (blobs === undefined) {
        conflicts.push(conflict);
        continue;
      }
      const of = (texts: readonly BlobRef[]): Promise<string> => this.#joined(texts, conflict.documentId, options);
      const sides = { base: await of(blobs.base), ours: await of(blobs.ours), theirs: await of(blobs.theirs) };
      conflicts.push({ ...conflict, ...sides });
    }
    return { conflicts };
  }

  async #joined(blobs: readonly BlobRef[], documentId: string, options?: RequestOptions): Promise<string> {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const texts: string[] = [];
    for (let at = 0; at < blobs.length; at += TOGETHER) {
      const some = blobs.slice(at, at + TOGETHER);
      const data = await Promise.all(some.map(({ sha256 }) => this.get({ sha256, documentId }, options)));
      texts.push(...data.map((one) => decoder.decode(one)));
    }
    return texts.join('');
  }
}

function withBlob<P extends SentText>(params: P, blob: string): P {
  const { content: _, ...rest } = { ...params, blob };
  // The same but for how the text is said.
  return rest as unknown as P;
}

/** Requests that are only the way to another one: its key is not theirs, and none of them has to outlive the process. */
function forReads({ signal, deadlineMs }: RequestOptions): RequestOptions {
  return { ...(signal === undefined ? {} : { signal }), ...(deadlineMs === undefined ? {} : { deadlineMs }) };
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
