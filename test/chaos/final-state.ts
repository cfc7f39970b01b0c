/** What the server answers about every task when all is over. */
import { z } from 'zod';
import type { Client, TaskView } from '../../src/client/node.ts';
import type { LineOf } from './journal.ts';
import { parametersSchema } from './kinds.ts';

const PAGE = 200;
const resultSchema = z.object({ life: z.string(), token: z.string(), answer: z.unknown().optional() });

export async function finalLines(client: Client): Promise<readonly LineOf<'final'>[]> {
  const lines: LineOf<'final'>[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.task.list({ limit: PAGE, ...(cursor === undefined ? {} : { cursor }) });
    for (const task of page.tasks) lines.push(finalLine(task));
    cursor = page.cursor;
  } while (cursor !== undefined);
  return lines;
}

function finalLine({ id, status, attempt, parameters, result, dead }: TaskView): LineOf<'final'> {
  const by = resultSchema.safeParse(result).data;
  return {
    kind: 'final',
    task: id,
    ...parametersSchema.parse(parameters),
    status,
    attempt,
    ...(dead === true ? { dead } : {}),
    ...(by === undefined ? {} : { by: { life: by.life, token: by.token } }),
    ...(by?.answer === undefined ? {} : { answer: String(by.answer) }),
  };
}
