/** Changes that make a legal history of documents an illegal one. Each finds nothing to change in a history that is too short. */
import { byDocument, type DocumentOperation, type DocumentOutput, type DocumentValue } from './document-model.ts';

type Mutation = (history: readonly DocumentOperation[]) => readonly DocumentOperation[] | undefined;

/** Of the document with most of it, in the order of their versions. */
function accepted(history: readonly DocumentOperation[]): readonly DocumentOperation[] {
  const lists = [...byDocument(history).values()].map((list) =>
    list.filter((one) => madeBy(one) !== undefined).toSorted((a, b) => (madeBy(a) ?? 0) - (madeBy(b) ?? 0)),
  );
  return lists.toSorted((a, b) => b.length - a.length)[0] ?? [];
}

export function madeBy({ output }: DocumentOperation): number | undefined {
  return output !== undefined && 'made' in output ? output.made : undefined;
}

function readBy({ output }: DocumentOperation): DocumentValue | undefined {
  return output !== undefined && 'read' in output ? output.read : undefined;
}

function withOutput(
  history: readonly DocumentOperation[],
  changed: DocumentOperation,
  output: DocumentOutput,
): readonly DocumentOperation[] {
  return history.map((operation) => (operation === changed ? { ...operation, output } : operation));
}

const middle = <T>(list: readonly T[], ahead = 0): T | undefined => list[Math.floor(list.length / 2) + ahead];

function without(value: DocumentValue, marker: string): DocumentValue {
  const sections = value.sections.map((section) => ({
    ...section,
    markers: section.markers.filter((one) => one !== marker),
  }));
  return { ...value, sections };
}

export const MUTATIONS: { readonly [name: string]: Mutation } = {
  'an acknowledged edit is lost': (history) => {
    const lost = middle(accepted(history));
    const marker = lost?.input.kind === 'edit' ? lost.input.markers.at(-1) : undefined;
    if (lost === undefined || marker === undefined) return undefined;
    return history.map((operation) => {
      const read = operation.document === lost.document ? readBy(operation) : undefined;
      return read === undefined ? operation : { ...operation, output: { read: without(read, marker) } };
    });
  },
  'an acknowledged edit is undone': (history) => {
    const undone = middle(accepted(history));
    return undone && history.filter((operation) => operation !== undone);
  },
  'two edits make one version': (history) => {
    const [one, next] = [middle(accepted(history)), middle(accepted(history), 1)];
    const made = one && madeBy(one);
    return made === undefined || next === undefined ? undefined : withOutput(history, next, { made });
  },
  'an edit is accepted over one that its author had not read': (history) => {
    const refused = history.find(({ output }) => output !== undefined && 'refusedOn' in output);
    const { output } = refused ?? {};
    if (refused === undefined || output === undefined || !('refusedOn' in output)) return undefined;
    return withOutput(history, refused, { made: output.refusedOn + 1 });
  },
  'an edit is refused that changes what nobody changed': (history) => {
    const one = middle(accepted(history));
    const made = one && madeBy(one);
    return made === undefined || one === undefined ? undefined : withOutput(history, one, { refusedOn: made - 1 });
  },
  'a read goes back': (history) => {
    const last = history.findLast((one) => readBy(one) !== undefined);
    const first = history.find((one) => one.document === last?.document && readBy(one) !== undefined);
    const old = first && readBy(first);
    const now = last && readBy(last);
    if (last === undefined || old === undefined || old.version === now?.version) return undefined;
    return withOutput(history, last, { read: old });
  },
};
