/** What messages are made of: the params of every method and the faulty messages that the vectors hold. */
import { isMethod, OPERATIONS } from '../../protocol/wire/operations.ts';
import type { Method } from '../../protocol/wire/types.ts';
import { fromHex } from '../protocol/hex.ts';
import { BOMBS, REFUSED, TAKEN } from '../protocol/vectors/faults.ts';
import { JSON_BOMBS, JSON_REFUSED, JSON_TAKEN } from '../protocol/vectors/json-faults.ts';
import { fromJson } from '../protocol/vectors/json-form.ts';
import { PARAMS, type ParamsVector } from '../protocol/vectors/params.ts';
import type { Form } from '../conformance/forms.ts';
import type { Wild } from './wild.ts';

export interface Seed {
  readonly method: Method;
  readonly params: Wild;
}

export interface Seeds {
  readonly good: readonly Seed[];
  readonly faulty: readonly Seed[];
}

/** Written for the fuzzers: with these their agents get work, hold it and end it. */
const WORK: readonly Seed[] = [
  { method: 'task.create', params: { type: 'fuzz', requirements: ['fuzz'], parameters: { n: 1 } } },
  { method: 'task.create', params: { type: 'fuzz', requirements: ['fuzz'], mode: 'offer', priority: 'high' } },
  { method: 'task.accept', params: { id: 'tsk_01', token: '1' } },
  { method: 'task.start', params: { id: 'tsk_01', token: '1' } },
  { method: 'task.progress', params: { id: 'tsk_01', token: '1', percentComplete: 50 } },
  { method: 'task.complete', params: { id: 'tsk_01', token: '1', output: { done: true } } },
  { method: 'task.cancel', params: { id: 'tsk_01' } },
];

export interface Corpus {
  /** Each method has some. */
  readonly seeds: ReadonlyMap<Method, Seeds>;
  readonly methods: readonly Method[];
  readonly work: readonly Seed[];
  /** Whole messages that are refused, or just taken. */
  readonly messages: { readonly [F in Form]: readonly Uint8Array[] };
}

export function loadCorpus(): Corpus {
  const methods = Object.keys(OPERATIONS).filter(isMethod);
  const seedsOf = (method: Method): Seeds => {
    const seed = ({ params }: ParamsVector): Seed => ({ method, params: fromJson(params) });
    const vectors = PARAMS[method];
    return {
      good: vectors.filter(({ code }) => code === undefined).map(seed),
      faulty: vectors.filter(({ code }) => code !== undefined).map(seed),
    };
  };
  const bombs = JSON_BOMBS.map(({ parts }) =>
    Buffer.from(
      parts.map((part) => (typeof part === 'string' ? part : part.$repeat[0].repeat(part.$repeat[1]))).join(''),
    ),
  );
  const refused = JSON_REFUSED.map(({ text, hex }) => (text === undefined ? fromHex(hex ?? '') : Buffer.from(text)));
  const text = [...bombs, ...refused, ...JSON_TAKEN.map((one) => Buffer.from(one.text))];
  return {
    methods,
    seeds: new Map(methods.map((method) => [method, seedsOf(method)])),
    work: WORK,
    messages: { msgpack: [...REFUSED, ...BOMBS, ...TAKEN].map(({ hex }) => fromHex(hex)), json: text },
  };
}
