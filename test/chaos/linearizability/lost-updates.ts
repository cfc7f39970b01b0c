/**
 * Lost updates, without any order being searched for: authors only add markers, so each edit that was acknowledged is in every text that was read
 * after it, once; and of two texts of a section one begins with the other.
 */
import { byDocument, type DocumentOperation } from './document-model.ts';

interface Said {
  readonly calledAt: number;
  readonly markers: readonly string[];
}

export function lostUpdates(operations: readonly DocumentOperation[]): readonly string[] {
  return [...byDocument(operations)].flatMap(([document, list]) => {
    const sections = Math.max(0, ...list.map((one) => readOf(one)?.length ?? 0));
    return Array.from({ length: sections }, (_, section) =>
      ofSection(list, section).map((one) => `${document}: ${one}`),
    ).flat();
  });
}

function readOf({ output }: DocumentOperation): readonly { readonly markers: readonly string[] }[] | undefined {
  return output !== undefined && 'read' in output ? output.read.sections : undefined;
}

function ofSection(list: readonly DocumentOperation[], section: number): string[] {
  const reads = list.flatMap((one): Said[] => {
    const markers = readOf(one)?.[section]?.markers;
    return markers === undefined ? [] : [{ calledAt: one.calledAt, markers }];
  });
  const lost = list.flatMap(({ input, output, returnedAt = Infinity }) => {
    if (input.kind !== 'edit' || input.section !== section || output === undefined || !('made' in output)) return [];
    const marker = input.markers.at(-1) ?? '';
    const without = reads.find(({ calledAt, markers }) => calledAt >= returnedAt && !markers.includes(marker));
    return without === undefined ? [] : [`${marker} was acknowledged, and is not in a text that was read later`];
  });
  const twice = reads.flatMap(({ markers }) =>
    new Set(markers).size === markers.length ? [] : [`${markers.join(' ')} has a marker twice`],
  );
  const longest = reads.reduce<readonly string[]>(
    (most, { markers }) => (markers.length > most.length ? markers : most),
    [],
  );
  const other = reads.flatMap(({ markers }) =>
    markers.every((marker, at) => marker === longest[at])
      ? []
      : [`${markers.join(' ')} is no beginning of ${longest.join(' ')}`],
  );
  return [...lost, ...twice, ...other];
}
