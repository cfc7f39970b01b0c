/**
 * The schema of the params of every method. A method without one does not compile.
 *
 * Unknown keys are dropped, defaults are not filled in: what is absent stays absent.
 */
import { z } from 'zod';
import { LIMITS } from '../wire/limits.ts';
import { LETTER_STATES, type LetterEdit } from '../wire/letters.ts';
import { isScope } from '../wire/operations.ts';
import { parseSelector } from '../wire/selectors.ts';
import { AGGREGATIONS, CHILD_POLICIES, COMPLETION_MODES, type TaskDistribute } from '../wire/trees.ts';
import { MISSED_POLICIES, OVERLAPS, SCHEDULE_STATUSES } from '../wire/schedules.ts';
import { RULE_ON_ERROR, type PlainStrategy, type RuleAdd, type RuleUpdate } from '../wire/rules.ts';
import { OF_SEVERAL } from './faults.ts';
import { CONCURRENCY_POLICIES, STICKY_MODES } from '../wire/placing.ts';
import {
  AGENT_STATUSES,
  DECLARED_STATUSES,
  PRIORITIES,
  STRATEGY_NAMES,
  TASK_STATUSES,
  type AgentShape,
  type Method,
  type Params,
  type Strategy,
  type TaskCreate,
} from '../wire/types.ts';
import {
  capability,
  cursor,
  distinct,
  fence,
  id,
  instant,
  int,
  labels,
  limit,
  metadata,
  name,
  payload,
  position,
  REASON,
  text,
  subscription,
  topic,
} from './fields.ts';
import { OBSERVING_SCHEMAS } from './observing.ts';
import { CONTROL_SCHEMAS } from './control.ts';
import { NOTIFICATION_SCHEMAS } from './notifications.ts';
import { LOCK_SCHEMAS, taskLocks } from './locks.ts';
import { COMMENT_SCHEMAS } from './comments.ts';
import { BLOB_SCHEMAS } from './blobs.ts';
import { DOCUMENT_SCHEMAS } from './documents.ts';
import { WORKSPACE_SCHEMAS } from './workspaces.ts';
import { isName, isTenantId } from './text.ts';

export const KEY_ROLES = ['admin', 'member', 'agent', 'viewer'] as const;
export const STRATEGY_SCOPES = ['tenant', 'type', 'workspace'] as const;
export const MODES = ['assign', 'offer'] as const;
export const ON_LOST = ['requeue', 'hold', 'fail'] as const;
export const PUBLISH_KINDS = ['reliable', 'latest', 'ephemeral'] as const;

const held = { id, token: fence };
const page = { limit: limit.exactOptional(), cursor: cursor.exactOptional() };
const typeName = name(LIMITS.typeBytes);
const durationMs = int(LIMITS.timeoutMsMin, LIMITS.delayMsMax);

const capabilities = distinct(capability, LIMITS.capabilitiesMax, (one) => (typeof one === 'string' ? one : one.name));

/** What of an agent can be changed while it works. */
const agentParts = {
  capacity: int(1, LIMITS.capacityMax).exactOptional(),
  cost: int(0, LIMITS.costMax).exactOptional(),
  labels: labels.exactOptional(),
  metadata: metadata.exactOptional(),
  endpoint: name(LIMITS.endpointBytes).exactOptional(),
  onLost: z.enum(ON_LOST).exactOptional(),
  acceptMs: int(LIMITS.acceptMsMin, LIMITS.acceptMsMax).exactOptional(),
};

export const agentShape: z.ZodType<AgentShape> = z.object({
  name: name(LIMITS.nameBytes),
  type: typeName.exactOptional(),
  capabilities,
  ...agentParts,
  instance: z
    .string()
    .refine((one) => one === '' || isName(one, LIMITS.nameBytes), {
      error: `must be empty or ${REASON.name(LIMITS.nameBytes).slice(8)}`,
    })
    .exactOptional(),
  running: z.array(z.object(held)).max(LIMITS.runningMax).exactOptional(),
});

const retryPolicy = z.object({
  maxAttempts: int(1, LIMITS.attemptsMax).exactOptional(),
  initialDelayMs: int(0, LIMITS.retryDelayMsMax).exactOptional(),
  maxDelayMs: int(0, LIMITS.retryDelayMsMax).exactOptional(),
  factor: int(1, LIMITS.retryFactorMax).exactOptional(),
});

