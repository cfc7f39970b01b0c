/** Blobs through a node: who gets what, what becomes of those that nobody names, documents that are larger than a message. */
import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Method, Results, Value } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import { BlobCount } from '../../src/node/blob-count.ts';
import type { BlobFigures } from '../../src/telemetry/port.ts';
import { elsewhere, NodeRig, puttingBy, type Client } from '../support/node-rig.ts';

const HOUR = 3_600_000;
const encoder = new TextEncoder();
const shaOf = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');
const LINE = 'A line of a text that is as long as a line is.\n';
/** Larger than a message, of two sections. */
const HALF = LINE.repeat(Math.ceil(LIMITS.documentInlineBytes / LINE.length / 2));
const LARGE = `# One\n\n${HALF}\n# Two\n\n${HALF}`;

let rig: NodeRig;
let ann: Client;
let bob: Client;

function person(name: string): Client {
  return rig.client({ id: `key:${name}`, tenant: 'default', role: 'member' });
}

function result<M extends Method>(client: Client, method: M, params: Value): Results[M] {
  return rig.result(client, method, params) as unknown as Results[M];
}

function code(client: Client, method: Method, params: Value): string {
  const reply = rig.ask(client, method, { params });
  return reply.ok ? 'ok' : reply.rejection.code;
}

/** Sends it in pieces; the last answer. */
function put(client: Client, data: Uint8Array, sha256 = shaOf(data)): Results['blob.put'] {
  let answer: Results['blob.put'] = { offset: 0, complete: false };
  for (let offset = 0; offset === 0 || offset < data.length; offset += LIMITS.blobPieceBytes) {
    const piece = data.subarray(offset, offset + LIMITS.blobPieceBytes);
    answer = result(client, 'blob.put', { sha256, bytes: data.length, offset, data: piece });
  }
  return answer;
}

function putText(client: Client, text: string): string {
  const data = encoder.encode(text);
  expect(put(client, data)).toEqual({ offset: data.length, complete: true });
  return shaOf(data);
}

function got(client: Client, of: { readonly sha256: string; readonly documentId?: string }): string {
  const pieces: Uint8Array[] = [];
  for (let offset = 0, bytes = 1; offset < bytes;) {
    const piece = result(client, 'blob.get', { ...of, offset });
    pieces.push(piece.data);
    offset += piece.data.length;
    bytes = piece.bytes;
  }
  return Buffer.concat(pieces).toString('utf8');
}

const blobs = (): number => rig.blobs.of('default').size;

function begin(options: ConstructorParameters<typeof NodeRig>[0] = {}): void {
  rig = new NodeRig(options).start();
  ann = person('ann');
  bob = person('bob');
}

beforeEach(() => begin());

