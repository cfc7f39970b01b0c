/** Judges what the server tells of tasks, timelines and statistics, by what was seen of them (stories.ts). */
import type { StatsView, TimelineEvent } from '../../../protocol/wire/observing.ts';
import { lineOf, type State, type Story } from './stories.ts';

export interface ToldTimeline {
  readonly events: readonly TimelineEvent[];
  /** Some of the beginning may be gone. */
  readonly gap: boolean;
}

/** Told to whoever follows a task about tasks below it: it says nothing of how the task went on. */
const OF_OTHERS = 'task.childEnded';

/** What is wrong with a timeline; undefined: nothing. `dropped`: history was dropped in this run. */
export function timelineFault(story: Story, told: ToldTimeline, dropped: boolean): string | undefined {
  const { task } = story;
  const [first, ...events] = told.events;
  if (first?.event !== 'task.created' || first.rev !== undefined) return 'it does not begin with the creation';
  if (first.at !== task.createdAt) return `it was created at ${task.createdAt}, not at ${first.at}`;
  let before = 0;
  for (const { rev = 0, event } of events) {
    if (rev <= before) return `${event} stands behind a later event`;
    before = rev;
  }
  if (told.gap && !dropped) return 'it says that something is gone, and nothing was ever dropped';
  if (story.blurred) return undefined;
  const lines: string[] = [];
  for (const event of events) {
    const line = lineOf(event);
    if (event.event !== OF_OTHERS && lines.at(-1) !== line) lines.push(line);
  }
  return statesFault(story.states, lines, told.gap);
}

/** From the end, since it is the beginning that may be gone. */
function statesFault(states: readonly State[], lines: readonly string[], gap: boolean): string | undefined {
  let next = lines.length - 1;
  for (const { line, silent } of states.toReversed()) {
    if (lines[next] === line) next -= 1;
    else if (next < 0 && gap) return undefined;
    else if (!silent) return `after it was "${line}", "${lines[next + 1]}" is told, and before that "${lines[next]}"`;
  }
  return next < 0 ? undefined : `"${lines[next]}" is told, and it was not so then`;
}

export type By = 'type' | 'agentId';

export interface ToldStats {
  readonly rows: readonly StatsView[];
  readonly total: StatsView | undefined;
}

interface Sum {
  completed: number;
  failed: number;
  timedOut: number;
  cancelled: number;
  dead: number;
  given: number;
  blurred: boolean;
  /** Some completed later than their attempts ended well, or not at all. */
  trees: boolean;
}

const ENDS = ['completed', 'failed', 'timedOut', 'cancelled', 'dead'] as const;

/** What is wrong with statistics over all the time of a run, of which every attempt has ended. */
export function statsFault(stories: Iterable<Story>, told: ToldStats, by: By): string | undefined {
  const total = newSum();
  const sums = new Map<string, Sum>();
  for (const story of stories) {
    addTo(total, story);
    const key = story.task[by];
    if (key === undefined) continue;
    const sum = sums.get(key) ?? newSum();
    sums.set(key, sum);
    addTo(sum, story);
  }
  const seen = new Set<string>();
  for (const row of told.rows) {
    const key = row[by];
    if (key === undefined) return 'counts are not told apart though there are few';
    if (seen.has(key)) return `${key} is told twice`;
    seen.add(key);
    const fault = rowFault(row, sums.get(key) ?? newSum(), by === 'type');
    if (fault !== undefined) return `${key}: ${fault}`;
  }
  for (const [key, sum] of sums)
    if (!seen.has(key) && ENDS.some((end) => sum[end] > 0)) return `nothing is told of ${key}`;
  if (told.total === undefined) return total.given > 0 ? 'there is no total' : undefined;
  const fault = rowFault(told.total, total, true) ?? sumFault(told, by, total);
  return fault === undefined ? undefined : `total: ${fault}`;
}

/** `whole`: also attempts, which are those of the agent that had them and not of the last one. */
function rowFault(row: StatsView, sum: Sum, whole: boolean): string | undefined {
  for (const end of ENDS) if (row[end] !== sum[end]) return `${sum[end]} ${end}, and ${row[end]} are told`;
  const { ok, failed, returned } = row.attempts;
  const given = row.wait?.count ?? 0;
  if (ok + failed + returned !== given) return `${given} attempts, and ${ok} + ${failed} + ${returned} ended`;
  if ((row.run?.count ?? 0) !== ok + failed)
    return `${ok} + ${failed} attempts ran, and ${row.run?.count} are measured`;
  for (const times of [row.wait, row.run])
    if (times !== undefined && (times.p50 > times.p90 || times.p90 > times.p99)) return 'its durations do not rise';
  if (!whole || sum.blurred) return undefined;
  if (given !== sum.given) return `given ${sum.given} times, and ${given} times is told`;
  return ok === sum.completed || sum.trees ? undefined : `${sum.completed} completed, and ${ok} attempts went well`;
}

/** Each attempt is of one type and of one agent; a task may end without an agent. */
function sumFault({ rows, total }: ToldStats, by: By, sum: Sum): string | undefined {
  const added = (of: (row: StatsView) => number): number => rows.reduce((all, row) => all + of(row), 0);
  const given = added(({ wait }) => wait?.count ?? 0);
  if (given !== (total?.wait?.count ?? 0)) return `given ${total?.wait?.count} times, and ${given} times in all`;
  if (by === 'agentId') return undefined;
  const completed = added((row) => row.completed);
  return completed === sum.completed ? undefined : `${sum.completed} completed, and ${completed} in all`;
}

function newSum(): Sum {
  return { completed: 0, failed: 0, timedOut: 0, cancelled: 0, dead: 0, given: 0, blurred: false, trees: false };
}

function addTo(sum: Sum, { task, tokens, blurred }: Story): void {
  sum.given += tokens.size;
  if (task.dead) sum.dead += 1;
  if (blurred) sum.blurred = true;
  if (task.tree !== undefined) sum.trees = true;
  if (task.status === 'completed') sum.completed += 1;
  else if (task.status === 'failed') sum.failed += 1;
  else if (task.status === 'timed_out') sum.timedOut += 1;
  else if (task.status === 'cancelled') sum.cancelled += 1;
}
