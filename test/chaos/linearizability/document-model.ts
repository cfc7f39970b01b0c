/**
 * A document as an object: a register whose value is its versions, section by section. It knows section 25 of the protocol in its own words: an
 * edit of a section that was made of a version is carried out if the section has not changed since, makes the next version, and is refused otherwise.
 *
 * Every edit writes a marker of its own behind those that its author read, so that a text tells which edits it has.
 */
import { judge, type Model, type Operation, type Verdict } from './linearizable.ts';

export interface SectionValue {
  /** Of the document, when the section was changed last. */
  readonly version: number;
  /** In their order. */
  readonly markers: readonly string[];
}

export interface DocumentValue {
  readonly version: number;
  readonly sections: readonly SectionValue[];
}

export type DocumentInput =
  | { readonly kind: 'read' }
  | {
      readonly kind: 'edit';
      readonly section: number;
      /** The version that it was made of. */
      readonly base: number;
      readonly markers: readonly string[];
    };
/** Of a read what was there; of an edit the version that it made, or the one on which it was refused. */
export type DocumentOutput =
  { readonly read: DocumentValue } | { readonly made: number } | { readonly refusedOn: number };

export interface DocumentOperation extends Operation<DocumentInput, DocumentOutput> {
  readonly document: string;
}

export function documentModel(sections: number): Model<DocumentValue, DocumentInput, DocumentOutput> {
  return {
    initial: { version: 1, sections: Array.from({ length: sections }, () => ({ version: 1, markers: [] })) },
    step(state, input, output) {
      if (input.kind === 'read') return output !== undefined && !isRead(state, output) ? undefined : state;
      const { section, base, markers } = input;
      const stands = (state.sections[section]?.version ?? Infinity) <= base;
      if (output !== undefined && 'refusedOn' in output)
        return !stands && output.refusedOn === state.version ? state : undefined;
      const version = state.version + 1;
      if (!stands || (output !== undefined && (!('made' in output) || output.made !== version))) return undefined;
      return { version, sections: state.sections.with(section, { version, markers }) };
    },
    // The last marker is that of the edit which gave the section its text.
    key: ({ version, sections: all }) =>
      `${version} ${all.map((one) => `${one.version}${one.markers.at(-1) ?? ''}`).join(' ')}`,
  };
}

function isRead(state: DocumentValue, output: DocumentOutput): boolean {
  return 'read' in output && JSON.stringify(output.read) === JSON.stringify(state);
}

/** Each document is an object of its own. */
export function judgeDocuments(
  operations: readonly DocumentOperation[],
  sections: number,
): ReadonlyMap<string, Verdict> {
  const model = documentModel(sections);
  return new Map([...byDocument(operations)].map(([document, list]) => [document, judge(list, model)]));
}

export function byDocument(
  operations: readonly DocumentOperation[],
): ReadonlyMap<string, readonly DocumentOperation[]> {
  const found = new Map<string, DocumentOperation[]>();
  for (const operation of operations) {
    const list = found.get(operation.document);
    if (list === undefined) found.set(operation.document, [operation]);
    else list.push(operation);
  }
  return found;
}
