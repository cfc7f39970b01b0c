/** How params are written down: valid ones, faulty ones with the paths of their faults, and what every holder's call has. */
import type { Json } from './json-form.ts';

export interface ParamsVector {
  readonly name: string;
  readonly params: Json;
  /** What the server makes of valid params, where that is not what was sent. */
  readonly parsed?: Json;
  /** Of faulty params. */
  readonly code?: 'INVALID_PARAMS' | 'TOO_LARGE';
  /** Paths of the faults, in any order. */
  readonly paths?: readonly string[];
}

export const bad = (name: string, params: Json, ...paths: readonly string[]): ParamsVector => ({
  name,
  params,
  code: 'INVALID_PARAMS',
  paths,
});
export const large = (name: string, params: Json, ...paths: readonly string[]): ParamsVector => ({
  name,
  params,
  code: 'TOO_LARGE',
  paths,
});
export const good = (name: string, params: Json): ParamsVector => ({ name, params });
export const reduced = (name: string, params: Json, parsed: Json): ParamsVector => ({ name, params, parsed });

export const held = { id: 'tsk_01', token: '1099511627777' };
export const unheld = (more: { readonly [key: string]: Json } = {}): readonly ParamsVector[] => [
  bad('nothing held', { ...more }, 'id', 'token'),
  bad('id empty', { ...held, ...more, id: '' }, 'id'),
  bad('id with a control character', { ...held, ...more, id: 'a\n' }, 'id'),
  bad('id too long', { ...held, ...more, id: { $repeat: ['x', 129] } }, 'id'),
  bad('token as a number', { ...held, ...more, token: 41 }, 'token'),
  bad('token not decimal', { ...held, ...more, token: '0x41' }, 'token'),
  bad('token too long', { ...held, ...more, token: { $repeat: ['1', 21] } }, 'token'),
  bad('no map', [held], ''),
];
