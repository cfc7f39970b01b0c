/** Carries out what a plan asks of schedules and dead letters. */
import { isMap } from '../../protocol/wire/codec.ts';
import type { Asked } from './asks.ts';
import type { SchedAsk } from './swarm-sched.ts';
import { paramsOf } from './task-params.ts';

type One<K extends SchedAsk['do']> = Extract<SchedAsk, { readonly do: K }>;

export function askSched(ask: SchedAsk, asked: Asked): void {
  switch (ask.do) {
    case 'schedule':
      return schedule(ask, asked);
    case 'tendSchedule':
      return tend(ask, asked);
    case 'letter':
      return letter(ask, asked);
    case 'letters': {
      const { verb, perSecond, max } = ask;
      return asked.client.ask(`deadLetter.${verb}`, {
        ...(perSecond === undefined ? {} : { perSecond }),
        ...(max === undefined ? {} : { max }),
      });
    }
  }
}

function schedule(ask: One<'schedule'>, { client, around }: Asked): void {
  const { task, spanMs, ...when } = ask.schedule;
  const endAt = around.time.start + around.time.now + spanMs;
  client.ask('schedule.create', { ...when, task: paramsOf(task), endAt });
}

function tend({ mark, verb }: One<'tendSchedule'>, { client, book }: Asked): void {
  for (const { id, task } of book.tracker?.engine.state.schedulesById ?? []) {
    const { parameters = null } = task;
    if (!isMap(parameters) || parameters['mark'] !== mark) continue;
    client.ask(`schedule.${verb}`, { id, ...(verb === 'update' ? { overlap: 'allow' } : {}) });
    return;
  }
}

function letter({ mark, verb }: One<'letter'>, { client, book, recorder }: Asked): void {
  const id = book.byMark.get(mark);
  if (id === undefined) return;
  client.ask(
    `deadLetter.${verb}`,
    { id, ...(verb === 'edit' ? { edit: { priority: 'high' } } : {}) },
    {
      done: (reply) => {
        if (reply.ok && verb === 'replay') recorder.marks.count('dead letter replayed');
      },
    },
  );
}
