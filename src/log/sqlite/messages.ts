/**
 * What main thread and worker of the SQLite log say to each other, apart from appends (lane.ts).
 *
 * Every ask is answered once, in the order of the asks; the worker serves groups of appends between them.
 */
import type { LogFault, LogFaultName, LogHead, SnapshotMeta } from '../port.ts';

export interface WorkerStart {
  readonly dir: string;
  readonly control: SharedArrayBuffer;
}

export interface Opened {
  readonly no: number;
  readonly logId: string;
  readonly epoch: number;
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
  open: { ask: { readonly tenant: string }; answer: Opened };
  /** Entries after `after`, not beyond `upTo`. */
  page: {
    ask: { readonly no: number; readonly after: number; readonly upTo: number; readonly countMax: number };
    answer: Page;
  };
  verify: { ask: { readonly no: number }; answer: null };
  trim: { ask: { readonly no: number; readonly seq: number }; answer: null };
  begin: { ask: { readonly handle: number; readonly tenant: string; readonly meta: SnapshotMeta }; answer: null };
  /** `sealed` has the payload in place and the rest of the envelope empty. */
  chunk: { ask: { readonly handle: number; readonly sealed: Uint8Array<ArrayBuffer> }; answer: null };
  commit: { ask: { readonly handle: number }; answer: null };
  abort: { ask: { readonly handle: number }; answer: null };
  list: { ask: { readonly tenant: string }; answer: readonly SnapshotMeta[] };
  /** Chunk `index` of a snapshot; null after the last one, whose content was then verified. */
  load: {
    ask: { readonly reader: number; readonly tenant: string; readonly seq: number; readonly index: number };
    answer: Uint8Array | null;
  };
  prune: { ask: { readonly tenant: string; readonly keep: number }; answer: null };
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
  | { readonly kind: 'ready' }
  /** Nothing more will come; the process must end. Also the answer to a start that failed. */
  | { readonly kind: 'fatal'; readonly fault: FaultMessage };

export function faultMessage(fault: LogFault): FaultMessage {
  return { fault: fault.fault, message: fault.message.slice(fault.fault.length + 2) };
}