const workKey = name(LIMITS.workKeyBytes);

const selector = text(LIMITS.selectorBytes).refine((one) => parseSelector(one) !== undefined, {
  error: 'must be a selector such as gpu, !spot, zone=eu, zone in (eu, us) or mem>=32',
});

const sticky = z.object({
  key: workKey,
  mode: z.enum(STICKY_MODES).exactOptional(),
  ttlMs: durationMs.exactOptional(),
});

const concurrency = z.object({
  key: workKey,
  max: int(1, LIMITS.concurrencyMax),
  policy: z.enum(CONCURRENCY_POLICIES).exactOptional(),
});

const strategySet = z
  .object({
    scope: z.enum(STRATEGY_SCOPES),
    name: typeName.exactOptional(),
    strategy: z.enum(STRATEGY_NAMES).nullable(),
  })
  .refine((one) => (one.scope === 'tenant') === (one.name === undefined), {
    error: 'goes with every scope but tenant',
    path: ['name'],
  });

const isPlain = (name: Strategy): name is PlainStrategy => name !== 'rule_based';
const plainStrategy = z.enum(STRATEGY_NAMES.filter(isPlain));
const ruleName = name(LIMITS.nameBytes);
const ruleOrder = int(0, LIMITS.ruleOrderMax);
const ruleSource = text(LIMITS.ruleSourceBytes).refine((one) => one.trim() !== '', { error: 'must not be blank' });

const ruleAdd: z.ZodType<RuleAdd> = z
  .object({
    name: ruleName,
    order: ruleOrder.exactOptional(),
    type: typeName.exactOptional(),
    workspaceId: id.exactOptional(),
    condition: ruleSource.exactOptional(),
    filter: ruleSource.exactOptional(),
    prefer: ruleSource.exactOptional(),
    strategy: plainStrategy.exactOptional(),
    onError: z.enum(RULE_ON_ERROR).exactOptional(),
    enabled: z.boolean().exactOptional(),
  })
  .refine((rule) => rule.filter !== undefined || rule.prefer !== undefined || rule.strategy !== undefined, {
    error: 'a rule has a filter, a prefer or a strategy',
  });

const ruleUpdate: z.ZodType<RuleUpdate> = z.object({
  name: ruleName,
  order: ruleOrder.exactOptional(),
  type: typeName.nullable().exactOptional(),
  workspaceId: id.nullable().exactOptional(),
  condition: ruleSource.nullable().exactOptional(),
  filter: ruleSource.nullable().exactOptional(),
  prefer: ruleSource.nullable().exactOptional(),
  strategy: plainStrategy.nullable().exactOptional(),
  onError: z.enum(RULE_ON_ERROR).exactOptional(),
  enabled: z.boolean().exactOptional(),
});

const taskCreateParts = {
  type: typeName,
  priority: z.enum(PRIORITIES).exactOptional(),
  parameters: payload.exactOptional(),
  requirements: distinct(typeName, LIMITS.requirementsMax, (one) => one).exactOptional(),
  labels: labels.exactOptional(),
  strategy: z.enum(STRATEGY_NAMES).exactOptional(),
  selectors: distinct(selector, LIMITS.selectorsMax, (one) => one).exactOptional(),
  sticky: sticky.exactOptional(),
  concurrency: concurrency.exactOptional(),
  locks: taskLocks.exactOptional(),
  workspaceId: id.exactOptional(),
  parentId: id.exactOptional(),
  parentToken: fence.exactOptional(),
  timeoutMs: durationMs.exactOptional(),
  progressTimeoutMs: durationMs.exactOptional(),
  deadlineMs: durationMs.exactOptional(),
  delayMs: int(0, LIMITS.delayMsMax).exactOptional(),
  retry: retryPolicy.exactOptional(),
  mode: z.enum(MODES).exactOptional(),
  watch: z.boolean().exactOptional(),
};

const taskShape = z.object(taskCreateParts);

const taskCreate: z.ZodType<TaskCreate> = taskShape;

const letterEdit: z.ZodType<LetterEdit> = taskShape
  .omit({ type: true, delayMs: true, watch: true, parentId: true })
  .extend({ type: typeName.exactOptional() });

