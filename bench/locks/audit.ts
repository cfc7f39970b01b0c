/** Reads what a Muster server told of a lock's path, from its history: so nothing listens while the bench measures. */
import { z } from 'zod';
import { lockTopic } from '../../protocol/wire/locks.ts';
import { connect } from '../../src/client/node.ts';
import type { Target } from '../dispatch/roles.ts';
import { BenchError } from '../harness/scenario.ts';
import { TurnCheck, type Turns } from './turns.ts';

const Owned = z.object({ owner: z.string() });

/** Of a path that nobody had asked for before this run. */
export async function audit({ url, key }: Target, path: string): Promise<Turns> {
  const client = await connect({ url, key, name: 'bench-audit' });
  const check = new TurnCheck();
  for (let since: number | undefined = 0; since !== undefined;) {
    const topic = lockTopic(path);
    const { missed = [], gap, until } = await client.topic.subscribe({ topic, since });
    if (gap === true && until === undefined) throw new BenchError(`The history of ${path} is no longer whole.`);
    for (const { e, d } of missed) check.take({ event: e, owner: Owned.parse(d).owner });
    since = until;
  }
  await client.close();
  return check.turns;
}
