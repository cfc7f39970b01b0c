/**
 * What the parts of a distributed task came to, and what is made of it.
 *
 * O1 What is kept is bounded: a sum keeps numbers, `first` and `best` one output, the others outputs up to `partsBytes`
 *    and `partsItemsMax`; what is over is counted and left out.
 * O2 A result depends on how parts ended and in which order, and on nothing else.
 */
import { encodeValue, isMap, valueHash } from '../../../protocol/wire/codec.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { Aggregation, DistributedResult, Distribution } from '../../../protocol/wire/trees.ts';
import type { Value } from '../../../protocol/wire/types.ts';
import type { TaskRecord } from '../records.ts';
import type { FamilyRecord, PartOutcome } from './tree-records.ts';

const NUMERIC: ReadonlySet<Aggregation> = new Set<Aggregation>(['sum', 'average', 'min', 'max']);

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** Each key, element and container counts one, as in frames. */
function itemsOf(value: Value): number {
  let sum = 1;
  if (isList(value)) for (const one of value) sum += itemsOf(one);
  else if (isMap(value)) for (const one of Object.values(value)) sum += 1 + itemsOf(one);
  return sum;
}

function memberOf(output: Value, by: string | undefined): Value | undefined {
  if (by === undefined) return output;
  return isMap(output) && Object.hasOwn(output, by) ? output[by] : undefined;
}

