/**
 * What main thread and worker of the SQLite log say to each other, apart from appends (lane.ts).
 *
 * Every ask is answered once, in the order of the asks; the worker serves groups of appends between them.
 */
import type { LogFault, LogFaultName, LogHead } from '../port.ts';

export interface WorkerStart {
  readonly dir: string;
  readonly control: SharedArrayBuffer;
  /** The main thread would write to the database too. */
  readonly shared: boolean;
}

/** Of which state a log's newest snapshot is. */
export interface SnapshotAt {
  readonly logId: string;
  readonly seq: number;
  readonly chain: Uint8Array;
}

export interface Opened {
  readonly no: number;
  readonly logId: string;
  readonly epoch: number;
  /** Everything up to here was trimmed. */
  readonly baseSeq: number;
  readonly head: LogHead;
}

/** Entries as read and verified; the layout of `bytes` is that of page.ts. */
export interface Page {
  readonly first: number;
  readonly count: number;
  readonly bytes: Uint8Array;
  readonly baseSeq: number;
  readonly headSeq: number;
  /** The chain after the entry before the first one asked for, if it is there. */
  readonly chain: Uint8Array | undefined;
}

/** Kind of ask → what it carries and what answers it. */
export interface Calls {
  tenants: { ask: object; answer: readonly string[] };
  open: { ask: { readonly tenant: string; readonly newest: SnapshotAt | undefined }; answer: Opened };
  /** Entries after `after`, not beyond `upTo`. */
  page: {
    ask: { readonly no: number; readonly after: number; readonly upTo: number; readonly countMax: number };
    answer: Page;
  };
  verify: { ask: { readonly no: number }; answer: null };
  /** `covered`: the entry of which the newest snapshot is. */
  trim: { ask: { readonly no: number; readonly seq: number; readonly covered: number }; answer: null };
  /** The database's file stays as it is until `release`: all that is written goes behind it, to the write-ahead log. */
  hold: { ask: object; answer: null };
  release: { ask: object; answer: null };
  close: { ask: object; answer: null };
}
export type CallKind = keyof Calls;

export type Ask = { [K in CallKind]: { readonly kind: K } & Calls[K]['ask'] }[CallKind];
export type AskOf<K extends CallKind> = Extract<Ask, { readonly kind: K }>;

/** A group has more bytes than its area: here is a larger one. Sent before the group. */
export interface AreaMessage {
  readonly kind: 'area';
  readonly index: number;
  readonly shared: SharedArrayBuffer;
}

export interface AskMessage {
  readonly kind: 'ask';
  readonly id: number;
  readonly ask: Ask;
}

export type ToWorker = AskMessage | AreaMessage;

export interface FaultMessage {
  readonly fault: LogFaultName;
  readonly message: string;
}

export type FromWorker =
  /** That many groups are durable. */
  | number
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Calls[CallKind]['answer'] }
  | { readonly kind: 'refused'; readonly id: number; readonly fault: FaultMessage }
  /** The directory is locked, the files are open; its log has this id. `shared`: the main thread may open the database too. */
  | { readonly kind: 'ready'; readonly fileId: Uint8Array; readonly shared: boolean }
  /** Nothing more will come; the process must end. Also the answer to a start that failed. */
  | { readonly kind: 'fatal'; readonly fault: FaultMessage };

export function faultMessage(fault: LogFault): FaultMessage {
  return { fault: fault.fault, message: fault.message.slice(fault.fault.length + 2) };
}
