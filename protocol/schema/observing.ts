/** The schemas of the methods that show how work goes. */
import { z } from 'zod';
import { LIMITS } from '../wire/limits.ts';
import { REPORT_FORMATS, STATS_BY, type ObservingParams } from '../wire/observing.ts';
import { TASK_STATUSES } from '../wire/types.ts';
import { cursor, id, instant, int, labels, limit, name, text } from './fields.ts';

const page = { limit: limit.exactOptional(), cursor: cursor.exactOptional() };
const typeName = name(LIMITS.typeBytes);

const taskQuery = {
  status: z.enum(TASK_STATUSES).exactOptional(),
  type: typeName.exactOptional(),
  agentId: id.exactOptional(),
  workspaceId: id.exactOptional(),
  labels: labels.exactOptional(),
  errorCode: name(LIMITS.nameBytes).exactOptional(),
  text: text(LIMITS.searchTextBytes)
    .refine((one) => one !== '', { error: 'must not be empty' })
    .exactOptional(),
  dead: z.boolean().exactOptional(),
  createdFrom: instant.exactOptional(),
  createdTo: instant.exactOptional(),
  finishedFrom: instant.exactOptional(),
  finishedTo: instant.exactOptional(),
};

export const OBSERVING_SCHEMAS: { readonly [M in keyof ObservingParams]: z.ZodType<ObservingParams[M]> } = {
  'agent.inbox': z.object({ id: id.exactOptional(), ...page }),
  'task.timeline': z.object({
    id,
    limit: int(1, LIMITS.timelineMax).exactOptional(),
    cursor: cursor.exactOptional(),
  }),
  'task.search': z.object({ ...taskQuery, ...page }),
  'task.report': z.object({
    ...taskQuery,
    format: z.enum(REPORT_FORMATS).exactOptional(),
    limit: int(1, LIMITS.reportRowsMax).exactOptional(),
    cursor: cursor.exactOptional(),
  }),
  'task.stats': z
    .object({
      by: z.enum(STATS_BY).exactOptional(),
      type: typeName.exactOptional(),
      agentId: id.exactOptional(),
      windowMs: int(60_000, LIMITS.statsHoursMs).exactOptional(),
      ...page,
    })
    .refine((one) => one.type === undefined || one.agentId === undefined, {
      error: 'does not go with type',
      path: ['agentId'],
    }),
  'tenant.check': z.object({ limit: limit.exactOptional() }),
  'tenant.mend': z.object({}),
  'task.backlog': z.object({ type: typeName.exactOptional(), limit: limit.exactOptional() }),
};
