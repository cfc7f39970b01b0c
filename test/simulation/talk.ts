/** What the program of an agent does with orders, and what it hands out while it works. */
import { isMap } from '../../protocol/wire/codec.ts';
import type { Job, JobHandle } from '../../src/client/agent-core.ts';
import type { Work } from './plan.ts';
import type { Recorder } from './recorder.ts';
import type { Lane } from './scheduler.ts';

export interface Talk {
  readonly job: Job;
  readonly handle: JobHandle;
  readonly work: Work & { readonly talk: NonNullable<Work['talk']> };
  readonly lane: Lane;
  readonly recorder: Recorder;
  readonly about: {
    readonly client: string;
    readonly incarnation: number;
    readonly taskId: string;
    readonly token: string;
  };
  over(): boolean;
}

export function talk(of: Talk): void {
  const { handle, lane, work, recorder, about } = of;
  const { heedMs, asks, pieces, checkpoints } = work.talk;
  handle.orders(({ control, seq }) => {
    recorder.add({ kind: 'handler.order', ...about, control, seq });
    recorder.marks.count('order heard');
    // Who never heeds leaves orders that are not acknowledged.
    if (heedMs > 0) lane.after(heedMs, () => (of.over() ? undefined : handle.acknowledge(control, seq)));
  });
  const spread = (count: number, act: (n: number) => void): void => {
    for (let n = 1; n <= count; n += 1) lane.after((work.ms * n) / (count + 1), () => (of.over() ? undefined : act(n)));
  };
  spread(asks, (n) => handle.call('task.ask', { question: `${n}?`, expiresMs: 8_000 }, () => undefined));
  spread(checkpoints, (n) => handle.call('task.checkpoint', { data: { n, by: about.token } }, () => undefined));
  write(of, { offset: of.job.task.output?.bytes ?? 0, left: pieces });
}

/** One piece after the other, where the server says that it goes on. */
function write(of: Talk, at: { readonly offset: number; readonly left: number }): void {
  if (at.left === 0) return;
  const { lane, work, handle, about, recorder } = of;
  lane.after(work.ms / (work.talk.pieces + 1), () => {
    if (of.over()) return;
    const data = `${about.token.slice(-3)}-${at.left};`;
    handle.call('task.output', { offset: at.offset, data }, (reply) => {
      if (reply.ok) recorder.marks.count('piece of output taken');
      const next = reply.ok && isMap(reply.result) ? reply.result['offset'] : undefined;
      if (typeof next === 'number') write(of, { offset: next, left: at.left - 1 });
    });
  });
}
