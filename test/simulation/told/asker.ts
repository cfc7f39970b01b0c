/**
 * When a run has come to rest, asks the server what became of its tasks, as anybody would: some timelines and the statistics of
 * each tenant, page by page, over whatever happened to the store meanwhile.
 */
import type { StatsView, TimelineEvent } from '../../../protocol/wire/observing.ts';
import type { Data } from '../../../protocol/wire/types.ts';
import type { SimClient } from '../client.ts';
import { Random } from '../random.ts';
import type { Simulation } from '../simulation.ts';
import { statsFault, timelineFault, type By } from './judge.ts';
import type { Stories, Story } from './stories.ts';

/** Of each tenant. */
const TIMELINES = 6;
/** All of a run and more: a clock may go forward by hours. */
const WINDOW_MS = 30 * 24 * 3_600_000;
/** How long all of it may take. */
const WITHIN_MS = 120_000;

interface Asking {
  readonly simulation: Simulation;
  readonly client: SimClient;
  readonly stories: ReadonlyMap<string, Story>;
  readonly report: (message: string) => void;
  /** Questions that are not answered. */
  open: number;
}

/** Steps the run on until everything is answered. Returns what is wrong with the answers, if nothing happened meanwhile. */
export function askWhatBecame(simulation: Simulation, stories: Stories): readonly string[] {
  const { time, plan } = simulation;
  const faults: string[] = [];
  const asked: Asking[] = [];
  for (const tenant of plan.tenants) {
    const client = [...simulation.clients.values()].find((one) => one.plan.tenant === tenant && one.quiet);
    if (client === undefined) continue;
    const report = (message: string): void => void faults.push(`${tenant}: ${message}`);
    const asking: Asking = { simulation, client, stories: stories.of(tenant), report, open: 0 };
    asked.push(asking);
    const random = new Random(`told ${plan.seed} ${tenant}`);
    // What belongs to a workspace is not told to everybody.
    const all = [...asking.stories.values()].filter(({ task }) => task.workspaceId === undefined);
    for (let n = 0; n < TIMELINES && all.length > 0; n += 1) askTimeline(asking, random.pick(all));
    askStats(asking, 'type');
    askStats(asking, 'agentId');
  }
  const until = time.now + WITHIN_MS;
  const isDone = (): boolean => asked.every(({ open }) => open === 0);
  while (!isDone() && time.step(until));
  for (const { open, report } of asked) if (open > 0) report(`${open} questions about its tasks are not answered`);
  return faults;
}

/** Every page of a list. */
function askPages(
  asking: Asking,
  question: { readonly method: 'task.timeline' | 'task.stats'; readonly params: object },
  done: (pages: readonly Data[]) => void,
): void {
  const pages: Data[] = [];
  asking.open += 1;
  const next = (cursor: object): void => {
    const { method, params } = question;
    asking.client.ask(
      method,
      { ...params, ...cursor },
      {
        done: (reply) => {
          if (!reply.ok) {
            asking.open -= 1;
            return asking.report(`${method} ${JSON.stringify(params)} is refused: ${reply.error.code}`);
          }
          const page = reply.result as Data & { readonly cursor?: string };
          pages.push(page);
          if (page.cursor !== undefined) return next({ cursor: page.cursor });
          asking.open -= 1;
          done(pages);
        },
      },
    );
  };
  next({});
}

function askTimeline(asking: Asking, story: Story): void {
  const { simulation, report } = asking;
  const { id } = story.task;
  askPages(asking, { method: 'task.timeline', params: { id } }, (pages) => {
    const read = pages as readonly { readonly events: readonly TimelineEvent[]; readonly gap?: true }[];
    const told = { events: read.flatMap(({ events }) => events), gap: read[0]?.gap === true };
    const { marks } = simulation.recorder;
    marks.count(told.gap ? 'timeline with a gap' : 'timeline');
    const fault = timelineFault(story, told, (marks.counts.get('history dropped') ?? 0) > 0);
    if (fault !== undefined) report(`the timeline of ${id}: ${fault}`);
  });
}

function askStats(asking: Asking, by: By): void {
  const { stories, report, simulation } = asking;
  const params = { by: by === 'type' ? 'type' : 'agent', windowMs: WINDOW_MS };
  askPages(asking, { method: 'task.stats', params }, (pages) => {
    const read = pages as readonly { readonly stats: readonly StatsView[]; readonly total?: StatsView }[];
    const told = { rows: read.flatMap(({ stats }) => stats), total: read[0]?.total };
    simulation.recorder.marks.count('statistics');
    const fault = statsFault(stories.values(), told, by);
    if (fault !== undefined) report(`statistics by ${params.by}: ${fault}`);
  });
}
