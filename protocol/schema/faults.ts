/** What is wrong with a value, as INVALID_PARAMS tells it: where and why, for every fault. */
import type { z } from 'zod';
import { unreachable } from '../../src/base/assert.ts';
import type { Rejection } from '../wire/codes.ts';
import { LIMITS } from '../wire/limits.ts';

export type Fault = {
  /** Keys and indices joined by dots; empty for the value itself. */
  readonly path: string;
  readonly reason: string;
  /** Set where the fault alone would be another code than INVALID_PARAMS. */
  readonly code?: 'TOO_LARGE';
};

/** The answer to a request with these faults: TOO_LARGE if nothing but sizes is wrong. */
export function rejectionOf(faults: readonly Fault[]): Rejection {
  return {
    code: faults.every((fault) => fault.code === 'TOO_LARGE') ? 'TOO_LARGE' : 'INVALID_PARAMS',
    details: faults,
  };
}

/** Params of a check about several members: its words stand, though the member that it names is not there. */
export const OF_SEVERAL = { ofSeveral: true } as const;

type Issue = z.core.$ZodIssue;

export function faultsOf(issues: readonly Issue[], value: unknown): readonly Fault[] {
  return issues.slice(0, LIMITS.faultsMax).map((issue) => {
    const path = clip(issue.path.map(String).join('.'));
    const ofSeveral = issue.code === 'custom' && issue.params?.['ofSeveral'] === true;
    if (at(value, issue.path) === undefined && !ofSeveral) return { path, reason: 'is required' };
    const tooLarge = issue.code === 'custom' && issue.params?.['code'] === 'TOO_LARGE';
    return tooLarge ? { path, reason: issue.message, code: 'TOO_LARGE' } : { path, reason: reasonOf(issue) };
  });
}

function reasonOf(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${TYPES[issue.expected] ?? issue.expected}`;
    case 'too_small':
      return issue.origin === 'array'
        ? `must have at least ${issue.minimum} elements`
        : `must be at least ${issue.minimum}`;
    case 'too_big':
      return issue.origin === 'array'
        ? `must have at most ${issue.maximum} elements`
        : `must be at most ${issue.maximum}`;
    case 'invalid_value':
      return `must be one of: ${issue.values.map((one) => (one === '' ? '""' : String(one))).join(', ')}`;
    case 'invalid_key':
      return issue.issues[0] === undefined ? 'is not a valid key' : `key ${reasonOf(issue.issues[0])}`;
    case 'custom':
    case 'invalid_union':
    case 'invalid_format':
    case 'not_multiple_of':
    case 'unrecognized_keys':
    case 'invalid_element':
      return issue.message;
    default:
      return unreachable(issue);
  }
}

const TYPES: { readonly [expected: string]: string } = {
  string: 'a string',
  number: 'a number',
  int: 'an integer',
  boolean: 'true or false',
  array: 'an array',
  object: 'a map',
  record: 'a map',
  tuple: 'an array',
};

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = Reflect.get(here, key);
  }
  return here;
}

function clip(path: string): string {
  return path.length <= PATH_MAX ? path : `${path.slice(0, PATH_MAX)}…`;
}

const PATH_MAX = 200;
