/** Whether each text that a state names is there, whole, and as long as the state says; and how many blobs no state names. */
import type { State } from '../engine/kernel/state.ts';
import { textsOf } from '../engine/queries.ts';
import type { BlobsCheck } from '../store/index.ts';
import { finding, type Finding } from './findings.ts';

interface TextsOf {
  readonly tenant: string;
  readonly state: State;
  readonly blobs: BlobsCheck;
}

/** The hashes that the state names. */
export function checkTexts(of: TextsOf, say: (found: Finding) => void): ReadonlySet<string> {
  const { tenant, state, blobs } = of;
  const looked = new Set<string>();
  for (const { document, sha256, bytes } of textsOf(state)) {
    if (looked.has(sha256)) continue;
    looked.add(sha256);
    const found = blobs.find(tenant, sha256);
    const named = `text ${sha256} of document ${document}`;
    const about = { tenant, entity: document };
    if (found === 'absent') say(finding('TEXT_MISSING', { ...about, message: `${named} is not there` }));
    else if (found === 'lost') say(finding('TEXT_DAMAGED', { ...about, message: `${named} is damaged` }));
    else if (bytes !== undefined && found.bytes !== bytes) {
      const message = `${named} has ${found.bytes} bytes, the state says ${bytes}`;
      say(finding('TEXT_SIZE', { ...about, message }));
    }
  }
  return looked;
}
