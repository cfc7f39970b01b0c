/**
 * Facts on their way to the store's thread: numbers in one array and names beside them, so that they cost the main thread
 * no objects that live until they are sent.
 */
import { must } from '../base/assert.ts';
import type { WorkFact } from './port.ts';
import { FACT_KINDS } from './tally.ts';

const CODES: ReadonlyMap<WorkFact['kind'], number> = new Map(FACT_KINDS.map((kind, code) => [kind, code]));

/** Of one fact: rev, time, kind, ms, type, agent (−1: none). */
const width = 6;
const nobody = -1;

export interface FactChunk {
  readonly names: readonly string[];
  readonly numbers: Float64Array<ArrayBuffer>;
}

export class FactBuilder {
  #numbers: number[] = [];
  #names = new Map<string, number>();

  /** How many bytes it takes. */
  add(rev: number, at: number, { kind, type, agentId, ms }: WorkFact): number {
    const agent = agentId === undefined ? nobody : this.#name(agentId);
    this.#numbers.push(rev, at, must(CODES.get(kind), 'a kind of fact'), ms, this.#name(type), agent);
    return width * 8;
  }

  /** What was added, if anything was; the builder is empty again. */
  build(): FactChunk | undefined {
    if (this.#numbers.length === 0) return undefined;
    const chunk = { names: [...this.#names.keys()], numbers: Float64Array.from(this.#numbers) };
    this.#numbers = [];
    this.#names = new Map();
    return chunk;
  }

  #name(text: string): number {
    let index = this.#names.get(text);
    if (index === undefined) this.#names.set(text, (index = this.#names.size));
    return index;
  }
}

/** The facts of a chunk, those of an entry together. */
export function* entriesOf({ names, numbers }: FactChunk): IterableIterator<{
  readonly rev: number;
  readonly at: number;
  readonly facts: readonly WorkFact[];
}> {
  let facts: WorkFact[] = [];
  for (let index = 0; index < numbers.length; index += width) {
    const [rev = 0, at = 0, code = 0, ms = 0, type = 0, agent = nobody] = numbers.subarray(index, index + width);
    facts.push({
      kind: must(FACT_KINDS[code], 'a kind of fact'),
      type: must(names[type], 'a type has a name'),
      agentId: agent === nobody ? undefined : must(names[agent], 'an agent has a name'),
      ms,
    });
    if (numbers[index + width] === rev) continue;
    yield { rev, at, facts };
    facts = [];
  }
}
