/**
 * `npm run edit-cases -- FILE… [--json]`: replays recorded sessions of concurrent editing as updates of a document with optimistic versions. A file
 * is JSON, or JSON in gzip: `{txns: [{parents: [index], agent, patches: [[position, deleted, inserted]]}], endContent}`, with `startContent`
 * if it does not begin empty; without `parents` each transaction follows the one before. Positions are in code points.
 *
 * What runs: the document is the one in memory of document-store.ts, which checks versions as the server will; refused updates are resolved by
 * the history of edits in `src/documents/edits/`. There is no server in it yet: it needs one that has documents.
 *
 * It shows that exactly the stale updates are refused, that each is resolved, and that the final text is `endContent`.
 * Exit codes: 0 all of that holds, 1 it does not, 2 the run itself failed.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { MemoryStore } from './document-store.ts';
import { replay, SESSION, type Replay } from './replay.ts';

const GZIP = [0x1f, 0x8b];

function read(file: string): unknown {
  const bytes = readFileSync(file);
  const zipped = GZIP.every((byte, at) => bytes[at] === byte);
  return JSON.parse((zipped ? gunzipSync(bytes) : bytes).toString('utf8'));
}

/** Where two texts begin to differ. */
function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  return at;
}

function inWords(file: string, { wrong, unresolved, ...result }: Replay, end: string): string {
  const lines = [
    `${file}: ${result.transactions} transactions, ${result.accepted} accepted as they came, ${result.refused} refused as stale, ${result.resolved} of them resolved`,
    ...wrong.map((index) => `  transaction ${index} was refused or accepted wrongly`),
    ...unresolved.map((index) => `  transaction ${index} was not resolved`),
    result.same
      ? `  the final text is endContent (${result.content.length} units)`
      : `  the final text has ${result.content.length} units, endContent ${end.length}; they differ from ${firstDifference(result.content, end)} on`,
  ];
  return `${lines.join('\n')}\n`;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  });
  if (positionals.length === 0) throw new Error('usage: npm run edit-cases -- FILE… [--json]');
  let failed = 0;
  for (const file of positionals) {
    const session = SESSION.parse(read(file));
    const begin = performance.now();
    const { content, ...result } = await replay(session, new MemoryStore());
    const ms = performance.now() - begin;
    const holds = result.same && result.wrong.length === 0 && result.resolved === result.refused;
    if (!holds) failed += 1;
    const text = values.json
      ? `${JSON.stringify({ file, holds, ...result, ms })}\n`
      : `${inWords(file, { ...result, content }, session.endContent)}  ${(ms / 1_000).toFixed(2)} s\n`;
    process.stdout.write(text);
  }
  return failed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
