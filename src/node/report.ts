/**
 * Reports: tasks as rows, as JSON or as lines of CSV.
 *
 * RE1 CSV is that of RFC 4180: lines end in CR LF; a cell with a comma, a quote or a line break is quoted, quotes in it are
 *     doubled.
 * RE2 A text that a spreadsheet would take for a formula (it begins with = + - @, a tab or a line break, also after blanks
 *     or in full width) gets an apostrophe in front, which makes it text there. Numbers are written as they are.
 */
import type { ReportRow } from '../../protocol/wire/observing.ts';
import type { TaskView } from '../../protocol/wire/types.ts';

type Row = { -readonly [K in keyof ReportRow]: ReportRow[K] };

const COLUMNS = [
  'id',
  'type',
  'status',
  'priority',
  'agentId',
  'workspaceId',
  'parentId',
  'retryOf',
  'attempt',
  'losses',
  'dead',
  'createdBy',
  'createdAt',
  'startedAt',
  'finishedAt',
  'waitMs',
  'runMs',
  'errorCode',
  'errorMessage',
  'labels',
] as const satisfies readonly (keyof ReportRow)[];

export function reportRow(task: TaskView): ReportRow {
  const row: Row = {
    id: task.id,
    type: task.type,
    status: task.status,
    priority: task.priority,
    attempt: task.attempt,
    losses: task.losses,
    dead: task.dead ?? false,
    createdBy: task.createdBy,
    createdAt: task.createdAt,
  };
  if (task.agentId !== undefined) row.agentId = task.agentId;
  if (task.workspaceId !== undefined) row.workspaceId = task.workspaceId;
  if (task.parentId !== undefined) row.parentId = task.parentId;
  if (task.retryOf !== undefined) row.retryOf = task.retryOf;
  if (task.startedAt !== undefined) {
    row.startedAt = task.startedAt;
    row.waitMs = Math.max(0, task.startedAt - task.createdAt);
    if (task.finishedAt !== undefined) row.runMs = Math.max(0, task.finishedAt - task.startedAt);
  }
  if (task.finishedAt !== undefined) row.finishedAt = task.finishedAt;
  if (task.error !== undefined) {
    row.errorCode = task.error.code;
    row.errorMessage = task.error.message;
  }
  if (task.labels !== undefined) row.labels = task.labels;
  return row;
}

export const CSV_HEAD = `${COLUMNS.join(',')}\r\n`;

export function csvLine(row: ReportRow): string {
  return `${COLUMNS.map((column) => cell(row[column])).join(',')}\r\n`;
}

function cell(value: ReportRow[keyof ReportRow]): string {
  if (value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const safe = FORMULA.test(text) ? `'${text}` : text; // RE2
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const FORMULA = /^(?:[\t\r\n]|\s*[=+\-@＝＋－＠])/;
