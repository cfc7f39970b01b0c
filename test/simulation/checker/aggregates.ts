/** What is made of the outputs of parts (J38), written from the protocol. Runs are too small for outputs to be left out (J39). */
import { field, same } from './values.ts';

export interface Ended {
  readonly part: number;
  readonly id: string;
  readonly status: string;
  readonly output: unknown;
}

interface Aggregate {
  readonly value: unknown;
  /** The part that was chosen. */
  readonly from?: Ended;
}

const NOTHING: Aggregate = { value: null };

/** `ended`: in the order in which they ended. */
export function aggregate(
  how: { readonly kind: string; readonly by: string | undefined },
  ended: readonly Ended[],
): Aggregate {
  const { kind, by } = how;
  const done = ended.filter(({ status }) => status === 'completed');
  const parts = done.toSorted((a, b) => a.part - b.part);
  const member = ({ output }: Ended): unknown => (by === undefined ? output : field(output, by));
  switch (kind) {
    case 'collect':
      return { value: ended.toSorted((a, b) => a.part - b.part).map(collected) };
    case 'first':
      return chosen(done[0]);
    case 'best':
      return chosen(largest(parts, ({ output }) => numberOf(field(output, by ?? 'score')) ?? -Infinity));
    case 'merge':
      return { value: Object.assign({}, ...parts.map(member).filter(isPlainMap)) };
    case 'concat':
      return { value: parts.flatMap((one) => listOf(member(one))) };
    case 'vote':
      return voted(parts, member);
    default:
      return numeric(kind, parts, (one) => numberOf(member(one)));
  }
}

function collected({ part, id, status, output }: Ended): unknown {
  return { part, id, status, ...(status === 'completed' ? { output } : {}) };
}

function chosen(from: Ended | undefined): Aggregate {
  return from === undefined ? NOTHING : { value: from.output, from };
}

/** Of equal ones the first. */
function largest(parts: readonly Ended[], of: (part: Ended) => number): Ended | undefined {
  const top = Math.max(...parts.map(of));
  return parts.find((one) => of(one) === top);
}

function voted(parts: readonly Ended[], member: (part: Ended) => unknown): Aggregate {
  const vote = (one: Ended): unknown => member(one) ?? null;
  const from = largest(parts, (one) => parts.filter((other) => same(vote(other), vote(one))).length);
  return from === undefined ? NOTHING : { value: vote(from), from };
}

function numeric(kind: string, parts: readonly Ended[], of: (part: Ended) => number | undefined): Aggregate {
  const given = parts.filter((one) => of(one) !== undefined);
  const sum = given.reduce((total, one) => total + (of(one) ?? 0), 0);
  if (kind === 'sum') return { value: sum };
  if (kind === 'average') return given.length === 0 ? NOTHING : { value: sum / given.length };
  const sign = kind === 'max' ? 1 : -1;
  const from = largest(given, (one) => sign * (of(one) ?? 0));
  return from === undefined ? NOTHING : { value: of(from), from };
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function isPlainMap(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}