const letterFilter = {
  type: typeName.exactOptional(),
  status: z.enum(['failed', 'timed_out']).exactOptional(),
  agentId: id.exactOptional(),
  workspaceId: id.exactOptional(),
  code: name(LIMITS.nameBytes).exactOptional(),
  from: instant.exactOptional(),
  until: instant.exactOptional(),
};

const scheduleParts = {
  name: name(LIMITS.nameBytes).exactOptional(),
  at: instant.exactOptional(),
  delayMs: int(0, LIMITS.delayMsMax).exactOptional(),
  everyMs: int(LIMITS.everyMsMin, LIMITS.delayMsMax).exactOptional(),
  cron: name(LIMITS.cronBytes).exactOptional(),
  timeZone: name(LIMITS.timeZoneBytes).exactOptional(),
  overlap: z.enum(OVERLAPS).exactOptional(),
  missed: z.enum(MISSED_POLICIES).exactOptional(),
  missedMax: int(1, LIMITS.missedRunsMax).exactOptional(),
};
const jitterMs = int(0, LIMITS.jitterMsMax);
const maxRuns = int(1, Number.MAX_SAFE_INTEGER);

interface Timing {
  readonly at?: number;
  readonly delayMs?: number;
  readonly everyMs?: number;
  readonly cron?: string;
}

function timings({ at, delayMs, everyMs, cron }: Timing): number {
  return [at, delayMs, everyMs, cron].filter((one) => one !== undefined).length;
}

const scheduleCreate = z
  .object({
    ...scheduleParts,
    task: taskCreate,
    jitterMs: jitterMs.exactOptional(),
    startAt: instant.exactOptional(),
    endAt: instant.exactOptional(),
    maxRuns: maxRuns.exactOptional(),
  })
  .refine((one) => timings(one) === 1, {
    error: 'exactly one of at, delayMs, everyMs and cron is needed',
    path: ['at'],
    params: OF_SEVERAL,
  })
  .refine((one) => one.timeZone === undefined || one.cron !== undefined, {
    error: 'goes with cron',
    path: ['timeZone'],
  });

const scheduleUpdate = z
  .object({
    id,
    ...scheduleParts,
    task: taskCreate.exactOptional(),
    jitterMs: jitterMs.nullable().exactOptional(),
    startAt: instant.nullable().exactOptional(),
    endAt: instant.nullable().exactOptional(),
    maxRuns: maxRuns.nullable().exactOptional(),
  })
  .refine((one) => timings(one) <= 1, {
    error: 'at most one of at, delayMs, everyMs and cron',
    path: ['at'],
    params: OF_SEVERAL,
  })
  .refine((one) => one.timeZone === undefined || one.cron !== undefined, {
    error: 'goes with cron',
    path: ['timeZone'],
  });

const part = z.object({
  type: typeName.exactOptional(),
  parameters: payload.exactOptional(),
  requirements: taskCreateParts.requirements,
  selectors: taskCreateParts.selectors,
  labels: labels.exactOptional(),
  priority: z.enum(PRIORITIES).exactOptional(),
});

const taskDistribute: z.ZodType<TaskDistribute> = z
  .object({
    ...taskCreateParts,
    parts: z.array(part).min(1).max(LIMITS.partsMax).exactOptional(),
    copies: int(1, LIMITS.partsMax).exactOptional(),
    each: z.object({ max: int(1, LIMITS.eachMax).exactOptional() }).exactOptional(),
    completion: z
      .object({ mode: z.enum(COMPLETION_MODES), threshold: int(1, LIMITS.partsMax).exactOptional() })
      .exactOptional(),
    aggregate: z.object({ kind: z.enum(AGGREGATIONS), by: typeName.exactOptional() }).exactOptional(),
  })
  .refine(({ parts, copies, each }) => [parts, copies, each].filter((one) => one !== undefined).length === 1, {
    error: 'needs one of parts, copies and each',
    path: ['parts'],
    params: OF_SEVERAL,
  })
  .refine(({ completion }) => completion?.mode !== 'threshold' || completion.threshold !== undefined, {
    error: 'is required for mode threshold',
    path: ['completion', 'threshold'],
  })
  .refine(
    ({ completion }) =>
      completion?.threshold === undefined || completion.mode === 'threshold' || completion.mode === 'best_of',
    { error: 'goes with the modes threshold and best_of', path: ['completion', 'threshold'] },
  )
  .refine(
    ({ completion, parts, copies }) => {
      const count = parts?.length ?? copies;
      return completion?.threshold === undefined || count === undefined || completion.threshold <= count;
    },
    { error: 'is more than there are parts', path: ['completion', 'threshold'] },
  );