describe('a blob', () => {
  it('is had by whoever put it, and by its name alone by nobody else', () => {
    const sha256 = putText(ann, LARGE);
    expect(got(ann, { sha256 })).toBe(LARGE);
    expect(code(bob, 'blob.get', { sha256 })).toBe('NOT_FOUND');
    expect(code(bob, 'document.create', { name: 'plan', blob: sha256 })).toBe('NOT_FOUND');
    const { id } = result(ann, 'document.create', { name: 'plan', blob: sha256 }).document;
    expect(code(bob, 'blob.get', { sha256: 'b'.repeat(64), documentId: id })).toBe('NOT_FOUND');
    expect(putText(bob, LARGE)).toBe(sha256);
    expect(got(bob, { sha256 })).toBe(LARGE);
  });

  it('that is not what its name says, or no text, is refused and begins anew', () => {
    const wrong = { sha256: 'a'.repeat(64), bytes: 3, offset: 0, data: encoder.encode('abc') };
    expect(code(ann, 'blob.put', wrong)).toBe('INVALID_PARAMS');
    expect(result(ann, 'blob.put', { ...wrong, data: new Uint8Array(0) })).toEqual({ offset: 0, complete: false });
    const noText = Uint8Array.of(0xff, 0x41);
    expect(code(ann, 'blob.put', { sha256: shaOf(noText), bytes: 2, offset: 0, data: noText })).toBe('INVALID_PARAMS');
  });

  it('that no document names goes a day after it was put last', () => {
    const sha256 = putText(ann, LARGE);
    const sweepAfter = (hours: number): void => {
      rig.scheduler.advance(hours * HOUR);
      rig.sweepTexts();
    };
    sweepAfter(1);
    sweepAfter(20);
    putText(ann, LARGE);
    sweepAfter(20);
    expect(got(ann, { sha256 })).toBe(LARGE);
    sweepAfter(1);
    sweepAfter(25);
    expect(code(ann, 'blob.get', { sha256 })).toBe('NOT_FOUND');
    expect(blobs()).toBe(0);
  });

  it('waits with its last piece when there is no room for it', () => {
    let isFull = true;
    begin({
      blobs: (kept) =>
        puttingBy(kept, (tenant, data, done) =>
          isFull ? rig.scheduler.defer(() => done({ kind: 'full' })) : kept.put(tenant, data, done),
        ),
    });
    const data = encoder.encode('abc');
    const last = { sha256: shaOf(data), bytes: 3, offset: 0, data };
    expect(code(ann, 'blob.put', last)).toBe('UNAVAILABLE');
    isFull = false;
    expect(result(ann, 'blob.put', last)).toEqual({ offset: 3, complete: true });
  });
});

describe('what is counted', () => {
  it('is what is kept and on its way, what was sent, and what was found damaged', () => {
    const { texts } = rig.node;
    const count = new BlobCount({ texts: must(texts, 'texts'), servings: () => rig.node.servings });
    const now = (): BlobFigures => {
      count.figures();
      rig.scheduler.settle();
      return count.figures();
    };
    expect(now()).toMatchObject({ kept: { count: 0 }, uploads: { count: 0 }, receivedBytes: 0, damaged: 0 });
    const data = encoder.encode('a text');
    const sha256 = shaOf(data);
    result(ann, 'blob.put', { sha256, bytes: 6, offset: 0, data: data.subarray(0, 2) });
    expect(now()).toMatchObject({ kept: { count: 0 }, uploads: { count: 1, bytes: 2 }, receivedBytes: 2 });
    result(ann, 'blob.put', { sha256, bytes: 6, offset: 2, data: data.subarray(2) });
    // The text, and who put it.
    expect(now()).toMatchObject({ kept: { count: 2 }, uploads: { count: 0, bytes: 0 }, receivedBytes: 6 });
    expect(now().kept.bytes).toBeGreaterThan(6);
    result(ann, 'blob.get', { sha256, offset: 1, limit: 3 });
    expect(now()).toMatchObject({ sentBytes: 3, damaged: 0 });
    const { id } = result(ann, 'document.create', { name: 'plan', blob: sha256 }).document;
    rig.blobs.damage('default', sha256);
    expect(code(bob, 'document.get', { id })).toBe('INTERNAL');
    expect(now().damaged).toBe(1);
  });
});

describe('while blobs cannot be reached', () => {
  it('nobody is told that they are not there, or that they are lost', () => {
    let away = false;
    begin({ blobs: (blobs) => elsewhere(blobs, () => away) });
    const sha256 = putText(ann, 'one');
    const { id } = result(ann, 'document.create', { name: 'plan', blob: sha256 }).document;
    away = true;
    const asked = [
      code(ann, 'blob.get', { sha256 }),
      code(bob, 'blob.get', { sha256, documentId: id }),
      code(ann, 'document.create', { name: 'other', blob: sha256 }),
      code(ann, 'document.create', { name: 'other', content: 'two' }),
      code(bob, 'document.get', { id }),
    ];
    expect(asked).toEqual(asked.map(() => 'UNAVAILABLE'));
    away = false;
    expect(got(bob, { sha256, documentId: id })).toBe('one');
  });
});

