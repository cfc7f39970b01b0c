/** What the recording of documents that are larger than a message does. */
import type { WriteMethod } from '../../protocol/wire/operations.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { LARGE_DOCUMENTS_VERSION, type PreparedText } from '../../src/engine/port.ts';
import { hashOf } from './documents/texts.ts';
import type { Rig } from './rig.ts';

const NEW = LARGE_DOCUMENTS_VERSION;

/** A text of one section, as large as is said. */
function large(base: number, bytes: number): PreparedText {
  const sha256 = hashOf(`${base} ${bytes}`);
  return { base, sections: [{ sid: 's1', heading: 'large', level: 1, sha256, bytes }], nextNumber: 2, alone: false };
}

export function performLargeDocuments(rig: Rig): void {
  rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: NEW });
  for (let version = 2; version < NEW; version += 1) rig.one({ kind: 'upgrade', version });
  const ann = rig.session({ who: 'key:ann', role: 'member' });
  const ask = (method: WriteMethod, params: object): void => void rig.ask(ann, method, params, { after: 20 });
  ask('document.create', { name: 'plan', text: large(0, 10) });
  const id = [...rig.engine.state.documentsById].at(-1)?.id ?? '';
  // Before, and since.
  ask('document.update', { id, version: 1, text: large(1, LIMITS.documentInlineBytes + 1) });
  rig.one({ kind: 'upgrade', version: NEW });
  ask('document.update', { id, version: 1, text: large(1, LIMITS.documentInlineBytes + 1) });
  ask('document.update', { id, version: 2, text: large(2, LIMITS.documentBytes) });
  ask('document.update', { id, version: 3, text: large(3, LIMITS.documentBytes + 1) });
  ask('document.restore', { id, version: 1, text: large(3, 10) });
}
