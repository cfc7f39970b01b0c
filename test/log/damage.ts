/** Ways in which stored entries go bad, and what they must then be called. */
import { chainNext, EnvelopeKind, seal } from '../../src/log/envelope.ts';
import type { LogFaultName } from '../../src/log/port.ts';
import type { StoredEntry } from '../../src/log/verify.ts';

export interface Damage {
  readonly what: string;
  readonly fault: LogFaultName;
  /** Changes a log of ten entries. */
  readonly apply: (entries: readonly StoredEntry[]) => readonly StoredEntry[];
}

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const flipped = new Uint8Array(bytes);
  flipped[at]! ^= 1;
  return flipped;
}

const without = (entries: readonly StoredEntry[], seq: number): StoredEntry[] =>
  entries.filter((entry) => entry.seq !== seq);

const replaced = (entries: readonly StoredEntry[], by: StoredEntry): StoredEntry[] =>
  entries.map((entry) => (entry.seq === by.seq ? by : entry));

/** An intact entry with another payload, as another history would have it. */
function foreign(entry: StoredEntry, before: StoredEntry, stamp: { epoch?: number; ts?: number } = {}): StoredEntry {
  const bytes = seal(
    { kind: EnvelopeKind.entry, epoch: stamp.epoch ?? 1, ts: stamp.ts ?? Number.MAX_SAFE_INTEGER },
    new TextEncoder().encode('foreign'),
  );
  return { seq: entry.seq, bytes, chain: chainNext(before.chain, bytes) };
}

export const damages: readonly Damage[] = [
  {
    what: 'a flipped bit in a payload',
    fault: 'CORRUPT',
    apply: (all) => replaced(all, { ...all[4]!, bytes: flip(all[4]!.bytes, 21) }),
  },
  {
    what: 'a flipped bit in a header',
    fault: 'CORRUPT',
    apply: (all) => replaced(all, { ...all[4]!, bytes: flip(all[4]!.bytes, 9) }),
  },
  {
    what: 'a flipped bit in a chain',
    fault: 'FORK',
    apply: (all) => replaced(all, { ...all[4]!, chain: flip(all[4]!.chain, 5) }),
  },
  { what: 'a missing entry', fault: 'GAP', apply: (all) => without(all, 5) },
  {
    what: 'a missing entry, the later ones renumbered',
    fault: 'FORK',
    apply: (all) => without(all, 5).map((entry, index) => ({ ...entry, seq: index + 1 })),
  },
  {
    what: 'two entries that changed places',
    fault: 'FORK',
    apply: (all) =>
      replaced(replaced(all, { ...all[4]!, seq: 6 }), { ...all[5]!, seq: 5 }).toSorted((a, b) => a.seq - b.seq),
  },
  {
    what: 'an entry of another history',
    fault: 'FORK',
    apply: (all) => replaced(all, foreign(all[4]!, all[2]!)),
  },
  {
    what: 'an entry of another history whose chain was made to fit',
    fault: 'FORK',
    apply: (all) => replaced(all, foreign(all[4]!, all[3]!)),
  },
  {
    what: 'an entry that is stamped before the one before it',
    fault: 'CORRUPT',
    apply: (all) => replaced(all, foreign(all[4]!, all[3]!, { ts: 1 })),
  },
  {
    what: 'an entry of an earlier epoch',
    fault: 'CORRUPT',
    apply: (all) => replaced(all, foreign(all[4]!, all[3]!, { epoch: 0 })),
  },
];
