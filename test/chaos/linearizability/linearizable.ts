/**
 * Whether a concurrent history could have happened one operation after the other, each at some moment between its call and its
 * return: linearizability (Herlihy and Wing, 1990).
 *
 * The search is that of Wing and Gong (Testing and verifying concurrent objects, 1993) with Lowe's memory of what was tried
 * (Testing for linearizability, 2017); P-compositionality (Horn and Kroening, 2015) is the caller's: it judges each object apart.
 *
 * Calls and returns stand in a list in the order of time. The first operation whose call is found, and which the model admits, is
 * taken out and goes on from the front; at a return of an operation that has not been taken out nothing before it is left to try,
 * and the one taken last is put back. What was taken out with the same state before has failed before.
 */

export interface Operation<I, O> {
  readonly client: string;
  readonly input: I;
  /** Absent: nobody knows what became of it. It may have happened at any time after its call, or not at all. */
  readonly output?: O;
  readonly calledAt: number;
  readonly returnedAt?: number;
}

export interface Model<S, I, O> {
  readonly initial: S;
  /** The state after the operation; undefined: it cannot have had this output in this state. */
  step(state: S, input: I, output: O | undefined): S | undefined;
  /** The same for equal states. */
  key(state: S): string;
}

export type Verdict = 'linearizable' | 'not linearizable' | 'given up';

interface Node {
  /** Of the operation; -1: of the list itself. */
  readonly index: number;
  /** A call has its return, if there was one. */
  match: Node | undefined;
  readonly isCall: boolean;
  before: Node | undefined;
  after: Node | undefined;
}

interface Taken<S> {
  readonly call: Node;
  readonly state: S;
}

export function judge<S, I, O>(
  operations: readonly Operation<I, O>[],
  model: Model<S, I, O>,
  stepsMax = 2_000_000,
): Verdict {
  const head = listOf(operations);
  const tried = new Set<string>();
  const taken: Taken<S>[] = [];
  let { initial: state } = model;
  let chosen = 0n;
  let left = operations.filter(({ returnedAt }) => returnedAt !== undefined).length;
  let at = head.after;
  for (let steps = 0; left > 0; steps += 1) {
    if (steps > stepsMax) return 'given up';
    const operation = at?.isCall === true ? operations[at.index] : undefined;
    if (at !== undefined && operation !== undefined) {
      const next = model.step(state, operation.input, operation.output);
      const with_ = chosen | (1n << BigInt(at.index));
      const seen = next === undefined ? '' : `${with_.toString(36)} ${model.key(next)}`;
      if (next === undefined || tried.has(seen)) {
        at = at.after;
        continue;
      }
      tried.add(seen);
      taken.push({ call: at, state });
      state = next;
      chosen = with_;
      if (at.match !== undefined) left -= 1;
      takeOut(at);
      at = head.after;
      continue;
    }
    const last = taken.pop();
    if (last === undefined) return 'not linearizable';
    putBack(last.call);
    if (last.call.match !== undefined) left += 1;
    chosen &= ~(1n << BigInt(last.call.index));
    ({ state } = last);
    at = last.call.after;
  }
  return 'linearizable';
}

/** Returns come before calls of the same moment: whoever calls then has seen what returned. */
function listOf<I, O>(operations: readonly Operation<I, O>[]): Node {
  const nodes = operations.flatMap(({ calledAt, returnedAt }, index) => {
    const call: Node = { index, match: undefined, isCall: true, before: undefined, after: undefined };
    if (returnedAt === undefined) return [{ node: call, at: calledAt }];
    const back: Node = { index, match: call, isCall: false, before: undefined, after: undefined };
    call.match = back;
    return [
      { node: call, at: calledAt },
      { node: back, at: returnedAt },
    ];
  });
  nodes.sort((a, b) => a.at - b.at || Number(a.node.isCall) - Number(b.node.isCall));
  const head: Node = { index: -1, match: undefined, isCall: false, before: undefined, after: undefined };
  let last = head;
  for (const { node } of nodes) {
    last.after = node;
    node.before = last;
    last = node;
  }
  return head;
}

function takeOut(call: Node): void {
  for (const node of [call, call.match]) {
    if (node === undefined) continue;
    if (node.before !== undefined) node.before.after = node.after;
    if (node.after !== undefined) node.after.before = node.before;
  }
}

/** The other way round. */
function putBack(call: Node): void {
  for (const node of [call.match, call]) {
    if (node === undefined) continue;
    if (node.before !== undefined) node.before.after = node;
    if (node.after !== undefined) node.after.before = node;
  }
}
