/**
 * Whether an edit of a document is accepted, and what it makes of it.
 *
 * ED1 An edit names the version that it was made of. It is accepted if every section that it changes is as it was there: so edits of
 *     different sections never conflict.
 * ED2 One that adds, removes or moves sections, or whose sections do not stand for themselves (`alone`), is accepted on the current version alone.
 * ED3 What others have locked is not changed, by whoever holds it and by nobody else.
 * ED5 A stale edit is not accepted if the heading of a section of it would be swallowed by one that came to stand before it since: that
 *     has an open paragraph, and both meant what they do where they were written (documents/sections/edit.ts).
 * ED4 An edit that changes nothing is accepted and makes no version.
 * ED6 A version that the state keeps no more does not change either. What was its text comes with the edit, out of the store, and is judged as if it
 *     were kept. An edit whose version left the state after it was prepared without that is to come again.
 */
import { documentPath } from '../../../protocol/wire/documents.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { rejected, type Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { firstBlocked } from '../locks/judge.ts';
import { conflictsOf, needsOf, type Need } from '../locks/modes.ts';
import { ownersOf, shownOwner } from '../locks/owners.ts';
import {
  DOCUMENT_CARE_VERSION,
  LARGE_DOCUMENTS_VERSION,
  OLD_BASES_VERSION,
  type BaseSection,
  type PreparedSection,
  type PreparedText,
  type Refusal,
} from '../port.ts';
import type { SessionRecord } from '../records.ts';
import { refuseUse } from '../workspaces/usage.ts';
import { versionKey, type DocumentRecord, type DocumentVersionRecord, type SectionRecord } from './document-records.ts';

/** DR1. The sections of a version; undefined: it is not kept any more, or never was. */
export function sectionsAt(s: State, known: DocumentRecord, version: number): readonly SectionRecord[] | undefined {
  if (version > known.version) return undefined;
  let { sections } = known;
  for (let at = known.version; at > version; at -= 1) {
    const made = s.documentVersions.get(versionKey(known.id, at));
    if (made === undefined) return undefined;
    sections = before(sections, made);
  }
  return sections;
}

/** ED6. The sections of the version that an edit was made of; refused: they are neither in the state nor came with it. */
function baseOf(s: State, known: DocumentRecord, text: PreparedText): readonly BaseSection[] | Refusal {
  const kept = sectionsAt(s, known, text.base);
  if (kept !== undefined) return kept;
  if (s.counters.engineVersion < OLD_BASES_VERSION || text.base > known.version) return notKept(known, text.base);
  return text.from ?? OUTRUN;
}

/** The oldest version that the state can go back to, with its sections; 0: there was nothing before what it has. */
export function oldestSections(
  s: State,
  known: DocumentRecord,
): { readonly version: number; readonly sections: readonly SectionRecord[] } {
  let { sections, version } = known;
  for (; version > 0; version -= 1) {
    const made = s.documentVersions.get(versionKey(known.id, version));
    if (made === undefined) break;
    sections = before(sections, made);
  }
  return { version, sections };
}

/** DR1. The sections that a version was made of. */
export function before(
  sections: readonly SectionRecord[],
  { whole, replaced }: Pick<DocumentVersionRecord, 'whole' | 'replaced'>,
): readonly SectionRecord[] {
  return whole ? replaced : withThese(sections, replaced);
}

function withThese(sections: readonly SectionRecord[], these: readonly SectionRecord[]): readonly SectionRecord[] {
  const byId = new Map(these.map((section) => [section.sid, section]));
  return sections.map((section) => byId.get(section.sid) ?? section);
}

/** What an edit does to the version that it was made of. */
interface Difference {
  readonly touched: readonly string[];
  /** Sections came, went or moved. */
  readonly structural: boolean;
}

function differenceOf(base: readonly BaseSection[], made: readonly PreparedSection[]): Difference {
  const before = new Map(base.map((section) => [section.sid, section]));
  const now = new Set(made.map(({ sid }) => sid));
  const changed = made.filter(({ sid, sha256 }) => before.get(sid)?.sha256 !== sha256).map(({ sid }) => sid);
  const removed = base.filter(({ sid }) => !now.has(sid)).map(({ sid }) => sid);
  const structural = base.length !== made.length || base.some(({ sid }, place) => made[place]?.sid !== sid);
  if (!structural || changed.length + removed.length > 0) return { touched: [...changed, ...removed], structural };
  // They changed places alone.
  return { touched: made.filter(({ sid }, place) => base[place]?.sid !== sid).map(({ sid }) => sid), structural };
}

