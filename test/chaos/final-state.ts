/** What the server answers about every task when all is over. */
import { z } from 'zod';
import type { Client, TaskView } from '../../src/client/node.ts';
import type { LineOf } from './journal.ts';

const PAGE = 200;
const parametersSchema = z.object({ number: z.number() });
const resultSchema = z.object({ life: z.string(), token: z.string() });

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

function finalLine({ id, status, attempt, parameters, result }: TaskView): LineOf<'final'> {
  const { number } = parametersSchema.parse(parameters);
  const by = resultSchema.safeParse(result);
  return { kind: 'final', task: id, number, status, attempt, ...(by.success ? { by: by.data } : {}) };
}
