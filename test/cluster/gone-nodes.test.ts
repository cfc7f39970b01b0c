/** Nodes that are killed, and one that stands still for so long that the others take it for dead, as processes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client, TaskView } from '../../src/client/node.ts';
import { untilAsked } from '../support/until.ts';
import { Fleet } from './fleet.ts';

/** A handler that goes on when it is told to. */
class Work {
  readonly begun: Promise<void>;
  readonly #ended: Promise<void>;
  #begin: () => void = () => undefined;
  end: () => void = () => undefined;
  runs = 0;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
    this.begun = new Promise((resolve) => (this.#begin = resolve));
    this.#ended = new Promise((resolve) => (this.end = resolve));
  }

  readonly run = async (): Promise<string> => {
    this.runs += 1;
    this.#begin();
    await this.#ended;
    return this.#name;
  };
}

let fleet: Fleet;
beforeAll(async () => {
  fleet = await Fleet.start(3);
}, 180_000);
afterAll(() => fleet.close());

describe('of three nodes', { timeout: 180_000 }, () => {
  it('one is killed and one stands still: agents go on at the third, and the one that wakes up accepts nothing', async () => {
    const [killed, stalled, living] = [fleet.node(0), fleet.node(1), fleet.node(2)];
    const works = { moved: new Work('moved'), stuck: new Work('stuck'), frozen: new Work('frozen') };
    const gaps: string[] = [];
    const agents: Client[] = [
      await fleet.agent(killed.proxy.port, 'moved', works.moved.run),
      // This one knows of no other node.
      await fleet.agent(killed.port, 'stuck', works.stuck.run),
      await fleet.agent(stalled.proxy.port, 'frozen', works.frozen.run),
    ];
    for (const agent of agents) agent.on('gap', (why) => gaps.push(why));
    const client = await fleet.client(living.port);
    const tasks = new Map<string, TaskView>();
    for (const name of Object.keys(works)) tasks.set(name, (await client.task.create({ type: name })).task);
    for (const { begun } of Object.values(works)) await begun;
    const doomed = await fleet.client(stalled.port);

    for (const { proxy } of [killed, stalled]) proxy.lead(living.port);
    const silent = [killed.id, stalled.id];
    stalled.place.server.child.kill('SIGSTOP');
    await killed.place.server.stop('SIGKILL');
    killed.proxy.cut();
    // Both are said to a process that stands still: one by an agent that comes back elsewhere, one by a client that does not.
    works.frozen.end();
    const refused = doomed.task.create({ type: 'refused' }).then(
      () => 'accepted',
      () => 'refused',
    );
    works.moved.end();
    const done = async (name: string): Promise<TaskView> =>
      await client.task.wait(tasks.get(name)?.id ?? '', { timeoutMs: 120_000 });
    expect(await done('moved')).toMatchObject({ status: 'completed', attempt: 1, result: { by: 'moved' } });

    // Both are fenced, and what was connected there counts as lost: two sessions are left, of `moved` and of the client,
    // and that of `frozen` as soon as it has found out.
    await untilAsked(async () => !(await fleet.members()).some((node) => silent.includes(node)), 'both to be fenced');
    expect(await done('frozen')).toMatchObject({ status: 'completed', attempt: 1, result: { by: 'frozen' } });
    await untilAsked(async () => (await living.figure('muster_sessions_attached')) === 3, 'lost sessions');

    stalled.place.server.child.kill('SIGCONT');
    expect(await stalled.place.server.ended).toBe(1);
    expect(stalled.place.server.err).toContain('others took this node for dead');
    await doomed.close({ timeoutMs: 0 });
    expect(await refused).toBe('refused');
    expect((await client.task.list({ type: 'refused' })).tasks).toEqual([]);

    // The killed one is started again on its data, as another node.
    await killed.serve();
    expect(silent).not.toContain(killed.id);
    works.stuck.end();
    expect(await done('stuck')).toMatchObject({ status: 'completed', result: { by: 'stuck' } });
    expect(works.moved.runs).toBe(1);
    expect(works.frozen.runs).toBe(1);
    expect(gaps).toEqual([]);
  });
});
