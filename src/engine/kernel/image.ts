/**
 * The state as records: what a snapshot holds and what the state hash is over.
 *
 * I1 Holding an image costs two arrays of references per table, which are plain memory; records are immutable, so serving
 *    goes on.
 * I2 A record's bytes are the same whoever made it: members in code-unit order, none undefined.
 * I3 The hash is the exclusive or of SHA-256(section ‖ bytes) of all records, so no order of tables matters.
 */
import { Composed, encodeValue, type Encoder } from '../../../protocol/wire/codec.ts';
import type { Value } from '../../../protocol/wire/types.ts';
import { assert, must } from '../../base/assert.ts';
import { byCodeUnits } from '../../base/order.ts';
import type { FollowUp } from '../records.ts';
import type { KeyOutcome, Outcome } from './requests.ts';
import type { Counters, State } from './state.ts';

export const TABLES = [
  // Before the tasks, which are grouped by them as they are loaded.
  'rules',
  'tasks',
  'assignments',
  'agents',
  'sessions',
  'subs',
  'latest',
  'apiKeys',
  'tenants',
  'sticky',
  'strategies',
  'schedules',
  'letters',
  'letterRuns',
  'families',
  'locks',
  'lockWaits',
  'lockDelays',
  'lockOwners',
  'notifications',
  'notificationFloors',
  'workspaces',
  'members',
  'stateValues',
  'stateSnapshots',
  'presences',
  'documents',
  'documentVersions',
  'documentConflicts',
  'documentSnapshots',
  'comments',
  'timers',
] as const;
/** Queues of follow-ups: of each, which section its items are. */
const QUEUES = [
  ['work', 'work'],
  ['untangles', 'untangle'],
  ['settles', 'settle'],
  ['prunes', 'prune'],
] as const;
type TableName = (typeof TABLES)[number];

/** A record of an image. */
export class ImageRecord {
  readonly section: string;
  /** The record itself, if it is immutable and always stands in this section: the same object has the same bytes. */
  readonly row: object | undefined;
  readonly #value: () => unknown;

  constructor(section: string, value: () => unknown, row?: object) {
    this.section = section;
    this.row = row;
    this.#value = value;
  }

