/** Carries out what a plan asks of trees. */
import type { Asked } from './asks.ts';
import type { FamilyAsk } from './swarm-families.ts';
import type { SubtaskAsk } from './swarm-trees.ts';
import { paramsOf } from './task-params.ts';

export const INVENTED = '9007199254740990';

export function askTrees(ask: SubtaskAsk | FamilyAsk, asked: Asked): void {
  switch (ask.do) {
    case 'subtask':
      return subtask(ask, asked);
    case 'cancelAlone': {
      const id = asked.book.byMark.get(ask.mark);
      if (id !== undefined) asked.client.ask('task.cancel', { id, reason: 'alone', children: 'leave' });
    }
  }
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