export type Judged =
  | { readonly kind: 'same' }
  | { readonly kind: 'conflict'; readonly base: readonly BaseSection[] }
  | { readonly kind: 'made'; readonly record: DocumentRecord; readonly version: DocumentVersionRecord };

export interface EditAsked {
  readonly session: SessionRecord;
  readonly known: DocumentRecord;
  readonly text: PreparedText;
  readonly token: string | undefined;
  /** The version whose text it is. */
  readonly restored?: number;
}

export function judgeEdit(
  s: State,
  c: Context,
  { session, known, text, token, restored }: EditAsked,
): Judged | Refusal {
  const base = baseOf(s, known, text);
  if ('ok' in base) return base;
  const { touched, structural } = differenceOf(base, text.sections);
  if (touched.length === 0) return { kind: 'same' };
  const locked = refuseLocked(s, session, { known, touched: structural ? undefined : touched, token });
  if (locked !== undefined) return locked;
  const stale = { known, base, touched, alone: structural || text.alone, of: text.base };
  if (!stands(stale) || isSwallowed(s, { known, base, touched, text })) return { kind: 'conflict', base };
  if (text.sections.length > LIMITS.documentSectionsMax) {
    return rejected('LIMIT_EXCEEDED', `A document has at most ${LIMITS.documentSectionsMax} sections.`);
  }
  const version = known.version + 1;
  const sections = sectionsAfter(known, { text, touched, structural, version, made: recordOf(s, version) });
  const bytes = sections.reduce((sum, section) => sum + section.bytes, 0);
  const bytesMax = documentBytesMax(s);
  if (bytes > bytesMax) return rejected('TOO_LARGE', `A document has at most ${bytesMax} bytes.`);
  const workspace = s.workspaces.get(known.workspaceId ?? '');
  const full = workspace === undefined ? undefined : refuseUse(s, workspace, { storageBytes: bytes - known.bytes });
  if (full !== undefined) return full;
  const by = session.principal.id;
  const record: DocumentRecord = {
    ...known,
    version,
    sections,
    nextNumber: Math.max(known.nextNumber, text.nextNumber),
    bytes,
    updatedBy: by,
    updatedAt: c.now,
  };
  const replaced = structural ? known.sections : known.sections.filter(({ sid }) => touched.includes(sid));
  const made = { key: versionKey(known.id, version), document: known.id, version, by, at: c.now };
  return {
    kind: 'made',
    record,
    version: { ...made, touched, replaced, whole: structural, ...(restored === undefined ? {} : { restored }) },
  };
}

/** Before `LARGE_DOCUMENTS_VERSION` a text had to fit a message. */
function documentBytesMax(s: State): number {
  return s.counters.engineVersion < LARGE_DOCUMENTS_VERSION ? LIMITS.documentInlineBytes : LIMITS.documentBytes;
}

/** ED6 */
const OUTRUN = rejected('UNAVAILABLE', 'The document has got many versions while the edit was prepared.');

export function notKept({ version }: DocumentRecord, asked: number): Refusal {
  return rejected('NOT_FOUND', `Version ${asked} is not kept.`, { currentVersion: version });
}

/** ED1, ED2 */
function stands(of: {
  readonly known: DocumentRecord;
  readonly base: readonly BaseSection[];
  readonly touched: readonly string[];
  readonly alone: boolean;
  readonly of: number;
}): boolean {
  const { known, base, touched, alone } = of;
  if (of.of === known.version) return true;
  if (alone) return false;
  const current = new Map(known.sections.map((section) => [section.sid, section.version]));
  const before = new Map(base.map((section) => [section.sid, section.version]));
  return touched.every((sid) => current.has(sid) && current.get(sid) === before.get(sid));
}

