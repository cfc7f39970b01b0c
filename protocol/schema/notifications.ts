/** The schemas of the methods of notifications. */
import { z } from 'zod';
import { LIMITS } from '../wire/limits.ts';
import type { NotificationAudience } from '../wire/notifications.ts';
import { PRIORITIES } from '../wire/types.ts';
import { distinct, id, int, name, payload, text } from './fields.ts';

const absent = z.never().exactOptional();
const none = { all: absent, agentIds: absent, capability: absent, workspaceId: absent };
const agentIds = distinct(id, LIMITS.notificationAgentsMax, (one) => one).refine((all) => all.length > 0);

/** Exactly one of these: audiences are not combined. */
const audience: z.ZodType<NotificationAudience> = z.union(
  [
    z.object({ ...none, all: z.literal(true) }),
    z.object({ ...none, agentIds }),
    z.object({ ...none, capability: name(LIMITS.typeBytes) }),
    z.object({ ...none, workspaceId: id }),
  ],
  {
    error: `must be {all: true}, {agentIds: 1 to ${LIMITS.notificationAgentsMax} distinct ids}, {capability} or {workspaceId}`,
  },
);

const said = {
  type: name(LIMITS.typeBytes),
  message: text(LIMITS.notificationBytes),
  priority: z.enum(PRIORITIES).exactOptional(),
  data: payload.exactOptional(),
  ttlMs: int(0, LIMITS.notificationTtlMsMax).exactOptional(),
};

export const NOTIFICATION_SCHEMAS = {
  'notification.send': z.object({ agentId: id, ...said }),
  'notification.broadcast': z.object({ audience, ...said }),
};
