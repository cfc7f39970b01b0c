/** Draws schedules, what is done with them, and what is done with dead letters, in some of the seeds. */
import type { Missed, Overlap } from '../../protocol/wire/schedules.ts';
import type { Action, ClientPlan, Plan, TaskPlan } from './plan.ts';
import type { Random } from './random.ts';

const SHARE = 0.4;
const TYPES = ['alpha', 'beta', 'gamma'] as const;

/** A schedule, and what its tasks are. */
export interface SchedulePlan {
  readonly task: TaskPlan;
  readonly everyMs?: number;
  readonly cron?: string;
  readonly delayMs?: number;
  readonly overlap: Overlap;
  readonly missed: Missed;
  readonly missedMax?: number;
  readonly maxRuns: number;
  readonly jitterMs?: number;
  /** It has no occurrence later than so long after it was asked for. */
  readonly spanMs: number;
}

export type SchedAsk =
  | { readonly do: 'schedule'; readonly schedule: SchedulePlan }
  | {
      readonly do: 'tendSchedule';
      readonly mark: string;
      readonly verb: 'pause' | 'resume' | 'trigger' | 'update' | 'delete';
    }
  | { readonly do: 'letter'; readonly mark: string; readonly verb: 'replay' | 'discard' | 'edit' }
  | {
      readonly do: 'letters';
      readonly verb: 'replayMany' | 'discardMany';
      readonly perSecond?: number;
      readonly max?: number;
    };

export function scheduled(random: Random, plan: Plan): Plan {
  if (!random.chance(SHARE)) return plan;
  const askers = plan.clients.filter(({ role }) => role === 'member' || role === 'admin');
  const actions = [...drawSchedules(random, askers, plan), ...drawLetters(random, askers, plan)];
  return { ...plan, actions: [...plan.actions, ...actions].toSorted((a, b) => a.at - b.at) };
}

function drawSchedules(random: Random, askers: readonly ClientPlan[], plan: Plan): Action[] {
  const actions: Action[] = [];
  for (let n = random.between(1, 4); n > 0; n -= 1) {
    const at = random.between(1_000, plan.healAt);
    const client = random.pick(askers).name;
    const mark = `sch${n}`;
    actions.push({ at, client, do: 'schedule', schedule: drawSchedule(random, mark) });
    if (!random.chance(0.4)) continue;
    for (let more = random.between(1, 3); more > 0; more -= 1) {
      const verb = random.pick(['pause', 'resume', 'trigger', 'trigger', 'update', 'delete'] as const);
      actions.push({ at: at + random.spread(100, 30_000), client, do: 'tendSchedule', mark, verb });
    }
  }
  return actions;
}

function drawSchedule(random: Random, mark: string): SchedulePlan {
  const kind = random.pick(['everyMs', 'everyMs', 'cron', 'delayMs'] as const);
  const missed = random.pick(['once', 'skip', 'all', 'all'] as const);
  return {
    task: {
      mark,
      type: random.pick(TYPES),
      work: {
        ms: random.spread(1, 20_000),
        reports: 0,
        end: 'complete',
        failures: random.chance(0.2) ? random.between(1, 3) : 0,
        stopMs: 10,
      },
      retry: { maxAttempts: random.between(1, 3), initialDelayMs: 100 },
    },
    ...(kind === 'everyMs' ? { everyMs: random.spread(1_000, 20_000) } : {}),
    ...(kind === 'cron' ? { cron: `*/${random.pick([2, 5, 10])} * * * * *` } : {}),
    ...(kind === 'delayMs' ? { delayMs: random.spread(1, 40_000) } : {}),
    overlap: random.pick(['skip', 'allow', 'allow', 'buffer'] as const),
    missed,
    ...(missed === 'all' ? { missedMax: 100 } : {}),
    maxRuns: random.between(1, 6),
    ...(random.chance(0.2) ? { jitterMs: random.spread(10, 5_000) } : {}),
    spanMs: random.spread(20_000, 120_000),
  };
}

function drawLetters(random: Random, askers: readonly ClientPlan[], plan: Plan): Action[] {
  const marks = plan.actions.flatMap((action) => (action.do === 'create' ? [action.task.mark] : []));
  const actions: Action[] = [];
  for (let n = random.between(0, 12); n > 0 && marks.length > 0; n -= 1) {
    const verb = random.pick(['replay', 'replay', 'replay', 'discard', 'edit'] as const);
    const at = random.between(2_000, plan.healAt);
    actions.push({ at, client: random.pick(askers).name, do: 'letter', mark: random.pick(marks), verb });
  }
  for (let n = random.between(0, 3); n > 0; n -= 1) {
    const at = random.between(5_000, plan.healAt);
    const verb = random.chance(0.85) ? 'replayMany' : 'discardMany';
    actions.push({
      at,
      client: random.pick(askers).name,
      do: 'letters',
      verb,
      ...(verb === 'replayMany' ? { perSecond: random.pick([1, 20, 1_000]) } : {}),
      ...(random.chance(0.3) ? { max: random.between(1, 5) } : {}),
    });
  }
  return actions;
}