  /** Its section and what it is. A view that no later call writes to. */
  bytes(): Uint8Array {
    return encodeValue([this.section, this.#value()]);
  }
}

/** What the bytes of a record of an image say. */
export type LoadedRecord = readonly [section: string, value: Value];

export interface Image {
  /** Records, made one at a time; stop whenever the time slice is over. To be called once. */
  records(): IterableIterator<ImageRecord>;
}

/** What an image needs of a table. */
interface Holder {
  held(): IterableIterator<object>;
  load(record: object): void;
}

/** How many records there are of each kind that a state keeps. */
export function recordCounts(s: State): { readonly [kind: string]: number } {
  const counts: { [kind: string]: number } = {
    outcomes: s.requests.outcomeCount,
    keys: s.requests.keyCount,
  };
  for (const name of TABLES) counts[name] = s[name].size;
  for (const [queue] of QUEUES) counts[queue] = s[queue].size;
  return counts;
}

function tableOf(s: State, name: TableName): Holder {
  return s[name];
}

/**
 * A record that writes itself with its members in code-unit order and without undefined ones. Its keys are sorted once
 * for each section and not for each record, which took two thirds of the time of a snapshot.
 */
class Ordered extends Composed {
  readonly #members: { readonly [key: string]: unknown };
  readonly #keys: readonly string[];

  constructor(record: object, keys: readonly string[]) {
    super();
    this.#members = record as { readonly [key: string]: unknown };
    this.#keys = keys;
  }

  override encodeTo(to: Encoder): void {
    const members = this.#members;
    let count = 0;
    for (const key of this.#keys) if (members[key] !== undefined) count += 1;
    to.mapHead(count);
    for (const key of this.#keys) {
      const value = members[key];
      if (value !== undefined) to.member(key, value);
    }
  }
}

/** The sorted keys of the records of one image, by section. */
class Keys {
  readonly #sorted = new Map<string, readonly string[]>();

  /** Keys that this record has, and perhaps more; records that were loaded lack those that were undefined. */
  of(section: string, record: object): readonly string[] {
    const known = this.#sorted.get(section) ?? [];
    const own = Object.keys(record);
    let found = 0;
    for (const key of known) if (key in record) found += 1;
    if (found === own.length) return known;
    const all = [...new Set([...known, ...own])].toSorted(byCodeUnits);
    this.#sorted.set(section, all);
    return all;
  }
}

/** References to everything, taken between two entries. */
export function holdImage(s: State): Image {
  const held = TABLES.map((name) => [name, tableOf(s, name).held()] as const);
  const counters = { ...s.counters };
  const queues = QUEUES.map(([queue, section]) => [section, s[queue].hold()] as const);
  const windows = s.requests.holdWindows();
  const keys = s.requests.heldKeys();
  const { young, old } = s.requests.heldOwnKeys();
  const sorted = new Keys();
  const ordered = (section: string, record: object): Composed => new Ordered(record, sorted.of(section, record));
  const outcomeOf = (outcome: Outcome): Composed =>
    ordered('outcome', { ...outcome, reply: ordered('reply', outcome.reply) });
  function* records(): IterableIterator<ImageRecord> {
    yield new ImageRecord('counters', () => ordered('counters', counters));
    // With their places, so that two that are alike are two.
    for (const [section, items] of queues) {
      for (const [place, item] of items.entries()) {
        yield new ImageRecord(section, () => [place, ordered('work', item)]);
      }
    }
    for (const [name, rows] of held) {
      for (const row of rows) yield new ImageRecord(name, () => ordered(name, row), row);
    }
    for (const window of windows) {
      // One record per outcome: a window as a whole can be large.
      yield new ImageRecord('window', () => ({ session: window.session, high: window.high }));
      for (const [id, outcome] of window.outcomes) {
        yield new ImageRecord('outcome', () => [window.session, id, outcomeOf(outcome)]);
      }
    }
    for (const key of keys) yield new ImageRecord('key', () => outcomeOf(key), key);
    for (const key of young) yield new ImageRecord('youngKey', () => outcomeOf(key));
    for (const key of old) yield new ImageRecord('oldKey', () => outcomeOf(key));
  }
  return { records };
}

/** Puts one record of an image into an empty state. Keys must come in the order in which they were given. */
export function loadRecord(s: State, [section, value]: LoadedRecord): void {
  const queue = QUEUES.find(([, one]) => one === section)?.[0];
  if (queue !== undefined) s[queue].push((value as unknown as readonly [number, FollowUp])[1]);
  else if (section === 'counters') Object.assign(s.counters, value as unknown as Counters);
  else if (section === 'window') s.requests.loadWindow(value as unknown as { session: string; high: number });
  else if (section === 'outcome') s.requests.loadOutcome(...(value as unknown as [string, number, Outcome]));
  else if (section === 'key') s.requests.loadKey(value as unknown as KeyOutcome);
  else if (section === 'youngKey') s.requests.loadOwnKey(value as unknown as KeyOutcome, 'young');
  else if (section === 'oldKey') s.requests.loadOwnKey(value as unknown as KeyOutcome, 'old');
  else {
    const name = must(
      TABLES.find((one) => one === section),
      `section ${section} of a snapshot is known`,
    );
    tableOf(s, name).load(value as unknown as object);
  }
}

export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** Collects the state hash over the records of an image. */
export class StateHasher {
  readonly #sha256: Sha256;
  readonly #sum = new Uint8Array(32);

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  /** `bytes` is the encoded record, section included. */
  add(bytes: Uint8Array): void {
    this.merge(this.#sha256(bytes));
  }

  /** Digest of one record, or the sum of some. */
  merge(digest: Uint8Array): void {
    assert(digest.length === 32, 'a SHA-256 digest has 32 bytes');
    for (let i = 0; i < 32; i += 1) this.#sum[i] = (this.#sum[i] ?? 0) ^ (digest[i] ?? 0);
  }

  /** Over what was added so far; a copy. */
  sum(): Uint8Array {
    return this.#sum.slice();
  }

  hex(): string {
    let text = '';
    for (const byte of this.#sum) text += byte.toString(16).padStart(2, '0');
    return text;
  }
}

/** Hash of the whole state at once: for tests and audits, not beside serving. */
export function stateHash(s: State, sha256: Sha256): string {
  const hasher = new StateHasher(sha256);
  for (const record of holdImage(s).records()) hasher.add(record.bytes());
  return hasher.hex();
}
