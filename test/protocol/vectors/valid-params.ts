/** Params of each method that fit its schema, from the vectors. */
import type { Method, Value } from '../../../protocol/wire/types.ts';
import { must } from '../../../src/base/assert.ts';
import { fromJson } from './json-form.ts';
import { PARAMS } from './params.ts';

export function validParams(method: Method): Value {
  const plain = PARAMS[method].find((one) => one.code === undefined && !JSON.stringify(one.params).includes('"$'));
  // Bytes cannot stand in JSON as they are.
  const bytes = PARAMS[method].find((one) => one.code === undefined && JSON.stringify(one.params).includes('"$bin"'));
  return fromJson(must(plain ?? bytes, `valid params of ${method}`).params);
}