const delegateTo = z
  .object({
    agent: name(LIMITS.nameBytes).exactOptional(),
    capability: typeName.exactOptional(),
    selectors: taskCreateParts.selectors,
  })
  .refine(({ agent, capability, selectors = [] }) => (agent ?? capability ?? selectors[0]) !== undefined, {
    error: 'needs an agent, a capability or selectors',
  })
  .refine(({ agent, capability, selectors }) => agent === undefined || (capability ?? selectors) === undefined, {
    error: 'goes without capability and selectors',
    path: ['agent'],
  });

const taskError = z.object({ code: name(LIMITS.nameBytes), message: text(LIMITS.errorMessageBytes) });

const tenantId = z.string().refine(isTenantId, { error: 'must be 1 to 32 characters a–z 0–9 -, not beginning with -' });

const scope = name(LIMITS.nameBytes).refine(isScope, { error: 'must be a method or a class of methods' });

const apiKeyCreate = z
  .object({
    role: z.enum(KEY_ROLES),
    agent: name(LIMITS.nameBytes).exactOptional(),
    expiresAt: instant.exactOptional(),
    scopes: distinct(scope, LIMITS.scopesMax, (one) => one).exactOptional(),
    tenant: tenantId.exactOptional(),
  })
  .refine((key) => (key.role === 'agent') === (key.agent !== undefined), {
    error: 'is required for role agent, and for no other',
    path: ['agent'],
  })
  .refine(
    ({ tenant, role, expiresAt, scopes }) => tenant === undefined || (role === 'admin' && !expiresAt && !scopes),
    {
      error: 'goes with role admin, without expiresAt and scopes',
      path: ['tenant'],
    },
  );

