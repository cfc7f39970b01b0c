/**
 * An exclusive lock with fencing tokens as an object: at most one holds it, each grant has a larger token than all before, and only
 * that token releases it.
 */
import { judge, type Model, type Operation, type Verdict } from './linearizable.ts';

export type LockInput = { readonly kind: 'acquire' } | { readonly kind: 'release'; readonly token: string };
/** Of an acquire the token; of a release whether it was held. */
export type LockOutput = { readonly token: string } | { readonly released: boolean };

export interface LockOperation extends Operation<LockInput, LockOutput> {
  readonly path: string;
}

interface LockState {
  /** Of whoever holds it; null: free; undefined: somebody whose token nobody was told. */
  readonly held: bigint | null | undefined;
  readonly newest: bigint;
}

export const LOCK: Model<LockState, LockInput, LockOutput> = {
  initial: { held: null, newest: 0n },
  step(state, input, output) {
    if (input.kind === 'acquire') {
      if (state.held !== null) return undefined;
      if (output === undefined) return { ...state, held: undefined };
      const token = 'token' in output ? BigInt(output.token) : 0n;
      return token > state.newest ? { held: token, newest: token } : undefined;
    }
    const holds = state.held === BigInt(input.token);
    const released = output !== undefined && 'released' in output ? output.released : holds;
    if (released !== holds) return undefined;
    return holds ? { ...state, held: null } : state;
  },
  key: ({ held, newest }) => `${String(held)} ${newest}`,
};

/** Each path is an object of its own. */
export function judgeLocks(operations: readonly LockOperation[]): ReadonlyMap<string, Verdict> {
  const byPath = new Map<string, LockOperation[]>();
  for (const operation of operations) {
    const list = byPath.get(operation.path);
    if (list === undefined) byPath.set(operation.path, [operation]);
    else list.push(operation);
  }
  return new Map([...byPath].map(([path, list]) => [path, judge(list, LOCK)]));
}
