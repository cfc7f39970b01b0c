/** The schemas of the methods of locks. */
import { z } from 'zod';
import { LIMITS } from '../wire/limits.ts';
import { LOCK_MODES, LOCK_SCOPES, lockPathFault, type LockParams } from '../wire/locks.ts';
import { cursor, distinct, fence, id, int, limit, metadata, text } from './fields.ts';

export const LOCK_PATH_BOUNDS = { bytes: LIMITS.lockPathBytes, segments: LIMITS.lockSegmentsMax };

/** Of locks, as they are named. */
export const lockPath: z.ZodType<string> = z.string().check((check) => {
  const reason = lockPathFault(check.value, LOCK_PATH_BOUNDS);
  if (reason !== undefined) check.issues.push({ code: 'custom', message: reason, input: check.value });
});
const mode = z.enum(LOCK_MODES);
const held = { id, token: fence };
const page = { limit: limit.exactOptional(), cursor: cursor.exactOptional() };
const ttlMs = int(LIMITS.lockTtlMsMin, LIMITS.lockTtlMsMax).exactOptional();
const waitMs = int(0, LIMITS.lockWaitMsMax).exactOptional();
const graceMs = int(0, LIMITS.lockGraceMsMax).exactOptional();

/** What may be said of a lock that is acquired. */
export const LOCK_OPTIONS = {
  waitMs,
  ttlMs,
  autoRefresh: z.boolean().exactOptional(),
  graceMs,
  lockDelayMs: int(0, LIMITS.lockDelayMsMax).exactOptional(),
  external: z.boolean().exactOptional(),
  progressTimeoutMs: int(LIMITS.lockTtlMsMin, LIMITS.lockTtlMsMax).exactOptional(),
  scope: z.enum(LOCK_SCOPES).exactOptional(),
  metadata: metadata.exactOptional(),
};

const member = z.object({ path: lockPath, mode: mode.exactOptional() });

/** What a task needs locked. */
export const taskLocks = z.array(member).min(1).max(LIMITS.taskLocksMax);

const release = z
  .object({
    ...held,
    all: z.boolean().exactOptional(),
    paths: distinct(lockPath, LIMITS.lockPathsMax, (one) => one).exactOptional(),
  })
  .refine(({ all, paths }) => paths === undefined || (paths.length > 0 && all === undefined), {
    error: 'must name some, and goes without all',
    path: ['paths'],
  });

export const LOCK_SCHEMAS: { readonly [M in keyof LockParams]: z.ZodType<LockParams[M]> } = {
  'lock.acquire': member.extend(LOCK_OPTIONS),
  'lock.acquireAll': z.object({ locks: z.array(member).min(1).max(LIMITS.lockPathsMax), ...LOCK_OPTIONS }),
  'lock.extend': z.object({ ...held, ttlMs }),
  'lock.release': release,
  'lock.convert': z.object({ ...held, mode, path: lockPath.exactOptional(), waitMs }),
  'lock.cancel': z.object({ requestId: id }),
  'lock.forceUnlock': z.object({
    path: lockPath,
    reason: text(LIMITS.reasonBytes),
    expectToken: fence.exactOptional(),
    graceMs,
  }),
  'lock.get': z.object({ path: lockPath, limit: limit.exactOptional() }),
  'lock.list': z.object({ owner: id.exactOptional(), prefix: lockPath.exactOptional(), ...page }),
  'lock.validate': z.object(held),
  'lock.graph': z.object({ prefix: lockPath.exactOptional(), ...page }),
};
