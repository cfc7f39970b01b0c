/** What the papers say and what the code says, compared both ways. */
import { CLOSE, ERROR_CODES } from '../../protocol/wire/codes.ts';
import { OPERATIONS } from '../../protocol/wire/operations.ts';
import { Op, ROLES } from '../../protocol/wire/types.ts';
import type { Problem } from './source.ts';

export const ARCHITECTURE_LINES = 300;

/** Codes of a failed task that the server itself sets: values of `task.error.code`, not answers to requests. */
const TASK_ERRORS = ['TIMEOUT', 'PROGRESS_TIMEOUT', 'DEADLINE', 'AGENT_LOST', 'INFRASTRUCTURE_LOST', 'NOT_REACHED'];

/** Cells of the first table behind the heading, without its head; undefined if there is none. */
function tableUnder(text: string, heading: RegExp): readonly (readonly string[])[] | undefined {
  const start = text.search(heading);
  if (start < 0) return undefined;
  const rows = /(?:^\|.*\|[ ]*\n)+/m.exec(text.slice(start))?.[0].trimEnd().split('\n');
  return rows?.slice(2).map((row) =>
    row
      .slice(1, row.lastIndexOf('|'))
      .split('|')
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
}

/** Rows that one side has and the other has not. */
function difference(what: string, paper: readonly string[] | undefined, code: readonly string[]): string[] {
  if (paper === undefined) return [`has no table of ${what}.`];
  return [
    ...code.filter((row) => !paper.includes(row)).map((row) => `lacks this row of ${what}: ${row}`),
    ...paper.filter((row) => !code.includes(row)).map((row) => `has a row of ${what} that the code does not: ${row}`),
  ];
}

function operationRows(): string[] {
  const columns = [...ROLES.filter((role) => role !== 'operator'), 'operator'] as const;
  return Object.entries(OPERATIONS).map(([method, operation]) => {
    const roles = columns.map((role) => (operation.roles.includes(role) ? 'yes' : ''));
    return [method, operation.class, operation.access, operation.ends ? 'yes' : '', ...roles].join(' | ');
  });
}

export function checkProtocolPaper(text: string): Problem[] {
  const table = (heading: RegExp) => tableUnder(text, heading);
  const joined = (heading: RegExp) => table(heading)?.map((row) => row.join(' | '));
  const errors = Object.entries(ERROR_CODES).map(([code, row]) =>
    [code, row.type, row.retryable ? 'yes' : 'no', row.message].join(' | '),
  );
  const closes = Object.entries(CLOSE).map(([name, row]) => [row.code, name, row.reason, row.message].join(' | '));
  const ops = Object.entries(Op).map(([name, op]) => `${op} | ${name}`);
  const methods = Object.keys(OPERATIONS);
  const headings = [...text.matchAll(/^### ([a-zA-Z]+\.[a-zA-Z]+)$/gm)].map((match) => match[1] ?? '');
  const known = new Set([...Object.keys(ERROR_CODES), ...Object.keys(CLOSE), ...Object.keys(Op), ...TASK_ERRORS]);
  const cited = [...text.matchAll(/`([A-Z][A-Z_]{2,})`/g)].map((match) => match[1] ?? '');
  const cures = [
    ...difference('error codes', joined(/^#+ .*error codes/im), errors),
    ...difference('close codes', joined(/^#+ .*close codes/im), closes),
    ...difference('methods', joined(/^#+ .*methods/im), operationRows()),
    ...difference(
      'frames',
      table(/^#+ .*\bframes/im)?.map(([op, name]) => `${op} | ${name}`),
      ops,
    ),
    ...difference('headings of methods', headings, methods),
    ...cited.filter((code) => !known.has(code)).map((code) => `names ${code}, which is no code.`),
  ];
  return cures.map((cure) => ({
    rule: 'protocol paper',
    path: 'protocol/PROTOCOL.md',
    line: 1,
    cure: `PROTOCOL.md ${cure}`,
  }));
}

export interface Repository {
  /** Folders of src, as `src/engine`. */
  readonly folders: readonly string[];
  /** Whether a file or folder is there; relative to the root. */
  exists(path: string): boolean;
}

export function checkArchitecture(text: string, repository: Repository): Problem[] {
  const lines = text.split('\n').length - 1;
  const paths = [...text.matchAll(/`((?:src|protocol|test|bench|docs|scripts)\/[\w./-]*)`/g)].map(
    (match) => match[1] ?? '',
  );
  const cures = [
    ...(lines > ARCHITECTURE_LINES ? [`has ${lines} lines, ${ARCHITECTURE_LINES} are the most.`] : []),
    ...[...new Set(paths)]
      .filter((path) => !repository.exists(path))
      .map((path) => `names ${path}, which is not there.`),
    ...repository.folders
      .filter((folder) => !text.includes(`\`${folder}/\``))
      .map((folder) => `does not say what lives in ${folder}/.`),
  ];
  return cures.map((cure) => ({
    rule: 'architecture',
    path: 'docs/ARCHITECTURE.md',
    line: 1,
    cure: `ARCHITECTURE.md ${cure}`,
  }));
}

/** Relative links between papers lead somewhere. */
export function checkLinks(path: string, text: string, exists: (path: string) => boolean): Problem[] {
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  const links = [...text.matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? '');
  return links
    .filter((link) => !exists(new URL(link, `file:///${folder}`).pathname.slice(1)))
    .map((link) => ({ rule: 'links', path, line: 1, cure: `${link} leads nowhere.` }));
}