/** ED5 */
function isSwallowed(
  s: State,
  of: {
    readonly known: DocumentRecord;
    readonly base: readonly BaseSection[];
    readonly touched: readonly string[];
    readonly text: PreparedText;
  },
): boolean {
  const { known, base, touched, text } = of;
  if (s.counters.engineVersion < DOCUMENT_CARE_VERSION || text.base === known.version) return false;
  const under = new Set(text.sections.filter((section) => section.under === true).map(({ sid }) => sid));
  return known.sections.some(({ sid }, place) => {
    const above = known.sections[place - 1];
    if (above?.open !== true || !under.has(sid) || !touched.includes(sid) || touched.includes(above.sid)) return false;
    const before = base[base.findIndex((section) => section.sid === sid) - 1];
    return before?.sid !== above.sid || before.version !== above.version;
  });
}

/** Before `DOCUMENT_CARE_VERSION` it is not kept whether a section is open. */
export function recordOf(s: State, version: number): (section: PreparedSection) => SectionRecord {
  const keeps = s.counters.engineVersion >= DOCUMENT_CARE_VERSION;
  return ({ sid, heading, level, sha256, bytes, open }) => {
    const record = { sid, heading, level, sha256, bytes, version };
    return keeps && open === true ? { ...record, open } : record;
  };
}

function sectionsAfter(
  known: DocumentRecord,
  made: {
    readonly text: PreparedText;
    readonly touched: readonly string[];
    readonly structural: boolean;
    readonly version: number;
    readonly made: (section: PreparedSection) => SectionRecord;
  },
): readonly SectionRecord[] {
  const touched = new Set(made.touched);
  const asMade = new Map(made.text.sections.map((section) => [section.sid, made.made(section)]));
  if (!made.structural) {
    return known.sections.map((section) => (touched.has(section.sid) ? (asMade.get(section.sid) ?? section) : section));
  }
  const before = new Map(known.sections.map((section) => [section.sid, section]));
  return made.text.sections.map((section) => {
    const old = before.get(section.sid);
    return old === undefined || touched.has(section.sid) ? made.made(section) : old;
  });
}

/** ED3. `touched` undefined: all of the document. */
export function refuseLocked(
  s: State,
  session: SessionRecord,
  asked: {
    readonly known: DocumentRecord;
    readonly touched: readonly string[] | undefined;
    readonly token: string | undefined;
  },
): Refusal | undefined {
  const { known, touched, token } = asked;
  const paths = touched?.map((sectionId) => documentPath({ ...known, sectionId })) ?? [documentPath(known)];
  const owners = ownersOf(s, session);
  if (token !== undefined && !holds(s, owners, { token, paths })) return rejected('NOT_HELD');
  if (s.locks.size === 0) return undefined;
  for (const path of paths) {
    const needs = needsOf([{ path, mode: 'exclusive' }]);
    // Those that wait have nothing yet: before all of them stands who only asks whether it may write.
    const blocked = owners.map((owner) => firstBlocked(s.lockBook, { owner, seq: -1 }, needs));
    const [first] = blocked;
    if (first === undefined || blocked.includes(undefined)) continue;
    const owner = holderOf(s, owners, first);
    return rejected('BUSY', 'Others have locked it.', { path, ...(owner === undefined ? undefined : { owner }) });
  }
  return undefined;
}

function holds(
  s: State,
  owners: readonly string[],
  asked: { readonly token: string; readonly paths: readonly string[] },
): boolean {
  const covers = (above: string, path: string): boolean => path === above || path.startsWith(`${above}/`);
  return owners.some((owner) =>
    [...(s.locksByOwner.of(owner) ?? [])].some(
      ({ token, members }) =>
        String(token) === asked.token &&
        asked.paths.every((path) => members.some((one) => one.mode === 'exclusive' && covers(one.path, path))),
    ),
  );
}

function holderOf(s: State, own: readonly string[], { path, mode }: Need): string | undefined {
  const place = s.lockBook.placeOf(path);
  for (const owner of place?.owners ?? []) {
    const share = place?.shareOf(owner);
    if (own.includes(owner) || share === undefined) continue;
    if (conflictsOf(mode).some((other) => share.held[other] + share.delayed[other] > 0)) return shownOwner(s, owner);
  }
  return undefined;
}
