/** What reads are made of: their parts, and how they answer. */
import { decodeValue, encodeValue } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Data, TaskView } from '../../protocol/wire/types.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { Calendar } from '../calendar/index.ts';
import type { Backlog } from '../engine/queries.ts';
import type { TenantStore } from '../store/port.ts';
import type { Principal, Reply } from './port.ts';
import type { BlobTransfers } from './blobs.ts';
import type { DocumentIndex } from './document-index.ts';
import type { Documents } from './documents.ts';
import type { Inspections } from './inspections.ts';
import type { Tenant } from './tenant.ts';

export interface ReadParts {
  readonly tenant: Tenant;
  readonly store: TenantStore;
  readonly scheduler: Scheduler;
  readonly backlog: () => Backlog;
  readonly calendar: Calendar;
  readonly inspections: Inspections;
  readonly documents: Documents;
  readonly blobs: BlobTransfers;
  readonly index: DocumentIndex | undefined;
  readonly caller: { readonly session: string; readonly principal: Principal };
}

export type Answer = (reply: Reply) => void;

export function now(parts: ReadParts, result: Data, done: Answer): void {
  const { rev } = parts.tenant.engine.state;
  parts.scheduler.defer(() => done({ ok: true, rev, result }));
}

export function refuse(
  parts: ReadParts,
  rejection: Extract<Reply, { readonly ok: false }>['rejection'],
  done: Answer,
): void {
  parts.scheduler.defer(() => done({ ok: false, rejection }));
}

/** To say that there is no such task would be wrong: it ended, and what became of it cannot be read. */
export const DAMAGED: Extract<Reply, { readonly ok: false }> = {
  ok: false,
  rejection: { code: 'INTERNAL', message: "The task has ended, and its record is damaged on the server's disk." },
};

export function withCursor(result: object, cursor: string | undefined): object {
  return cursor === undefined ? result : { ...result, cursor };
}

/** A finished task as it was put into the store. */
export function viewOf({ view }: { readonly view: Uint8Array }): TaskView {
  return decodeValue(view) as unknown as TaskView;
}

/** As lists have it: without the data of its checkpoint. */
export function listedView(found: { readonly view: Uint8Array }): TaskView {
  const view = viewOf(found);
  if (view.checkpoint === undefined) return view;
  const { data: _, ...checkpoint } = view.checkpoint;
  return { ...view, checkpoint };
}

/** As many as fit into an answer, at least one. */
export function fitting<T extends object>(tasks: readonly T[]): readonly T[] {
  let bytes = 0;
  for (const [i, task] of tasks.entries()) {
    bytes += encodeValue(task).length;
    if (i > 0 && bytes > LIMITS.pageBytes) return tasks.slice(0, i);
  }
  return tasks;
}
