/** Changes that make a legal history of locks an illegal one. Each finds nothing to change in a history that is too short. */
import type { LockOperation } from './lock-model.ts';

type Mutation = (history: readonly LockOperation[]) => readonly LockOperation[] | undefined;

interface Held {
  readonly acquire: LockOperation;
  readonly release: LockOperation;
}

/** What was acquired and released, in the order of the tokens, of the path with the most of it. */
function held(history: readonly LockOperation[]): readonly Held[] {
  const paths = [...new Set(history.map(({ path }) => path))].map((path) => heldOn(history, path));
  return paths.toSorted((a, b) => b.length - a.length)[0] ?? [];
}

function heldOn(history: readonly LockOperation[], path: string): readonly Held[] {
  const here = history.filter((one) => one.path === path);
  const found = here.flatMap((acquire) => {
    const token = tokenOf(acquire);
    const release = here.find(({ input, output }) => {
      const released = output !== undefined && 'released' in output && output.released;
      return input.kind === 'release' && input.token === token && released;
    });
    return token === undefined || release === undefined ? [] : [{ acquire, release }];
  });
  return found.toSorted((a, b) => (BigInt(tokenOf(a.acquire) ?? 0) < BigInt(tokenOf(b.acquire) ?? 0) ? -1 : 1));
}

export function tokenOf({ output }: LockOperation): string | undefined {
  return output !== undefined && 'token' in output ? output.token : undefined;
}

function middle<T>(list: readonly T[], ahead: number): T | undefined {
  const at = Math.floor(list.length / 2) + ahead;
  return list[at];
}

export const MUTATIONS: { readonly [name: string]: Mutation } = {
  'a release is not carried out': (history) => {
    const one = middle(held(history), 0);
    return one && history.filter((operation) => operation !== one.release);
  },
  'a token is given twice': (history) => {
    const [one, next] = [middle(held(history), 0), middle(held(history), 1)];
    const token = one && tokenOf(one.acquire);
    if (token === undefined || next === undefined) return undefined;
    return history.map((operation) => (operation === next.acquire ? { ...operation, output: { token } } : operation));
  },
  'tokens fall': (history) => {
    const [one, next] = [middle(held(history), 0), middle(held(history), 1)];
    if (one === undefined || next === undefined) return undefined;
    const swapped = new Map([
      [one.acquire, next.acquire.output],
      [next.acquire, one.acquire.output],
    ]);
    return history.map((operation) => {
      const output = swapped.get(operation);
      return output === undefined ? operation : { ...operation, output };
    });
  },
  'two hold it at once': (history) => {
    const [one, next] = [middle(held(history), 0), middle(held(history), 1)];
    if (one === undefined || next === undefined) return undefined;
    // It was granted before the other one even asked to give it back.
    const at = one.release.calledAt;
    const [calledAt, returnedAt] = [Math.min(next.acquire.calledAt, at - 2), at - 1];
    return history.map((operation) =>
      operation === next.acquire ? { ...operation, calledAt, returnedAt } : operation,
    );
  },
  'what is held is said to be free': (history) => {
    const one = middle(held(history), 0);
    if (one === undefined) return undefined;
    return history.map((operation) =>
      operation === one.release ? { ...operation, output: { released: false } } : operation,
    );
  },
};
