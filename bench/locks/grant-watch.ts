/**
 * Which request that waits a grant is for.
 *
 * W1 The answer with the id of a request may reach its caller a moment after the grant: both may stand in one message, and a
 *    promise resolves after the whole message was read. Such a grant waits.
 */
import type { Push } from '../../src/client/node.ts';
import { must } from '../../src/base/assert.ts';

/** What a release names. */
export interface Held {
  readonly id: string;
  readonly token: string;
}

type Outcome = { readonly kind: 'granted'; readonly lock: Held } | { readonly kind: 'refused'; readonly code: string };

export class GrantWatch {
  readonly #waiting = new Map<string, (outcome: Outcome) => void>();
  readonly #early = new Map<string, Outcome>();

  async granted(requestId: string): Promise<Held> {
    const outcome = await new Promise<Outcome>((resolve) => {
      const early = this.#early.get(requestId);
      if (early === undefined) this.#waiting.set(requestId, resolve);
      else {
        this.#early.delete(requestId);
        resolve(early);
      }
    });
    if (outcome.kind === 'refused') throw new Error(`a lock was refused: ${outcome.code}`);
    return outcome.lock;
  }

  push({ event, data }: Push): void {
    if (event !== 'lock.granted' && event !== 'lock.refused') return;
    const requestId = must(textOf(data, 'requestId'), 'says which request');
    const outcome = outcomeOf(event, data);
    const resolve = this.#waiting.get(requestId);
    this.#waiting.delete(requestId);
    if (resolve === undefined)
      this.#early.set(requestId, outcome); // W1
    else resolve(outcome);
  }
}

function outcomeOf(event: 'lock.granted' | 'lock.refused', data: unknown): Outcome {
  if (event === 'lock.refused') return { kind: 'refused', code: textOf(data, 'code') ?? '' };
  const lock = memberOf(data, 'lock');
  const id = must(textOf(lock, 'id'), 'a lock has an id');
  return { kind: 'granted', lock: { id, token: must(textOf(lock, 'token'), 'a lock has a token') } };
}

function textOf(of: unknown, name: string): string | undefined {
  const member = memberOf(of, name);
  return typeof member === 'string' ? member : undefined;
}

function memberOf(of: unknown, name: string): unknown {
  if (typeof of !== 'object' || of === null) return undefined;
  const member: unknown = Reflect.get(of, name);
  return member;
}
