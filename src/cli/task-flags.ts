/** Options of commands that create tasks, and the params that they stand for. */
import type { Command } from 'commander';
import type { TaskCreate } from '../client/node.ts';
import { CONCURRENCY_POLICIES, STICKY_MODES } from '../../protocol/wire/placing.ts';
import { PRIORITIES, STRATEGY_NAMES } from '../../protocol/wire/types.ts';
import { usage } from './exit.ts';
import { lockPaths } from './lock/paths.ts';
import { durationMs, jsonValue, oneOf, pairs, several, wholeNumber } from './values.ts';

/** What a task is made of. */
export interface TaskFlags {
  readonly type: string;
  readonly params?: string;
  readonly priority?: NonNullable<TaskCreate['priority']>;
  readonly require?: readonly string[];
  readonly selector?: readonly string[];
  readonly label?: readonly string[];
  readonly timeout?: number;
  readonly progressTimeout?: number;
  readonly deadline?: number;
  readonly delay?: number;
  readonly attempts?: number;
  readonly retryDelay?: number;
  readonly retryDelayMax?: number;
  readonly retryFactor?: number;
  readonly strategy?: NonNullable<TaskCreate['strategy']>;
  readonly mode?: NonNullable<TaskCreate['mode']>;
  readonly sticky?: string;
  readonly stickyMode?: (typeof STICKY_MODES)[number];
  readonly stickyFor?: number;
  readonly concurrency?: NonNullable<TaskCreate['concurrency']>;
  readonly lock?: readonly string[];
}

export function addTaskOptions(command: Command): Command {
  command
    .requiredOption(
      '--type <type>',
      'type, which is also the capability that an agent needs unless --require says otherwise',
    )
    .option('--params <json>', 'parameters: JSON, @FILE or - for standard input')
    .option('--priority <priority>', 'low, normal, high or critical', oneOf(...PRIORITIES))
    .option('--require <capability>', 'capability that an agent needs; may be repeated', several)
    .option('--selector <selector>', "what an agent's labels must be, as mem>=32; may be repeated", several)
    .option('--label <name=value>', 'label; may be repeated', several)
    .option('--timeout <duration>', 'how long an attempt may take', durationMs)
    .option('--progress-timeout <duration>', 'how long an attempt may show no progress', durationMs)
    .option('--deadline <duration>', 'from now on, when it must have ended', durationMs)
    .option('--delay <duration>', 'when it begins, from now on', durationMs)
    .option('--attempts <n>', 'attempts at most', wholeNumber)
    .option('--retry-delay <duration>', 'from the first failure to the second attempt', durationMs)
    .option('--retry-delay-max <duration>', 'between attempts at most', durationMs)
    .option('--retry-factor <n>', 'how many times longer each such delay is than the one before', wholeNumber)
    .option('--strategy <strategy>', STRATEGY_NAMES.join(', '), oneOf(...STRATEGY_NAMES))
    .option('--mode <mode>', 'assign, or offer to ask agents first', oneOf('assign', 'offer'));
  return addPlacing(command);
}

function addPlacing(command: Command): Command {
  return command
    .option('--sticky <key>', 'to the agent that had the last task of this key')
    .option('--sticky-mode <mode>', 'soft: to others while it is busy; hard: to it alone', oneOf(...STICKY_MODES))
    .option('--sticky-for <duration>', 'how long the key stays with its agent', durationMs)
    .option(
      '--concurrency <key=n[,policy]>',
      `at most n tasks of this key are held; one too many: ${CONCURRENCY_POLICIES.join(', ')}`,
      concurrencyOf,
    )
    .option('--lock <path[=mode]>', 'locked while it is worked on; may be repeated', several);
}

/** `KEY=N` or `KEY=N,POLICY`; the last `=` counts, as a key may have others. */
export function concurrencyOf(text: string): NonNullable<TaskCreate['concurrency']> {
  const at = text.lastIndexOf('=');
  if (at < 1) throw usage(`"${text}" is not of the form key=n or key=n,policy.`);
  const [max = '', policy] = text.slice(at + 1).split(',');
  return {
    key: text.slice(0, at),
    max: wholeNumber(max),
    ...(policy === undefined ? {} : { policy: oneOf(...CONCURRENCY_POLICIES)(policy) }),
  };
}

export function paramsOf(flags: TaskFlags): TaskCreate {
  return {
    type: flags.type,
    ...(flags.params === undefined ? {} : { parameters: jsonValue(flags.params) }),
    ...(flags.priority === undefined ? {} : { priority: flags.priority }),
    ...(flags.require === undefined ? {} : { requirements: flags.require }),
    ...(flags.selector === undefined ? {} : { selectors: flags.selector }),
    ...(flags.label === undefined ? {} : { labels: pairs(flags.label) }),
    ...(flags.timeout === undefined ? {} : { timeoutMs: flags.timeout }),
    ...(flags.progressTimeout === undefined ? {} : { progressTimeoutMs: flags.progressTimeout }),
    ...(flags.deadline === undefined ? {} : { deadlineMs: flags.deadline }),
    ...(flags.delay === undefined ? {} : { delayMs: flags.delay }),
    ...retryOf(flags),
    ...(flags.strategy === undefined ? {} : { strategy: flags.strategy }),
    ...(flags.mode === undefined ? {} : { mode: flags.mode }),
    ...stickyOf(flags),
    ...(flags.concurrency === undefined ? {} : { concurrency: flags.concurrency }),
    ...(flags.lock === undefined ? {} : { locks: lockPaths(flags.lock) }),
  };
}

function retryOf(flags: TaskFlags): Pick<TaskCreate, 'retry'> {
  const retry = {
    ...(flags.attempts === undefined ? {} : { maxAttempts: flags.attempts }),
    ...(flags.retryDelay === undefined ? {} : { initialDelayMs: flags.retryDelay }),
    ...(flags.retryDelayMax === undefined ? {} : { maxDelayMs: flags.retryDelayMax }),
    ...(flags.retryFactor === undefined ? {} : { factor: flags.retryFactor }),
  };
  return Object.keys(retry).length === 0 ? {} : { retry };
}

function stickyOf({ sticky, stickyMode, stickyFor }: TaskFlags): Pick<TaskCreate, 'sticky'> {
  if (sticky === undefined) {
    if (stickyMode !== undefined || stickyFor !== undefined) throw usage('Say the key: --sticky KEY.');
    return {};
  }
  return {
    sticky: {
      key: sticky,
      ...(stickyMode === undefined ? {} : { mode: stickyMode }),
      ...(stickyFor === undefined ? {} : { ttlMs: stickyFor }),
    },
  };
}
