import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { CheckOptions } from './history.ts';

export const DEFAULT_OPTIONS: CheckOptions = {
  leaseMs: LIMITS.leaseMs,
  recoveryGraceMs: LIMITS.recoveryGraceMs,
  stopMs: LIMITS.stopMs,
  resumeWindowMs: LIMITS.resumeWindowMs,
  liveGapMs: LIMITS.liveGapMs,
  ringPushes: LIMITS.ringPushesMax,
  remembered: LIMITS.remembered,
  idempotencyMs: LIMITS.idempotencyMs,
  progressMs: LIMITS.progressMs,
  lossesMax: LIMITS.lossesMax,
  excludedMax: LIMITS.excludedMax,
  treeDepthMax: LIMITS.treeDepthMax,
  childrenMax: LIMITS.childrenMax,
  treeTasksMax: LIMITS.treeTasksMax,
  delegationsMax: LIMITS.delegationsMax,
  pingTimeoutMs: LIMITS.pingTimeoutMs,
  lockGraceMs: LIMITS.lockGraceMs,
  lockDelayMs: LIMITS.lockDelayMs,
  lockTtlMs: LIMITS.lockTtlMs,
  notificationsKept: LIMITS.notificationsKept,
  documentVersionsKept: LIMITS.documentVersionsKept,
  timerSlackMs: 1_000,
  idleSlackMs: 15_000,
  violationsMax: 100,
};