function numberOf(output: Value, by: string | undefined): number | undefined {
  const value = memberOf(output, by);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** The family with the end of one more part. O1 */
export function takeOutcome(family: FamilyRecord, distribution: Distribution, task: TaskRecord): FamilyRecord {
  const part = task.tree?.part;
  if (part === undefined) return family;
  const bare: PartOutcome = { part, id: task.id, status: task.status };
  const outcomes = family.outcomes ?? [];
  if (task.status !== 'completed') return { ...family, outcomes: [...outcomes, bare] };
  const output = task.result ?? null;
  const { aggregate, by } = distribution;
  if (NUMERIC.has(aggregate)) {
    const value = numberOf(output, by);
    return { ...family, outcomes: [...outcomes, value === undefined ? bare : { ...bare, value }] };
  }
  if (aggregate === 'first' || aggregate === 'best') return choose(family, distribution, { bare, output });
  const value = aggregate === 'vote' ? (memberOf(output, by) ?? null) : output;
  const bytes = (family.bytes ?? 0) + encodeValue(value).length;
  const items = (family.items ?? 0) + itemsOf(value);
  if (bytes > LIMITS.partsBytes || items > LIMITS.partsItemsMax) {
    return { ...family, outcomes: [...outcomes, bare], omitted: (family.omitted ?? 0) + 1 };
  }
  return { ...family, outcomes: [...outcomes, { ...bare, value }], bytes, items };
}

/** Of `first` and `best` one output is kept: of equal ones that of the lower part. */
function choose(
  family: FamilyRecord,
  distribution: Distribution,
  ended: { readonly bare: PartOutcome; readonly output: Value },
): FamilyRecord {
  const { bare, output } = ended;
  const outcomes = [...(family.outcomes ?? []), bare];
  const { chosen } = family;
  const mine: PartOutcome = { ...bare, value: output };
  if (chosen === undefined) return { ...family, outcomes, chosen: mine };
  if (distribution.aggregate === 'first') return { ...family, outcomes };
  const by = distribution.by ?? 'score';
  const [old, fresh] = [scoreOf(chosen, by), scoreOf(mine, by)];
  const better = fresh > old || (fresh === old && bare.part < chosen.part);
  return { ...family, outcomes, chosen: better ? mine : chosen };
}

function scoreOf(outcome: PartOutcome, by: string): number {
  return numberOf(outcome.value ?? null, by) ?? -Infinity;
}

/** What the parts came to so far; of a decided task its result, of another what there is of it. */
export function resultOf(distribution: Distribution, family: FamilyRecord): Value {
  const outcomes = (family.outcomes ?? []).toSorted((a, b) => a.part - b.part);
  const { value, from } = aggregated(distribution, { outcomes, chosen: family.chosen });
  const ended = outcomes.length;
  const result: DistributedResult = {
    mode: distribution.mode,
    need: distribution.need,
    total: distribution.total,
    completed: family.completed,
    failed: ended - family.completed,
    value,
    ...(from === undefined ? undefined : { part: { part: from.part, id: from.id } }),
    ...(family.omitted === undefined ? undefined : { omitted: family.omitted }),
  };
  return { ...result };
}

interface Kept {
  /** By part. */
  readonly outcomes: readonly PartOutcome[];
  readonly chosen: PartOutcome | undefined;
}

interface Aggregated {
  readonly value: Value;
  readonly from?: PartOutcome;
}

function aggregated({ aggregate, by }: Distribution, { outcomes, chosen }: Kept): Aggregated {
  const values = outcomes.flatMap((one) => (one.value === undefined ? [] : [one.value]));
  switch (aggregate) {
    case 'collect':
      return {
        value: outcomes.map(({ part, id, status, value }) => ({
          part,
          id,
          status,
          ...(value === undefined ? undefined : { output: value }),
        })),
      };
    case 'first':
    case 'best':
      return chosen === undefined ? { value: null } : { value: chosen.value ?? null, from: chosen };
    case 'merge':
      return { value: merged(values, by) };
    case 'concat':
      return {
        value: values.flatMap((output) => {
          const list = memberOf(output, by);
          return list === undefined ? [] : isList(list) ? list : [list];
        }),
      };
    case 'vote':
      return voted(outcomes);
    case 'sum':
      return { value: finite(total(outcomes)) };
    case 'average': {
      const count = numbers(outcomes).length;
      return { value: count === 0 ? null : finite(total(outcomes) / count) };
    }
    case 'min':
    case 'max':
      return extreme(outcomes, aggregate);
  }
}

/** Maps as one; a later part's member takes the place of an earlier one's. */
function merged(values: readonly Value[], by: string | undefined): Value {
  const members = new Map<string, Value>();
  for (const output of values) {
    const map = memberOf(output, by);
    if (map !== undefined && isMap(map)) for (const [key, value] of Object.entries(map)) members.set(key, value);
  }
  return Object.fromEntries(members);
}

/** The value that most parts have; of equally many that of the lowest part. */
function voted(outcomes: readonly PartOutcome[]): Aggregated {
  const votes = new Map<number, { readonly first: PartOutcome; count: number }>();
  for (const one of outcomes) {
    if (one.value === undefined) continue;
    const key = valueHash(one.value);
    const vote = votes.get(key);
    if (vote === undefined) votes.set(key, { first: one, count: 1 });
    else vote.count += 1;
  }
  let most: { readonly first: PartOutcome; readonly count: number } | undefined;
  for (const vote of votes.values()) if (most === undefined || vote.count > most.count) most = vote;
  return most === undefined ? { value: null } : { value: most.first.value ?? null, from: most.first };
}

function numbers(outcomes: readonly PartOutcome[]): readonly { readonly outcome: PartOutcome; readonly n: number }[] {
  return outcomes.flatMap((outcome) => (typeof outcome.value === 'number' ? [{ outcome, n: outcome.value }] : []));
}

function total(outcomes: readonly PartOutcome[]): number {
  return numbers(outcomes).reduce((sum, { n }) => sum + n, 0);
}

/** A sum beyond what a number holds is no number. */
function finite(n: number): number | null {
  return Number.isFinite(n) ? n : null;
}

function extreme(outcomes: readonly PartOutcome[], which: 'min' | 'max'): Aggregated {
  let best: { readonly outcome: PartOutcome; readonly n: number } | undefined;
  for (const one of numbers(outcomes)) {
    if (best === undefined || (which === 'max' ? one.n > best.n : one.n < best.n)) best = one;
  }
  return best === undefined ? { value: null } : { value: best.n, from: best.outcome };
}

/** Tasks below it that have not ended. */
export function runningOf({ total, completed, failed, cancelled, timedOut }: FamilyRecord): number {
  return total - completed - failed - cancelled - timedOut;
}

/** Whether a distributed task is decided: so many of its parts have completed, or can no more. */
export function verdictOf(distribution: Distribution, family: FamilyRecord): 'reached' | 'missed' | 'open' {
  const { mode, need } = distribution;
  const left = runningOf(family);
  const { completed } = family;
  if (completed >= need) return 'reached';
  // The best of those that there are.
  if (mode === 'best_of') return left > 0 ? 'open' : completed > 0 ? 'reached' : 'missed';
  return completed + left < need ? 'missed' : 'open';
}
