/** What the doctor can find in a data directory, how bad it is, and what to do. */
import type { FindingCode } from '../../protocol/wire/observing.ts';
import type { LogFaultName } from '../log/port.ts';
import type { StoreFault } from '../store/index.ts';

export type FileCode =
  `LOG_${LogFaultName}` | 'HEAD_MISSING' | 'SNAPSHOT' | 'ENGINE' | StoreFault['code'] | StoreCode | TextCode;

/** Where store and log do not agree. */
export type StoreCode = 'STORE_AHEAD' | 'STORE_LACKS' | 'STORE_DIFFERS';

/** Texts that the state names, and what was to become texts. */
export type TextCode = 'TEXTS_UNREADABLE' | 'TEXT_MISSING' | 'TEXT_DAMAGED' | 'TEXT_SIZE' | 'UPLOADS_LEFT';

export interface Finding {
  readonly code: FileCode | FindingCode;
  readonly severity: 'error' | 'warning';
  readonly tenant?: string;
  readonly entity?: string;
  readonly message: string;
  /** What to do. */
  readonly cure: string;
  /** `--repair` takes care of it. */
  readonly repairable: boolean;
}

type Row = Pick<Finding, 'severity' | 'cure' | 'repairable'>;

const RESTORE = 'Keep a copy of the data directory and restore a backup. The log is never edited.';
const REBUILT =
  'Run it again with --repair: the file is put aside and the store is built again from the log. What the log no longer has (finished tasks, history, counts) is lost.';
const TAKEN_OUT = 'Run it again with --repair: what cannot be read is taken out, and counts as gone.';

const TEXT: Row = {
  severity: 'error',
  cure: 'A section, a version or a side of a conflict cannot be read. Restore a backup that has its text, or give the section a new text.',
  repairable: false,
};

const LOG: Row = { severity: 'error', cure: RESTORE, repairable: false };

export const FILE_ROWS: { readonly [C in FileCode]: Row } = {
  LOG_GAP: LOG,
  LOG_FORK: LOG,
  LOG_CORRUPT: LOG,
  LOG_TRUNCATED: LOG,
  LOG_WRONG_LOG: {
    ...LOG,
    cure: 'Files of two data directories are mixed up here. Put together what belongs together.',
  },
  LOG_IO: { ...LOG, cure: 'The disk could not be read. Copy the data directory to another disk and look again.' },
  LOG_LOCKED: { ...LOG, cure: 'A server runs on this data directory: stop it, or check it with --url.' },
  LOG_VERSION: { ...LOG, cure: 'The data directory is of another version of Muster. Use that one.' },
  HEAD_MISSING: {
    severity: 'error',
    cure: 'Without it nobody can tell whether the log is whole. If it is lost for good, --repair accepts the log as it is.',
    repairable: true,
  },
  SNAPSHOT: {
    severity: 'warning',
    cure: 'Run it again with --repair: the file is put aside and a new snapshot is taken. Until then starts take longer.',
    repairable: true,
  },
  ENGINE: {
    severity: 'error',
    cure: 'The tenant cannot be served by this build. Report it with a copy of the data directory; another build may read on.',
    repairable: false,
  },
  STORE_UNREADABLE: { severity: 'error', cure: REBUILT, repairable: true },
  STORE_CHUNK: { severity: 'error', cure: TAKEN_OUT, repairable: true },
  STORE_HISTORY: { severity: 'warning', cure: TAKEN_OUT, repairable: true },
  STORE_COUNTS: { severity: 'warning', cure: TAKEN_OUT, repairable: true },
  STORE_VERSIONS: { severity: 'warning', cure: TAKEN_OUT, repairable: true },
  STORE_INDEX: {
    severity: 'error',
    cure: 'Run it again with --repair: the rows are made again from the chunks.',
    repairable: true,
  },
  STORE_AHEAD: {
    severity: 'error',
    cure: `The store is of a longer log than the one that is here, so a backup of the log alone was restored. ${REBUILT}`,
    repairable: true,
  },
  STORE_LACKS: {
    severity: 'error',
    cure: 'Run it again with --repair: what the log and its snapshots have is put into the store.',
    repairable: true,
  },
  STORE_DIFFERS: {
    severity: 'error',
    cure: `What the store says of it is not what the log says. ${REBUILT}`,
    repairable: true,
  },
  TEXTS_UNREADABLE: {
    severity: 'error',
    cure: 'blobs.db, in which texts of documents are, cannot be read. Copy the data directory to another disk and look again, or restore a backup.',
    repairable: false,
  },
  TEXT_MISSING: TEXT,
  TEXT_DAMAGED: TEXT,
  TEXT_SIZE: {
    ...TEXT,
    cure: 'The log says another length than the text has. Report it with a copy of the data directory.',
  },
  UPLOADS_LEFT: {
    severity: 'warning',
    cure: 'Run it again with --repair: they are removed. A server that runs does so by itself, within two hours.',
    repairable: true,
  },
};

export function finding(
  code: FileCode,
  of: { readonly message: string; readonly tenant?: string; readonly entity?: string },
): Finding {
  return { code, ...FILE_ROWS[code], ...of };
}
