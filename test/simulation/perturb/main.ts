/**
 * `node [flags] main.js FILE [--restored-every N] [--shuffled] [--batch N] [--entries N]`
 *
 * Replays the logs in a file (recorded.ts) in this process, whatever its flags, zone and language are, and prints for each the hash
 * of the state after every 100th entry and at the end, and one hash of all that the entries gave. Every process prints the same.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { decodeEntry } from '../../../src/engine/entry.ts';
import { Random } from '../random.ts';
import type { Kept } from '../server-view.ts';
import { readRecorded } from './recorded.ts';
import { OtherReplay, outputBytes, type Way } from './replay.ts';

const HASH_EVERY = 100;

interface Asked {
  readonly way: Way;
  /** So many entries are decoded before the first of them is applied. */
  readonly batch: number;
}

function replayed(
  log: { readonly tenant: string; readonly entries: readonly Kept[] },
  replay: OtherReplay,
  batch: number,
): string {
  const given = createHash('sha256');
  const hashes: string[] = [];
  const { entries } = log;
  for (let from = 0; from < entries.length; from += batch) {
    const decoded = entries.slice(from, from + batch).map((kept) => decodeEntry(kept.payload, kept));
    for (const entry of decoded) {
      given.update(outputBytes(replay.step(entry, entry.seq / entries.length)));
      if (entry.seq % HASH_EVERY === 0 || entry.seq === entries.length) hashes.push(`${entry.seq} ${replay.hash()}`);
    }
  }
  return [log.tenant, ...hashes, given.digest('hex')].join('\n');
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'restored-every': { type: 'string', default: '0' },
      shuffled: { type: 'boolean', default: false },
      batch: { type: 'string', default: '1' },
      entries: { type: 'string', default: '1000000' },
    },
  });
  const asked: Asked = {
    way: { restoredEvery: Number(values['restored-every']), shuffled: values.shuffled, readEvery: 0, elsewhere: false },
    batch: Number(values.batch),
  };
  const { bounds, followUps, logs } = readRecorded(readFileSync(positionals[0] ?? '', 'utf8'));
  Object.assign(LIMITS, bounds);
  for (const { tenant, entries } of logs) {
    const replay = new OtherReplay({ followUpsMax: followUps }, asked.way, new Random(`process ${tenant}`));
    const log = { tenant, entries: entries.slice(0, Number(values.entries)) };
    process.stdout.write(`${replayed(log, replay, asked.batch)}\n`);
  }
}

main();
