/** The code does what the files in protocol/vectors say. */
import { readFileSync } from 'node:fs';
import { Unpackr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { parseParams, rejectionOf } from '../../protocol/schema/params.ts';
import { decodeFrames, encodeFrame } from '../../protocol/wire/codec.ts';
import { OPERATIONS, isMethod } from '../../protocol/wire/operations.ts';
import { scanMessage } from '../../protocol/wire/scan.ts';
import { Op, type Frame, type Value } from '../../protocol/wire/types.ts';
import { fromHex, toHex } from './hex.ts';
import { readMessage } from './reference.ts';
import { FRAMES } from './vectors/frames.ts';
import { fromJson, toJson, type Json } from './vectors/json-form.ts';
import type { ParamsVector } from './vectors/params.ts';

const FOLDER = '../../protocol/vectors/';
function fileOf(name: string): { readonly [key: string]: unknown } {
  return JSON.parse(readFileSync(new URL(`${FOLDER}${name}.json`, import.meta.url), 'utf8')) as {
    readonly [key: string]: unknown;
  };
}

describe('frames', () => {
  const { frames } = fileOf('frames') as {
    readonly frames: readonly {
      readonly name: string;
      readonly json: Json;
      readonly msgpack: string;
      readonly alternates: readonly string[];
    }[];
  };

  it.each(frames)('$name', ({ json, msgpack, alternates }) => {
    const [op, id, body, meta] = fromJson(json) as readonly [number, number, Frame['body'], Frame['meta']?];
    const frame: Frame = meta === undefined ? { op, id, body } : { op, id, body, meta };
    expect(toHex(encodeFrame(frame))).toBe(msgpack);
    expect(alternates.length).toBeGreaterThan(0);
    for (const hex of [msgpack, ...alternates]) {
      expect(decodeFrames(fromHex(hex))).toEqual({ ok: true, value: [frame] });
      expect(readMessage(fromHex(hex))).toEqual([frame]);
    }
    const other = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });
    expect(toJson(other.unpack(fromHex(msgpack)) as Value)).toEqual(json);
  });

  it('of every op', () => {
    expect(new Set(FRAMES.map(({ frame }) => frame.op))).toEqual(new Set(Object.values(Op)));
  });
});

describe('messages', () => {
  const { messages } = fileOf('faults') as {
    readonly messages: readonly {
      readonly name: string;
      readonly hex: string;
      readonly valid?: true;
      readonly reason?: string;
      readonly offset?: number;
    }[];
  };

  it.each(messages)('$name', ({ hex, valid, reason, offset }) => {
    const scan = scanMessage(fromHex(hex));
    expect(scan.ok).toBe(valid === true);
    expect(scan.ok ? undefined : scan.error.reason).toBe(reason);
    expect(offset === undefined || scan.ok ? undefined : scan.error.offset).toBe(offset);
  });
});

describe('params', () => {
  const { params: vectors } = fileOf('params') as {
    readonly params: readonly (ParamsVector & { readonly method: string; readonly valid: boolean })[];
  };

  it.each(vectors)('$method: $name', ({ method, valid, params, parsed, code, paths }) => {
    expect(isMethod(method)).toBe(true);
    const result = isMethod(method) ? parseParams(method, fromJson(params)) : undefined;
    expect(result?.ok).toBe(valid);
    const faults = result?.ok === false ? result.error : [];
    expect(result?.ok === true ? result.value : undefined).toEqual(valid ? fromJson(parsed ?? params) : undefined);
    expect(faults.map(({ path }) => path).toSorted()).toEqual([...(paths ?? [])].toSorted());
    expect(faults.length === 0 ? undefined : rejectionOf(faults).code).toBe(code);
  });

  it('valid and faulty ones of every method', () => {
    for (const method of Object.keys(OPERATIONS)) {
      const of = vectors.filter((one) => one.method === method);
      expect(
        of.some(({ valid }) => valid),
        method,
      ).toBe(true);
      expect(
        of.some(({ valid }) => !valid),
        method,
      ).toBe(true);
    }
  });
});
