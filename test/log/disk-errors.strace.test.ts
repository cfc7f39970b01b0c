/**
 * A server whose disk fails: under the log it ends, with a code that says so, and the next one serves everything that
 * was acknowledged; under a snapshot it goes on. The errors are put into the system calls by strace.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Place } from '../cli/processes.ts';

let place: Place;

beforeEach(() => {
  place = new Place();
});

afterEach(() => place.close());

/** From its `when`th such call on, each thread of the server gets the error. */
function failing(calls: string, error: 'EIO' | 'ENOSPC', when: number): string[] {
  // -D: the server is our child, strace follows it from aside.
  return ['strace', '-D', '-f', '--seccomp-bpf', '-qq', '-o', '/dev/null', '-e', `trace=${calls}`].concat(
    '-e',
    `inject=${calls}:error=${error}:when=${when}+`,
  );
}

describe('a disk that fails', () => {
  test.each([
    { calls: 'fsync,fdatasync', error: 'EIO', when: 25 },
    { calls: 'pwrite64', error: 'ENOSPC', when: 40 },
  ] as const)('$error in $calls ends the server, and loses nothing', { timeout: 180_000 }, async (fault) => {
    await place.serve(); // what is made at a first start is there
    await place.server.stop('SIGKILL');

    await place.serve(failing(fault.calls, fault.error, fault.when));
    const { server } = place;
    const client = await place.client();
    const acked = new Map<string, number>();
    let asked = 0;
    const create = async (): Promise<void> => {
      const index = (asked += 1);
      const { task } = await client.task.create({ type: 'nobody', parameters: { index } });
      acked.set(task.id, index);
    };
    let ended = false;
    const code = server.ended.then((value) => {
      ended = true;
      return value;
    });
    const submitters = Array.from({ length: 4 }, async () => {
      while (!ended) await create(); // what is not answered now is answered by the next server
    });
    expect(await code).toBe(1);
    expect(server.err).toContain('the server cannot go on');
    expect(acked.size, 'it served until then').toBeGreaterThan(3);

    await place.serve();
    await Promise.all(submitters);
    expect(acked.size).toBe(asked);
    for (const [id, index] of acked) expect((await client.task.get({ id })).task.parameters).toEqual({ index });
    const indexes = [...acked.values()];
    expect(new Set(indexes).size, 'each was created once').toBe(indexes.length);
    const { tasks } = await client.task.list({ limit: 200 });
    expect(tasks.length, 'and nothing twice').toBe(Math.min(200, acked.size));
  });

  test('EIO under a snapshot fails a checkpoint, and the server goes on', { timeout: 90_000 }, async () => {
    // Nothing but snapshots is renamed here; the pool has one thread, whose first call fails.
    const failing = [
      'strace',
      '-D',
      '-f',
      '--seccomp-bpf',
      '-qq',
      '-o',
      '/dev/null',
      '-E',
      'UV_THREADPOOL_SIZE=1',
    ].concat(['-e', 'trace=/^rename', '-e', 'inject=/^rename:error=EIO:when=1']);
    const { httpUrl } = await place.serve(failing);
    const client = await place.client();
    const data = 'x'.repeat(60_000);
    // Enough bytes for a checkpoint to be due.
    const publish = async (): Promise<void> => {
      for (let count = 0; count < 300; count += 1) await client.topic.publish({ topic: 'news', data });
    };
    await Promise.all(Array.from({ length: 4 }, publish));
    const checkpoints = async (): Promise<number> => {
      const text = await (await fetch(`${String(httpUrl)}/metrics`)).text();
      return Number(/^muster_checkpoint_seconds_count (\d+)$/m.exec(text)?.[1]);
    };
    let made = 0;
    for (const began = performance.now(); made === 0 && performance.now() - began < 60_000;) made = await checkpoints();
    expect(made).toBe(1);
    expect(place.server.err.match(/checkpoint failed/g)).toHaveLength(1);
    expect(place.server.err).toContain('EIO');
    const { task } = await client.task.create({ type: 'nobody', parameters: 'after it' });
    await place.server.stop('SIGKILL');
    await place.serve();
    expect((await client.task.get({ id: task.id })).task.parameters).toBe('after it');
  });
});
