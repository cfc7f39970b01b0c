/**
 * What runs inside Redis. Every script touches the keys of one tenant only: the log and its meta hash, or a snapshot.
 *
 * Fields of the meta hash: logId; run, the run id of the server at which the log was opened; epoch; seq, link, ts of
 * the newest entry; baseSeq, baseEpoch, baseTs, baseLink, baseChain of the newest entry that was trimmed; owner, the
 * node that serves the tenant; pass, drawn by that node for each connection; seen, when it last said that it lives.
 *
 * S1 A script refuses before its first write or writes everything: Redis runs it alone, and looks for memory before the
 *    first write of a script and not again.
 * S2 An append is taken only with the run id of this server and the newest pass: an append of an older connection that
 *    arrives late is refused, so what was not there when the log was claimed anew never comes.
 * S3 An append is taken only if the history that its node has applied is part of this log: the link at that place is
 *    compared, not only the number.
 * S4 Time never falls. `floor` is the appender's: the newest stamp that it read and what its monotonic clock counted
 *    since, so that time goes on when the server's clock was set back (../stamps.ts).
 */
import { createHash } from 'node:crypto';
import type { Argument, Link } from './link.ts';
import { ServerRefusal } from './link.ts';
import { refusalOf } from './refusal.ts';

export interface Script {
  readonly text: string;
  readonly sha: string;
}

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

const clock = `
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
`;

const number = `
local function digits(n) return string.format('%.0f', n) end
`;

/** ARGV: run, pass, then of what was applied: epoch, seq, link; floor; payloads. → OK first ts epoch | refusal */
const append = script(`${number}${clock}
local m = redis.call('HMGET', KEYS[2], 'run', 'pass', 'epoch', 'seq', 'link', 'ts', 'baseSeq')
if not m[1] then return {'GONE'} end
if m[1] ~= ARGV[1] or m[2] ~= ARGV[2] then return {'FENCED'} end
local epoch, seq, link = m[3], tonumber(m[4]), m[5]
local applied = tonumber(ARGV[4])
if applied > seq then return {'REGRESSED', m[4]} end
if applied == seq then
  if link ~= ARGV[5] then return {'REGRESSED', m[4]} end
elseif applied > tonumber(m[7]) then
  local id = ARGV[3] .. '-' .. ARGV[4]
  local there = redis.call('XRANGE', KEYS[1], id, id)
  if not there[1] or there[1][2][4] ~= ARGV[5] then return {'REGRESSED', m[4]} end
end
local ts = digits(math.max(now, tonumber(m[6]), tonumber(ARGV[6])))
local first = seq + 1
for i = 7, #ARGV do
  seq = seq + 1
  link = redis.sha1hex(link .. epoch .. ':' .. ts .. ':' .. ARGV[i])
  redis.call('XADD', KEYS[1], epoch .. '-' .. digits(seq), 't', ts, 'l', link, 'p', ARGV[i])
end
redis.call('HSET', KEYS[2], 'seq', digits(seq), 'link', link, 'ts', ts, 'seen', digits(now))
return {'OK', digits(first)}
`);

/**
 * Makes the log if there is none. ARGV: logId, its first link, its first chain (hex), run, node, pass.
 * → MADE | THERE | LEFTOVER
 */
const create = script(`${number}${clock}
if redis.call('EXISTS', KEYS[2]) == 1 then return {'THERE'} end
if redis.call('EXISTS', KEYS[1]) == 1 then return {'LEFTOVER'} end
redis.call('HSET', KEYS[2], 'logId', ARGV[1], 'run', ARGV[4], 'epoch', '1', 'seq', '0', 'link', ARGV[2], 'ts', '0',
  'baseSeq', '0', 'baseEpoch', '0', 'baseTs', '0', 'baseLink', ARGV[2], 'baseChain', ARGV[3],
  'owner', ARGV[5], 'pass', ARGV[6], 'seen', digits(now))
return {'MADE'}
`);

/**
 * Takes the log over for a connection. ARGV: what was seen: run, epoch, seq, link; then run, epoch, node, pass, and for
 * how many ms a node that is silent still has it. → OK | CHANGED | OWNED owner ms
 */
