/**
 * An honest client of the fuzzers' tenant that ends what they began, so that a long run has a bounded state. It lives on the server
 * that is fuzzed, and fails loudly if that does not serve it.
 */
import { connect, type Client } from '../../src/client/node.ts';
import { delay } from './delay.ts';
import { UNFINISHED } from '../support/unfinished.ts';

/** Of each status. */
const TASKS_MAX = 400;
const PAGE = 200;
const SCHEDULES_MAX = 20;
const RULES_MAX = 10;
const EVERY_MS = 500;

export async function tidy(
  target: { readonly url: string; readonly key: string },
  stopped: () => boolean,
): Promise<void> {
  const client = await connect({ ...target, name: 'fuzz-janitor' });
  while (!stopped()) {
    await round(client);
    await delay(EVERY_MS);
  }
  await client.close();
}

async function round(client: Client): Promise<void> {
  for (const status of UNFINISHED) {
    const { tasks, cursor } = await client.task.list({ status, limit: PAGE });
    if (cursor === undefined) continue;
    const more = await client.task.list({ status, limit: PAGE, cursor });
    if (tasks.length + more.tasks.length < TASKS_MAX) continue;
    await Promise.all([...tasks, ...more.tasks].map(({ id }) => maybe(client.task.cancel({ id }))));
  }
  const { schedules } = await client.schedule.list({ limit: PAGE });
  await Promise.all(schedules.slice(SCHEDULES_MAX).map(({ id }) => maybe(client.schedule.delete({ id }))));
  const { rules } = await client.rule.list({});
  await Promise.all(rules.slice(RULES_MAX).map(({ name }) => maybe(client.rule.remove({ name }))));
}

/** What a link ended meanwhile need not be ended. */
async function maybe(ending: Promise<unknown>): Promise<void> {
  try {
    await ending;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
}
