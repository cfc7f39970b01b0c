/**
 * The files in protocol/vectors are made from the tables in ./vectors: `npx vitest run vectors-made -u` writes them,
 * and without `-u` a difference fails.
 */
import { describe, expect, it } from 'vitest';
import { encodeFrame } from '../../protocol/wire/codec.ts';
import type { Frame, Value } from '../../protocol/wire/types.ts';
import { toHex } from './hex.ts';
import { CLIENTS } from './vectors/clients.ts';
import { BOMBS, REFUSED, TAKEN } from './vectors/faults.ts';
import { FRAMES } from './vectors/frames.ts';
import { toJson } from './vectors/json-form.ts';
import { JSON_BOMBS, JSON_REFUSED, JSON_TAKEN } from './vectors/json-faults.ts';
import { PARAMS } from './vectors/params.ts';
import { SESSIONS } from './vectors/sessions.ts';
import { encodeAs, type Style } from './vectors/wide.ts';
import { OPERATING } from './vectors/operating.ts';
import { TREES } from './vectors/trees.ts';
import { WORK } from './vectors/work.ts';

const FOLDER = '../../protocol/vectors/';
const FORMAT = 1;

const STYLES: readonly Style[] = [
  { wideHeads: false, numbers: 'int64', keys: 'as given' },
  { wideHeads: true, numbers: 'float64', keys: 'reversed' },
];

const asArray = (frame: Frame): readonly Value[] =>
  frame.meta === undefined ? [frame.op, frame.id, frame.body] : [frame.op, frame.id, frame.body, { ...frame.meta }];

/** One vector a line: long, but a changed vector is one changed line. */
function lines(name: string, vectors: readonly unknown[]): string {
  return `{\n  "format": ${FORMAT},\n  "${name}": [\n${vectors.map((one) => `    ${JSON.stringify(one)}`).join(',\n')}\n  ]\n}\n`;
}

describe('the files are made from the tables', () => {
  it('frames.json', async () => {
    const vectors = FRAMES.map(({ name, from, frame }) => ({
      name,
      from,
      json: toJson(asArray(frame)),
      msgpack: toHex(encodeFrame(frame)),
      alternates: STYLES.map((style) => toHex(encodeAs(asArray(frame), style))),
    }));
    await expect(lines('frames', vectors)).toMatchFileSnapshot(`${FOLDER}frames.json`);
  });

  it('faults.json', async () => {
    const refused = REFUSED.map((one) => ({ ...one, code: 'INVALID_FRAME' }));
    const bombs = BOMBS.map((one) =>
      one.reason === 'ok' ? { name: one.name, hex: one.hex, valid: true } : { ...one, code: 'INVALID_FRAME' },
    );
    const taken = TAKEN.map((one) => ({ ...one, valid: true }));
    await expect(lines('messages', [...refused, ...bombs, ...taken])).toMatchFileSnapshot(`${FOLDER}faults.json`);
  });

  it('json.json', async () => {
    const frames = FRAMES.map(({ name, from, frame }) => ({
      name,
      from,
      text: JSON.stringify(toJson(asArray(frame))),
      msgpack: toHex(encodeFrame(frame)),
    }));
    const refused = JSON_REFUSED.map((one) => ({ ...one, code: 'INVALID_FRAME' }));
    const bombs = JSON_BOMBS.map(({ name, parts, reason }) =>
      reason === 'ok' ? { name, parts, valid: true } : { name, parts, reason, code: 'INVALID_FRAME' },
    );
    const taken = JSON_TAKEN.map((one) => ({ ...one, valid: true }));
    const messages = lines('messages', [...refused, ...bombs, ...taken]).replace(/^.*\n.*\n/, '');
    const both = `${lines('frames', frames).replace(/\n}\n$/, ',\n')}${messages}`;
    await expect(both).toMatchFileSnapshot(`${FOLDER}json.json`);
  });

  it('params.json', async () => {
    const vectors = Object.entries(PARAMS).flatMap(([method, all]) =>
      all.map((one) => ({ method, ...one, valid: one.code === undefined })),
    );
    await expect(lines('params', vectors)).toMatchFileSnapshot(`${FOLDER}params.json`);
  });

  it('sessions.json', async () => {
    await expect(lines('sessions', [...SESSIONS, ...WORK, ...TREES, ...OPERATING])).toMatchFileSnapshot(
      `${FOLDER}sessions.json`,
    );
  });

  it('clients.json', async () => {
    await expect(lines('clients', CLIENTS)).toMatchFileSnapshot(`${FOLDER}clients.json`);
  });
});
