/** Carries out what a plan asks of trees. */
import type { Asked } from './asks.ts';
import type { DistributeAsk, PartPlan } from './swarm-distributed.ts';
import type { FamilyAsk } from './swarm-families.ts';
import type { HandingAsk } from './swarm-handing.ts';
import type { SubtaskAsk } from './swarm-trees.ts';
import { paramsOf } from './task-params.ts';

export const INVENTED = '9007199254740990';

export function askTrees(ask: SubtaskAsk | FamilyAsk | HandingAsk | DistributeAsk, asked: Asked): void {
  switch (ask.do) {
    case 'subtask':
      return subtask(ask, asked);
    case 'distribute': {
      const { task, parts, copies, each, completion, aggregate, parent } = ask;
      const parentId = parent === undefined ? undefined : asked.book.byMark.get(parent);
      return asked.client.ask('task.distribute', {
        ...paramsOf(task),
        ...(parentId === undefined ? {} : { parentId }),
        ...(parts === undefined ? {} : { parts: parts.map(partOf) }),
        ...(copies === undefined ? {} : { copies }),
        ...(each === undefined ? {} : { each }),
        ...(completion === undefined ? {} : { completion }),
        ...(aggregate === undefined ? {} : { aggregate }),
      });
    }
    case 'handFalsely':
      return handFalsely(ask, asked);
    case 'cancelAlone': {
      const id = asked.book.byMark.get(ask.mark);
      if (id !== undefined) asked.client.ask('task.cancel', { id, reason: 'alone', children: 'leave' });
    }
  }
}

/** By somebody who is not, or no longer, its holder. */
function handFalsely({ mark, token, to }: HandingAsk, { client, book }: Asked): void {
  const id = book.byMark.get(mark);
  const tokens = book.tokens.get(id ?? '') ?? [];
  const named = token === 'invented' ? INVENTED : tokens.at(-2);
  if (id !== undefined && named !== undefined) client.ask('task.delegate', { id, token: named, to }, { key: false });
}

function partOf({ type, mark, work }: PartPlan): object {
  return { ...(type === undefined ? {} : { type }), parameters: { mark, work } };
}

function subtask({ parent, task, token }: SubtaskAsk, { client, book, recorder }: Asked): void {
  const parentId = book.byMark.get(parent);
  if (parentId === undefined) return;
  if (token === undefined) return client.ask('task.create', { ...paramsOf(task), parentId });
  const tokens = book.tokens.get(parentId) ?? [];
  const parentToken = token === 'invented' ? INVENTED : tokens.at(token === 'current' ? -1 : -2);
  if (parentToken === undefined) return;
  client.ask(
    'task.create',
    { ...paramsOf(task), parentId, parentToken },
    {
      done: (reply) => {
        if (!reply.ok && reply.error.code === 'STALE_TOKEN')
          recorder.marks.count('refused below another task: its token');
      },
    },
  );
}
