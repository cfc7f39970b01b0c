/**
 * `muster task report`: tasks as JSON or CSV, all pages of it, on standard output or into a file.
 *
 * RP1 A file has its name only when it is whole: a report that was cut off leaves what was there before.
 */
import { createWriteStream, renameSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { Command } from 'commander';
import type { Client } from '../../client/node.ts';
import { REPORT_FORMATS, type ReportFormat } from '../../../protocol/wire/observing.ts';
import type { Context } from '../context.ts';
import { toJson } from '../output.ts';
import { oneOf } from '../values.ts';
import { queryOf, withQuery, type QueryFlags } from './observe.ts';

interface ReportFlags extends QueryFlags {
  readonly format?: ReportFormat;
  readonly out?: string;
}

export function addReport(task: Command, context: Context): void {
  withQuery(
    task
      .command('report')
      .description('one row for each task, without parameters and result')
      .option(
        '--format <format>',
        'json (one object a line) or csv (default: csv, with --json json)',
        oneOf(...REPORT_FORMATS),
      )
      .option('--out <file>', 'write into this file (default: standard output)'),
  ).action((flags: ReportFlags) => context.run(() => context.with((client) => report(client, flags, context))));
}

async function report(client: Client, flags: ReportFlags, { output }: Context): Promise<void> {
  const format = flags.format ?? (output.json && flags.out === undefined ? 'json' : 'csv');
  if (flags.out === undefined) {
    const count = await writeAll(client, { ...flags, format }, process.stdout);
    return output.note(`${count} tasks`);
  }
  const draft = `${flags.out}.${process.pid}.part`;
  const file = createWriteStream(draft, { flags: 'wx', mode: 0o600 });
  try {
    await once(file, 'open');
    const count = await writeAll(client, { ...flags, format }, file);
    file.end();
    await once(file, 'close');
    renameSync(draft, flags.out); // RP1
    output.result({ file: flags.out, count }, () => `${count} tasks in ${flags.out ?? ''}`);
  } catch (error) {
    file.destroy();
    rmSync(draft, { force: true });
    throw error;
  }
}

async function writeAll(
  client: Client,
  { format, ...flags }: ReportFlags & { readonly format: ReportFormat },
  to: Writable,
): Promise<number> {
  let count = 0;
  let cursor: string | undefined;
  do {
    const page = await client.task.report({
      ...queryOf(flags),
      format,
      ...(cursor === undefined ? {} : { cursor }),
    });
    count += page.count;
    cursor = page.cursor;
    const text = page.csv ?? (page.rows ?? []).map((row) => `${toJson(row)}\n`).join('');
    if (text !== '' && !to.write(text)) await once(to, 'drain');
  } while (cursor !== undefined);
  return count;
}