export const METHOD_SCHEMAS: { readonly [M in Method]: z.ZodType<Params[M]> } = {
  ...OBSERVING_SCHEMAS,
  'session.snapshot': z.object({ cursor: cursor.exactOptional() }),
  'agent.register': agentShape,
  'agent.get': z.object({ id }),
  'agent.list': z.object({
    status: z.enum(AGENT_STATUSES).exactOptional(),
    capability: typeName.exactOptional(),
    name: name(LIMITS.nameBytes).exactOptional(),
    labels: labels.exactOptional(),
    available: z.boolean().exactOptional(),
    maxLoad: z.number().min(0).max(1).exactOptional(),
    ...page,
  }),
  'agent.update': z.object({
    id: id.exactOptional(),
    capabilities: capabilities.exactOptional(),
    ...agentParts,
  }),
  'agent.status': z.object({
    id: id.exactOptional(),
    status: z.enum(DECLARED_STATUSES),
    reason: text(LIMITS.reasonBytes).exactOptional(),
  }),
  'agent.drain': z.object({
    id: id.exactOptional(),
    deadlineMs: durationMs.exactOptional(),
    reason: text(LIMITS.reasonBytes).exactOptional(),
  }),
  'agent.workload': z.object({ id: id.exactOptional() }),
  'agent.heartbeat': z.object({}),
  'agent.deregister': z.object({ id: id.exactOptional() }),
  'strategy.set': strategySet,
  'strategy.get': z.object({}),
  'rule.add': ruleAdd,
  'rule.update': ruleUpdate,
  'rule.reorder': z.object({ names: distinct(ruleName, LIMITS.rulesMax, (one) => one) }),
  'rule.remove': z.object({ name: ruleName }),
  'rule.get': z.object({ name: ruleName }),
  'rule.list': z.object(page),
  'task.create': taskCreate,
  'task.createBatch': z.object({ tasks: z.array(taskCreate).min(1).max(LIMITS.batchMax) }),
  'task.get': z.object({ id }),
  'task.explain': z.object({ id, limit: limit.exactOptional() }),
  'task.list': z.object({
    status: z.enum(TASK_STATUSES).exactOptional(),
    type: typeName.exactOptional(),
    agentId: id.exactOptional(),
    workspaceId: id.exactOptional(),
    ...page,
  }),
  'task.accept': z.object(held),
  'task.reject': z.object({ ...held, reason: text(LIMITS.reasonBytes) }),
  'task.start': z.object(held),
  'task.progress': z.object({
    ...held,
    percentComplete: z.number().min(0).max(100).transform(Math.floor),
    status: text(LIMITS.reasonBytes).exactOptional(),
  }),
  'task.complete': z.object({
    ...held,
    output: payload.exactOptional(),
    children: z.enum(CHILD_POLICIES).exactOptional(),
  }),
  'task.fail': z.object({ ...held, error: taskError, retryable: z.boolean().exactOptional() }),
  'task.release': z.object({ ...held, delayMs: int(0, LIMITS.delayMsMax).exactOptional() }),
  'task.cancel': z.object({
    id,
    reason: text(LIMITS.reasonBytes).exactOptional(),
    children: z.enum(['cancel', 'leave']).exactOptional(),
  }),
  'task.distribute': taskDistribute,
  'task.delegate': z
    .object({
      ...held,
      to: delegateTo,
      as: z.enum(['transfer', 'child']).exactOptional(),
      parameters: payload.exactOptional(),
      reason: text(LIMITS.reasonBytes).exactOptional(),
    })
    .refine(({ as, parameters }) => parameters === undefined || as === 'child', {
      error: 'goes with as: child',
      path: ['parameters'],
    }),
  'task.tree': z.object({ id, ...page }),
  ...CONTROL_SCHEMAS,
  ...LOCK_SCHEMAS,
  ...NOTIFICATION_SCHEMAS,
  ...WORKSPACE_SCHEMAS,
  ...BLOB_SCHEMAS,
  ...DOCUMENT_SCHEMAS,
  ...COMMENT_SCHEMAS,
  'task.retry': z.object({ id, parameters: payload.exactOptional() }),
  'schedule.create': scheduleCreate,
  'schedule.get': z.object({ id, upcoming: int(0, LIMITS.upcomingMax).exactOptional() }),
  'schedule.list': z.object({
    status: z.enum(SCHEDULE_STATUSES).exactOptional(),
    name: name(LIMITS.nameBytes).exactOptional(),
    type: typeName.exactOptional(),
    ...page,
  }),
  'schedule.update': scheduleUpdate,
  'schedule.pause': z.object({ id }),
  'schedule.resume': z.object({ id }),
  'schedule.trigger': z.object({ id }),
  'schedule.delete': z.object({ id }),
  'deadLetter.list': z.object({ ...letterFilter, state: z.enum(LETTER_STATES).exactOptional(), ...page }),
  'deadLetter.get': z.object({ id }),
  'deadLetter.edit': z.object({ id, edit: letterEdit }),
  'deadLetter.replay': z.object({ id, edit: letterEdit.exactOptional() }),
  'deadLetter.discard': z.object({ id }),
  'deadLetter.replayMany': z.object({
    ...letterFilter,
    edit: letterEdit.exactOptional(),
    perSecond: int(1, LIMITS.lettersPerSecondMax).exactOptional(),
    max: int(1, Number.MAX_SAFE_INTEGER).exactOptional(),
  }),
  'deadLetter.discardMany': z.object({ ...letterFilter, max: int(1, Number.MAX_SAFE_INTEGER).exactOptional() }),
  'deadLetter.runs': z.object({ id: id.exactOptional(), ...page }),
  'deadLetter.stop': z.object({ id }),
  'topic.subscribe': z.object({ topic: subscription, since: position.exactOptional() }),
  'topic.unsubscribe': z.object({ topic: subscription }),
  'topic.publish': z.object({
    topic,
    data: payload,
    kind: z.enum(PUBLISH_KINDS).exactOptional(),
    key: text(LIMITS.nameBytes).exactOptional(),
  }),
  'topic.history': z.object({
    topic: subscription,
    since: position.exactOptional(),
    until: position.exactOptional(),
    limit: limit.exactOptional(),
  }),
  'apiKey.create': apiKeyCreate,
  'apiKey.list': z.object(page),
  'apiKey.revoke': z.object({ id }),
  'tenant.create': z.object({ id: tenantId }),
  'tenant.list': z.object(page),
  'backup.create': z.object({ keep: int(1, 1_000).exactOptional() }),
  'job.list': z.object({}),
  'node.list': z.object({}),
};