const claim = script(`${number}${clock}
local m = redis.call('HMGET', KEYS[2], 'run', 'epoch', 'seq', 'link', 'owner', 'seen')
if m[1] ~= ARGV[1] or m[2] ~= ARGV[2] or m[3] ~= ARGV[3] or m[4] ~= ARGV[4] then return {'CHANGED'} end
local silent = now - tonumber(m[6])
if m[5] ~= ARGV[7] and silent < tonumber(ARGV[9]) then return {'OWNED', m[5], digits(math.max(0, silent))} end
redis.call('HSET', KEYS[2], 'run', ARGV[5], 'epoch', ARGV[6], 'owner', ARGV[7], 'pass', ARGV[8], 'seen', digits(now))
return {'OK'}
`);

/**
 * Puts entries back as they were. ARGV: what was seen: run, seq, link; then of each entry: epoch, seq, ts, link, payload.
 * → OK | CHANGED | BROKEN seq
 */
const repair = script(`
local m = redis.call('HMGET', KEYS[2], 'run', 'seq', 'link')
if m[1] ~= ARGV[1] or m[2] ~= ARGV[2] or m[3] ~= ARGV[3] then return {'CHANGED'} end
local link = m[3]
for i = 4, #ARGV, 5 do
  link = redis.sha1hex(link .. ARGV[i] .. ':' .. ARGV[i + 2] .. ':' .. ARGV[i + 4])
  if link ~= ARGV[i + 3] then return {'BROKEN', ARGV[i + 1]} end
end
for i = 4, #ARGV, 5 do
  redis.call('XADD', KEYS[1], ARGV[i] .. '-' .. ARGV[i + 1], 't', ARGV[i + 2], 'l', ARGV[i + 3], 'p', ARGV[i + 4])
end
redis.call('HSET', KEYS[2], 'epoch', ARGV[#ARGV - 4], 'seq', ARGV[#ARGV - 3], 'ts', ARGV[#ARGV - 2], 'link', link)
return {'OK'}
`);

/** Says that the node lives, or with "0" that it leaves. ARGV: pass, alive. → OK seq link | GONE | FENCED */
const beat = script(`${number}${clock}
local m = redis.call('HMGET', KEYS[2], 'pass', 'seq', 'link')
if not m[2] then return {'GONE'} end
if m[1] ~= ARGV[1] then return {'FENCED'} end
redis.call('HSET', KEYS[2], 'seen', ARGV[2] == '1' and digits(now) or '0')
return {'OK', m[2], m[3]}
`);

/** Forgets entries. ARGV: pass, epoch and seq of the last one to go, the chain there (hex). → OK | FENCED | MISSING */
const trim = script(`
local m = redis.call('HMGET', KEYS[2], 'pass', 'baseSeq')
if m[1] ~= ARGV[1] then return {'FENCED'} end
if tonumber(ARGV[3]) <= tonumber(m[2]) then return {'OK'} end
local id = ARGV[2] .. '-' .. ARGV[3]
local last = redis.call('XRANGE', KEYS[1], id, id)
if not last[1] then return {'MISSING'} end
redis.call('HSET', KEYS[2], 'baseSeq', ARGV[3], 'baseEpoch', ARGV[2], 'baseTs', last[1][2][2],
  'baseLink', last[1][2][4], 'baseChain', ARGV[4])
redis.call('XTRIM', KEYS[1], 'MINID', ARGV[2] .. '-' .. string.format('%.0f', tonumber(ARGV[3]) + 1))
return {'OK'}
`);

/**
 * A snapshot counts from here on. KEYS: its chunks, the records of snapshots. ARGV: how many chunks, seq, record.
 * → OK and the record that was there before | GONE
 */
const keep = script(`
if redis.call('LLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return {'GONE'} end
local before = redis.call('HGET', KEYS[2], ARGV[2])
redis.call('PERSIST', KEYS[1])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return {'OK', before}
`);

export const SCRIPTS = { append, create, claim, repair, beat, trim, keep } as const;

/** Runs a script by its digest, and by its text where the server does not know it (after SCRIPT FLUSH, a restart). */
export async function runScript(
  link: Link,
  of: { readonly script: Script; readonly keys: readonly string[] },
  args: readonly Argument[],
): Promise<unknown> {
  const { script, keys } = of;
  const rest: readonly Argument[] = [String(keys.length), ...keys, ...args];
  try {
    return await link.call('EVALSHA', script.sha, ...rest);
  } catch (error) {
    if (!(error instanceof ServerRefusal) || refusalOf(error.message) !== 'unknown script') throw error;
    return await link.call('EVAL', script.text, ...rest);
  }
}
