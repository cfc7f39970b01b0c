/**
 * Whether each text that a state or the store names is there, whole, and as long as the state says; and how many blobs nobody names.
 */
import type { State } from '../engine/kernel/state.ts';
import { textsOf } from '../engine/queries.ts';
import type { BlobsCheck } from '../store/index.ts';
import type { VersionArchive } from '../store/port.ts';
import { finding, type Finding } from './findings.ts';

interface TextsOf {
  readonly tenant: string;
  readonly state: State;
  readonly blobs: BlobsCheck;
}

const PAGE = 10_000;

/** The hashes that the state names. */
export function checkTexts(of: TextsOf, say: (found: Finding) => void): Set<string> {
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

/** Adds the hashes that versions in the store name, which may be the state's too. */
export async function checkArchivedTexts(
  of: Omit<TextsOf, 'state'> & { readonly archive: VersionArchive; readonly named: Set<string> },
  say: (found: Finding) => void,
): Promise<void> {
  const { tenant, archive, blobs, named } = of;
  const page = (above: string): Promise<readonly string[]> =>
    new Promise((told) => archive.texts({ above, limit: PAGE }, told));
  for (let hashes = await page(''); hashes.length > 0; hashes = await page(hashes.at(-1) ?? '')) {
    for (const sha256 of hashes) {
      if (named.has(sha256)) continue;
      named.add(sha256);
      const found = blobs.find(tenant, sha256);
      const text = `text ${sha256} of an old version`;
      if (found === 'absent') say(finding('TEXT_MISSING', { tenant, message: `${text} is not there` }));
      else if (found === 'lost') say(finding('TEXT_DAMAGED', { tenant, message: `${text} is damaged` }));
    }
  }
}
