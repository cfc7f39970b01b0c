/**
 * Finished tasks, packed: how they travel to the store's thread and how they are stored.
 *
 * A chunk has two parts: `columns`, a MessagePack array with one row per task (id, rev, type, status, agent,
 * workspace, dead, finishedAt, length of the view, labels, error code, parent), and `views`, their views one after the other. Lists read columns
 * only, until they know which tasks they return.
 */
import { decodeValue, encodeValue, isMap } from '../../protocol/wire/codec.ts';
import type { Queried } from '../../protocol/wire/task-query.ts';
import type { Value } from '../../protocol/wire/types.ts';
import { assert } from '../base/assert.ts';
import type { FinishedTask, TaskFilter } from './port.ts';

export const chunkTasksMax = 128;
const chunkBytes = 256 * 1024;

export interface TaskChunk {
  readonly columns: Uint8Array<ArrayBuffer>;
  readonly views: Uint8Array<ArrayBuffer>;
}

/** What a list filters by. */
export interface TaskRow extends Omit<FinishedTask, 'view'> {
  /** Of the view within the views of the chunk. */
  readonly start: number;
  readonly end: number;
}

export class TaskBuilder {
  readonly #tasks: FinishedTask[] = [];
  #bytes = 0;

  get full(): boolean {
    return this.#tasks.length >= chunkTasksMax || this.#bytes >= chunkBytes;
  }

  get empty(): boolean {
    return this.#tasks.length === 0;
  }

  add(task: FinishedTask): void {
    this.#tasks.push(task);
    this.#bytes += task.view.length;
  }

  /** The chunk; the builder is empty again. */
  build(): TaskChunk {
    const rows = this.#tasks.map((task) => [
      task.id,
      task.rev,
      task.type,
      task.status,
      task.agentId ?? null,
      task.workspaceId ?? null,
      task.dead,
      task.finishedAt,
      task.view.length,
      task.labels ?? null,
      task.errorCode ?? null,
      task.parentId ?? null,
    ]);
    const views = new Uint8Array(this.#bytes);
    let at = 0;
    for (const { view } of this.#tasks) {
      views.set(view, at);
      at += view.length;
    }
    this.#tasks.length = 0;
    this.#bytes = 0;
    return { columns: new Uint8Array(encodeValue(rows)), views };
  }
}

export function rowsOf(columns: Uint8Array): readonly TaskRow[] {
  const rows = decodeValue(columns);
  assert(Array.isArray(rows), 'columns that were not written here');
  const cells: readonly Value[] = rows;
  let start = 0;
  return cells.map((row) => {
    const task = rowOf(row, start);
    start = task.end;
    return task;
  });
}

function rowOf(value: Value, start: number): TaskRow {
  assert(Array.isArray(value), 'a row that was not written here');
  const row: readonly Value[] = value;
  const [id, rev, type, status, agentId, workspaceId, dead, finishedAt, length, labels, errorCode, parentId] = row;
  assert(typeof id === 'string' && typeof type === 'string' && typeof status === 'string', 'a row has its texts');
  assert(
    typeof rev === 'number' && typeof finishedAt === 'number' && typeof length === 'number',
    'a row has its numbers',
  );
  return {
    id,
    rev,
    type,
    status,
    dead: dead === true,
    finishedAt,
    start,
    end: start + length,
    ...(typeof agentId === 'string' ? { agentId } : undefined),
    ...(typeof workspaceId === 'string' ? { workspaceId } : undefined),
    ...(isTexts(labels) ? { labels } : undefined),
    ...(typeof errorCode === 'string' ? { errorCode } : undefined),
    ...(typeof parentId === 'string' ? { parentId } : undefined),
  };
}

function isTexts(value: Value | undefined): value is { readonly [key: string]: string } {
  return value !== undefined && isMap(value) && Object.values(value).every((text) => typeof text === 'string');
}

/** A view as far as a query looks at it. */
export function queriedOf(view: Uint8Array): Queried {
  const task = decodeValue(view);
  assert(isMap(task), 'a view is a map');
  const { type, status, agentId, workspaceId, labels, error, dead, createdAt, finishedAt } = task;
  return {
    type: typeof type === 'string' ? type : '',
    status: typeof status === 'string' ? status : '',
    agentId: typeof agentId === 'string' ? agentId : undefined,
    workspaceId: typeof workspaceId === 'string' ? workspaceId : undefined,
    labels: isTexts(labels) ? labels : undefined,
    error: isTexts(error) ? { code: error['code'] ?? '', message: error['message'] ?? '' } : undefined,
    dead: dead === true,
    createdAt: typeof createdAt === 'number' ? createdAt : 0,
    finishedAt: typeof finishedAt === 'number' ? finishedAt : undefined,
  };
}

export function taskOf(row: TaskRow, view: Uint8Array): FinishedTask {
  const { start: _start, end: _end, ...task } = row;
  return { ...task, view };
}

export function matches(filter: TaskFilter, task: Omit<FinishedTask, 'view'>): boolean {
  return (
    (filter.below === undefined || task.id < filter.below) &&
    (filter.above === undefined || task.id > filter.above) &&
    (filter.status === undefined || task.status === filter.status) &&
    (filter.type === undefined || task.type === filter.type) &&
    (filter.agentId === undefined || task.agentId === filter.agentId) &&
    (filter.workspaceId === undefined || task.workspaceId === filter.workspaceId) &&
    (filter.parentId === undefined || task.parentId === filter.parentId) &&
    (filter.dead === undefined || task.dead)
  );
}

/** What a list or a search may filter by, and a task has. */
export interface Filtered {
  readonly status?: string | undefined;
  readonly type?: string | undefined;
  readonly agentId?: string | undefined;
  readonly workspaceId?: string | undefined;
  readonly parentId?: string | undefined;
  readonly dead?: boolean | undefined;
  readonly labels?: { readonly [key: string]: string } | undefined;
  readonly errorCode?: string | undefined;
}

/** Keys under which a chunk can be found by a filter: every key of the filter is among those of a matching task. */
export function filterKeys(of: Filtered): string[] {
  const keys: string[] = [];
  if (of.status !== undefined) keys.push(`s:${of.status}`);
  if (of.type !== undefined) keys.push(`y:${of.type}`);
  if (of.agentId !== undefined) keys.push(`a:${of.agentId}`);
  if (of.workspaceId !== undefined) keys.push(`w:${of.workspaceId}`);
  if (of.parentId !== undefined) keys.push(`p:${of.parentId}`);
  if (of.dead === true) keys.push('d');
  for (const [name, value] of Object.entries(of.labels ?? {})) keys.push(`l:${name}=${value}`);
  if (of.errorCode !== undefined) keys.push(`e:${of.errorCode}`);
  return keys;
}