describe('a document that is larger than a message', () => {
  let id: string;
  const blobsOf = (version: number): readonly { readonly sha256: string; readonly bytes: number }[] =>
    result(bob, 'document.get', { id, version }).blobs ?? [];
  const read = (version: number): string =>
    blobsOf(version)
      .map(({ sha256 }) => got(bob, { sha256, documentId: id }))
      .join('');

  beforeEach(() => {
    id = result(ann, 'document.create', { name: 'plan', blob: putText(ann, LARGE) }).document.id;
  });

  it('is made, edited and read by blobs, whole and by section', () => {
    const edited = LARGE.replace('# Two\n\nA', '# Two\n\nB');
    const { document } = result(bob, 'document.update', { id, version: 1, blob: putText(bob, edited) });
    expect(document).toMatchObject({ version: 2, bytes: edited.length });
    expect(result(bob, 'document.get', { id }).content).toBeUndefined();
    expect(read(2)).toBe(edited);
    expect(read(1)).toBe(LARGE);
    // The sections that were not edited are the same blobs.
    expect(blobsOf(2)[0]).toEqual(blobsOf(1)[0]);
    expect(result(bob, 'document.get', { id, sectionId: 's1' }).content).toBe(`# One\n\n${HALF}\n`);
    result(ann, 'document.restore', { id, version: 1 });
    expect(read(3)).toBe(LARGE);
  });

  it('keeps the texts of a conflict, which are fetched as blobs and resolved by one', () => {
    result(ann, 'document.update', { id, version: 1, blob: putText(ann, LARGE.replace('# Two\n\nA', '# Two\n\nB')) });
    const stale = LARGE.replace('# Two\n\nA', '# Two\n\nC');
    expect(code(bob, 'document.update', { id, version: 1, blob: putText(bob, stale) })).toBe('DOCUMENT_CONFLICT');
    const conflictId = result(bob, 'document.conflicts', { id }).conflicts[0]?.id ?? '';
    const [conflict] = result(bob, 'document.conflicts', { id, conflictId }).conflicts;
    expect(conflict?.ours).toBeUndefined();
    const ours = conflict?.blobs?.ours ?? [];
    expect(ours.map(({ sha256 }) => got(ann, { sha256, documentId: id })).join('')).toBe(stale);
    const final = LARGE.replace('# Two\n\nA', '# Two\n\nD');
    result(ann, 'document.resolve', { conflictId, resolution: 'manual', blob: putText(ann, final) });
    expect(read(3)).toBe(final);
  });

  it('is refused with more sections than a document may have, before its texts are kept', () => {
    const many = Array.from({ length: LIMITS.documentSectionsMax + 1 }, (_, n) => `# ${n}\n`).join('');
    const sha256 = putText(ann, many);
    const before = blobs();
    expect(code(ann, 'document.create', { name: 'many', blob: sha256 })).toBe('LIMIT_EXCEEDED');
    expect(blobs()).toBe(before);
  });

  it('is compared only as far as the difference fits a message', () => {
    const other = LARGE.replaceAll('A line', 'Another line');
    result(ann, 'document.update', { id, version: 1, blob: putText(ann, other) });
    expect(code(bob, 'document.diff', { id, from: 1 })).toBe('TOO_LARGE');
    result(ann, 'document.update', { id, version: 2, blob: putText(ann, `${other}end\n`) });
    expect(result(bob, 'document.diff', { id, from: 2 })).toMatchObject({ added: 1, removed: 0 });
  });
});

it('a text of 10 MiB is a document', () => {
  const text = LINE.repeat(Math.floor(LIMITS.documentBytes / LINE.length));
  const { id } = result(ann, 'document.create', { name: 'log', type: 'text', blob: putText(ann, text) }).document;
  result(ann, 'document.update', { id, version: 1, blob: putText(ann, text.slice(1)) });
  expect(result(bob, 'document.get', { id }).blobs).toMatchObject([{ bytes: text.length - 1 }]);
});
